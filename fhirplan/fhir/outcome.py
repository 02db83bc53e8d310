"""Turns findings into an OperationOutcome and back (R4 section 2.40)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from fhirplan.errors import FhirplanError, Issue
from fhirplan.fhir.codec import Resource, dumps, loads

RULE_SYSTEM: Final = "http://fhirplan.dev/fhir/CodeSystem/cm-rule"
PATCH: Final = "http://fhirplan.dev/fhir/StructureDefinition/suggested-patch"
"""The extension of an issue whose repair is certain; its valueString is a JSON Patch (RFC 6902) of the resource."""
_SOURCE: Final = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-source"
_LINE: Final = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line"
_COLUMN: Final = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col"
_SEVERITIES: Final = ("fatal", "error", "warning", "information")
ALL_OK: Final = Issue("information", "informational", "No problem was found.")


def outcome(issues: Iterable[Issue]) -> Resource:
    """The OperationOutcome of these findings, in their order; of none, one that says so (issue is 1..*)."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [_issue(item) for item in tuple(issues) or (ALL_OK,)],
    }


def _issue(item: Issue) -> dict[str, Any]:
    made: dict[str, Any] = {}
    extensions: list[dict[str, Any]] = []
    if item.profile:
        extensions.append({"url": _SOURCE, "valueString": item.profile})
    if item.line:
        extensions.append({"url": _LINE, "valueInteger": item.line})
        extensions.append({"url": _COLUMN, "valueInteger": item.column})
    if item.patch:
        extensions.append({"url": PATCH, "valueString": dumps(list(item.patch)).decode()})
    if extensions:
        made["extension"] = extensions
    made["severity"] = item.severity
    made["code"] = item.code
    made["details"] = {"text": item.text}
    if item.rule:
        made["details"] = {"coding": [{"system": RULE_SYSTEM, "code": item.rule}], "text": item.text}
    if item.line:
        made["location"] = [f"line {item.line}, column {item.column}"]
    if item.expression:
        made["expression"] = [item.expression]
    return made


def issues(resource: Any) -> tuple[Issue, ...]:
    """The findings of an OperationOutcome that somebody sent; empty when it is none."""
    if not isinstance(resource, dict) or resource.get("resourceType") != "OperationOutcome":
        return ()
    listed = resource.get("issue")
    return tuple(_read(item) for item in listed if isinstance(item, dict)) if isinstance(listed, list) else ()


def _read(item: dict[str, Any]) -> Issue:
    told = item.get("details")
    details: dict[str, Any] = told if isinstance(told, dict) else {}
    expression = item.get("expression")
    severity = item.get("severity")
    extras = {
        one.get("url"): one.get("valueString", one.get("valueInteger"))
        for one in item.get("extension") or ()
        if isinstance(one, dict)
    }
    line, column = extras.get(_LINE), extras.get(_COLUMN)
    return Issue(
        severity if severity in _SEVERITIES else "error",
        str(item.get("code") or "processing"),
        str(details.get("text") or item.get("diagnostics") or "No reason was given."),
        str(expression[0]) if isinstance(expression, list) and expression else "",
        _rule(details.get("coding")),
        str(extras.get(_SOURCE) or ""),
        line if isinstance(line, int) else 0,
        column if isinstance(column, int) else 0,
        _patch(extras.get(PATCH)),
    )


def _rule(codings: Any) -> str:
    """The key of the rule, where one of ours is named."""
    held = codings if isinstance(codings, list) else []
    return next(
        (str(one.get("code") or "") for one in held if isinstance(one, dict) and one.get("system") == RULE_SYSTEM), ""
    )


def _patch(text: Any) -> tuple[dict[str, Any], ...]:
    """The JSON Patch that an extension holds; none where it holds something else, for somebody else wrote it."""
    if not isinstance(text, str):
        return ()
    try:
        steps = loads(text)
    except FhirplanError:
        return ()
    return tuple(one for one in steps if isinstance(one, dict)) if isinstance(steps, list) else ()
