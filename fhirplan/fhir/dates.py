"""Reads FHIR's partial dates as spans of time, and writes instants (R4 sections 2.24.0.1 and 3.1.1.4.7).

A span is in milliseconds since 1970-01-01 UTC and holds ``low`` but not ``high``: ``2026-11`` is all of November,
``2026-11-21T18:49:00Z`` one second. A date or time without a zone is read as UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

# Before and after anything that FHIR can write (years 0001 to 9999); the ends of an open period.
BEGINNING: Final = -(2**53)
END: Final = 2**53

_DAY: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1).toordinal()
_PARTIAL: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,12}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """From ``low`` up to but without ``high``, in milliseconds since 1970-01-01 UTC."""

    low: int
    high: int

    def overlaps(self, other: Span) -> bool:
        """Whether both have a moment in common."""
        return self.low < other.high and other.low < self.high

    def contains(self, other: Span) -> bool:
        """Whether all of ``other`` lies in this one."""
        return self.low <= other.low and other.high <= self.high


def span(text: Any) -> Span | None:
    """The span of a date, dateTime or instant; None for anything that is none (``2026-02-30``, ``tomorrow``, 7)."""
    if not isinstance(text, str):
        return None
    # Both versions of a resource that is updated, and many of one plan, name the same dates.
    return _remembered(text) if len(text) <= _SHORT else _span(text)


def _span(text: str) -> Span | None:
    found = _PARTIAL.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        if month is None:
            return Span(_midnight(int(year), 1, 1), _midnight(int(year) + 1, 1, 1))
        if day is None:
            after = (int(year), int(month) + 1) if month != "12" else (int(year) + 1, 1)
            return Span(_midnight(int(year), int(month), 1), _midnight(*after, 1))
        low = _midnight(int(year), int(month), int(day))
    except ValueError:
        return None
    if hour is None:
        return Span(low, low + _DAY)
    return _with_time(low, hour, minute, second, fraction, zone)


_SHORT: Final = 40
_remembered: Final = lru_cache(maxsize=4096)(_span)


def _midnight(year: int, month: int, day: int) -> int:
    if year == 10_000:
        return _midnight(9999, 12, 31) + _DAY
    return (date(year, month, day).toordinal() - _EPOCH) * _DAY


def _with_time(
    day: int, hour: str, minute: str, second: str | None, fraction: str | None, zone: str | None
) -> Span | None:
    # R4's own pattern of dateTime allows a leap second.
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 60:
        return None
    low = day + int(hour) * 3_600_000 + int(minute) * 60_000
    if zone is not None and zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if minutes > 59 or hours * 60 + minutes > 14 * 60:
            return None
        shift = hours * 3_600_000 + minutes * 60_000
        low += shift if zone[0] == "-" else -shift
    if second is None:
        return Span(low, low + 60_000)
    low += int(second) * 1000
    if fraction is None:
        return Span(low, low + 1000)
    low += int(fraction[:3].ljust(3, "0"))
    return Span(low, low + 10 ** max(3 - len(fraction), 0))


def period(value: Any) -> Span | None:
    """The span of a Period: a missing start or end is open. None when it has neither, or one that is no date."""
    if not isinstance(value, dict) or ("start" not in value and "end" not in value):
        return None
    start = span(value["start"]) if "start" in value else Span(BEGINNING, BEGINNING)
    end = span(value["end"]) if "end" in value else Span(END, END)
    if start is None or end is None or end.high <= start.low:
        return None
    return Span(start.low, end.high)


def timing(value: Any) -> Span | None:
    """The outer limits of a Timing (R4 section 3.1.1.4.7): its events and the bounds of its repeat."""
    if not isinstance(value, dict):
        return None
    repeat = value.get("repeat")
    events = value.get("event")
    found = [span(item) for item in events] if isinstance(events, list) else []
    found.append(period(repeat.get("boundsPeriod")) if isinstance(repeat, dict) else None)
    spans = [item for item in found if item is not None]
    return Span(min(item.low for item in spans), max(item.high for item in spans)) if spans else None


def instant(milliseconds: int) -> str:
    """The FHIR instant of a moment: ``2026-11-21T18:49:00.123Z``."""
    at = _START + timedelta(milliseconds=milliseconds)
    return at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def milliseconds(at: datetime) -> int:
    """The milliseconds since 1970-01-01 UTC of an aware datetime, rounded down."""
    return (at - _START) // _MILLISECOND
