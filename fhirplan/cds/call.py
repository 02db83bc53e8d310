"""Reads the body of a call to a CDS service (CDS Hooks 2.0, Calling a CDS Service)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fhirplan.cds.services import Service
from fhirplan.errors import MalformedRequest
from fhirplan.fhir.codec import Resource

_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "patient-view": ("userId", "patientId"),
    "encounter-discharge": ("userId", "patientId", "encounterId"),
    "order-sign": ("userId", "patientId", "draftOrders"),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call. Ids are the EHR's. ``token`` is what the EHR lends us to read at ``server``, "" for none; it is
    neither kept nor logged. ``prefetch`` has what was sent along, without what the EHR could not get."""

    service: Service
    instance: str
    user: str
    patient: str
    encounter: str = ""
    drafts: tuple[Resource, ...] = ()
    server: str = ""
    token: str = field(default="", repr=False)
    prefetch: Mapping[str, Resource] = field(default_factory=dict, repr=False)


def parsed(service: Service, body: Any) -> Call:
    """The call that a body makes; raises MalformedRequest naming what is missing or wrong."""
    if not isinstance(body, dict):
        raise _wrong("The body", "a JSON object with hook, hookInstance and context")
    if body.get("hook") != service.hook:
        raise _wrong("hook", f"{service.hook}, which this service answers")
    instance = body.get("hookInstance")
    if not isinstance(instance, str) or not UUID.fullmatch(instance):
        raise _wrong("hookInstance", "a UUID")
    context = body.get("context")
    if not isinstance(context, dict):
        raise _wrong("context", "an object")
    for name in _NEEDS[service.hook]:
        if not context.get(name):
            raise _wrong(f"context.{name}", f"given, as {service.hook} has it")
    patient = _id(context, "patientId", "Patient")
    server, token = _lent(body, patient)
    return Call(
        service=service,
        instance=instance.lower(),
        user=str(context["userId"])[:200],
        patient=patient,
        encounter=_id(context, "encounterId", "Encounter") if context.get("encounterId") else "",
        drafts=_drafts(context) if service.hook == "order-sign" else (),
        server=server,
        token=token,
        prefetch=_prefetched(body.get("prefetch")),
    )


def _id(context: Mapping[str, Any], name: str, type_: str) -> str:
    value = context[name]
    plain = value.removeprefix(f"{type_}/") if isinstance(value, str) else ""
    if not _ID.fullmatch(plain):
        raise _wrong(f"context.{name}", f"the id of a {type_}")
    return plain


def _drafts(context: Mapping[str, Any]) -> tuple[Resource, ...]:
    bundle = context["draftOrders"]
    listed = bundle.get("entry", []) if isinstance(bundle, dict) and bundle.get("resourceType") == "Bundle" else None
    if not isinstance(listed, list):
        raise _wrong("context.draftOrders", "a Bundle")
    found = (item.get("resource") for item in listed if isinstance(item, dict))
    return tuple(item for item in found if isinstance(item, dict) and isinstance(item.get("resourceType"), str))


def _lent(body: Mapping[str, Any], patient: str) -> tuple[str, str]:
    """The EHR's FHIR base and the token to read there; "" where none is given."""
    server = body.get("fhirServer", "")
    if not isinstance(server, str):
        raise _wrong("fhirServer", "a URL")
    lent = body.get("fhirAuthorization")
    if lent is None:
        return server.rstrip("/"), ""
    if not isinstance(lent, dict) or not server:
        raise _wrong("fhirAuthorization", "an object, given with fhirServer")
    token = lent.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token) or str(lent.get("token_type")).lower() != "bearer":
        raise _wrong("fhirAuthorization", "a Bearer access_token")
    if lent.get("patient", patient) != patient:
        raise _wrong("fhirAuthorization.patient", "the patient of the context")
    return server.rstrip("/"), token


def _prefetched(given: Any) -> dict[str, Resource]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise _wrong("prefetch", "an object")
    return {
        name: item
        for name, item in given.items()
        if isinstance(item, dict) and item.get("resourceType") not in (None, "OperationOutcome")
    }


def _wrong(name: str, expected: str) -> MalformedRequest:
    return MalformedRequest(f"{name} must be {expected} (CDS Hooks 2.0).")
