"""A compiled FHIRPath expression: what callers hold and evaluate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from fhirplan.fhir.path.code import Code, Truth
from fhirplan.fhir.path.compile import code_of, needs_focus, needs_meter, needs_resource
from fhirplan.fhir.path.context import EMPTY, Context
from fhirplan.fhir.path.corrections import CORRECTED
from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.kinds import name_of
from fhirplan.fhir.path.nodes import Items, Node, Unresolved
from fhirplan.fhir.path.parser import parse
from fhirplan.fhir.path.quantity import UCUM, Quantity
from fhirplan.fhir.path.syntax import depth
from fhirplan.fhir.path.temporal import Temporal

MAX_DEPTH: Final = 150  # compiled closures call each other as deep


class _Needs(NamedTuple):
    """What an evaluation must be given beyond the caller's context; all false for most expressions."""

    focus: bool
    resource: bool
    meter: bool


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression ready to be evaluated, any number of times and from any thread.

    Each method takes the focus (a resource, an element's JSON, or ``typed(...)`` where the type is known) and the
    context, and raises NotEvaluable where this input gives it no answer.
    """

    text: str
    _code: Code
    _truth: Truth
    _needs: _Needs | None

    def evaluate(self, focus: Any, context: Context = EMPTY) -> list[Any]:
        """The items it gives, as JSON values: dates and quantities as FHIR writes them.

        A primitive that has only extensions gives no item, as it has no JSON value.
        """
        return [value for value in map(_json, self._items(focus, context)) if value is not None]

    def typed(self, focus: Any, context: Context = EMPTY) -> list[tuple[str, Any]]:
        """The items with their types, as ("Quantity", {...}); the type of a primitive is "" where nothing tells."""
        return [(_type(item), value) for item in self._items(focus, context) if (value := _json(item)) is not None]

    def exists(self, focus: Any, context: Context = EMPTY) -> bool:
        """Whether it gives any item, counting a primitive that has only extensions."""
        return self._code.some(focus, self._prepared(focus, context))

    def truth(self, focus: Any, context: Context = EMPTY) -> bool | None:
        """What it gives as a Boolean: None for nothing, true for a single item that is no Boolean."""
        return self._code.truth(focus, self._prepared(focus, context))

    def holds(self, focus: Any, context: Context = EMPTY) -> bool:
        """Whether a rule with this expression is kept: only by true; nothing counts as broken."""
        return self._truth(focus, self._prepared(focus, context) if self._needs else context) is True

    def _items(self, focus: Any, context: Context) -> Items:
        return self._code.many(focus, self._prepared(focus, context))

    def _prepared(self, focus: Any, context: Context) -> Context:
        needs = self._needs
        if needs is None:
            return context
        if needs.focus or (needs.resource and context.resource is None):
            context = context.on(focus)
        return context.metered() if needs.meter else context


@lru_cache(maxsize=4096)
def compile(expression: str) -> Expression:
    """The expression compiled; the same text gives the same object.

    Raises NotEvaluable for a syntax error, an unknown function or a wrong number of arguments.
    """
    tree = parse(CORRECTED.get(expression, expression))
    if depth(tree) > MAX_DEPTH:
        raise NotEvaluable(f"The expression is a chain of more than {MAX_DEPTH} steps.")
    code = code_of(tree)
    needs = _Needs(needs_focus(tree), needs_resource(tree), needs_meter(tree))
    return Expression(expression, code, code.truth, needs if any(needs) else None)


def _json(item: Any) -> Any:
    match item:
        case Node(value=value):
            return _json(value)
        case Temporal():
            return str(item)
        case Quantity(value=value, unit=unit, calendar=calendar):
            return {"value": value, "unit": unit} if calendar else {"value": value, "system": UCUM, "code": unit}
        case Unresolved(type=type_):
            raise NotEvaluable(f"A referenced {type_} is asked for that is not here.")
    return item


def _type(item: Any) -> str:
    if isinstance(item, str | bool | int) or (isinstance(item, Node) and not item.type):
        return ""
    space, name = name_of(item)
    return name if space == "FHIR" else name[0].lower() + name[1:]
