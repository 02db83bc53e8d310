"""The terminal: turns a command line into calls and their results into text."""
