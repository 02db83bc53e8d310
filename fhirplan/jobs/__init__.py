"""Runs pull and push when they are due."""
