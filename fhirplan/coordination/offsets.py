"""Reads a template's offsets: from an anchor to the window in which an action is to be done (guide section 2.5)."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fhirplan.coordination.deadlines import business_days_after
from fhirplan.coordination.elements import child, word


@dataclass(frozen=True, slots=True)
class Window:
    """Not before ``start``, due at ``due``; both in the patient's zone."""

    start: datetime
    due: datetime


def window(
    anchor: datetime,
    related: dict[str, Any],
    business_days: bool,
    zone: ZoneInfo,
    holidays: Set[date] = frozenset(),
) -> Window | None:
    """The window of a PlanDefinition.action.relatedAction around an anchor; None when the offset cannot be read.

    ``after-end`` opens the low offset after the anchor and is due the high one after it; ``before-start`` opens the
    high offset before it and is due the low one before. Hours are counted as they pass, days by the clock on the
    wall. With ``business_days`` the due time is the end of the n-th business day after the anchor's day.
    """
    given = related.get("offsetDuration")
    low, high = (child(related, "offsetRange", end) or given for end in ("low", "high"))
    if word(related, "relationship") == "before-start":
        start, due = _moved(anchor, high, -1, zone), _moved(anchor, low, -1, zone)
    else:
        start, due = _moved(anchor, low, 1, zone), _moved(anchor, high, 1, zone)
        days = child(high, "value")
        if business_days and isinstance(days, int):
            due = business_days_after(anchor, days, zone, holidays)
    return Window(start, due) if start is not None and due is not None else None


def _moved(anchor: datetime, offset: Any, sign: int, zone: ZoneInfo) -> datetime | None:
    value, unit = child(offset, "value"), word(offset, "code") or word(offset, "unit")
    if isinstance(value, bool) or value is None:
        return None
    count = sign * float(value)
    if unit in ("h", "min"):
        passed = timedelta(hours=count) if unit == "h" else timedelta(minutes=count)
        return (anchor.astimezone(UTC) + passed).astimezone(zone)
    days = {"d": 1, "wk": 7}.get(unit)
    return anchor.astimezone(zone) + timedelta(days=count * days) if days else None
