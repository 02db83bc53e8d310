"""Changes a resource by JSON Patch (RFC 6902) or FHIRPath Patch (R4, FHIRPath Patch), and says what changed.

Nothing given is ever changed: each function gives a new resource, or raises and gives none.
"""

from fhirplan.fhir.patch.difference import diff
from fhirplan.fhir.patch.failures import FailedTest
from fhirplan.fhir.patch.path_patch import fhirpath_patch
from fhirplan.fhir.patch.pointer_patch import json_patch, patched

__all__ = ["FailedTest", "diff", "fhirpath_patch", "json_patch", "patched"]
