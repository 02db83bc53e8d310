"""Carries out FHIR interactions: Interaction in, Reply out, with no HTTP objects."""
