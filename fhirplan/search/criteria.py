"""What a search asks of a resource, as values: conditions on its own rows, chains to others, and what joins them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fhirplan.fhir.dates import Span
from fhirplan.search.definitions import ParameterType, SearchParameter


@dataclass(frozen=True, slots=True)
class TokenValue:
    """``system`` None stands for any, "" for none; ``code`` None for any code in the system."""

    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """Type and id; ``type`` None for any type, "" where ``id`` is a whole url."""

    type: str | None
    id: str


@dataclass(frozen=True, slots=True)
class DateValue:
    """A span of time and how to compare with it."""

    prefix: str
    span: Span


@dataclass(frozen=True, slots=True)
class StringValue:
    """A folded text, compared with the beginning of the folded value, with any part of it, its end, or all of it."""

    text: str
    how: Literal["begins", "contains", "ends", "is"] = "begins"


@dataclass(frozen=True, slots=True)
class UriValue:
    """A whole uri or exact text; with ``below`` also all uris that go on after it with a slash."""

    text: str
    below: bool = False


@dataclass(frozen=True, slots=True)
class NumberValue:
    """A number and the span its digits stand for (``5.4`` is from 5.35 up to, without, 5.45)."""

    prefix: str
    exact: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class QuantityValue:
    """A number with a unit: ``system`` None for any, ``code`` "" for any; without system the code may be a unit."""

    number: NumberValue
    system: str | None
    code: str


Value = TokenValue | ReferenceValue | DateValue | StringValue | UriValue | NumberValue | QuantityValue


@dataclass(frozen=True, slots=True)
class Condition:
    """Fulfilled when one of the resource's rows of the parameter matches one of ``values``; ``negated``, when none.

    The values of a condition are all of one class, which tells the kind of row they are compared with.
    """

    parameter: SearchParameter
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """Fulfilled when the resource has no row of the parameter, or with ``missing`` false when it has one."""

    parameter: SearchParameter
    missing: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """Fulfilled when the parameter refers to a live resource of ``type`` here that fulfils ``inner``."""

    parameter: SearchParameter
    type: str
    inner: Criterion


@dataclass(frozen=True, slots=True)
class Has:
    """Fulfilled when a live resource of ``type`` fulfils ``inner`` and refers to this one by its ``parameter``."""

    type: str
    parameter: SearchParameter
    inner: Criterion


@dataclass(frozen=True, slots=True)
class Every:
    """Fulfilled when all parts are."""

    parts: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """Fulfilled when one of the parts is."""

    parts: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """Fulfilled when the part is not."""

    part: Criterion


Criterion = Condition | Missing | Chain | Has | Every | Some | Negation

KINDS: Final[dict[type[Value], ParameterType]] = {
    TokenValue: "token",
    ReferenceValue: "reference",
    DateValue: "date",
    StringValue: "string",
    UriValue: "uri",
    NumberValue: "number",
    QuantityValue: "quantity",
}
# The kinds of rows that a parameter of a type may have besides its own: for :text, :of-type, :identifier and :exact.
ROWS: Final[dict[ParameterType, tuple[ParameterType, ...]]] = {
    "token": ("token", "string", "uri"),
    "reference": ("reference", "token"),
    "string": ("string", "uri"),
    "date": ("date",),
    "number": ("number",),
    "quantity": ("quantity",),
    "uri": ("uri",),
}


def kind(condition: Condition) -> ParameterType:
    """The kind of row that a condition is about."""
    return KINDS[type(condition.values[0])]


def weight(criterion: Criterion) -> int:
    """How much a criterion asks: its values, and one for each step to another resource."""
    match criterion:
        case Condition(_, values):
            return len(values)
        case Missing():
            return 1
        case Chain(_, _, inner) | Has(_, _, inner):
            return 1 + weight(inner)
        case Every(parts) | Some(parts):
            return sum(weight(part) for part in parts)
        case Negation(part):
            return weight(part)


def leads_on(criterion: Criterion) -> bool:
    """Whether other resources decide too if one fulfils it: a chain or ``_has`` stands somewhere in it."""
    match criterion:
        case Chain() | Has():
            return True
        case Every(parts) | Some(parts):
            return any(leads_on(part) for part in parts)
        case Negation(part):
            return leads_on(part)
    return False
