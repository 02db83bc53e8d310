"""HTTP: turns requests into interactions and replies into responses; the only room besides the sandbox with Flask."""
