"""Validates texts as they were sent, JSON or XML: what is wrong with the text, then with the resource, with places."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fhirplan.errors import FhirplanError, Issue
from fhirplan.fhir import codec
from fhirplan.fhir.xml import from_xml
from fhirplan.validation import positions
from fhirplan.validation.validate import Policy, Validator


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in one text; ``resource`` is None where it could not be read."""

    resource: dict[str, Any] | None
    issues: tuple[Issue, ...]

    @property
    def valid(self) -> bool:
        """Whether nothing found is an error."""
        return not any(issue.is_error for issue in self.issues)


def check(
    validator: Validator,
    text: str | bytes,
    profiles: Sequence[str] = (),
    *,
    policy: Policy = "case-management",
    suggest: bool = False,
) -> Report:
    """Validates one resource given as JSON or XML; never raises for what is in the text."""
    if is_xml(text):
        return _xml(validator, text, profiles, policy, suggest)
    before: tuple[Issue, ...] = ()
    try:
        resource = codec.loads(text)
    except FhirplanError as error:
        spelled = _text(text)
        twice = positions.duplicates(spelled) if len(spelled) <= positions.LARGEST else []
        if not twice:
            return Report(None, error.issues)
        resource = _leniently(spelled)
        if resource is None:
            return Report(None, error.issues)
        before = _duplicated(spelled, twice, resource)
    found = validator.validate(resource, profiles, policy=policy, suggest=suggest)
    if found:
        found = placed(found, _text(text), resource)
    return Report(resource if isinstance(resource, dict) else None, before + found)


def is_xml(text: str | bytes) -> bool:
    """Whether a text is meant as XML: JSON never begins so."""
    if isinstance(text, bytes):
        return text.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"
    return text.removeprefix("\ufeff").lstrip()[:1] == "<"


def _xml(validator: Validator, text: str | bytes, profiles: Sequence[str], policy: Policy, suggest: bool) -> Report:
    """Validates what an XML document says; only what is wrong with its form is told with line and column."""
    try:
        resource = from_xml(text)
    except FhirplanError as error:
        return Report(None, error.issues)
    return Report(resource, validator.validate(resource, profiles, policy=policy, suggest=suggest))


def _text(text: str | bytes) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def _leniently(text: str) -> Any:
    """The value of a text in which keys stand twice, the last one taken; None where it is no JSON besides."""
    try:
        return json.loads(text, parse_float=codec.ExactDecimal.read)
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _duplicated(text: str, twice: list[tuple[str, str, int]], resource: Any) -> tuple[Issue, ...]:
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    lines = positions.Lines(text)
    made = []
    for key, path, offset in twice[:100]:
        line, column = lines.at(offset)
        made.append(
            Issue(
                "error",
                "structure",
                f"The key {key[:64]!r} stands twice in one object. Remove one of them.",
                f"{name}{path}" if isinstance(name, str) else path.lstrip("."),
                "cm-json",
                line=line,
                column=column,
            )
        )
    return tuple(made)


def placed(found: tuple[Issue, ...], text: str, resource: Any) -> tuple[Issue, ...]:
    """The findings with the line and column where each stands in the text that the resource was read from."""
    places = positions.locate(text, resource, {issue.expression for issue in found})
    made = []
    for issue in found:
        line, column = places.get(issue.expression, (0, 0))
        made.append(dataclasses.replace(issue, line=line, column=column))
    return tuple(made)
