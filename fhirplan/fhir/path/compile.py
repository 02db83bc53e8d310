"""Turns the syntax tree of an expression into closures, once, so that evaluating it parses and decides nothing."""

from __future__ import annotations

from typing import Final

from fhirplan.fhir.path import (
    functions_boundary,
    functions_conversion,
    functions_existence,
    functions_fhir,
    functions_filtering,
    functions_math,
    functions_subsetting,
    functions_text,
    paths,
    temporal,
)
from fhirplan.fhir.path.code import THIS, Code, constant, from_many
from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.functions import Function, Table
from fhirplan.fhir.path.functions_filtering import TYPED
from fhirplan.fhir.path.nodes import NOTHING
from fhirplan.fhir.path.operators import OPERATORS, negative
from fhirplan.fhir.path.quantity import Quantity
from fhirplan.fhir.path.syntax import (
    Amount,
    Call,
    Empty,
    External,
    Flag,
    Item,
    Loop,
    Member,
    Moment,
    Number,
    Operation,
    Sign,
    Syntax,
    Text,
    This,
    TypeTest,
    type_name,
    walk,
)

FUNCTIONS: Final[Table] = {
    **functions_existence.FUNCTIONS,
    **functions_filtering.FUNCTIONS,
    **functions_subsetting.FUNCTIONS,
    **functions_text.FUNCTIONS,
    **functions_conversion.FUNCTIONS,
    **functions_math.FUNCTIONS,
    **functions_boundary.FUNCTIONS,
    **functions_fhir.FUNCTIONS,
}


def code_of(node: Syntax) -> Code:
    """The compiled form of a syntax tree; raises NotEvaluable for an unknown function or type namespace."""
    match node:
        case This():
            return THIS
        case Member(target=target, name=name, first=first):
            return paths.member(code_of(target), name, first=first)
        case Text(value=value) | Number(value=value) | Flag(value=value):
            return constant(value)
        case Operation(operator=operator, left=left, right=right):
            return OPERATORS[operator](code_of(left), code_of(right))
        case Call():
            return _call(node)
        case TypeTest(operator=operator, operand=operand, type=type_):
            return TYPED[operator](code_of(operand), type_)
        case _:
            return _rarer(node)


def _rarer(node: Syntax) -> Code:
    match node:
        case Moment(text=text):
            return constant(_moment(text))
        case Amount(value=value, unit=unit, calendar=calendar):
            return constant(Quantity(value, unit, calendar))
        case External(name=name):
            return paths.external(name)
        case Item(target=target, index=index):
            return paths.item_at(code_of(target), code_of(index))
        case Sign(sign=sign, operand=operand):
            return negative(code_of(operand)) if sign == "-" else code_of(operand)
        case Loop(name=name):
            return paths.loop_value(name)
        case Empty():
            return from_many(lambda this, context: NOTHING)
    raise NotEvaluable(f"{type(node).__name__} cannot be compiled.")


def _moment(text: str) -> temporal.Temporal:
    made = temporal.parse_time(text) if text.startswith("T") else temporal.parse(text)
    if made is None:
        raise NotEvaluable(f"@{text} is no date or time.")
    return made


def _call(node: Call) -> Code:
    name, arguments = node.name, node.arguments
    if name in TYPED:
        type_ = type_name(arguments[0]) if len(arguments) == 1 else ""
        if not type_:
            raise NotEvaluable(f"{name}() needs the name of one type.")
        return TYPED[name](code_of(node.target), type_)
    function = FUNCTIONS.get(name)
    if function is None:
        raise NotEvaluable(f"{name}() is not a function that is known here.")
    if not function.fewest <= len(arguments) <= function.most:
        raise NotEvaluable(f"{name}() is given {len(arguments)} arguments; it takes {_range(function)}.")
    return function.build(code_of(node.target), tuple(_argument(argument) for argument in arguments))


def _range(function: Function) -> str:
    return str(function.fewest) if function.fewest == function.most else f"{function.fewest} to {function.most}"


def _argument(node: Syntax) -> Code:
    indexed = any(isinstance(inner, Loop) for inner in walk(node))
    return code_of(node).but(indexed=indexed)


def needs_meter(node: Syntax) -> bool:
    """Whether an evaluation can go through more items than its input has, and so must be bounded."""
    calls = [inner for inner in walk(node) if isinstance(inner, Call)]
    return any(_expands(call.name) or any(_reads_outside(argument) for argument in call.arguments) for call in calls)


def _reads_outside(node: Syntax) -> bool:
    # A loop inside a loop goes through the same items again only by way of a %variable.
    return any(isinstance(inner, External) for inner in walk(node))


def _expands(name: str) -> bool:
    return name in FUNCTIONS and FUNCTIONS[name].expands


def needs_focus(node: Syntax) -> bool:
    """Whether ``%context`` is read, which is the focus of the whole evaluation."""
    return any(isinstance(inner, External) and inner.name == "context" for inner in walk(node))


def needs_resource(node: Syntax) -> bool:
    """Whether ``%resource``, ``%rootResource`` or a contained reference may be read."""
    return any(
        (isinstance(inner, External) and inner.name in ("resource", "rootResource"))
        or (isinstance(inner, Call) and inner.name == "resolve")
        for inner in walk(node)
    )
