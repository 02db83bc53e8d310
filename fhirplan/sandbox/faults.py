"""Decides which requests go wrong, and how: by rate or by script, with a seed so that it can be done again."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from fhirplan.errors import MalformedRequest
from fhirplan.fhir import codec
from fhirplan.sandbox.calls import asked

Kind = Literal[
    "throttle",
    "unavailable",
    "slow",
    "lost-request",
    "lost-reply",
    "reset",
    "duplicates",
    "skew",
    "stale",
    "html",
    "expired-token",
    "expired-page",
    "outcome",
    "bump",
]


@dataclass(frozen=True, slots=True)
class Occasion:
    """A request that a fault may befall: its path as in a pattern, whether it has a token and asks for a page."""

    method: str
    path: str
    token: bool = False
    paging: bool = False

    @property
    def is_fhir(self) -> bool:
        """Whether it is an interaction with resources."""
        return bool(asked(self.method, self.path).interaction) and not self.path.startswith(("metadata", "."))

    @property
    def is_read(self) -> bool:
        """Whether it only looks."""
        return self.is_fhir and (self.method == "GET" or self.path.endswith("/_search"))

    @property
    def is_page(self) -> bool:
        """Whether its answer is a Bundle of what was found."""
        return self.is_read and asked(self.method, self.path).interaction not in ("read", "vread")

    @property
    def is_write(self) -> bool:
        """Whether it may change something."""
        return self.is_fhir and not self.is_read


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """When a fault happens, and its particulars.

    ``match`` is one pattern or several for ``METHOD path``, the path being relative to the FHIR base (``PUT Task/*``,
    ``* CarePlan*``, ``POST auth/token``). Of the requests that match and that the fault can befall it takes the
    ``nth``, or ``every`` so-manieth, or each with a chance of ``rate``, or without any of the three each one; at most
    ``times`` times (with ``nth`` once).

    ``status`` (unavailable, html, outcome) is an HTTP status; ``retryAfter`` (throttle, unavailable) the header, in
    seconds or as text, none when left out; ``after`` (unavailable, html) lets the request take effect first;
    ``seconds`` (slow) is the delay, (skew) how far the clock is off, negative for behind; ``behind`` (stale) how many
    writes are not seen yet; ``edit`` (bump) elements that somebody else changes; ``code`` (outcome) the EHR's own
    code, of severity ``severity``.
    """

    fault: Kind
    match: str | tuple[str, ...] = "*"
    nth: int | None = None
    every: int | None = None
    rate: float | None = None
    times: int | None = None
    status: int | None = None
    retry_after: int | str | None = None
    after: bool = False
    seconds: float | None = None
    behind: int | None = None
    edit: dict[str, Any] | None = None
    code: str = ""
    severity: str = "warning"


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a fault can befall, and which particulars it has."""

    befalls: Callable[[Occasion], bool]
    options: frozenset[str] = frozenset()


_CHANGING: Final = ("update", "patch", "delete", "batch")


def _any(_: Occasion) -> bool:
    return True


SHAPES: Final[Mapping[Kind, _Shape]] = {
    "throttle": _Shape(_any, frozenset({"retry_after"})),
    "unavailable": _Shape(_any, frozenset({"status", "retry_after", "after"})),
    "slow": _Shape(_any, frozenset({"seconds"})),
    "lost-request": _Shape(_any),
    "lost-reply": _Shape(_any),
    "reset": _Shape(_any),
    "duplicates": _Shape(lambda asking: asking.is_page),
    "skew": _Shape(lambda asking: asking.is_write, frozenset({"seconds"})),
    "stale": _Shape(lambda asking: asking.is_read, frozenset({"behind"})),
    "html": _Shape(_any, frozenset({"status", "after"})),
    "expired-token": _Shape(lambda asking: asking.is_fhir and asking.token),
    "expired-page": _Shape(lambda asking: asking.is_page and asking.paging),
    "outcome": _Shape(lambda asking: asking.is_fhir, frozenset({"status", "code", "severity"})),
    "bump": _Shape(
        lambda asking: asking.is_write and asked(asking.method, asking.path).interaction in _CHANGING,
        frozenset({"edit"}),
    ),
}
_PARTICULARS: Final = frozenset().union(*(shape.options for shape in SHAPES.values()))
_SEVERITIES: Final = ("fatal", "error", "warning", "information")


class _Course:
    """How far a rule has come."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.matched = self.injected = self.last = 0
        self.patterns = (rule.match,) if isinstance(rule.match, str) else rule.match

    def is_due(self, occasion: Occasion, chance: Callable[[], float]) -> bool:
        """Counts a request that fits, and says whether the fault is for it."""
        line = f"{occasion.method} {occasion.path}".strip()
        if not SHAPES[self.rule.fault].befalls(occasion) or not any(fnmatchcase(line, p) for p in self.patterns):
            return False
        self.matched += 1
        rule = self.rule
        times = 1 if rule.times is None and rule.nth is not None else rule.times
        if times is not None and self.injected >= times:
            return False
        if rule.nth is not None:
            return self.matched >= rule.nth
        if rule.every is not None:
            return self.matched - self.last >= rule.every
        return rule.rate is None or chance() < rule.rate


class Faults:
    """The script that is played, and what it has done. At most one fault befalls a request: that of the first rule due.

    An ``nth`` or ``every`` that comes due at the same request as an earlier rule takes the next one instead.
    """

    def __init__(self, rules: tuple[Rule, ...] = (), *, seed: int = 0) -> None:
        self.seed = seed
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311 - chosen by a seed on purpose
        self._courses = [_Course(rule) for rule in rules]
        self._injected: Counter[str] = Counter()
        self._requests = 0

    def play(self, rules: tuple[Rule, ...], seed: int | None = None) -> None:
        """Goes by these rules from now on; what was counted of each kind stays, and so does chance without a seed."""
        with self._lock:
            self._courses = [_Course(rule) for rule in rules]
            if seed is not None:
                self.seed, self._random = seed, random.Random(seed)  # noqa: S311 - chosen by a seed on purpose

    def clear(self) -> None:
        """Ends the script and forgets what was counted."""
        with self._lock:
            self._courses, self._requests = [], 0
            self._injected.clear()

    def choose(self, occasion: Occasion) -> Rule | None:
        """The rule whose fault befalls this request, None when all goes well."""
        with self._lock:
            self._requests += 1
            due = [course for course in self._courses if course.is_due(occasion, self._random.random)]
            if not due:
                return None
            chosen = due[0]
            chosen.injected += 1
            chosen.last = chosen.matched
            self._injected[chosen.rule.fault] += 1
            return chosen.rule

    def give_back(self, rule: Rule) -> None:
        """Uncounts a fault that found nothing to do."""
        with self._lock:
            self._injected[rule.fault] -= 1
            for course in self._courses:
                if course.rule is rule:
                    course.injected -= 1

    def counters(self) -> dict[str, Any]:
        """The seed, how many requests came, how many faults of each kind were injected, and each rule's course."""
        with self._lock:
            return {
                "seed": self.seed,
                "requests": self._requests,
                "injected": {kind: number for kind, number in sorted(self._injected.items()) if number},
                "rules": [
                    {**msgspec.to_builtins(course.rule), "matched": course.matched, "injected": course.injected}
                    for course in self._courses
                ],
            }


def rules(listed: Any) -> tuple[Rule, ...]:
    """The rules of a script, which is a JSON array; raises MalformedRequest naming the rule and what is wrong."""
    try:
        made = msgspec.convert(listed, tuple[Rule, ...])
    except msgspec.ValidationError as error:
        raise MalformedRequest(f"The faults are not understood: {error}.") from None
    for number, rule in enumerate(made):
        wrong = _wrong(rule)
        if wrong:
            raise MalformedRequest(f"The faults are not understood: {wrong} - at `$[{number}]`.")
    return made


def _wrong(rule: Rule) -> str:
    used = {name for name in _PARTICULARS if getattr(rule, name) != _DEFAULTS[name]}
    extra = sorted(used - SHAPES[rule.fault].options)
    if extra:
        return f"{rule.fault} has no {', '.join(extra)}"
    if sum(value is not None for value in (rule.nth, rule.every, rule.rate)) > 1:
        return "give one of nth, every and rate"
    if any(number is not None and number < 1 for number in (rule.nth, rule.every, rule.times, rule.behind)):
        return "nth, every, times and behind are 1 or more"
    if rule.rate is not None and not 0 <= rule.rate <= 1:
        return "rate is from 0 to 1"
    if rule.status is not None and not 200 <= rule.status <= 599:
        return "status is from 200 to 599"
    if rule.seconds is not None and rule.fault == "slow" and not 0 <= rule.seconds <= 600:
        return "seconds of slow is from 0 to 600"
    return "" if rule.severity in _SEVERITIES else f"severity is one of {', '.join(_SEVERITIES)}"


_DEFAULTS: Final = {name: getattr(Rule("slow"), name) for name in _PARTICULARS}


def read(spec: str) -> tuple[Rule, ...]:
    """The rules of a command line: a JSON array, a file that holds one, or rates such as ``throttle=0.1,slow=0.05``.

    ``all=0.02`` is every kind but outcome at that rate. Raises MalformedRequest, OSError.
    """
    if spec.lstrip().startswith("["):
        return rules(codec.loads(spec))
    if "=" not in spec:
        return rules(codec.loads(Path(spec).read_bytes()))
    found: list[dict[str, Any]] = []
    for item in spec.split(","):
        kind, _, rate = item.strip().partition("=")
        try:
            chance = float(rate)
        except ValueError:
            raise MalformedRequest(f"The faults are not understood: {item[:60]!r} is not kind=rate.") from None
        kinds = [name for name in SHAPES if name != "outcome"] if kind == "all" else [kind]
        found += [{"fault": name, "rate": chance} for name in kinds]
    return rules(found)
