"""fhirplan: a FHIR R4-native care-plan integration server for nurse case management."""

__version__ = "0.1.0"
