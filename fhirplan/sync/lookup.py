"""Finds out whether a create has landed already: by our mark on the EHR's copy, as well as this EHR can be asked."""

from __future__ import annotations

from collections.abc import Mapping

from fhirplan.ehr.answered import RemoteCopy, remote_copy
from fhirplan.ehr.discovery import TypeCapability
from fhirplan.errors import EhrRejected
from fhirplan.fhir.codec import Resource
from fhirplan.sync.content import mark_search, marks
from fhirplan.sync.sides import Sides


def condition(offered: TypeCapability, body: Resource, our_id: str) -> str:
    """The search that must find nothing for a create to be carried out, "" where the EHR does not take one."""
    name, value = mark_search(body, our_id)
    return f"{name}={value}" if offered.conditional_create and name in offered.search else ""


def look(sides: Sides, offered: TypeCapability, body: Resource, our_id: str) -> RemoteCopy | None:
    """The EHR's resource that carries our id, or None when an earlier create surely did not land.

    Raises EhrRejected when this EHR gives no way to tell.
    """
    name, value = mark_search(body, our_id)
    asked = query(offered, body, name, value)
    for page in sides.client.search(offered.type, asked):
        for resource in page.resources:
            # An EHR may ignore a parameter it does not know, so the answer is checked.
            if our_id in marks(resource):
                return remote_copy(resource)
    return None


def query(offered: TypeCapability, body: Resource, name: str, value: str) -> Mapping[str, str]:
    """The search by which to look for what carries a mark; raises EhrRejected when this EHR gives no way to tell."""
    if offered.can("search-type"):
        if name in offered.search:
            return {name: value}
        subject = _patient(body)
        if "patient" in offered.search and subject:
            return {"patient": subject}
    raise EhrRejected(
        f"An earlier attempt to create this {offered.type} got no answer, and the EHR offers no search by which to "
        "find out whether it landed. Look there, then retry or park it.",
        status=0,
    )


def _patient(body: Resource) -> str:
    for key in ("subject", "patient", "for", "beneficiary"):
        element = body.get(key)
        text = element.get("reference") if isinstance(element, dict) else None
        if isinstance(text, str) and text.startswith("Patient/"):
            return text
    return ""
