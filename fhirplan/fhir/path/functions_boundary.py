"""The least and greatest value that a partial date, a time or a decimal may mean; precision, comparable.

FHIRPath 2.1 section 5.7; R5 writes per-1 with them, and so do newer guides on R4.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from decimal import Context as Digits
from typing import Any, Final

from fhirplan.fhir.path import quantity
from fhirplan.fhir.path.arithmetic import is_number
from fhirplan.fhir.path.code import Code, from_one, from_truth, singly
from fhirplan.fhir.path.context import Context
from fhirplan.fhir.path.equality import amount_of, moment_of
from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.functions import Build, Function, Table
from fhirplan.fhir.path.quantity import Quantity
from fhirplan.fhir.path.temporal import Temporal, completed

_MOST_PLACES: Final = 31
_DIGITS: Final = Digits(prec=80)
_DEFAULT_PLACES: Final = 8
# Digits of a date or time -> how many parts that is.
_DATE_DIGITS: Final = {4: 1, 6: 2, 8: 3, 10: 4, 12: 5, 14: 6, 17: 6}
_TIME_DIGITS: Final = {2: 1, 4: 2, 6: 3, 9: 3}
_ZONE: Final = {-1: 14 * 60, 1: -12 * 60}  # where a day begins first, and ends last


def _boundary(name: str, side: int) -> Build:
    def build(target: Code, arguments: tuple[Code, ...]) -> Code:
        one, digits = singly(target.one, f"{name}()"), arguments[0].one if arguments else None

        def value(this: Any, context: Context) -> Any:
            given = one(this, context)
            precision = digits(this, context) if digits else None
            if precision is not None and type(precision) is not int:
                raise NotEvaluable(f"{name}() takes a whole number.")
            return None if given is None else _bound(given, precision, side)

        return from_one(value)

    return build


def _bound(value: Any, digits: int | None, side: int) -> Any:
    if is_number(value):
        return _decimal_bound(value, digits, side)
    if isinstance(value, Quantity | dict):
        amount = amount_of(value)
        bound = _decimal_bound(amount.value, digits, side) if amount else None
        return Quantity(bound, amount.unit, amount.calendar) if amount and bound is not None else None
    moment = moment_of(value)
    if moment is None:
        raise NotEvaluable("A boundary is asked of something that is no number, quantity, date or time.")
    return _moment_bound(moment, digits, side)


def _decimal_bound(value: Any, digits: int | None, side: int) -> Decimal | None:
    places = _DEFAULT_PLACES if digits is None else digits
    exponent = Decimal(value).as_tuple().exponent
    if not 0 <= places <= _MOST_PLACES or not isinstance(exponent, int) or abs(exponent) > _MOST_PLACES:
        return None
    half = Decimal(5).scaleb(min(exponent, 0) - 1)
    try:
        exact = _DIGITS.add(Decimal(value), half.copy_sign(Decimal(side)))
        rounding = ROUND_FLOOR if side < 0 else ROUND_CEILING
        return exact.quantize(Decimal(1).scaleb(-places), rounding, _DIGITS)
    except InvalidOperation:
        return None


def _moment_bound(moment: Temporal, digits: int | None, side: int) -> Temporal | None:
    known = _TIME_DIGITS if moment.kind == "time" else _DATE_DIGITS
    wanted = digits if digits is not None else {"time": 9, "date": 8, "dateTime": 17}[moment.kind]
    if wanted not in known:
        return None
    full = completed(moment, latest=side > 0)
    parts = full[: known[wanted]]
    if moment.kind == "time":
        return Temporal("time", parts, None, parts)
    if len(parts) <= 3:
        return Temporal("date", parts, None, parts)
    return Temporal.at("dateTime", parts, moment.zone if moment.zone is not None else _ZONE[side])


def _precision(target: Code, _: tuple[Code, ...]) -> Code:
    one = singly(target.one, "precision()")

    def value(this: Any, context: Context) -> int | None:
        given = one(this, context)
        if given is None:
            return None
        if is_number(given):
            exponent = Decimal(given).as_tuple().exponent
            return max(-exponent, 0) if isinstance(exponent, int) else None
        moment = moment_of(given)
        return None if moment is None else _digits(moment)

    return from_one(value)


def _digits(moment: Temporal) -> int:
    count = len(moment.parts)
    digits = count * 2 if moment.kind == "time" else count * 2 + 2
    return digits + 3 if isinstance(moment.parts[-1], Decimal) else digits


def _comparable(target: Code, arguments: tuple[Code, ...]) -> Code:
    one, other = singly(target.one, "comparable()"), singly(arguments[0].one, "comparable()")

    def truth(this: Any, context: Context) -> bool | None:
        first, second = amount_of(one(this, context)), amount_of(other(this, context))
        return None if first is None or second is None else quantity.compare(first, second) is not None

    return from_truth(truth)


FUNCTIONS: Final[Table] = {
    "lowBoundary": Function(_boundary("lowBoundary", -1), 0, 1),
    "highBoundary": Function(_boundary("highBoundary", 1), 0, 1),
    "precision": Function(_precision),
    "comparable": Function(_comparable, 1, 1),
}
