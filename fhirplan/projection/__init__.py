"""Keeps the coordination state current: computed from a patient's record, written as List, Flags and rows for lists."""
