"""Compares two FHIR date texts of any precision (R4 section 2.24.0.1, dateTime; FHIRPath section 6.2)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_PARTS: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)


def compare(first: str, second: str) -> int | None:
    """-1, 0 or 1 as ``first`` is earlier, the same or later; None where precision leaves it open or a text is wrong."""
    one, other = _PARTS.fullmatch(first), _PARTS.fullmatch(second)
    if one is None or other is None:
        return None
    if one[8] and other[8]:
        start, end = _instant(one), _instant(other)
        return None if start is None or end is None else (start > end) - (start < end)
    for left, right in zip(one.groups()[:6], other.groups()[:6], strict=True):
        if left is None or right is None:
            return 0 if left is right else None
        if left != right:
            return 1 if left > right else -1
    return 0


def _instant(found: re.Match[str]) -> datetime | None:
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        made = datetime(int(year), int(month), int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC)
        made += timedelta(microseconds=int(((fraction or "") + "000000")[:6]))
        if zone != "Z":
            shift = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
            made = made - shift if zone[0] == "+" else made + shift
    except (ValueError, OverflowError):
        return None
    return made
