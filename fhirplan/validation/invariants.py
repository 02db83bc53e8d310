"""Runs the FHIRPath invariants that the structural walk left for later, each compiled once.

An invariant passes only on exactly true (guide section 0.2). One that cannot be evaluated is a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fhirplan.errors import Severity
from fhirplan.fhir import path, structure
from fhirplan.fhir.structure import CORE, Constraint
from fhirplan.validation import bindings, references
from fhirplan.validation.findings import Findings, Place, Scope, expression

REPORTED_AT: Final = "http://fhirplan.dev/fhir/StructureDefinition/cm-reported-at"
"""On ElementDefinition.constraint: the element path at which a finding is told (guide section 2.3)."""


# R4's own rules on a whole resource that are about one element of it (guide section 2.3, "reported at").
REPORTED: Final = {
    (CORE + "Task", "inv-1"): "Task.lastModified",
    (CORE + "List", "lst-1"): "List.emptyReason",
    (CORE + "Condition", "con-4"): "Condition.clinicalStatus",
    (CORE + "Consent", "ppc-1"): "Consent.policyRule",
}


# What an expression over content of the wrong type may run into; the structural findings say what is wrong with it.
_SHAPES: Final = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError)


class Rule:
    """One invariant of one profile, compiled when first run."""

    __slots__ = ("compiled", "human", "key", "profile", "reported", "severity", "text", "type")

    def __init__(self, rule: Constraint, profile: str, type_: str = "", reported: str = "") -> None:
        self.key = rule.key
        self.human = rule.human
        self.text = rule.expression
        self.severity: Severity = "error" if rule.severity == "error" else "warning"
        self.profile = profile
        self.type = type_
        self.reported = reported or REPORTED.get((profile, rule.key), "")
        self.compiled: Any = None

    def holds(self, value: Any, context: path.Context) -> bool:
        """Whether a value keeps the rule; raises NotEvaluable, or what content of the wrong type runs into."""
        compiled = self.compiled
        if compiled is None:
            compiled = self.compiled = path.compile(self.text)
        held: bool = compiled.holds(path.typed(value, self.type) if self.type else value, context)
        return held

    def broken(self, value: Any, place: Place, scope: Scope, findings: Findings) -> None:
        """Notes that a value breaks the rule."""
        where = self.place(value, place, scope)
        findings.add(self.severity, "invariant", self.human, where, self.key, self.profile)

    def unknown(self, reason: Exception, place: Place, findings: Findings) -> None:
        """Notes that nobody can tell whether a value keeps the rule."""
        why = str(reason)[:200] if isinstance(reason, path.NotEvaluable) else "the content is not of its type"
        text = f"The rule {self.key} ({self.human}) could not be evaluated: {why}."
        findings.add("warning", "not-supported", text, place, self.key, self.profile)

    def place(self, value: Any, place: Place, scope: Scope) -> Place | str:
        """Where the finding is told: at the value, or at the element below it that the profile names."""
        if not self.reported:
            return place
        depth = 0
        at: Place | None = place
        while at is not None and at is not scope.place:
            depth, at = depth + 1, at[0]
        return ".".join([expression(place), *_indexed(value, self.reported.split(".")[1 + depth :])])


def _indexed(value: Any, steps: list[str]) -> list[str]:
    """The steps, with an index where a list on the way has one entry that can be meant."""
    made: list[str] = []
    for position, step in enumerate(steps):
        value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, list) and position < len(steps) - 1:
            following = steps[position + 1]
            met = [i for i, one in enumerate(value) if isinstance(one, dict) and (following in one or len(value) == 1)]
            if len(met) == 1:
                made.append(f"{step}[{met[0]}]")
                value = value[met[0]]
                continue
        made.append(step)
    return made


def run(findings: Findings) -> None:
    """The second phase: every invariant left over, except in a resource that lacks a required element."""
    for scope in findings.scopes:
        if scope.incomplete or not scope.later:
            continue
        context = _context(scope, findings)
        for rules, value, place, _ in scope.later:
            for rule in rules:
                try:
                    if not rule.holds(value, context):
                        rule.broken(value, place, scope, findings)
                except (path.NotEvaluable, *_SHAPES) as reason:
                    rule.unknown(reason, place, findings)


def _context(scope: Scope, findings: Findings) -> path.Context:
    """What the invariants of a resource may ask for beyond it: value sets, profiles, other resources, types."""

    def member_of(item: Any, url: str) -> bool | None:
        return bindings.concept_held(findings.engine.terminology, url.partition("|")[0], item)

    def conforms_to(item: Any, url: str) -> bool | None:
        held: bool | None = findings.engine.profiles.conforms(url, item, scope.place, findings)
        return held

    return path.Context(
        resource=scope.resource,
        root=scope.root,
        resolve=_resolver(scope),
        member_of=member_of,
        conforms_to=conforms_to,
        type_of=_type_of,
    )


def _resolver(scope: Scope) -> Callable[[str], dict[str, Any] | None]:
    return lambda text: references.resolve(text, scope)


def _type_of(type_: str, name: str) -> str | None:
    """The type of a type's element where it has only one."""
    definition = structure.definition(type_)
    element = definition.element(name) if definition else None
    return element.types[0].code if element is not None and len(element.types) == 1 else None
