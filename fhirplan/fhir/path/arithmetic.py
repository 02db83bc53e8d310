"""Arithmetic on numbers, texts, quantities and dates (FHIRPath N1 section 6.6)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any, Final

from fhirplan.fhir.path import quantity, temporal
from fhirplan.fhir.path.equality import moment_of
from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.quantity import Quantity
from fhirplan.fhir.path.temporal import Temporal

MAX_TEXT: Final = 1_000_000
# Wide enough for FHIR's 18 digits squared; an exponent far out is refused rather than written out as zeros.
_DIGITS: Final = Context(prec=40, Emax=999, Emin=-999, traps=[InvalidOperation, DivisionByZero, Overflow])
_MAX_INTEGER: Final = 10**40
_MAX_MOVE: Final = 1_000_000_000_000_000  # more leaves the years 1 to 9999 even in milliseconds


def is_number(value: Any) -> bool:
    """Whether a value is an integer or a decimal; true and false are not."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def bounded(text: str) -> str:
    """A text that is not longer than is kept; raises NotEvaluable for a longer one."""
    if len(text) > MAX_TEXT:
        raise NotEvaluable(f"A text of more than {MAX_TEXT} characters results.")
    return text


def opposite(value: int | Decimal) -> int | Decimal:
    """A number with the other sign, all its digits kept (``-value`` rounds a decimal)."""
    return value.copy_negate() if isinstance(value, Decimal) else -value


def join(left: Any, right: Any) -> str:
    """``&``: two texts, with nothing counted as ''."""
    return bounded(_text(left) + _text(right))


def _text(value: Any) -> str:
    if value is None or type(value) is str:
        return value or ""
    raise NotEvaluable("& joins texts; one of its sides is no text.")


def negated(value: Any) -> Any:
    """``-value``."""
    if is_number(value):
        return opposite(value)
    if isinstance(value, Quantity):
        return Quantity(opposite(value.value), value.unit, value.calendar)
    raise NotEvaluable("- is written before something that is no number.")


def plus(left: Any, right: Any) -> Any:
    """The sum of numbers or quantities, two texts joined, or a date moved by a quantity; None for unlike units."""
    if is_number(left) and is_number(right):
        return _add(left, right)
    if isinstance(right, Quantity | dict) and (moment := moment_of(left)) is not None:
        return _moved(moment, right, 1)
    if type(left) is str and type(right) is str:
        return bounded(left + right)
    return _add_quantities(left, right, 1, "+")


def minus(left: Any, right: Any) -> Any:
    """The difference of numbers or quantities, or a date moved back by a quantity; None for unlike units."""
    if is_number(left) and is_number(right):
        return _add(left, opposite(right))
    if isinstance(right, Quantity | dict) and (moment := moment_of(left)) is not None:
        return _moved(moment, right, -1)
    return _add_quantities(left, right, -1, "-")


def _add(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int:
        return _small(left + right)
    return _calculated(_DIGITS.add, left, right)


def _small(value: int) -> int:
    if abs(value) > _MAX_INTEGER:
        raise NotEvaluable("A whole number of more than 40 digits results.")
    return value


def _calculated(work: Any, left: Any, right: Any) -> Any:
    return _tried(lambda: work(Decimal(left), Decimal(right)))


def _tried(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except (InvalidOperation, Overflow):
        raise NotEvaluable("A number results that is too large or undefined.") from None


def _moved(moment: Temporal, amount: Any, sign: int) -> Temporal:
    by = amount if isinstance(amount, Quantity) else quantity.of_element(amount)
    if by is None:
        raise NotEvaluable("Something that is no quantity is added to a date.")
    return temporal.plus(moment, _small_amount(by.value) * sign, by.unit)


def _small_amount(value: int | Decimal) -> Decimal:
    if not -_MAX_MOVE <= value <= _MAX_MOVE:
        raise NotEvaluable("A date is moved out of the years 1 to 9999.")
    return Decimal(value)


def _add_quantities(left: Any, right: Any, sign: int, symbol: str) -> Quantity | None:
    one, other = _amounts(left, right, symbol)
    made: Quantity | None = _tried(lambda: quantity.plus(one, other, sign))
    return made


def _amounts(left: Any, right: Any, symbol: str) -> tuple[Quantity, Quantity]:
    one, other = _amount(left), _amount(right)
    if one is None or other is None:
        raise NotEvaluable(f"{symbol} is used on values that it does not combine.")
    return one, other


def _amount(value: Any) -> Quantity | None:
    if isinstance(value, Quantity):
        return value
    if isinstance(value, dict):
        return quantity.of_element(value)
    return Quantity(value) if is_number(value) else None


def times(left: Any, right: Any) -> Any:
    """The product; None for two quantities that both have a unit."""
    if is_number(left) and is_number(right):
        if type(left) is int and type(right) is int:
            return _small(left * right)
        return _calculated(_DIGITS.multiply, left, right)
    one, other = _amounts(left, right, "*")
    return _tried(lambda: quantity.times(one, other))


def divided(left: Any, right: Any) -> Any:
    """The quotient as a decimal; None when divided by zero or for unlike units."""
    if is_number(left) and is_number(right):
        return None if right == 0 else _calculated(_DIGITS.divide, left, right)
    one, other = _amounts(left, right, "/")
    if other.value == 0 or (other.unit not in ("1", one.unit)):
        return None
    unit = "1" if other.unit == one.unit else one.unit
    return Quantity(_calculated(_DIGITS.divide, one.value, other.value), unit)


def whole(left: Any, right: Any) -> Any:
    """``div``: the quotient without its fraction; None when divided by zero."""
    if not (is_number(left) and is_number(right)):
        raise NotEvaluable("div is used on values that are no numbers.")
    return None if right == 0 else int(_calculated(_DIGITS.divide_int, left, right))


def rest(left: Any, right: Any) -> Any:
    """``mod``: what is left over; it has the sign of the left side. None when divided by zero."""
    if not (is_number(left) and is_number(right)):
        raise NotEvaluable("mod is used on values that are no numbers.")
    if right == 0:
        return None
    value = _calculated(_DIGITS.remainder, left, right)
    return int(value) if type(left) is int and type(right) is int else value
