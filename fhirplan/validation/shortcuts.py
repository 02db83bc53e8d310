"""Accepts at once what is plainly sound in the commonest types, and leaves all else to their compiled checks.

A shortcut never says that something is wrong. It saves most of the calls on a resource that has no fault: references
by type and id, and concepts with plain codings.
"""

from __future__ import annotations

import re
from typing import Any, Final

from fhirplan.fhir import structure
from fhirplan.validation.findings import Check, Findings, Place

_CODING: Final = frozenset({"system", "code", "display", "version"})
_NOT_MET: Final[frozenset[str]] = frozenset()
_CONCEPT: Final = frozenset({"coding", "text"})


Lists = dict[str, frozenset[str] | None]
"""The codes of the systems met so far, None where they are not all known; a system not met is looked at closely."""


def concept(otherwise: Check, lists: Lists) -> Check:
    """A CodeableConcept of text and codings that have only system, code, display and version."""

    def check(value: Any, place: Place, findings: Findings) -> None:
        if not _plain_concept(value, lists):
            otherwise(value, place, findings)

    return check


def coding(otherwise: Check, lists: Lists) -> Check:
    """A Coding that has only system, code, display and version."""

    def check(value: Any, place: Place, findings: Findings) -> None:
        if not _plain_coding(value, lists):
            otherwise(value, place, findings)

    return check


def _plain_concept(value: Any, lists: Lists) -> bool:
    if type(value) is not dict or not value or not value.keys() <= _CONCEPT:
        return False
    if "text" in value:
        text = value["text"]
        if type(text) is not str or not text or not text.isprintable():
            return False
    if "coding" in value:
        codings = value["coding"]
        if type(codings) is not list or not codings:
            return False
        for one in codings:
            if not _plain_coding(one, lists):
                return False
    return True


def _plain_coding(value: Any, lists: Lists) -> bool:
    if type(value) is not dict or not value or not value.keys() <= _CODING:
        return False
    for key, text in value.items():
        if type(text) is not str or not text or not text.isprintable():
            return False
        if " " in text and (key == "system" or (key == "code" and (text != text.strip() or "  " in text))):
            return False
    system = value.get("system")
    if system is None:
        return True
    listed = lists.get(system, _NOT_MET)
    return listed is None or value.get("code", "") in listed


def reference(targets: frozenset[str] | None, otherwise: Check) -> Check:
    """A Reference by type and id to one of the types allowed, with or without a display."""
    if targets is None:
        targets = structure.resource_types()
    matches = re.compile(r"(?:https?://\S+/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}").fullmatch

    def check(value: Any, place: Place, findings: Findings) -> None:
        if type(value) is dict:
            text = value.get("reference")
            size = len(value)
            if type(text) is str and (size == 1 or (size == 2 and _plain_display(value))):
                found = matches(text)
                if found is not None and found[1] in targets:
                    return
        otherwise(value, place, findings)

    return check


def _plain_display(value: dict[str, Any]) -> bool:
    display = value.get("display")
    return type(display) is str and display != "" and display.isprintable()
