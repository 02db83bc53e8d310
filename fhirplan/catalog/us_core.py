"""The searches that US Core 6.1 to 9.0 demand or recommend for the types served, and our own for Task."""

from __future__ import annotations

from typing import Final, Literal

SEARCHES: Final[tuple[tuple[Literal["SHALL", "SHOULD", "ours"], str, str], ...]] = (
    ("SHALL", "CarePlan", "patient category"),
    ("SHOULD", "CarePlan", "patient category status"),
    ("SHOULD", "CarePlan", "patient category status date"),
    ("SHOULD", "CarePlan", "patient category date"),
    ("SHALL", "CareTeam", "patient status"),
    ("SHOULD", "CareTeam", "role"),
    ("SHOULD", "CareTeam", "patient role"),
    ("SHALL", "Goal", "patient"),
    ("SHOULD", "Goal", "patient target-date"),
    ("SHOULD", "Goal", "patient description"),
    ("SHOULD", "Goal", "patient lifecycle-status"),
    ("SHALL", "ServiceRequest", "patient"),
    ("SHALL", "ServiceRequest", "_id"),
    ("SHALL", "ServiceRequest", "patient category authored"),
    ("SHALL", "ServiceRequest", "patient category"),
    ("SHALL", "ServiceRequest", "patient code"),
    ("SHOULD", "ServiceRequest", "patient status"),
    ("SHOULD", "ServiceRequest", "patient authored code"),
    ("ours", "Task", "patient status"),
    ("ours", "Task", "patient code"),
    ("ours", "Task", "owner status"),
    ("ours", "Task", "based-on status"),
    ("ours", "Task", "patient due"),
    ("ours", "Task", "patient _lastUpdated"),
)
"""What US Core says of it, the type, and the parameters that are given together."""
