"""Refuses query parameters that an interaction does not know, since none may be ignored silently."""

from __future__ import annotations

from fhirplan.errors import MalformedRequest
from fhirplan.interactions.values import Interaction


def refuse_parameters(interaction: Interaction, *served: str) -> None:
    """Raises MalformedRequest, naming it, for the first parameter that is not among ``served``."""
    for name, _ in interaction.parameters:
        if name not in served:
            listed = ", ".join((*served, "_format", "_pretty"))
            raise MalformedRequest(
                f"The parameter {name[:80]!r} means nothing to {_NAMES.get(interaction.kind, interaction.kind)}. "
                f"Served are {listed}.",
                expression=f"http.{name[:80]}",
            )


_NAMES = {
    "bundle": "a transaction or batch",
    "capabilities": "metadata",
    "history-instance": "a history",
    "history-type": "a history",
    "history-system": "a history",
    "patch": "a patch",
    "update": "an update",
    "validate": "$validate",
    "plan-everything": "$everything",
    "subscription-status": "$status",
    "subscription-events": "$events",
    **{kind: f"${kind}" for kind in ("everything", "as-of", "explain", "meta", "meta-add", "meta-delete")},
    "access-explain": "$explain",
    "audit-read": "a read",
    "audit-search": "a search for AuditEvents",
    "definition-read": "a read",
    "definition-search": "a list of definitions",
    "create": "a create",
    "delete": "a delete",
    "read": "a read",
    "vread": "a read of a version",
}
