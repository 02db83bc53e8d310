"""Functions that convert one value to another type: toInteger, convertsToDate … (FHIRPath N1 section 5.5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from fhirplan.fhir.path import quantity, temporal
from fhirplan.fhir.path.code import Code, from_one, from_truth, singly
from fhirplan.fhir.path.context import Context
from fhirplan.fhir.path.equality import amount_of
from fhirplan.fhir.path.functions import Build, Function, Table
from fhirplan.fhir.path.quantity import Quantity
from fhirplan.fhir.path.temporal import Temporal

_INTEGER: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?", re.ASCII)
_TRUE: Final = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE: Final = frozenset({"false", "f", "no", "n", "0", "0.0"})


def to_boolean(value: Any) -> bool | None:
    """true, false or None where a value converts to neither."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        return bool(value) if value in (0, 1) else None
    text = value.lower() if isinstance(value, str) else ""
    return True if text in _TRUE else False if text in _FALSE else None


def to_integer(value: Any) -> int | None:
    """The whole number a value converts to."""
    if isinstance(value, bool | int):
        return int(value)
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else None


def to_decimal(value: Any) -> Decimal | None:
    """The decimal a value converts to."""
    if isinstance(value, bool | int | Decimal):
        return Decimal(value)
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def to_text(value: Any) -> str | None:
    """The text a value converts to; None for an element that is no primitive."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return _plain(value)
    if isinstance(value, Temporal | Quantity):
        return str(value)
    amount = amount_of(value)
    return None if amount is None else str(amount)


def _plain(value: Decimal) -> str:
    exponent = value.as_tuple().exponent
    return f"{value:f}" if isinstance(exponent, int) and abs(exponent) < 100 else str(value)


def to_date(value: Any) -> Temporal | None:
    """The date a value converts to."""
    moment = _moment(value)
    return None if moment is None else temporal.as_date(moment)


def to_datetime(value: Any) -> Temporal | None:
    """The dateTime a value converts to."""
    moment = _moment(value)
    return None if moment is None else Temporal("dateTime", moment.parts, moment.zone, moment.utc)


def _moment(value: Any) -> Temporal | None:
    if isinstance(value, Temporal):
        return value if value.kind != "time" else None
    return temporal.parse(value) if isinstance(value, str) else None


def to_time(value: Any) -> Temporal | None:
    """The time a value converts to."""
    if isinstance(value, Temporal):
        return value if value.kind == "time" else None
    return temporal.parse_time(value) if isinstance(value, str) else None


def to_quantity(value: Any) -> Quantity | None:
    """The quantity a value converts to; a bare number has the unit 1."""
    if isinstance(value, bool):
        return Quantity(int(value))
    return quantity.parse(value) if isinstance(value, str) else amount_of(value)


def _to(name: str, convert: Callable[[Any], Any]) -> Build:
    def build(target: Code, arguments: tuple[Code, ...]) -> Code:
        one = singly(target.one, f"{name}()")
        unit = arguments[0].one if arguments else None

        def value(this: Any, context: Context) -> Any:
            given = one(this, context)
            made = None if given is None else convert(given)
            return made if unit is None or made is None else _in_unit(made, unit(this, context))

        return from_one(value)

    return build


def _in_unit(value: Quantity, unit: Any) -> Quantity | None:
    if not isinstance(unit, str) or value.unit == unit:
        return value
    return quantity.plus(Quantity(Decimal(0), unit), value, 1)


def _converts(name: str, convert: Callable[[Any], Any]) -> Build:
    def build(target: Code, _: tuple[Code, ...]) -> Code:
        one = singly(target.one, f"{name}()")

        def truth(this: Any, context: Context) -> bool | None:
            given = one(this, context)
            return None if given is None else convert(given) is not None

        return from_truth(truth)

    return build


_CONVERSIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "Boolean": to_boolean,
    "Integer": to_integer,
    "Decimal": to_decimal,
    "String": to_text,
    "Date": to_date,
    "DateTime": to_datetime,
    "Time": to_time,
    "Quantity": to_quantity,
}

FUNCTIONS: Final[Table] = {
    **{
        f"to{name}": Function(_to(f"to{name}", convert), 0, 1 if name == "Quantity" else 0)
        for name, convert in _CONVERSIONS.items()
    },
    **{
        f"convertsTo{name}": Function(_converts(f"convertsTo{name}", convert), 0, 1 if name == "Quantity" else 0)
        for name, convert in _CONVERSIONS.items()
    },
}
