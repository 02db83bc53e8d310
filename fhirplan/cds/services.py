"""Declares the CDS services that are offered, as discovery tells them (CDS Hooks 2.0, Discovery)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_ENCOUNTER: Final = {"encounter": "Encounter/{{context.encounterId}}"}


@dataclass(frozen=True, slots=True)
class Service:
    """One service: the hook it answers, what it is called, and what it asks the EHR to send along."""

    id: str
    hook: str
    title: str
    description: str
    prefetch: Mapping[str, str] = field(default_factory=dict)


SERVICES: Final[Mapping[str, Service]] = {
    item.id: item
    for item in (
        Service(
            "care-plan",
            "patient-view",
            "Care plan: what needs somebody",
            "Overdue work of the care plan, changes made on both sides, changes that nobody has seen, and gaps.",
        ),
        Service(
            "care-plan-discharge",
            "encounter-discharge",
            "Care plan: before this patient goes home",
            "Whether a call within two business days, a visit, equipment and authorizations are arranged.",
            _ENCOUNTER,
        ),
        Service(
            "care-plan-orders",
            "order-sign",
            "Care plan: orders that are there already",
            "Whether a service that is being ordered was requested already for the care plan.",
        ),
    )
}


def discovery() -> dict[str, Any]:
    """What ``GET /cds-services`` answers."""
    return {"services": [_shown(item) for item in SERVICES.values()]}


def _shown(item: Service) -> dict[str, Any]:
    made: dict[str, Any] = {
        "hook": item.hook,
        "id": item.id,
        "title": item.title,
        "description": item.description,
        "usageRequirements": "The patient's record is kept in agreement with the EHR that calls. Without a care plan "
        "there are no cards.",
    }
    return {**made, "prefetch": dict(item.prefetch)} if item.prefetch else made
