"""Applies a JSON Patch (RFC 6902) to a resource: all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fhirplan.errors import MalformedRequest
from fhirplan.fhir.codec import MAX_DEPTH, Json, Resource
from fhirplan.fhir.patch.failures import MAX_ADDED, MAX_OPERATIONS, Refusal, expect_few, expect_identity
from fhirplan.fhir.patch.json_values import copied, equal, measured
from fhirplan.fhir.patch.pointer import INDEX, expression, tokens

_MISSING: Final = object()


def json_patch(
    resource: Resource, operations: Json, *, most: int = MAX_OPERATIONS, max_added: int = MAX_ADDED
) -> Resource:
    """A resource with the operations of a JSON Patch carried out, one after the other; the given one is not changed.

    ``test`` compares numbers by value (``1.50`` equals ``1.5``); what is not touched keeps its digits. The result is
    not validated here. Raises, naming the operation's index and pointer: MalformedRequest for an operation that makes
    no sense, InvalidResource for one that does not fit (a missing element, an index out of range, another
    resourceType or id), FailedTest, TooCostly beyond ``most`` operations, ``max_added`` characters or 100 levels.
    """
    made = patched(resource, operations, most=most, max_added=max_added)
    expect_identity(resource, made)
    return made  # type: ignore[no-any-return]


def patched(document: Json, operations: Json, *, most: int = MAX_OPERATIONS, max_added: int = MAX_ADDED) -> Json:
    """Any JSON document with a JSON Patch carried out; raises as ``json_patch`` does, but for type and id."""
    if not isinstance(operations, list):
        raise MalformedRequest("A JSON Patch is an array of operations: send [] around them.")
    expect_few(len(operations), most)
    return _Patch(document, max_added).applied(operations)


class _Patch:
    """A document being changed: a copy, so that nothing is done when anything fails."""

    def __init__(self, document: Json, max_added: int) -> None:
        self._document = copied(document)
        self._left = max_added
        self._moved = False
        self._refusal = Refusal(0, "")

    def applied(self, operations: list[Any]) -> Json:
        """The document after all operations."""
        kinds: Mapping[str, Callable[[Mapping[str, Any], tuple[str, ...]], None]] = {
            "add": lambda said, path: self._add(path, self._value(said)),
            "remove": lambda said, path: self._remove(path),
            "replace": lambda said, path: self._replace(path, self._value(said)),
            "move": self._move,
            "copy": lambda said, path: self._add(path, self._at(self._tokens(said, "from"))),
            "test": lambda said, path: self._test(path, self._value(said)),
        }
        for number, said in enumerate(operations):
            self._refusal = Refusal(number, _described(said))
            if not isinstance(said, dict):
                raise self._refusal.malformed('an operation is an object, as {"op": "remove", "path": "/note/0"}.')
            kind = said.get("op")
            if not isinstance(kind, str) or kind not in kinds:
                raise self._refusal.malformed(f"op must be one of {', '.join(kinds)}.")
            kinds[kind](said, self._tokens(said, "path"))
        if self._moved:  # what was moved into what is known at the end only
            self._expect_flat(measured(self._document)[1])
        return self._document

    # What an operation says

    def _tokens(self, said: Mapping[str, Any], name: str) -> tuple[str, ...]:
        text = said.get(name)
        if not isinstance(text, str):
            raise self._refusal.malformed(f'{name} is missing or no string. Give a pointer, as "/status".')
        try:
            return tokens(text)
        except ValueError as reason:
            raise self._refusal.malformed(str(reason)) from None

    def _value(self, said: Mapping[str, Any]) -> Json:
        if "value" not in said:
            raise self._refusal.malformed("value is missing. Give one; null has to be written out.")
        return said["value"]

    # Where it points

    def _at(self, path: tuple[str, ...]) -> Json:
        found = self._document
        for depth, token in enumerate(path):
            found = self._child(found, token, path[: depth + 1])
        return found

    def _child(self, holder: Json, token: str, path: tuple[str, ...]) -> Json:
        if isinstance(holder, dict):
            found = holder.get(token, _MISSING)
            if found is _MISSING:
                raise self._missing(path)
            return found
        if isinstance(holder, list):
            return holder[self._index(token, len(holder) - 1, path)]
        raise self._missing(path)

    def _index(self, token: str, highest: int, path: tuple[str, ...]) -> int:
        if token == "-":  # noqa: S105 - the end of an array, in RFC 6901
            raise self._refusal.impossible(
                "- stands for the place after the last item, where nothing is yet. Use it to add, or give an index.",
                expression(self._document, path),
            )
        if not INDEX.fullmatch(token):
            raise self._refusal.impossible(
                f"{token[:60]!r} is no index into an array. Give a number from 0, without leading zeros.",
                expression(self._document, path[:-1]),
            )
        if int(token) > highest:
            allowed = f"0 to {highest} is possible" if highest >= 0 else "the array is empty"
            raise self._refusal.impossible(
                f"the index {token} is out of range; {allowed}.", expression(self._document, path[:-1])
            )
        return int(token)

    def _missing(self, path: tuple[str, ...]) -> Exception:
        where = expression(self._document, path)
        return self._refusal.impossible(
            f"there is nothing at {where}. Read the resource again, or add what is missing first.", where, "not-found"
        )

    # The operations

    def _add(self, path: tuple[str, ...], value: Json) -> None:
        self._account(value, len(path))
        self._put(path, copied(value))

    def _put(self, path: tuple[str, ...], value: Json) -> None:
        if not path:
            self._document = value
            return
        holder, token = self._at(path[:-1]), path[-1]
        if isinstance(holder, dict):
            holder[token] = value
        elif isinstance(holder, list):
            at_end = token == "-"  # noqa: S105 - the end of an array, in RFC 6901
            holder.insert(len(holder) if at_end else self._index(token, len(holder), path), value)
        else:
            raise self._missing(path)

    def _account(self, value: Json, level: int) -> None:
        size, depth = measured(value)
        self._left -= size
        if self._left < 0:
            raise self._refusal.costly("the patch adds more than a resource may hold. Send it in parts.")
        self._expect_flat(level + depth)

    def _expect_flat(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._refusal.costly(f"the resource would be nested more than {MAX_DEPTH} levels deep.")

    def _remove(self, path: tuple[str, ...]) -> Json:
        if not path:
            raise self._refusal.impossible("a patch cannot remove the whole resource. Delete the resource instead.")
        found, holder = self._at(path), self._at(path[:-1])
        del holder[path[-1] if isinstance(holder, dict) else int(path[-1])]
        return found

    def _replace(self, path: tuple[str, ...], value: Json) -> None:
        self._at(path)
        if path and isinstance(holder := self._at(path[:-1]), list):
            self._account(value, len(path))
            holder[int(path[-1])] = copied(value)
        else:
            self._add(path, value)

    def _move(self, said: Mapping[str, Any], path: tuple[str, ...]) -> None:
        source = self._tokens(said, "from")
        if len(source) < len(path) and path[: len(source)] == source:
            raise self._refusal.malformed("an element cannot be moved into itself. Choose a path outside of from.")
        if source != path:
            self._put(path, self._remove(source))
            self._moved = True
        else:
            self._at(source)

    def _test(self, path: tuple[str, ...], value: Json) -> None:
        if not equal(self._at(path), value):
            where = expression(self._document, path)
            raise self._refusal.failed(
                f"{where or 'the document'} is not what the test expects, so nothing was changed. Read the resource "
                "again and decide anew.",
                where,
            )


def _described(said: Any) -> str:
    if not isinstance(said, dict):
        return "no operation"
    return " ".join(str(said[name]) for name in ("op", "from", "path") if isinstance(said.get(name), str))
