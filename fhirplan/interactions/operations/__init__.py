"""The operations that are served, one file each, and their declarations."""
