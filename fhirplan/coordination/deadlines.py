"""Counts deadlines in a patient's time zone: ends of days, calendar offsets, business days (guide section 2.5)."""

from __future__ import annotations

from collections.abc import Set
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from zoneinfo import ZoneInfo

_LAST = clock_time(23, 59, 59)


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The last second of a day in ``zone``."""
    return datetime.combine(day, _LAST, zone)


def days_after(at: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The end of the day that is ``days`` calendar days after the day of ``at``."""
    return end_of_day(at.astimezone(zone).date() + timedelta(days=days), zone)


def business_days_after(at: datetime, days: int, zone: ZoneInfo, holidays: Set[date] = frozenset()) -> datetime:
    """The end of the ``days``-th business day after the day of ``at``: Monday to Friday without ``holidays``."""
    day = at.astimezone(zone).date()
    left = days
    while left > 0:
        day += timedelta(days=1)
        left -= day.weekday() < 5 and day not in holidays
    return end_of_day(day, zone)
