"""When two items are equal, equivalent, or in order (FHIRPath N1 sections 6.1 and 6.2)."""

from __future__ import annotations

from collections.abc import Hashable
from decimal import Decimal, InvalidOperation
from typing import Any

from fhirplan.fhir.path import quantity, temporal
from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.nodes import Items, Node
from fhirplan.fhir.path.quantity import Quantity
from fhirplan.fhir.path.temporal import Temporal


def equal(left: Any, right: Any) -> bool | None:
    """Whether two JSON or System values are equal; None when dates of different precision leave it open."""
    kind = type(left)
    if kind is str and type(right) is str:
        if left == right:
            return True
        if temporal.looks_temporal(left) and temporal.looks_temporal(right):
            return _equal_moments(temporal.parse(left), temporal.parse(right))
        return False
    if kind is bool or type(right) is bool:
        return left is right
    if kind in (int, Decimal) or isinstance(left, Decimal):
        return isinstance(right, int | Decimal) and left == right
    return _equal_values(left, right)


def _equal_values(left: Any, right: Any) -> bool | None:
    if isinstance(left, Temporal) or isinstance(right, Temporal):
        return _equal_moments(moment_of(left), moment_of(right))
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        one, other = amount_of(left), amount_of(right)
        if one is None or other is None:
            return False
        order = quantity.compare(one, other)
        return None if order is None else order == 0
    if isinstance(left, dict) and isinstance(right, dict):
        return key(left) == key(right)
    return bool(left == right)


def _equal_moments(left: Temporal | None, right: Temporal | None) -> bool | None:
    if left is None or right is None or (left.kind == "time") != (right.kind == "time"):
        return False
    order = temporal.compare(left, right)
    return None if order is None else order == 0


def moment_of(value: Any) -> Temporal | None:
    """The date, dateTime or time that a value is or spells, else None."""
    if isinstance(value, Temporal):
        return value
    if type(value) is str:
        return temporal.parse(value) if temporal.looks_temporal(value) else temporal.parse_time(value)
    return None


def amount_of(value: Any) -> Quantity | None:
    """The quantity that a value is or, as a FHIR Quantity or a bare number, stands for; else None."""
    if isinstance(value, Quantity):
        return value
    if isinstance(value, dict):
        return quantity.of_element(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Quantity(value)
    return None


def compare(left: Any, right: Any) -> int | None:
    """-1, 0 or 1 for values that have an order, None when it is undecidable; NotEvaluable when they have none."""
    if type(left) is str and type(right) is str:
        if temporal.looks_temporal(left) and temporal.looks_temporal(right):
            if temporal.same_form(left, right):
                return (left > right) - (left < right)
            one, other = temporal.parse(left), temporal.parse(right)
            if one is not None and other is not None:
                return temporal.compare(one, other)
        return (left > right) - (left < right)
    if _is_number(left) and _is_number(right):
        return int(left > right) - int(left < right)
    if isinstance(left, Temporal) or isinstance(right, Temporal):
        one, other = moment_of(left), moment_of(right)
        if one is not None and other is not None:
            return temporal.compare(one, other)
    elif _has_amount(left) and _has_amount(right):
        return _compare_amounts(amount_of(left), amount_of(right))
    raise NotEvaluable("Two values that have no common order are compared with <, <=, > or >=.")


def _has_amount(value: Any) -> bool:
    return isinstance(value, Quantity | dict) or _is_number(value)


def _compare_amounts(left: Quantity | None, right: Quantity | None) -> int | None:
    return None if left is None or right is None else quantity.compare(left, right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def key(item: Any) -> Hashable:
    """A value that two items share exactly when they are equal, for sets of items."""
    if type(item) is Node:
        item = item.value if item.value is not None else {"_": item.extra}
    kind = type(item)
    if kind is str:
        if "T" in item and temporal.looks_temporal(item):
            moment = temporal.parse(item)
            return ("@", moment.utc, moment.zone is None) if moment else item
        return str(item)
    if kind is bool:
        return ("?", item)
    if kind is dict:
        return ("{", frozenset((name, key(value)) for name, value in item.items()))
    if kind is list:
        return ("[", tuple(key(value) for value in item))
    if isinstance(item, Temporal):
        text = str(item)
        return key(text) if item.kind != "time" else text
    if isinstance(item, Quantity):
        return ("#", quantity.key(item))
    return hash_of(item)


def hash_of(item: Any) -> Hashable:
    """The item itself where it can be hashed (numbers, markers), else its identity."""
    return item if isinstance(item, Hashable) else id(item)


def unique(items: Items) -> list[Any]:
    """The items without repetition, in the order of their first appearance."""
    if len(items) < 2:
        return list(items)
    made: dict[Hashable, Any] = {}
    for item in items:
        made.setdefault(key(item), item)
    return list(made.values())


def equivalent(left: Any, right: Any) -> bool:
    """``~``: text without regard to case and blanks, numbers to the lesser precision, lists in any order."""
    if type(left) is str and type(right) is str:
        if temporal.looks_temporal(left) and temporal.looks_temporal(right):
            return _equivalent_moments(temporal.parse(left), temporal.parse(right), left == right)
        return " ".join(left.split()).casefold() == " ".join(right.split()).casefold()
    if isinstance(left, Decimal | int) and isinstance(right, Decimal | int):
        return _equivalent_numbers(left, right)
    if isinstance(left, Temporal) or isinstance(right, Temporal):
        return _equivalent_moments(moment_of(left), moment_of(right), same=False)
    one, other = amount_of(left), amount_of(right)
    if one is not None and other is not None:
        same = quantity.in_unit_of(quantity.in_ucum(one), quantity.in_ucum(other))
        return same is not None and _equivalent_numbers(one.value, same)
    if isinstance(left, dict) and isinstance(right, dict):
        return _equivalent_elements(left, right)
    return left is right if isinstance(left, bool) or isinstance(right, bool) else bool(left == right)


def _equivalent_moments(left: Temporal | None, right: Temporal | None, same: bool) -> bool:
    if left is None or right is None:
        return same
    return (left.kind != "time" and right.kind != "time" and temporal.compare(left, right) == 0) or left == right


def _equivalent_numbers(left: Decimal | int, right: Decimal | int) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if left == right:
        return True
    step = Decimal(1).scaleb(-min(_places(left), _places(right)))
    try:
        return Decimal(left).quantize(step) == Decimal(right).quantize(step)
    except InvalidOperation:  # more digits than can be rounded, so the difference is not one of precision
        return False


def _places(value: Decimal | int) -> int:
    exponent = Decimal(value).normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _equivalent_elements(left: dict[str, Any], right: dict[str, Any]) -> bool:
    names = (left.keys() | right.keys()) - {"id", "extension", "display", "userSelected", "text"}
    if "coding" in left and "coding" in right:
        return any(equivalent(one, other) for one in left["coding"] for other in right["coding"])
    if not names and ("text" in left or "text" in right):
        return equivalent(left.get("text"), right.get("text"))
    return all(_equivalent_children(left.get(name), right.get(name)) for name in names)


def _equivalent_children(left: Any, right: Any) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return all_equivalent(left, right)
    return left is not None and right is not None and equivalent(left, right)


def all_equivalent(left: Items, right: Items) -> bool:
    """``~`` of two collections: the same number of items, equivalent in some order."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for item in left:
        found = next((at for at, other in enumerate(rest) if equivalent(item, other)), None)
        if found is None:
            return False
        del rest[found]
    return True
