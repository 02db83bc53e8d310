"""What a form asks to be written: changed resources with the version each was read at, or which field is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as _field
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from fhirplan.chart import codes
from fhirplan.chart.world import World
from fhirplan.coordination.elements import objects, target
from fhirplan.errors import FhirplanError
from fhirplan.fhir.codec import Resource

Form = Mapping[str, str]
_DAY: Final = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)")
_SPOKEN: Final = re.compile(r"(\d{1,2})\.?\s+([^\W\d]+)\.?(?:\s+(\d{4}))?")
_MONTH_FIRST: Final = re.compile(r"(\d{1,2})/(\d{1,2})(?:/(\d{4}))?")
MOST_TEXT: Final = 5000


@dataclass(frozen=True, slots=True)
class Write:
    """One resource as it is to become; ``version`` is the one it was read at, "" for a new one."""

    resource: Resource
    version: str = ""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A field of a form that cannot be taken as it is: its name, the key of a sentence, and the sentence's values."""

    field: str
    key: str
    values: Mapping[str, str] = _field(default_factory=dict)


class BadForm(FhirplanError):
    """A form was filled in so that nothing can be made of it; ``wrong`` says which fields."""

    code = "invalid"

    def __init__(self, *wrong: Wrong) -> None:
        super().__init__("The form is not complete.")
        self.wrong = wrong


def text_of(form: Form, name: str) -> str:
    """What was typed into a field, without the blanks around it and no longer than a note may be."""
    return form.get(name, "").replace("\r\n", "\n").strip()[:MOST_TEXT]


def chosen(form: Form, name: str, system: str) -> codes.Concept | None:
    """The concept of one of our systems that a field chose, None for no choice. Raises BadForm for what is none."""
    text = text_of(form, name)
    found = codes.concept(system, text)
    if text and found is None:
        raise BadForm(Wrong(name, "val.choice"))
    return found


def now_of(world: World) -> str:
    """The moment of the page as FHIR writes it, in its zone."""
    return world.now.astimezone(world.zone).isoformat(timespec="seconds")


def reference(ref: str, name: str = "") -> dict[str, str]:
    """A Reference, with a display where there is a name."""
    return {"reference": ref, "display": name} if name else {"reference": ref}


def annotation(text: str, world: World) -> dict[str, Any]:
    """A note of the viewer's, with its time."""
    made: dict[str, Any] = {"time": now_of(world), "text": text}
    return {"authorReference": {"reference": _author(world)}, **made} if _author(world) else made


def _author(world: World) -> str:
    """Who writes a note: R4 takes a person or an organization there, not a role."""
    found = world.known.get(world.me)
    person = target((found or {}).get("practitioner"))
    return person if world.me.startswith("PractitionerRole/") else world.me


def noted(resource: Resource, text: str, world: World) -> Resource:
    """The resource with one more note; itself where nothing was typed."""
    return {**resource, "note": [*objects(resource.get("note")), annotation(text, world)]} if text else resource


def day_of(form: Form, name: str, world: World) -> date | None:
    """The day in a field: ``2026-03-10``, ``10 Mar``, ``3/10``, today or tomorrow in either language; None if empty.

    A day without a year is the next such day. Raises BadForm for what is no day.
    """
    text = text_of(form, name)
    if not text:
        return None
    found = _read_day(text.lower(), world)
    if found is None:
        raise BadForm(Wrong(name, "val.day"))
    return found


def _read_day(text: str, world: World) -> date | None:
    spoken = {"today": 0, "hoy": 0, "tomorrow": 1, "mañana": 1, "manana": 1}
    if text in spoken:
        return world.today + timedelta(days=spoken[text])
    if match := _DAY.fullmatch(text):
        return _date(int(match[1]), int(match[2]), int(match[3]))
    if match := _MONTH_FIRST.fullmatch(text):
        return _next(int(match[1]), int(match[2]), match[3], world)
    if match := _SPOKEN.fullmatch(text):
        month = world.words.month(match[2])
        return _next(month, int(match[1]), match[3], world) if month else None
    return None


def _next(month: int, day: int, year: str | None, world: World) -> date | None:
    if year:
        return _date(int(year), month, day)
    made = _date(world.today.year, month, day)
    if made is not None and made < world.today - timedelta(days=31):
        return _date(world.today.year + 1, month, day)
    return made


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def end_of(day: date, zone: ZoneInfo) -> str:
    """The last second of a day as a FHIR dateTime."""
    return datetime.combine(day, time(23, 59, 59), zone).isoformat(timespec="seconds")


def moment_of(form: Form, name: str, world: World) -> str:
    """The day and time in a field (``2026-03-09T08:02``), "" where it is empty; raises BadForm for what is none."""
    text = text_of(form, name)
    if not text:
        return ""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise BadForm(Wrong(name, "val.moment")) from None
    return (read if read.tzinfo else read.replace(tzinfo=world.zone)).isoformat(timespec="seconds")


def workday_after(day: date) -> date:
    """The next day from Monday to Friday."""
    following = day + timedelta(days=1)
    while following.weekday() > 4:
        following += timedelta(days=1)
    return following
