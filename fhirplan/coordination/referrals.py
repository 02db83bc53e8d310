"""The service requests that a template asks for: an action names the service, in an ActivityDefinition it contains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fhirplan.coordination.elements import child, codes, local, objects, texts, word
from fhirplan.coordination.offsets import Window
from fhirplan.coordination.order import PROFILES, Order
from fhirplan.coordination.vocabulary import PERTAINS_TO_GOAL
from fhirplan.coordination.world import World
from fhirplan.fhir.codec import Resource

SERVICE_TYPE: Final = "http://fhirplan.dev/fhir/CodeSystem/cm-service-type"
_STANDING: Final = frozenset({"draft", "active", "on-hold"})


def asks_for_services(definition: Resource) -> bool:
    """Whether applying a template can make service requests."""
    return any(service_of(definition, action) is not None for action in objects(definition.get("action")))


def service_of(definition: Resource, action: dict[str, Any]) -> Resource | None:
    """The contained ActivityDefinition of a service that an action asks for (definitionCanonical ``#id``)."""
    name = word(action, "definitionCanonical")
    if not name.startswith("#"):
        return None
    return next(
        (
            item
            for item in objects(definition.get("contained"))
            if item.get("id") == name[1:]
            and item.get("resourceType") == "ActivityDefinition"
            and item.get("kind") == "ServiceRequest"
        ),
        None,
    )


def standing(world: World, order: Order, service: Resource) -> Resource | None:
    """The patient's request for that service that is not over, so that it is not ordered twice."""
    wanted = codes(service.get("code"), SERVICE_TYPE)
    found = [
        item
        for item in world.of_patient(order.patient, "ServiceRequest")
        if word(item) in _STANDING and wanted & codes(item.get("category"), SERVICE_TYPE)
    ]
    return min(found, key=local, default=None)


def referral(
    order: Order,
    action: dict[str, Any],
    service: Resource,
    plan: str,
    goals: Sequence[str],
    window: Window | None,
    owner: str,
    id_: str,
) -> Resource:
    """A draft request for a service: who may order it signs it, and says why where the plan does not.

    ``goals`` are what it serves, ``window`` when it is to happen, ``owner`` who is to provide it, "" while that is not
    known.
    """
    kinds = [item["role"] for item in objects(action.get("participant")) if isinstance(item.get("role"), dict)]
    made: Resource = {
        "resourceType": "ServiceRequest",
        "id": id_,
        "meta": {"profile": [f"{PROFILES}referral"]},
        "extension": [{"url": PERTAINS_TO_GOAL, "valueReference": {"reference": ref}} for ref in goals],
        "instantiatesUri": [f"{order.canonical}#{action['id']}"],
        "basedOn": [{"reference": plan}],
        "status": "draft",
        "intent": "order",
        "category": [{"coding": objects(child(service, "code", "coding"))}],
        "priority": action.get("priority") or "routine",
        "code": {**(service.get("code") or {}), **texts(action, title="text")},
        "subject": {"reference": order.patient},
        "encounter": {"reference": order.encounter} if order.encounter else None,
        "occurrencePeriod": occurrence(window) if window else None,
        "authoredOn": order.now.astimezone(order.zone).isoformat(timespec="seconds"),
        "requester": {"reference": order.lead},
        "performerType": kinds[0] if kinds else None,
        "performer": [{"reference": owner}] if owner else None,
        "reasonReference": [{"reference": ref} for ref in _reasons(order)],
    }
    return {key: item for key, item in made.items() if item}


def _reasons(order: Order) -> list[str]:
    """The conditions that the plan addresses."""
    return [str(item.get("reference")) for item in objects(child(order.plan, "addresses")) if item.get("reference")]


def dated(stored: Resource | None, window: Window) -> Resource | None:
    """A draft request that nobody has dated, dated now that its anchor is known; None where there is nothing to do."""
    if stored is None or word(stored) != "draft" or any(name.startswith("occurrence") for name in stored):
        return None
    return {**stored, "occurrencePeriod": occurrence(window)}


def occurrence(window: Window) -> dict[str, str]:
    """When it is to happen, as a Period."""
    return {"start": window.start.isoformat(timespec="seconds"), "end": window.due.isoformat(timespec="seconds")}
