"""Chooses the ways by which a change can reach an EHR, the best first, from what it offers and what fits. Pure.

The own interaction → ServiceRequest, Communication or QuestionnaireResponse where it fits → DocumentReference with the
plan as narrative → Basic → kept here only. A Task's own update is first wherever it is offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from fhirplan.ehr.discovery import Capabilities, TypeCapability
from fhirplan.ehr.vendors.vendor import Vendor

Elsewhere = Literal["ServiceRequest", "Communication", "QuestionnaireResponse", "DocumentReference", "Basic"]
Method = Literal["create", "update", "delete"]
ROUTE: Final[Mapping[str, str]] = {
    "ServiceRequest": "service-request",
    "Communication": "communication",
    "QuestionnaireResponse": "questionnaire-response",
    "DocumentReference": "document",
    "Basic": "basic",
}
"""What a receipt calls each way that is not the resource's own."""
# What stands in for a type, the most fitting first. A plan is a document; a task is an order; the rest is a message.
_INSTEAD: Final[Mapping[str, tuple[Elsewhere, ...]]] = {
    "CarePlan": ("DocumentReference", "Communication", "QuestionnaireResponse", "Basic"),
    "Task": ("ServiceRequest", "Communication", "QuestionnaireResponse", "DocumentReference", "Basic"),
    "Goal": ("Communication", "QuestionnaireResponse", "DocumentReference", "Basic"),
    "CareTeam": ("Communication", "QuestionnaireResponse", "DocumentReference", "Basic"),
}


def own(offered: TypeCapability, method: Method) -> bool:
    """Whether the EHR takes this change as what it is."""
    return offered.can(method)


def instead(capabilities: Capabilities, type_: str, method: Method) -> tuple[Elsewhere, ...]:
    """The types by which such a change can go when its own interaction is closed, in order; none for a deletion."""
    if method == "delete":
        return ()
    return tuple(way for way in _INSTEAD.get(type_, ()) if capabilities.of(way).can("create"))


def told(capabilities: Capabilities, vendor: Vendor, type_: str, method: Method) -> str:
    """The way a change of this kind would go, in words."""
    item = capabilities.of(type_)
    if own(item, method):
        if method == "create":
            return "own create, conditional" if item.conditional_create else "own create, after a look"
        guarded = item.guards_updates and not vendor.unsafe_if_match
        return f"own {method}, If-Match" if guarded else f"own {method}, after a look"
    ways = instead(capabilities, type_, method)
    return f"as {ways[0]}" if ways else "kept here only"
