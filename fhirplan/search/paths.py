"""Compiles a search parameter's expression to a function from a resource to the typed values it looks at.

Nearly all expressions are plain paths with, at most, a type or an equality test; those become direct steps over the
JSON, with the types known from R4's structure. What is none of these goes through ``fhirplan.fhir.path``.
``X.where(resolve() is Patient)`` is decided by the reference itself, by its url or its ``type`` (nothing is fetched).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhirplan.fhir import path, structure
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.reference import target_type

# A value with the name of its R4 type; "" where only its JSON form tells.
Typed = tuple[str, Any]
Extract = Callable[[Resource], Sequence[Typed]]
_Step = Callable[[Sequence[Typed]], Sequence[Typed]]

_AS: Final = re.compile(r"\(([\w.]+) as (\w+)\)((?:\.\w+)*)")
_CALL: Final = re.compile(r"(?:^|\.)(?:(where|as|ofType)\(((?:'[^']*'|\(\)|[^()'])*)\)|(\w+))")
_EQUALS: Final = re.compile(r"(\w+)\s*=\s*'([^']*)'")
_RESOLVES: Final = re.compile(r"resolve\(\) is (\w+)")


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled expression: ``values`` gives all its values in a resource, of a union those of each part in turn.

    A resource that has none of the ``first`` keys has no values; None where that is not known.
    """

    values: Extract
    first: frozenset[str] | None


def compile_path(expression: str) -> Path:
    """The compiled expression. Raises ValueError where it names an element that R4 does not have."""
    terms = [_term(item.strip()) for item in expression.split(" | ")]
    if len(terms) == 1:
        return terms[0]
    firsts = [item.first for item in terms if item.first is not None]
    first = frozenset().union(*firsts) if len(firsts) == len(terms) else None
    return Path(lambda resource: [value for item in terms for value in item.values(resource)], first)


def _term(expression: str) -> Path:
    steps = _parse(expression)
    if steps is None:
        return Path(_through_fhirpath(expression), None)
    root, *rest = steps
    first = frozenset(key for key, _ in _keys(root[1], rest[0][1]))
    types: tuple[str, ...] = (root[1],)
    compiled: list[_Step] = []
    plain: list[str] = []
    for kind, argument in rest:
        if kind == "name":
            keys = {type_: _keys(type_, argument) for type_ in types}
            types = tuple(dict.fromkeys(type_ for found in keys.values() for _, type_ in found))
            if not types:
                raise ValueError(f"{expression}: R4 has no element {argument} there")
            compiled.append(_child(keys))
            plain.append(next(iter(keys.values()))[0][0] if len(keys) == 1 and len(types) == 1 else "")
        else:
            compiled.append(_narrow(kind, argument))
            types = (argument,) if kind == "type" else types
            plain.append("")
    return Path(_plain(tuple(plain), types[0]) if all(plain) else _chain(root[1], compiled), first)


def _parse(expression: str) -> list[tuple[str, str]] | None:
    """The steps as (kind, argument), kind being name, type, equals or resolves; None for what is no such path."""
    found = _AS.fullmatch(expression)
    if found:
        tail = [("name", name) for name in found[3].split(".")[1:]]
        return [*(("name", name) for name in found[1].split(".")), ("type", found[2]), *tail]
    steps: list[tuple[str, str]] = []
    end = 0
    for match in _CALL.finditer(expression):
        if match.start() != end:
            return None
        end = match.end()
        call, argument, name = match.groups()
        if name:
            steps.append(("name", name))
        elif call in ("as", "ofType"):
            steps.append(("type", argument.strip()))
        elif _EQUALS.fullmatch(argument):
            steps.append(("equals", argument))
        elif _RESOLVES.fullmatch(argument):
            steps.append(("resolves", argument))
        else:
            return None
    begins = [kind for kind, _ in steps[:2]]
    return steps if end == len(expression) and begins == ["name", "name"] else None


def _keys(type_: str, name: str) -> tuple[Typed, ...]:
    """The JSON keys that an element has under a type, each with the type of its value.

    A type is R4's name, with the path below it for an element that has no type of its own (``Goal.target``).
    """
    definition = structure.definition(type_.partition(".")[0])
    above = type_.partition(".")[2]
    found = definition.element(f"{above}.{name}" if above else name) if definition else None
    if definition is None or found is None:
        return ()
    below = f"{definition.name}.{found.path}"
    return tuple(
        (key, below if item.code in ("BackboneElement", "Element", "") else item.code.rpartition("/")[2])
        for key, item in found.json_names()
    )


def _plain(keys: tuple[str, ...], type_: str) -> Extract:
    if len(keys) == 1:
        (key,) = keys

        def direct(resource: Resource) -> Sequence[Typed]:
            value = resource.get(key)
            if value is None:
                return ()
            return [(type_, item) for item in value] if type(value) is list else ((type_, value),)

        return direct

    def extract(resource: Resource) -> Sequence[Typed]:
        values: list[Any] = [resource]
        for key in keys:
            values = _children(values, key)
            if not values:
                return ()
        return [(type_, value) for value in values]

    return extract


def _children(values: Iterable[Any], key: str) -> list[Any]:
    found: list[Any] = []
    for value in values:
        child = value.get(key) if isinstance(value, dict) else None
        if type(child) is list:
            found.extend(child)
        elif child is not None:
            found.append(child)
    return found


def _chain(root: str, steps: Sequence[_Step]) -> Extract:
    def extract(resource: Resource) -> Sequence[Typed]:
        values: Sequence[Typed] = ((root, resource),)
        for step in steps:
            values = step(values)
            if not values:
                break
        return values

    return extract


def _child(keys: dict[str, tuple[Typed, ...]]) -> _Step:
    if max(map(len, keys.values())) > 3:
        return _child_by_choice({type_: dict(found) for type_, found in keys.items()})

    def step(values: Sequence[Typed]) -> Sequence[Typed]:
        return [
            (below, child)
            for type_, value in values
            for key, below in keys.get(type_, ())
            for child in _children((value,), key)
        ]

    return step


def _child_by_choice(keys: dict[str, dict[str, str]]) -> _Step:
    def step(values: Sequence[Typed]) -> Sequence[Typed]:
        return [
            (keys[type_][key], child)
            for type_, value in values
            if type_ in keys and isinstance(value, dict)
            for key in value
            if key in keys[type_]
            for child in _children((value,), key)
        ]

    return step


def _narrow(kind: str, argument: str) -> _Step:
    if kind == "type":
        return lambda values: [item for item in values if item[0] == argument]
    if kind == "resolves":
        wanted = argument.rpartition(" ")[2]
        return lambda values: [item for item in values if target_type(item[1]) == wanted]
    test = _EQUALS.fullmatch(argument)
    name, literal = test.groups() if test else ("", "")
    return lambda values: [item for item in values if isinstance(item[1], dict) and item[1].get(name) == literal]


def _through_fhirpath(expression: str) -> Extract:
    compiled = path.compile(expression)

    def extract(resource: Resource) -> Sequence[Typed]:
        try:
            return [("", value) for value in compiled.evaluate(resource, path.Context(resource=resource))]
        except path.NotEvaluable:
            # Imported resources may hold anything; what cannot be evaluated has no value to be found by.
            return ()

    return extract
