"""Speaks FHIR to an EHR over HTTP, and says in plain words what came of it."""
