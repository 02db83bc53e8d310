"""Turns findings into an OperationOutcome and back (R4 section 2.40)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource

RULE_SYSTEM: Final = "http://fhirplan.dev/fhir/CodeSystem/cm-rule"
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
    details = item.get("details")
    text = details.get("text") if isinstance(details, dict) else None
    expression = item.get("expression")
    severity = item.get("severity")
    return Issue(
        severity if severity in _SEVERITIES else "error",
        str(item.get("code") or "processing"),
        str(text or item.get("diagnostics") or "No reason was given."),
        str(expression[0]) if isinstance(expression, list) and expression else "",
    )
