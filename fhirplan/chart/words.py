"""The words of the pages: one catalogue a language, with plurals and dates (chart design, section 5)."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

_FOLDER: Final = Path(__file__).with_name("languages")
_OURS: Final = "http://fhirplan.dev/fhir/CodeSystem/"
_DAYS_IN_WORDS: Final = 13
_DAYS_AGO: Final = 99
LANGUAGES: Final = ("en", "es")


class Words:
    """The sentences of one language: ``words("time.due", date=…, relative=…)``; ``n`` chooses the plural."""

    def __init__(self, language: str) -> None:
        self.language = language
        catalogue: dict[str, Any] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
        self._texts: dict[str, str] = catalogue["texts"]
        self._days: list[str] = catalogue["days"]
        self._months: list[str] = catalogue["months"]
        self._am_pm: list[str] = catalogue["am_pm"]
        self._codes: dict[str, dict[str, str]] = catalogue.get("codes", {})
        self._phrases: dict[str, str] = catalogue.get("phrases", {})

    def __call__(self, key: str, /, **values: Any) -> str:
        """The sentence of that key; raises KeyError for a key that the catalogue lacks."""
        one, _, more = self._texts[key].partition(" | ")
        text = more if more and values.get("n") != 1 else one
        return text.format(**values)

    def state(self, kind: str, code: str) -> str:
        """The word for a code of a small fixed list (``st``, ``gl``), the code itself where there is none."""
        key = f"{kind}.{code}"
        return self(key) if key in self._texts else code

    def code(self, system: str, code: str) -> str:
        """What a code is called in this language, "" where its own display is to be used.

        The catalogue names our own systems by their last part, others by their whole address.
        """
        return self._codes.get(system.removeprefix(_OURS), {}).get(code, "")

    def phrase(self, text: str) -> str:
        """A text that our own rules write into records, in this language; what people wrote stays as it is."""
        head, colon, rest = text.partition(": ")
        if text in self._phrases or head not in self._phrases:
            return self._phrases.get(text, text)
        return f"{self._phrases[head]}{colon}{self._phrases.get(rest, rest)}"

    def month(self, name: str) -> int:
        """The number of the month that begins as ``name`` does, 0 for none."""
        short = name.lower()[:3]
        return next((index for index, item in enumerate(self._months, 1) if item.lower().startswith(short)), 0)

    def has(self, key: str) -> bool:
        """Whether the catalogue has that key."""
        return key in self._texts

    def long_date(self, moment: date) -> str:
        """A day with its weekday and year, as on paper."""
        return f"{self._days[moment.weekday()]} {moment.day} {self._months[moment.month - 1]} {moment.year}"

    def ago(self, moment: date, today: date) -> str:
        """A day behind us as how long ago it was; one further back, or ahead, as itself."""
        days = (today - moment).days
        if days in (0, 1):
            return self("time.today") if days == 0 else self("time.yesterday")
        return self("time.days_ago", n=days) if 0 < days <= _DAYS_AGO else self.day(moment, today)

    def day(self, moment: date, today: date) -> str:
        """A day as people write it, ``Tue 10 Mar``, with the year when it is not this one."""
        return f"{self._days[moment.weekday()]} {self.date(moment, today)}"

    def date(self, moment: date, today: date) -> str:
        """A day without its weekday, ``10 Mar``, with the year when it is not this one."""
        year = f" {moment.year}" if moment.year != today.year else ""
        return f"{moment.day} {self._months[moment.month - 1]}{year}"

    def part_of_date(self, text: str) -> str:
        """A FHIR date without a day, ``Nov 2025``; a year alone, or what is no date, as it stands."""
        year, _, month = text.partition("-")
        known = len(text) == len("2025-11") and month.isdecimal() and 1 <= int(month) <= 12
        return f"{self._months[int(month) - 1]} {year}" if known else text

    def moment(self, when: datetime, now: datetime, zone: ZoneInfo) -> str:
        """A day and, unless it is the end of the day, the time: ``Sun 8 Mar, 3:00 pm``."""
        local, today = when.astimezone(zone), now.astimezone(zone).date()
        text = self.day(local.date(), today)
        if (local.hour, local.minute) == (23, 59):
            return text
        return f"{text}, {local.hour % 12 or 12}:{local.minute:02d} {self._am_pm[local.hour >= 12]}"

    def due(self, when: datetime, now: datetime, zone: ZoneInfo) -> str:
        """When something is due, or since when it is overdue."""
        text = self.moment(when, now, zone)
        if when < now:
            return self("time.overdue", date=text)
        days = (when.astimezone(zone).date() - now.astimezone(zone).date()) // timedelta(days=1)
        if days > _DAYS_IN_WORDS:
            return self("time.due_far", date=text)
        relative = (
            self("time.today") if days == 0 else self("time.tomorrow") if days == 1 else self("time.in_days", n=days)
        )
        return self("time.due", date=text, relative=relative)

    def due_day(self, when: datetime, now: datetime, zone: ZoneInfo) -> str:
        """The same in the few words that a row has room for: ``since Sun 8 Mar``, ``today, 3:00 pm``."""
        today, local = now.astimezone(zone).date(), when.astimezone(zone)
        day = self.day(local.date(), today)
        if when < now and local.date() != today:
            return self("time.since", date=day)
        if local.date() == today:
            text = self.moment(when, now, zone).removeprefix(day)
            return self("time.since", date=self("time.today") + text) if when < now else self("time.today") + text
        return self("time.tomorrow") if local.date() - today == timedelta(days=1) else day


@cache
def words(language: str = "en") -> Words:
    """The catalogue of a language; raises FileNotFoundError for one that is not there."""
    return Words(language)
