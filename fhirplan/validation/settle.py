"""Leaves of two findings that say the same the one that says it best, and puts first what stops a write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fhirplan.errors import Issue
from fhirplan.fhir import structure
from fhirplan.validation.findings import Place, expression

_RANK: Final = {"fatal": 3, "error": 2, "warning": 1, "information": 0}
_STEP: Final = re.compile(r"([^.\[\]]+)(?:\[(\d+)\])?")
_PER_PLACE: Final = frozenset({"cm-binding", "cm-type", "cm-card", "cm-ref", "cm-value", "cm-extension"})


def settled(found: list[Issue], governed: Sequence[Place] = ()) -> tuple[Issue, ...]:
    """The findings without those that two layers both made, the graver one kept; errors first, then by place.

    ``governed`` are the places where a profile says which codes are meant: what R4 only recommends there is left out.
    """
    if governed:
        places = {expression(place) for place in governed}
        found = [one for one in found if not _only_recommended(one) or one.expression not in places]
    if len(found) < 2:
        return tuple(found)
    chosen = _of_the_same(found)
    return tuple(sorted(chosen, key=_order)) if len(chosen) > 1 else chosen


def _only_recommended(one: Issue) -> bool:
    return one.rule == "cm-binding" and not one.is_error and one.profile.startswith(structure.CORE)


def _order(one: Issue) -> tuple[bool, int, list[tuple[str, int]]]:
    """That a narrative is missing comes last: it is said of most resources and stops none."""
    steps = [(name, int(index or -1)) for name, index in _STEP.findall(one.expression)]
    return one.rule == "dom-6", -_RANK[one.severity], steps


def _of_the_same(found: list[Issue]) -> tuple[Issue, ...]:
    kept: dict[tuple[str, str, str], Issue] = {}
    for one in found:
        key = (one.expression, one.rule, one.code if one.rule in _PER_PLACE else one.text)
        before = kept.get(key)
        if before is not None and before.profile == one.profile and before.text != one.text:
            key = (one.expression, one.rule, one.text)  # two findings of one layer are two
            before = kept.get(key)
        if before is None or _RANK[before.severity] < _RANK[one.severity]:
            kept[key] = one
    bound = {one.expression for one in kept.values() if one.rule == "cm-binding" and one.is_error}
    made = tuple(one for one in kept.values() if one.rule != "cm-binding" or _concept_of(one.expression) not in bound)
    finer = {one.expression for one in made if one.code == "invariant" and not one.profile.startswith(structure.CORE)}
    return tuple(one for one in made if not _restated(one, finer)) if finer else made


def _concept_of(expression: str) -> str:
    """The concept that a coding stands in, "" for anything else."""
    around, _, last = expression.rpartition(".")
    return around if last.startswith("coding[") else ""


def _restated(one: Issue, finer: set[str]) -> bool:
    """Whether a broken rule of R4 is said more exactly by a profile's rule broken at the same element or inside it."""
    if one.code != "invariant" or not one.profile.startswith(structure.CORE) or "." not in one.expression:
        return False
    inside = one.expression + "."
    return any(other == one.expression or other.startswith(inside) for other in finer)
