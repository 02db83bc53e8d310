"""Says what the sandbox EHR can do, from the declarations that it works by (R4 section 4.1, CapabilityStatement)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fhirplan.fhir.codec import Resource
from fhirplan.sandbox.definitions import TYPES, Parameter
from fhirplan.sandbox.persona import Offer, Persona
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


def statement(base: str, version: str, persona: Persona, token_url: str = "") -> Resource:
    """The CapabilityStatement for this base URL; ``version`` is of this software, ``token_url`` where tokens are asked
    for, "" where none is needed."""
    rest: dict[str, Any] = {
        "mode": "server",
        "documentation": _DOCUMENTATION if persona.whole else _told(persona),
        "security": _security(token_url),
        "resource": _whole() if persona.whole else [_offered(persona, type_) for type_ in sorted(persona.types)],
        "interaction": [{"code": code} for code in ("transaction", "batch", "history-system")] if persona.whole else [],
    }
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-21",
        "kind": "instance",
        "software": {"name": persona.software, "version": version},
        "implementation": {"description": persona.title, "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [{key: value for key, value in rest.items() if value}],
    }


def _security(token_url: str) -> dict[str, Any]:
    """How tokens are got, as clients of before smart-configuration look for it (SMART App Launch 2.2, conformance)."""
    if not token_url:
        return {}
    uris = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    coding = {"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR"}
    return {
        "extension": [{"url": uris, "extension": [{"url": "token", "valueUri": token_url}]}],
        "service": [{"coding": [coding]}],
    }


def _told(persona: Persona) -> str:
    return " ".join(fact.said for fact in persona.facts.values())


def _offered(persona: Persona, type_: str) -> dict[str, Any]:
    """One type as an EHR offers it."""
    offer = persona.types[type_]
    searched = "search-type" in offer.interactions
    stated = {
        "type": type_,
        "interaction": [{"code": code} for code in (*_INTERACTIONS, "patch") if code in offer.interactions],
        "versioning": "versioned",
        "readHistory": False,
        "updateCreate": False,
        "conditionalCreate": False,
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
        "searchInclude": list(persona.includes) if searched else [],
        "searchRevInclude": list(persona.revincludes) if searched else [],
        "searchParam": list(_parameters(offer, TYPES[type_])) if searched else [],
    }
    return {key: value for key, value in stated.items() if value != []}


def _parameters(offer: Offer, known: Mapping[str, Parameter]) -> Iterator[dict[str, str]]:
    yield _ID
    if offer.last_updated:
        yield _LAST_UPDATED if offer.last_updated == "instant" else {**_LAST_UPDATED, "documentation": "By day."}
    for code in offer.search:
        remarks = [f"Needed: {' or '.join(group)}." for group in offer.required if code in group]
        if code in offer.values:
            remarks.append(f"Takes {' or '.join(offer.values[code])} only.")
        if code in offer.paired:
            remarks.append("Taken only as a pair with ge and le.")
        stated = _parameter(known[code])
        yield {**stated, "documentation": " ".join(remarks)} if remarks else stated


def _whole() -> list[dict[str, Any]]:
    return [_resource(type_, parameters) for type_, parameters in TYPES.items()]


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
    return {"name": parameter.code, "type": "token" if parameter.kind == "code" else parameter.kind}
