"""Says what changed between two JSON values, as a JSON Patch (RFC 6902)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhirplan.fhir.codec import Json
from fhirplan.fhir.patch.failures import MAX_OPERATIONS
from fhirplan.fhir.patch.json_values import copied, same
from fhirplan.fhir.patch.pointer import pointer

Operation = dict[str, Any]
Steps = tuple[str | int, ...]


def diff(old: Json, new: Json, *, most: int = MAX_OPERATIONS) -> list[Operation]:
    """The operations that make ``new`` of ``old``: ``json_patch(old, diff(old, new))`` is ``new``, digit for digit.

    Only add, remove and replace are used, in an order that works. Items of a list are matched by their index, after
    what both lists have in common at their start and at their end was set aside. Where that would take more than
    ``most`` operations, whole elements of the resource are replaced instead.
    """
    made: list[Operation] = []
    for operation in _changes(old, new, ()):
        made.append(operation)
        if len(made) > most:
            coarse = _coarse(old, new)
            return coarse if len(coarse) <= most else [_set("replace", (), new)]
    return made


def _changes(old: Json, new: Json, at: Steps) -> Iterator[Operation]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _in_object(old, new, at)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _in_list(old, new, at)
    elif not same(old, new):
        yield _set("replace", at, new)


def _in_object(old: dict[str, Any], new: dict[str, Any], at: Steps) -> Iterator[Operation]:
    for key in old:
        if key in new:
            yield from _changes(old[key], new[key], (*at, key))
        else:
            yield {"op": "remove", "path": pointer((*at, key))}
    for key in new:
        if key not in old:
            yield _set("add", (*at, key), new[key])


def _in_list(old: list[Any], new: list[Any], at: Steps) -> Iterator[Operation]:
    shorter = min(len(old), len(new))
    start = 0
    while start < shorter and same(old[start], new[start]):
        start += 1
    end = 0
    while end < shorter - start and same(old[-1 - end], new[-1 - end]):
        end += 1
    for index in range(start, shorter - end):
        yield from _changes(old[index], new[index], (*at, index))
    for index in range(len(old) - end - 1, shorter - end - 1, -1):
        yield {"op": "remove", "path": pointer((*at, index))}
    for index in range(shorter - end, len(new) - end):
        yield _set("add", (*at, index), new[index])


def _set(kind: str, at: Steps, value: Json) -> Operation:
    return {"op": kind, "path": pointer(at), "value": copied(value)}


def _coarse(old: Json, new: Json) -> list[Operation]:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [_set("replace", (), new)]
    made: list[Operation] = [{"op": "remove", "path": pointer((key,))} for key in old if key not in new]
    made += [_set("add", (key,), value) for key, value in new.items() if key not in old or not same(old[key], value)]
    return made
