"""Reads and writes points in time as milliseconds since 1970 (R4 section 2.24.0.1 instant, 3.1.1.4.7 date search)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_CEILING, Decimal
from email.utils import formatdate
from typing import Final

_DATE: Final = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST: Final = -(10**15)
LATEST: Final = 10**15
"""Milliseconds before and after every date that can be written."""
DIGITS: Final = 16


def sortable(milliseconds: int) -> str:
    """An instant as text of DIGITS characters whose order is that of time."""
    return f"{milliseconds - EARLIEST:0{DIGITS}d}"


def text(milliseconds: int) -> str:
    """An instant as FHIR writes it, in UTC, always with three digits of a second."""
    whole = _EPOCH + timedelta(seconds=milliseconds // 1000)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def http_date(milliseconds: int) -> str:
    """An instant as HTTP headers write it, which is to the second."""
    return formatdate(milliseconds // 1000, usegmt=True)


def span(written: str) -> tuple[int, int]:
    """The milliseconds a date stands for, from the first to before the second: ``2026-11`` is all of November in UTC.

    Both ends are rounded up, so that whole milliseconds compare with them as the exact instants would.
    Raises ValueError when it is no date.
    """
    found = _DATE.fullmatch(written)
    if not found:
        raise ValueError(written)
    part = {key: value for key, value in found.groupdict().items() if value is not None}
    start = datetime(
        int(part["year"]),
        int(part.get("month", 1)),
        int(part.get("day", 1)),
        int(part.get("hour", 0)),
        int(part.get("minute", 0)),
        int(part.get("second", 0)),
        tzinfo=_zone(part.get("zone", "Z")),
    )
    if "fraction" in part:
        return _fraction(_milliseconds(start), part["fraction"])
    return _milliseconds(start), _milliseconds(_after(start, part))


def _zone(written: str) -> timezone:
    if written == "Z":
        return UTC
    minutes = int(written[1:3]) * 60 + int(written[4:6])
    return timezone(timedelta(minutes=-minutes if written[0] == "-" else minutes))


def _after(start: datetime, part: dict[str, str]) -> datetime:
    if "second" in part:
        return start + timedelta(seconds=1)
    if "minute" in part:
        return start + timedelta(minutes=1)
    if "day" in part:
        return start + timedelta(days=1)
    if "month" in part and start.month < 12:
        return start.replace(month=start.month + 1)
    return start.replace(year=start.year + 1, month=1)


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _fraction(second: int, digits: str) -> tuple[int, int]:
    start = second + 1000 * Decimal(f"0.{digits}")
    end = start + 1000 * Decimal(1).scaleb(-len(digits))
    return int(start.to_integral_value(ROUND_CEILING)), int(end.to_integral_value(ROUND_CEILING))
