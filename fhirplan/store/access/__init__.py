"""Keeps who may see what: clients, grants, sessions, keys, and what consents withhold."""
