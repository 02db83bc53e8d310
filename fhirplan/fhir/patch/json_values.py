"""JSON values compared, copied and measured: by value as RFC 6902 has it, and digit for digit."""

from __future__ import annotations

from decimal import Decimal

from fhirplan.fhir.codec import Json, dumps


def equal(one: Json, other: Json) -> bool:
    """Whether two JSON values are the same (RFC 6902 section 4.6): numbers by value, so ``1.50`` equals ``1.5``."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return one == other
    return type(one) is type(other) and bool(one == other)


def same(one: Json, other: Json) -> bool:
    """Whether two JSON values are written the same, but for the order of keys: ``1.50`` is not ``1.5``."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Decimal) or isinstance(other, Decimal):
        return equal(one, other) and dumps(one) == dumps(other)
    return equal(one, other)


def copied(value: Json) -> Json:
    """A copy that shares nothing that can change."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def measured(value: Json) -> tuple[int, int]:
    """How large a value is, roughly its characters as JSON, and how many levels deep (0 for a plain value)."""
    size = deepest = 0
    waiting: list[tuple[Json, int]] = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, dict):
            size += 2 + sum(map(len, item)) + 4 * len(item)
            waiting.extend((child, depth + 1) for child in item.values())
            deepest = max(deepest, depth + 1)
        elif isinstance(item, list):
            size += 2 + len(item)
            waiting.extend((child, depth + 1) for child in item)
            deepest = max(deepest, depth + 1)
        else:
            size += len(item) + 2 if isinstance(item, str) else 8
    return size, deepest
