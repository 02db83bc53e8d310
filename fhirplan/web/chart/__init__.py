"""The pages below /chart."""
