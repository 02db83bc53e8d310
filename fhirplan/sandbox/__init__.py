"""Plays an open R4 EHR: a second FHIR server with its own storage and search, sharing only ``fhir`` with fhirplan."""
