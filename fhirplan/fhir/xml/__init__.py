"""Reads and writes FHIR XML as exactly as FHIR JSON (R4 section 2.6.1)."""

from fhirplan.fhir.xml.read import from_xml
from fhirplan.fhir.xml.write import to_xml

__all__ = ["from_xml", "to_xml"]
