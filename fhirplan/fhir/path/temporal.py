"""Dates, dateTimes and times with the precision they were given: parsed, compared, added to (FHIRPath N1 section 6)."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal

from fhirplan.fhir.path.failures import NotEvaluable

Kind = Literal["date", "dateTime", "time"]

_FORM: Final = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?"
    r"(?P<T>T(?:(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d(?:\.\d+)?))?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?)?",
    re.ASCII,
)
_TIME: Final = re.compile(r"T?(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d(?:\.\d+)?))?)?", re.ASCII)
_NAMES: Final = ("year", "month", "day", "hour", "minute", "second")
_MOST_HOURS_APART: Final = 26  # zones run from -12:00 to +14:00
_MAX_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class Temporal:
    """A date, dateTime or time.

    ``parts`` holds as many of year, month, day, hour, minute, second as were given (a time starts at hour; seconds
    with a fraction are a Decimal); ``zone`` is the offset from UTC in minutes, None when not given; ``utc`` are the
    parts moved to UTC, equal to ``parts`` without a zone.
    """

    kind: Kind
    parts: tuple[int | Decimal, ...]
    zone: int | None
    utc: tuple[int | Decimal, ...]

    @classmethod
    def at(cls, kind: Kind, parts: tuple[int | Decimal, ...], zone: int | None) -> Temporal:
        """The date or dateTime of these parts in a zone."""
        return cls(kind, parts, zone, _moved(parts, zone))

    def __str__(self) -> str:
        parts = [f"{part:02}" if isinstance(part, int) else _seconds(part) for part in self.parts]
        if self.kind == "time":
            return ":".join(parts)
        day = "-".join([f"{self.parts[0]:04}", *parts[1:3]])
        clock = ":".join(parts[3:])
        return f"{day}T{clock}{_zone(self.zone)}" if clock else day


def _seconds(value: Decimal) -> str:
    whole, _, fraction = f"{value:f}".partition(".")
    return f"{int(whole):02}.{fraction}" if fraction else f"{int(whole):02}"


def _zone(minutes: int | None) -> str:
    if minutes is None:
        return ""
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


@lru_cache(maxsize=8192)
def parse(text: str) -> Temporal | None:
    """The date or dateTime that a string spells, None when it spells none (month 13, 30 February, other text)."""
    found = _FORM.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if not found:
        return None
    parts = _parts(found, _NAMES)
    if not _is_real(parts):
        return None
    kind: Kind = "dateTime" if found["T"] else "date"
    zone = _offset(found["zone"])
    return Temporal(kind, parts, zone, _moved(parts, zone))


@lru_cache(maxsize=1024)
def parse_time(text: str) -> Temporal | None:
    """The time that a string spells, with or without a leading T; None when it spells none."""
    found = _TIME.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if not found:
        return None
    parts = _parts(found, _NAMES[3:])
    return Temporal("time", parts, None, parts) if _is_real((2000, 1, 1, *parts)) else None


def looks_temporal(text: str) -> bool:
    """Whether a string may spell a date or a dateTime, judged by its first characters only."""
    return len(text) >= 4 and text[:4].isdigit() and (len(text) == 4 or text[4] == "-")


def same_form(left: str, right: str) -> bool:
    """Whether two dates or dateTimes have one precision and one spelling of one zone, so that text order is theirs."""
    length = len(left)
    if length != len(right):
        return False
    return length <= 10 or (left[-1] == "Z" == right[-1]) or (left[-6] in "+-" and left[-6:] == right[-6:])


def of_datetime(moment: datetime) -> Temporal:
    """A moment as a dateTime to the millisecond, in its own zone."""
    made = parse(moment.isoformat(timespec="milliseconds"))
    if made is None:
        raise NotEvaluable("The time given for now() cannot be used; its zone must be in whole minutes.")
    return made


def as_date(value: Temporal) -> Temporal:
    """The date of a dateTime, without its time."""
    parts = value.parts[:3]
    return Temporal("date", parts, None, parts)


def _parts(found: re.Match[str], names: tuple[str, ...]) -> tuple[int | Decimal, ...]:
    made: list[int | Decimal] = []
    for name in names:
        text = found[name]
        if text is None:
            break
        made.append(Decimal(text) if "." in text else int(text))
    return tuple(made)


def _is_real(parts: tuple[int | Decimal, ...]) -> bool:
    year, month, day, hour, minute, second = (int(part) for part in (*parts, *(1, 1, 1, 0, 0, 0)[len(parts) :]))
    return (
        1 <= year <= 9999
        and 1 <= month <= 12
        and 1 <= day <= calendar.monthrange(year, month)[1]
        and hour <= 23
        and minute <= 59
        and second <= 60
    )


def _offset(text: str | None) -> int | None:
    if text is None:
        return None
    if text == "Z":
        return 0
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return -minutes if text[0] == "-" else minutes


def _moved(parts: tuple[int | Decimal, ...], zone: int | None) -> tuple[int | Decimal, ...]:
    if not zone or len(parts) < 5:
        return parts
    year, month, day, hour, minute = (int(part) for part in parts[:5])
    try:
        moment = datetime(year, month, day, hour, minute) - timedelta(minutes=zone)
    except OverflowError:
        return parts
    return (moment.year, moment.month, moment.day, moment.hour, moment.minute, *parts[5:])


def completed(value: Temporal, *, latest: bool) -> tuple[int | Decimal, ...]:
    """All parts of a date, dateTime or time: what was not given is the earliest or the latest it can be."""
    if value.kind == "time":
        rest: tuple[int | Decimal, ...] = (23, 59, Decimal("59.999")) if latest else (0, 0, Decimal("0.000"))
        return _to_the_millisecond((*value.parts, *rest[len(value.parts) :]), latest=latest)
    parts = value.parts if len(value.parts) > 1 else (*value.parts, 12 if latest else 1)
    if len(parts) == 2:
        parts = (*parts, calendar.monthrange(int(parts[0]), int(parts[1]))[1] if latest else 1)
    rest = (23, 59, Decimal("59.999")) if latest else (0, 0, Decimal("0.000"))
    return _to_the_millisecond((*parts, *rest[len(parts) - 3 :]), latest=latest)


def _to_the_millisecond(parts: tuple[int | Decimal, ...], *, latest: bool) -> tuple[int | Decimal, ...]:
    if isinstance(parts[-1], int):
        return (*parts[:-1], Decimal(parts[-1]) + Decimal("0.999" if latest else "0.000"))
    return parts


def compare(left: Temporal, right: Temporal) -> int | None:
    """-1, 0 or 1 as left is before, equal to or after right; None when their precision or zones do not tell.

    A date has no zone and is taken in the zone of the dateTime it is compared with. Raises NotEvaluable for a time
    beside a date.
    """
    if (left.kind == "time") != (right.kind == "time"):
        raise NotEvaluable("A time cannot be compared with a date.")
    if left.zone is not None and right.zone is not None:
        return _in_order(left.utc, right.utc)
    if left.zone == right.zone or len(left.parts) <= 3 or len(right.parts) <= 3:
        return _in_order(left.parts, right.parts)
    return _far_apart(left, right)


def _in_order(left: tuple[int | Decimal, ...], right: tuple[int | Decimal, ...]) -> int | None:
    for one, other in zip(left, right, strict=False):
        if one != other:
            return -1 if one < other else 1
    return 0 if len(left) == len(right) else None


def _far_apart(left: Temporal, right: Temporal) -> int | None:
    hours = _hours(left) - _hours(right)
    if abs(hours) <= _MOST_HOURS_APART:
        return None
    return -1 if hours < 0 else 1


def _hours(value: Temporal) -> int:
    year, month, day, hour = (int(part) for part in value.utc[:4])
    return datetime(year, month, day).toordinal() * 24 + hour


# Unit -> (position in parts, how many of that part). A week is seven days.
_STEPS: Final[dict[str, tuple[int, Decimal]]] = {
    "year": (0, Decimal(1)),
    "month": (1, Decimal(1)),
    "week": (2, Decimal(7)),
    "wk": (2, Decimal(7)),
    "day": (2, Decimal(1)),
    "d": (2, Decimal(1)),
    "hour": (3, Decimal(1)),
    "h": (3, Decimal(1)),
    "minute": (4, Decimal(1)),
    "min": (4, Decimal(1)),
    "second": (5, Decimal(1)),
    "s": (5, Decimal(1)),
    "millisecond": (5, Decimal("0.001")),
    "ms": (5, Decimal("0.001")),
}
_DOWN: Final = (Decimal(12), Decimal(30), Decimal(24), Decimal(60), Decimal(60))


def plus(value: Temporal, amount: Decimal, unit: str) -> Temporal:
    """A date or time moved by an amount of a calendar unit, at the precision it has (FHIRPath N1 section 6.7).

    Raises NotEvaluable for a unit that is no calendar unit, and when the result leaves years 1 to 9999.
    """
    if unit not in _STEPS:
        raise NotEvaluable(f"{unit!r} cannot be added to a date or time; use a calendar unit such as days.")
    place, factor = _STEPS[unit]
    amount *= factor
    last = len(value.parts) - 1 + (3 if value.kind == "time" else 0)
    if place != 5:
        amount = Decimal(int(amount))
    while place > last:  # finer than the value says: whole units of what it does say
        amount = Decimal(int(amount / _DOWN[place - 1]))
        place -= 1
    parts = _shifted(value, place, amount)
    return Temporal(value.kind, parts, value.zone, _moved(parts, value.zone))


def _shifted(value: Temporal, place: int, amount: Decimal) -> tuple[int | Decimal, ...]:
    parts = (2000, 1, 1, *value.parts) if value.kind == "time" else value.parts
    filled = (*parts, *(1, 1, 1, 0, 0, 0)[len(parts) :])
    year, month, day, hour, minute = (int(part) for part in filled[:5])
    try:
        if place < 2:
            months = year * 12 + month - 1 + int(amount) * (12 if place == 0 else 1)
            year, month = months // 12, months % 12 + 1
            moment = datetime(year, month, min(day, calendar.monthrange(year, month)[1]), hour, minute)
            seconds = Decimal(filled[5])
        else:
            total = Decimal(filled[5]) + amount * (86400, 3600, 60, 1)[place - 2]
            whole = int(total // 60) - (1 if total % 60 < 0 else 0)
            moment = datetime(year, month, day, hour, minute) + timedelta(minutes=whole)
            seconds = total - whole * 60
    except (ValueError, OverflowError, IndexError):
        raise NotEvaluable("The date that results is outside the years 1 to 9999.") from None
    kept = seconds if seconds % 1 or isinstance(filled[5], Decimal) else int(seconds)
    made = (moment.year, moment.month, moment.day, moment.hour, moment.minute, kept)
    return made[3 : 3 + len(value.parts)] if value.kind == "time" else made[: len(value.parts)]
