"""Finds where in a JSON text an element stands, and which keys stand twice, without parsing it into values.

The text is read as tokens once, only when there is something to say about it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, Final

Pointer = tuple[str | int, ...]

_TOKEN: Final = re.compile(r'"(?:[^"\\]+|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_STEP: Final = re.compile(r"([^.\[\]]+)(?:\[(\d+)\])?")
LARGEST: Final = 20_000_000


class Lines:
    """Turns offsets of a text into lines and columns, both from 1."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def at(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def keys(text: str) -> Iterator[tuple[Pointer, int, bool]]:
    """Each key and list item of a JSON text: its pointer, its offset, and whether the key stood there before."""
    stack: list[tuple[Any, set[str] | None]] = []
    path: list[str | int] = []
    expecting_key = False
    for token in _TOKEN.finditer(text):
        mark = token[0]
        first = mark[0]
        if first in "]}":
            if stack:
                stack.pop()
                if path:
                    path.pop()
            expecting_key = False
            continue
        if first == ",":
            if stack and stack[-1][1] is None and path and isinstance(path[-1], int):
                path[-1] += 1
            expecting_key = bool(stack) and stack[-1][1] is not None
            continue
        if first == ":":
            continue
        if expecting_key and first == '"' and stack and stack[-1][1] is not None:
            seen = stack[-1][1]
            name = mark[1:-1]
            path[-1] = name
            yield tuple(path), token.start(), name in seen
            seen.add(name)
            expecting_key = False
            continue
        if stack and stack[-1][1] is None:
            yield tuple(path), token.start(), False
        if first == "{":
            stack.append((None, set()))
            path.append("")
            expecting_key = True
        elif first == "[":
            stack.append((None, None))
            path.append(0)


def locate(text: str, resource: Any, expressions: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Line and column of each element named by a FHIRPath; of the nearest one around it where it is absent."""
    if len(text) > LARGEST:
        return {}
    wanted = {expression: pointer_of(resource, expression) for expression in expressions}
    pointers = set(wanted.values())
    found: dict[Pointer, int] = {(): max(text.find("{"), 0)}
    for pointer, offset, _ in keys(text):
        if pointer in pointers and pointer not in found:
            found[pointer] = offset
            if len(found) > len(pointers):
                break
    lines = Lines(text)
    return {expression: lines.at(found.get(pointer, 0)) for expression, pointer in wanted.items()}


def pointer_of(resource: Any, expression: str) -> Pointer:
    """The keys and indexes that lead to an element in JSON, as far as it is there."""
    made: list[str | int] = []
    value = resource
    for name, index in _STEP.findall(expression)[1:]:
        key = _key(value, name)
        if key is None:
            break
        made.append(key)
        value = value[key]
        if isinstance(value, list):
            at = int(index) if index else None
            if at is None or at >= len(value):
                if index:
                    break
                continue
            made.append(at)
            value = value[at]
    return tuple(made)


def _key(value: Any, name: str) -> str | None:
    if not isinstance(value, dict):
        return None
    if name in value:
        return name
    choice = next((key for key in value if key.startswith(name) and key[len(name) : len(name) + 1].isupper()), None)
    return choice or (f"_{name}" if f"_{name}" in value else None)


def duplicates(text: str) -> list[tuple[str, str, int]]:
    """Each key that stands twice in one object: the key, its path below the root, its offset."""
    return [(str(pointer[-1]), path_of(pointer), offset) for pointer, offset, again in keys(text) if again]


def path_of(pointer: Pointer) -> str:
    """A pointer as FHIRPath steps."""
    made = ""
    for step in pointer:
        made += f"[{step}]" if isinstance(step, int) else f".{step}"
    return made
