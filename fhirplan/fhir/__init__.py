"""FHIR values and JSON, without input or output."""
