"""Serves Provenance: what is stored, and what is made of writes."""
