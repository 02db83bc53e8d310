"""Understands a FHIR search and the values it looks for; no database."""
