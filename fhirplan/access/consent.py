"""Reads what a Consent permits and forbids, and whom that concerns (R4 section 6.2, Consent; 42 CFR Part 2).

Whatever of a consent is not understood makes it forbid more and permit less, never the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from fhirplan.fhir.codec import Resource
from fhirplan.fhir.dates import span
from fhirplan.fhir.reference import parse

Label = tuple[str, str]
"""A security label: system and code."""
OUR_PURPOSES: Final = frozenset({"COC", "TREAT", "CAREMGT", "HOPERAT"})
"""What case management uses records for, of v3-ActReason; a permission for other purposes only is none for us."""
_UNDERSTOOD: Final = frozenset({"id", "type", "period", "actor", "class", "securityLabel", "data", "purpose"})
_INHERITED: Final = ("actor", "class", "securityLabel", "data", "period", "purpose")


@dataclass(frozen=True, slots=True)
class Rule:
    """What one provision of a patient's consent says; empty sets stand for everybody, every type, everything.

    ``actors`` are references such as ``Organization/x``, ``data`` are resources as type/id. It holds from ``begin``
    up to ``end``, in ms since 1970, None for no bound. ``exceptions`` are rules of the other kind inside it.
    """

    consent: str
    patient: str
    permits: bool
    actors: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    labels: frozenset[Label] = frozenset()
    data: frozenset[str] = frozenset()
    begin: int | None = None
    end: int | None = None
    exceptions: tuple[Rule, ...] = ()

    def concerns(self, readers: Iterable[str], now: int) -> bool:
        """Whether it holds now (ms) for one of these readers."""
        if (self.begin is not None and now < self.begin) or (self.end is not None and now >= self.end):
            return False
        return not self.actors or not self.actors.isdisjoint(readers)


def rules(consent: Resource) -> tuple[Rule, ...]:
    """The rules of a consent that is in force; none for any other, or one of no patient here."""
    patient = _local(consent.get("patient"))
    provision = consent.get("provision")
    if consent.get("status") != "active" or not patient.startswith("Patient/") or not isinstance(provision, dict):
        return ()
    name = f"Consent/{consent.get('id', '')}"
    return tuple(_flat(provision, name, patient.removeprefix("Patient/"), permits=provision.get("type") == "permit"))


def _flat(provision: dict[str, Any], name: str, patient: str, *, permits: bool) -> Iterator[Rule]:
    """A permission, and what it forbids inside; or a prohibition with what it permits inside."""
    inner = [item for item in _list(provision, "provision") if isinstance(item, dict)]
    if permits:
        made = _rule(provision, name, patient, permits=True)
        if made is not None:
            yield made
        for item in inner:
            if item.get("type") != "permit":
                # It is an exception, so it is about no more than what it is an exception from.
                known: dict[str, Any] = {key: provision[key] for key in _INHERITED if key in provision}
                yield from _flat({**known, **item}, name, patient, permits=False)
        return
    exceptions = [_rule(item, name, patient, permits=True) for item in inner if item.get("type") == "permit"]
    made = _rule(provision, name, patient, permits=False, exceptions=tuple(item for item in exceptions if item))
    if made is not None:
        yield made


def _rule(
    provision: dict[str, Any], name: str, patient: str, *, permits: bool, exceptions: tuple[Rule, ...] = ()
) -> Rule | None:
    """None for a permission that cannot be told to be for us."""
    purposes = {code for _, code in _codings(_list(provision, "purpose"))}
    period, bounds_known = _period(provision.get("period"))
    actors = [_local(item.get("reference")) for item in _list(provision, "actor") if isinstance(item, dict)]
    data = [_local(item.get("reference")) for item in _list(provision, "data") if isinstance(item, dict)]
    types = [code.rpartition("/")[2] for _, code in _codings(_list(provision, "class"))]
    if permits:
        unknown = set(provision) - _UNDERSTOOD - {"provision"} or (purposes and not purposes & OUR_PURPOSES)
        nested = any(isinstance(item, dict) and item.get("type") == "permit" for item in _list(provision, "provision"))
        if unknown or nested or not bounds_known or "" in actors or "" in data:
            return None
    if purposes and not permits and not purposes & OUR_PURPOSES:
        return None
    return Rule(
        name,
        patient,
        permits,
        # Somebody who is named in a way we do not know might be anybody.
        frozenset() if not permits and "" in actors else frozenset(actors),
        frozenset(types),
        frozenset(_codings(_list(provision, "securityLabel"))),
        frozenset() if not permits and "" in data else frozenset(data),
        *(period if bounds_known else (None, None)),
        exceptions,
    )


def _period(value: Any) -> tuple[tuple[int | None, int | None], bool]:
    """The bounds of a Period in ms, and whether they could be read."""
    if value is None:
        return (None, None), True
    if not isinstance(value, dict):
        return (None, None), False
    begin, end = (span(value[name]) if isinstance(value.get(name), str) else None for name in ("start", "end"))
    known = (begin is not None or "start" not in value) and (end is not None or "end" not in value)
    return (begin.low if begin else None, end.high if end else None), known


def _codings(values: Iterable[Any]) -> Iterator[Label]:
    for item in values:
        for coding in [item, *_list(item, "coding")] if isinstance(item, dict) else []:
            if isinstance(coding, dict) and isinstance(coding.get("code"), str):
                yield str(coding.get("system", "")), coding["code"]


def _local(value: Any) -> str:
    found = parse(value.get("reference")) if isinstance(value, dict) else None
    return found.local if found is not None and not found.server else ""


def _list(owner: dict[str, Any], name: str) -> list[Any]:
    value = owner.get(name)
    return value if isinstance(value, list) else []
