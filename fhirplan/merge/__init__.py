"""Merges two edits of one resource, field by field, or says in a nurse's terms where they collide. Pure."""
