"""Says what the sandbox EHR can do, from the declarations that it works by (R4 section 4.1, CapabilityStatement)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fhirplan.fhir.codec import Resource
from fhirplan.sandbox.definitions import TYPES, Parameter
from fhirplan.sandbox.query import PREFIXES

_INTERACTIONS: Final = (
    "read",
    "vread",
    "update",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
_ID: Final = {"name": "_id", "type": "token", "documentation": "The resource's id."}
_LAST_UPDATED: Final = {
    "name": "_lastUpdated",
    "type": "date",
    "documentation": f"To the millisecond; with {', '.join(PREFIXES)}; may stand several times.",
}
_DOCUMENTATION: Final = (
    "Searches take _id, _lastUpdated, the parameters listed, and _count, _sort (_lastUpdated, -_lastUpdated), _total, "
    "_summary=count, _include and _revinclude. Any other parameter is an error. References take Type/id, id or an "
    "address; no chains; of modifiers only the type of a reference. Pages are of the data as they were at the first."
)


def statement(base: str, version: str) -> Resource:
    """The CapabilityStatement for this base URL; ``version`` is of this software."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-21",
        "kind": "instance",
        "software": {"name": "fhirplan sandbox EHR", "version": version},
        "implementation": {"description": "An open R4 EHR to test against, with synthetic data", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "documentation": _DOCUMENTATION,
                "resource": [_resource(type_, parameters) for type_, parameters in TYPES.items()],
                "interaction": [{"code": code} for code in ("transaction", "batch", "history-system")],
            }
        ],
    }


def _resource(type_: str, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    references = [code for code, parameter in parameters.items() if parameter.kind == "reference"]
    pointing = [
        f"{source}:{code}"
        for source, listed in TYPES.items()
        for code, parameter in listed.items()
        if parameter.kind == "reference" and _may_point(code, parameter, type_)
    ]
    stated = {
        "type": type_,
        "interaction": [{"code": code} for code in _INTERACTIONS],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "not-match",
        "conditionalUpdate": True,
        "conditionalDelete": "not-supported",
        "searchInclude": ["*", *(f"{type_}:{code}" for code in references)] if references else [],
        "searchRevInclude": pointing,
        "searchParam": [_ID, _LAST_UPDATED, *map(_parameter, parameters.values())],
    }
    return {key: value for key, value in stated.items() if value != []}


def _may_point(code: str, parameter: Parameter, type_: str) -> bool:
    return type_ in parameter.targets if parameter.targets else code != "patient"


def _parameter(parameter: Parameter) -> dict[str, str]:
    return {"name": parameter.code, "type": "reference" if parameter.kind == "reference" else "token"}
