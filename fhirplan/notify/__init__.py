"""Tells subscribers what changed."""
