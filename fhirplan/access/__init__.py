"""Decides what an actor may see and do, without knowing how they were recognised."""
