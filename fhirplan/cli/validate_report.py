"""Says what ``fhirplan validate`` found: as text, JSON or OperationOutcomes, and in a table at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fhirplan.errors import Issue
from fhirplan.fhir import codec
from fhirplan.fhir.outcome import outcome


@dataclass(frozen=True, slots=True)
class Result:
    """What was found in one text."""

    source: str
    type: str
    id: str
    issues: tuple[Issue, ...]
    fixed: int = 0

    @property
    def valid(self) -> bool:
        """Whether nothing found is an error."""
        return not any(issue.is_error for issue in self.issues)


def as_json(result: Result) -> str:
    """One line of JSON: source, type, id, whether it is valid, and its findings."""
    issues = [
        {
            "severity": one.severity,
            "code": one.code,
            "expression": one.expression,
            "text": one.text,
            "rule": one.rule,
            "profile": one.profile,
            **({"line": one.line, "column": one.column} if one.line else {}),
            **({"patch": list(one.patch)} if one.patch else {}),
        }
        for one in result.issues
    ]
    row = {
        "source": result.source,
        "resourceType": result.type,
        "id": result.id,
        "valid": result.valid,
        "issues": issues,
    }
    return codec.dumps(row).decode()


def as_text(result: Result) -> Iterator[str]:
    """The lines that a person reads."""
    yield f"{result.source}: {'valid' if result.valid else 'INVALID'}" + (
        f" ({'/'.join(filter(None, (result.type, result.id)))})" if result.type else ""
    )
    for one in result.issues:
        lines = f"(line {one.line}, column {one.column})" if one.line else ""
        at = " ".join(filter(None, (one.expression, lines)))
        rule = f" [{one.rule}]" if one.rule else ""
        yield f"  {': '.join((one.severity, *filter(None, (at,)), one.text))}{rule}"
        if one.patch:
            yield f"    repair: {codec.dumps(list(one.patch)).decode()}"
    if result.fixed:
        yield f"  {result.fixed} repaired"


def as_outcome(result: Result) -> str:
    """An OperationOutcome on one line."""
    return codec.dumps(outcome(result.issues)).decode()


def summary(done: list[Result]) -> None:
    """Prints a table of how many of each type are valid, on standard error."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Validation")
    for column in ("Type", "Valid", "Invalid", "Warnings"):
        table.add_column(column, justify="left" if column == "Type" else "right")
    for name in sorted({one.type for one in done}):
        rows = [one for one in done if one.type == name]
        warnings = sum(issue.severity == "warning" for one in rows for issue in one.issues)
        valid = sum(one.valid for one in rows)
        table.add_row(name or "(unreadable)", str(valid), str(len(rows) - valid), str(warnings))
    Console(stderr=True).print(table)


def grave(issues: tuple[Issue, ...]) -> tuple[Issue, ...]:
    """Only what a summary counts, so that a million results do not fill the memory."""
    return tuple(one for one in issues if one.severity != "information")
