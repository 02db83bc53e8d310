"""Turns the answers of the case management assessment into findings, needs, goals, tasks and a risk (guide 2.4)."""
