"""Quantities: FHIR's and FHIRPath's own, compared across the units whose ratio is fixed (FHIRPath N1 section 4.1.8)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any, Final

UCUM: Final = "http://unitsofmeasure.org"

Number = int | Decimal

# Units only move the point, so that numbers of any exponent can be compared.
_WIDE: Final = Context(prec=60, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount: ``unit`` is a UCUM code, or a calendar word (``day``) when ``calendar`` is true, or "" for none."""

    value: Number
    unit: str = "1"
    calendar: bool = False

    def __str__(self) -> str:
        return f"{self.value} {self.unit}" if self.calendar else f"{self.value} '{self.unit}'"


# Unit -> (dimension, how many of the dimension's first unit). Only exact factors.
_FACTORS: Final[dict[str, tuple[str, Decimal]]] = {
    unit: (dimension, Decimal(factor))
    for dimension, units in {
        "mass": {"g": "1", "mg": "0.001", "ug": "0.000001", "ng": "0.000000001", "kg": "1000", "t": "1000000",
                 "[lb_av]": "453.59237", "[oz_av]": "28.349523125"},
        "length": {"m": "1", "dm": "0.1", "cm": "0.01", "mm": "0.001", "um": "0.000001", "km": "1000",
                   "[in_i]": "0.0254", "[ft_i]": "0.3048", "[mi_i]": "1609.344"},
        "volume": {"L": "1", "l": "1", "dL": "0.1", "dl": "0.1", "mL": "0.001", "ml": "0.001", "uL": "0.000001",
                   "ul": "0.000001"},
        "time": {"s": "1", "ms": "0.001", "min": "60", "h": "3600", "d": "86400", "wk": "604800",
                 "second": "1", "millisecond": "0.001", "minute": "60", "hour": "3600", "day": "86400",
                 "week": "604800"},
        "calendar": {"month": "1", "year": "12"},
        "UCUM months": {"mo": "1", "a": "12"},
        "one": {"1": "1", "%": "0.01"},
    }.items()
    for unit, factor in units.items()
}  # fmt: skip
_EQUIVALENT: Final = {"year": "a", "month": "mo"}
_SPELLED: Final = re.compile(r"(?P<value>[+-]?\d+(?:\.\d+)?)\s*(?:'(?P<unit>[^']+)'|(?P<word>[a-z]+))?", re.ASCII)
_WORDS: Final = frozenset({"year", "month", "week", "day", "hour", "minute", "second", "millisecond"})


def of_element(item: dict[str, Any]) -> Quantity | None:
    """The amount a FHIR Quantity tells; None when it is none, has no value, or only a bound (``<5``)."""
    value = item.get("value")
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or item.get("comparator"):
        return None
    code, system = item.get("code"), item.get("system")
    if isinstance(code, str) and system in (UCUM, None):
        return Quantity(value, code)
    if isinstance(code, str):
        return Quantity(value, f"{system}|{code}")
    currency = item.get("currency") or item.get("unit")
    return Quantity(value, currency if isinstance(currency, str) else "1")


def parse(text: str) -> Quantity | None:
    """The quantity that a string spells (``4 days``, ``10 'mg'``, ``5``), None when it spells none."""
    found = _SPELLED.fullmatch(text)
    if not found:
        return None
    value: Number = Decimal(found["value"]) if "." in found["value"] else int(found["value"])
    if found["word"]:
        word = found["word"].removesuffix("s")
        return Quantity(value, word, calendar=True) if word in _WORDS else None
    return Quantity(value, found["unit"] or "1")


def compare(left: Quantity, right: Quantity) -> int | None:
    """-1, 0 or 1 by amount, None when the two units cannot be brought to one."""
    if left.unit == right.unit:
        one, other = Decimal(left.value), Decimal(right.value)
    else:
        dimension, factor = _FACTORS.get(left.unit, ("", Decimal(1)))
        other_dimension, other_factor = _FACTORS.get(right.unit, ("?", Decimal(1)))
        if dimension != other_dimension:
            return None
        one, other = _WIDE.multiply(Decimal(left.value), factor), _WIDE.multiply(Decimal(right.value), other_factor)
    return (one > other) - (one < other)


def key(value: Quantity) -> tuple[str, Decimal]:
    """What two equal quantities share: the dimension and the amount in its first unit."""
    dimension, factor = _FACTORS.get(value.unit, (value.unit, Decimal(1)))
    return (dimension, _WIDE.normalize(_WIDE.multiply(Decimal(value.value), factor)))


def in_ucum(value: Quantity) -> Quantity:
    """The same with a calendar word as its nearest UCUM code, as ``~`` compares them."""
    return Quantity(value.value, _EQUIVALENT.get(value.unit, value.unit))


def in_unit_of(left: Quantity, right: Quantity) -> Number | None:
    """The right amount in the left unit, None when the units do not fit."""
    if left.unit == right.unit:
        return right.value
    dimension, factor = _FACTORS.get(left.unit, ("", Decimal(1)))
    other_dimension, other_factor = _FACTORS.get(right.unit, ("?", Decimal(1)))
    if dimension != other_dimension:
        return None
    return _WIDE.divide(_WIDE.multiply(Decimal(right.value), other_factor), factor)


def times(left: Quantity, right: Quantity) -> Quantity | None:
    """The product where one of the two is a bare number, else None."""
    if right.unit == "1":
        return Quantity(left.value * right.value, left.unit, left.calendar)
    return Quantity(left.value * right.value, right.unit, right.calendar) if left.unit == "1" else None


def plus(left: Quantity, right: Quantity, sign: int) -> Quantity | None:
    """The sum (or with ``sign`` -1 the difference) in the left unit, None when the units do not fit."""
    amount = in_unit_of(left, right)
    return None if amount is None else Quantity(left.value + sign * amount, left.unit, left.calendar)
