"""Checks codes against the value sets they are bound to; what cannot be known offline is said, never refused.

Required: an error. Extensible: a warning. Preferred: information.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from fhirplan.errors import Severity
from fhirplan.validation import asking, repairs
from fhirplan.validation.findings import Check, Findings, Place, expression, shown

SEVERITY: Final[Mapping[str, Severity]] = {"required": "error", "extensible": "warning", "preferred": "information"}
_CODED: Final = frozenset({"code", "string", "uri", "url", "canonical", "id", "markdown"})
_LISTED: Final = 12


class Terminology(Protocol):
    """What this room asks of terminology."""

    def contains(self, valueset_url: str, system: str | None, code: str) -> bool | None:
        """Whether a code is in a value set; system None is any system; None where it cannot be told offline."""

    def codes(self, valueset_url: str) -> frozenset[str] | None:
        """All codes of a value set whatever their system, None where they cannot be listed."""


def check(
    terminology: Terminology, strength: str, value_set: str, type_: str, profile: str, largest: str = ""
) -> Check | None:
    """The check of one value of a type against a value set; None where nothing can be said about such a type.

    ``largest`` is the value set that no code may be outside of, whatever the strength.
    """
    bound = _bound(terminology, strength, value_set, type_, profile)
    limit = _bound(terminology, "required", largest, type_, profile) if largest else None
    if bound is None or limit is None:
        return bound or limit

    def both(value: Any, place: Place, findings: Findings) -> None:
        bound(value, place, findings)
        limit(value, place, findings)

    return both


def _bound(terminology: Terminology, strength: str, value_set: str, type_: str, profile: str) -> Check | None:
    severity = SEVERITY.get(strength)
    if severity is None:
        return None
    url = value_set.partition("|")[0]
    if type_ in _CODED:
        return _code(terminology, severity, url, profile)
    if type_ == "Coding":
        return _coding(terminology, severity, url, profile)
    if type_ == "CodeableConcept":
        return _concept(terminology, severity, url, profile)
    if type_ in ("Quantity", "Age", "Count", "Distance", "Duration", "SimpleQuantity", "MoneyQuantity"):
        return _quantity(terminology, severity, url, profile)
    return None


def _code(terminology: Terminology, severity: Severity, url: str, profile: str) -> Check:
    cell: list[frozenset[str] | None] = []

    def checked(value: Any, place: Place, findings: Findings) -> None:
        if not cell:
            cell.append(terminology.codes(url))
        codes = cell[0]
        if codes is None:
            held = terminology.contains(url, None, value) if type(value) is str else None
            if held is False:
                refused(findings, severity, shown(value), url, place, profile, None)
            elif held is None and type(value) is str:
                _asked(findings, severity, [(None, value)], shown(value), url, place, profile)
        elif type(value) is str and value not in codes:
            refused(findings, severity, shown(value), url, place, profile, codes, value)

    return checked


def held(terminology: Terminology, url: str, coding: Any) -> bool | None:
    """Whether a Coding is in a value set; None where that cannot be told."""
    if type(coding) is not dict:
        return False
    code, system = coding.get("code"), coding.get("system")
    if type(code) is not str:
        return False
    return terminology.contains(url, system if type(system) is str else "", code)


def concept_held(terminology: Terminology, url: str, value: Any) -> bool | None:
    """Whether a code, Coding or CodeableConcept has a code of a value set; None where that cannot be told."""
    if type(value) is str:
        return terminology.contains(url, None, value)
    if type(value) is not dict:
        return False
    if "coding" not in value:
        return held(terminology, url, value) if "code" in value else False
    codings = value["coding"]
    answers = [held(terminology, url, one) for one in codings] if type(codings) is list else []
    if True in answers:
        return True
    return None if None in answers else False


def _coding(terminology: Terminology, severity: Severity, url: str, profile: str) -> Check:
    def checked(value: Any, place: Place, findings: Findings) -> None:
        if type(value) is not dict or ("code" not in value and "system" not in value and severity != "error"):
            return
        answer = held(terminology, url, value)
        if answer is False:
            refused(findings, severity, _spelled(value), url, place, profile, None)
        elif answer is None:
            _asked(findings, severity, _pairs([value]), _spelled(value), url, place, profile)

    return checked


def _concept(terminology: Terminology, severity: Severity, url: str, profile: str) -> Check:
    def checked(value: Any, place: Place, findings: Findings) -> None:
        if type(value) is not dict:
            return
        codings = value.get("coding")
        if type(codings) is not list or not codings:
            if severity == "error" and ("text" in value or not any(key in value for key in ("extension", "_text"))):
                refused(findings, severity, "No code", url, place, profile, None)
            return
        answer = concept_held(terminology, url, value)
        if answer is False:
            refused(findings, severity, ", ".join(_spelled(one) for one in codings[:3]), url, place, profile, None)
        elif answer is None:
            open_ = [one for one in codings if held(terminology, url, one) is None]
            _asked(findings, severity, _pairs(open_), _spelled(open_[0]), url, place, profile)

    return checked


def _quantity(terminology: Terminology, severity: Severity, url: str, profile: str) -> Check:
    def checked(value: Any, place: Place, findings: Findings) -> None:
        if type(value) is dict and "code" in value and held(terminology, url, value) is False:
            refused(findings, severity, _spelled(value), url, place, profile, None)

    return checked


def _spelled(coding: Any) -> str:
    if type(coding) is not dict:
        return "an entry that is no Coding"
    system = coding.get("system")
    return f"{shown(coding.get('code', ''))} of {system[:80]}" if type(system) is str else shown(coding.get("code", ""))


def refused(
    findings: Findings,
    severity: Severity,
    what: str,
    url: str,
    place: Place,
    profile: str,
    codes: frozenset[str] | None,
    value: Any = None,
) -> None:
    """Says that a code is not in the value set it is bound to."""
    allowed = f" Allowed: {', '.join(sorted(codes))}." if codes and len(codes) <= _LISTED else ""
    must = "Use a code of it." if severity == "error" else "Prefer a code of it where one fits."
    patch: repairs.Patch = ()
    if codes and isinstance(value, str) and (meant := repairs.code_meant(value, codes)) is not None:
        patch = repairs.replaced(findings.root, expression(place), meant)
    text = f"{what} is not in the value set {url}.{allowed} {must}"
    findings.add(severity, "code-invalid", text, place, "cm-binding", profile, patch)


def _pairs(codings: list[Any]) -> list[asking.Pair]:
    return [(one.get("system"), one["code"]) for one in codings]


def _asked(
    findings: Findings,
    severity: Severity,
    pairs: list[asking.Pair],
    what: str,
    url: str,
    place: Place,
    profile: str,
) -> None:
    """What cannot be told offline: asked of the terminology server where there is one and it matters."""
    if severity == "information":
        return
    answer, silent = asking.told(findings.ask, url, pairs)
    if answer is False:
        refused(findings, severity, what, url, place, profile, None)
    elif silent:
        text = f"{what} was not verified against {url}: the terminology server did not answer."
        findings.add("information", "transient", text, place, "cm-binding", profile)
    elif answer is None and severity == "error":
        unverified(findings, what, url, place, profile)


def unverified(findings: Findings, what: str, url: str, place: Place, profile: str) -> None:
    """Says that a code could not be checked here."""
    text = f"{what} was not checked against {url}, whose codes are not available here."
    findings.add("information", "not-supported", text, place, "cm-binding", profile)
