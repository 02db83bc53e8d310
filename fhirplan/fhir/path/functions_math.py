"""Functions on numbers (FHIRPath N1 section 5.7)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from fhirplan.fhir.path.arithmetic import is_number, opposite
from fhirplan.fhir.path.code import Code, from_one, one_value, singly
from fhirplan.fhir.path.context import Context
from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.functions import Build, Function, Table
from fhirplan.fhir.path.quantity import Quantity

_MOST_PLACES: Final = 28
_MAX_WHOLE: Final = 10**40


def _number(value: Any, name: str) -> Any:
    if value is None or is_number(value):
        return value
    one_value(value, f"{name}()")
    raise NotEvaluable(f"{name}() works on numbers and is given something else.")


def _on_number(name: str, work: Callable[[Any], Any]) -> Build:
    def build(target: Code, _: tuple[Code, ...]) -> Code:
        one = target.one

        def value(this: Any, context: Context) -> Any:
            number = _number(one(this, context), name)
            return None if number is None else _worked(lambda: work(number))

        return from_one(value)

    return build


def _worked(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except (InvalidOperation, OverflowError, ValueError, ZeroDivisionError):
        return None


def _written(number: Any) -> Any:
    """A number whose whole part can be written out; 1e999999 is refused."""
    if not -_MAX_WHOLE <= number <= _MAX_WHOLE:
        raise NotEvaluable("A whole number of more than 40 digits results.")
    return number


def _real(number: float) -> Decimal | None:
    return Decimal(repr(number)) if math.isfinite(number) else None


def _absolute(target: Code, _: tuple[Code, ...]) -> Code:
    one = singly(target.one, "abs()")

    def value(this: Any, context: Context) -> Any:
        given = one(this, context)
        if isinstance(given, Quantity):
            return replace(given, value=opposite(given.value) if given.value < 0 else given.value)
        number = _number(given, "abs")
        return opposite(number) if number is not None and number < 0 else number

    return from_one(value)


def _rounded(target: Code, arguments: tuple[Code, ...]) -> Code:
    one, places = target.one, arguments[0].one if arguments else None

    def value(this: Any, context: Context) -> Any:
        number = _number(one(this, context), "round")
        digits = _number(places(this, context), "round") if places else 0
        if number is None or digits is None:
            return None
        if type(digits) is not int or not 0 <= digits <= _MOST_PLACES:
            raise NotEvaluable(f"round() takes 0 to {_MOST_PLACES} places.")
        return _worked(lambda: Decimal(number).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))

    return from_one(value)


def _with_number(name: str, work: Callable[[Any, Any], Any]) -> Build:
    def build(target: Code, arguments: tuple[Code, ...]) -> Code:
        one, other = target.one, arguments[0].one

        def value(this: Any, context: Context) -> Any:
            number, argument = _number(one(this, context), name), _number(other(this, context), name)
            return None if number is None or argument is None else _worked(lambda: work(number, argument))

        return from_one(value)

    return build


def _power(base: Any, exponent: Any) -> Any:
    if type(base) is int and type(exponent) is int and exponent >= 0 and base.bit_length() * exponent <= 128:
        return base**exponent
    return _real(math.pow(base, exponent))


FUNCTIONS: Final[Table] = {
    "abs": Function(_absolute),
    "ceiling": Function(_on_number("ceiling", lambda number: math.ceil(_written(number)))),
    "floor": Function(_on_number("floor", lambda number: math.floor(_written(number)))),
    "truncate": Function(_on_number("truncate", lambda number: math.trunc(_written(number)))),
    "round": Function(_rounded, 0, 1),
    "exp": Function(_on_number("exp", lambda number: _real(math.exp(number)))),
    "ln": Function(_on_number("ln", lambda number: _real(math.log(number)))),
    "sqrt": Function(_on_number("sqrt", lambda number: _real(math.sqrt(number)))),
    "log": Function(_with_number("log", lambda number, base: _real(math.log(number, base))), 1, 1),
    "power": Function(_with_number("power", _power), 1, 1),
}
