"""Turns what a search asks into the parts of a shape and the values they bind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fhirplan.catalog import ResourceSpec
from fhirplan.errors import NotSupported
from fhirplan.search.criteria import (
    ROWS,
    Chain,
    Condition,
    Criterion,
    DateValue,
    Every,
    Has,
    Missing,
    Negation,
    NumberValue,
    QuantityValue,
    ReferenceValue,
    Some,
    StringValue,
    TokenValue,
    UriValue,
    Value,
    kind,
)
from fhirplan.search.definitions import ID, LAST_UPDATED, ParameterType, SearchParameter
from fhirplan.search.results import SortKey
from fhirplan.store import parameters
from fhirplan.store.engine import Transaction
from fhirplan.store.search import shapes
from fhirplan.store.search.compare import bound
from fhirplan.store.search.shapes import ANYTHING, NOTHING, Group, Kind, Node, Probe

# The values of a probe: for each form, the columns of each value.
_ORDERED_BY: Final[dict[ParameterType, tuple[str, ...]]] = {
    "token": ("code",),
    "reference": ("target_id",),
    "uri": ("value",),
    "date": ("low", "high"),
    "string": ("value",),
    "number": ("low",),
    "quantity": ("low",),
}
Asked = tuple[tuple[str, tuple[dict[str, Any], ...]], ...]
_HIGHEST: Final = "\U0010ffff"


class Compiler:
    """Makes the parts of one search; ``params`` are the values bound so far, ``asked`` those of each probe."""

    def __init__(self, tx: Transaction, connection: str, catalog: Mapping[str, ResourceSpec], type: str) -> None:
        self._tx, self._connection, self._catalog = tx, connection, catalog
        self.params: dict[str, Any] = {"connection": connection, "type": type}
        self.asked: dict[int, Asked] = {}
        self._slots = 0

    def node(self, type: str, criterion: Criterion) -> Node:
        """The part that stands for a criterion on resources of a type; NOTHING or ANYTHING where that is known."""
        match criterion:
            case Condition():
                return self._condition(type, criterion)
            case Missing(parameter, missing):
                return self._missing(type, parameter, missing=missing)
            case Chain(parameter, target, inner):
                pid, found = self._pid(type, parameter), self.node(target, inner)
                if pid is None or found == NOTHING:
                    return NOTHING
                return shapes.Forward(self._reference(pid, target), found)
            case Has(source, parameter, inner):
                pid, found = self._pid(source, parameter), self.node(source, inner)
                if pid is None or found == NOTHING:
                    return NOTHING
                return shapes.Backward(self._reference(pid, type), found)
            case Every(parts):
                return _all([self.node(type, part) for part in parts])
            case Some(parts):
                return _any([self.node(type, part) for part in parts])
            case Negation(part):
                return _not(self.node(type, part))

    def keys(self, type: str, key: SortKey) -> list[shapes.Key]:
        """One step of the order: one key, or two for a time."""
        slot = self._slot()
        if key.parameter is ID:
            return [shapes.Key(slot, "id", key.descending, "id")]
        if key.parameter is LAST_UPDATED:
            return [shapes.Key(slot, "updated", key.descending, "updated")]
        self.params[f"c{slot}_pid"] = self._pid(type, key.parameter)
        kind = key.parameter.type
        return [shapes.Key(slot, kind, key.descending, column) for column in _ORDERED_BY[kind]]

    def missing(self, key: shapes.Key) -> Node:
        """That a resource has no value of a key of the order."""
        if key.kind == "id" or key.kind == "updated":
            return NOTHING
        return shapes.Not(shapes.Present(key.slot, (key.kind,)))

    def ids(self, ids: tuple[str, ...]) -> Node:
        """That a resource has one of these ids."""
        return self._probe("id", 0, (("id", filled([{"id": item} for item in ids])),)) if ids else NOTHING

    def _slot(self) -> int:
        self._slots += 1
        return self._slots - 1

    def _reference(self, pid: int, type: str) -> int:
        slot = self._slot()
        self.params |= {f"c{slot}_pid": pid, f"c{slot}_type": type}
        return slot

    def _pid(self, type: str, parameter: SearchParameter) -> int | None:
        return parameters.searched(self._tx, self._connection, spec_of(self._catalog, type), parameter.code)

    def _missing(self, type: str, parameter: SearchParameter, *, missing: bool) -> Node:
        pid = self._pid(type, parameter)
        if pid is None:
            return NOTHING
        slot = self._slot()
        self.params[f"c{slot}_pid"] = pid
        present = shapes.Present(slot, ROWS[parameter.type])
        return shapes.Not(present) if missing else present

    def _condition(self, type: str, condition: Condition) -> Node:
        made = self._positive(type, condition)
        return _not(made) if condition.negated else made

    def _positive(self, type: str, condition: Condition) -> Node:
        if condition.parameter is ID:
            return self.ids(tuple(sorted(ids_of(condition))))
        pid: int | None = 0
        if condition.parameter is not LAST_UPDATED:
            pid = self._pid(type, condition.parameter)
        asked = self._grouped(condition) if pid is not None else ()
        if pid is None or not asked:
            return NOTHING
        return self._probe("updated" if condition.parameter is LAST_UPDATED else kind(condition), pid, asked)

    def _probe(self, kind: Kind, pid: int, asked: Asked) -> Node:
        slot = self._slot()
        self.asked[slot] = asked
        self.params |= binds(slot, asked)
        self.params[f"c{slot}_pid"] = pid
        return Probe(slot, kind, tuple(Group(form, len(listed)) for form, listed in asked))

    def _grouped(self, condition: Condition) -> Asked:
        """The values by how they are compared; none where no value can match."""
        groups: dict[tuple[str, Any], list[dict[str, Any]]] = {}
        for value in condition.values:
            form = form_of(self._tx, value)
            if form is not None:
                name, shared, columns = form
                listed = groups.setdefault((name, shared), [])
                if columns not in listed:
                    listed.append(columns)
        return tuple((name, filled(listed)) for (name, _), listed in groups.items())


def ids_of(condition: Condition) -> set[str]:
    """The ids that a condition on ``_id`` names."""
    return {v.code for v in condition.values if isinstance(v, TokenValue) and not v.system and v.code}


def spec_of(catalog: Mapping[str, ResourceSpec], type: str) -> ResourceSpec:
    """What is declared of a type; raises NotSupported listing what is served."""
    found = catalog.get(type)
    if found is None:
        raise NotSupported(f"The resource type {type!r:.80} is not served here. Served are: {', '.join(catalog)}.")
    return found


def filled(listed: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The values, the last one repeated up to a power of two, so that there are few shapes."""
    size = 1 << (len(listed) - 1).bit_length()
    return (*listed, *([listed[-1]] * (size - len(listed))))


def binds(slot: int, asked: Asked) -> dict[str, Any]:
    """The values of a probe by the names they are bound by."""
    made: dict[str, Any] = {}
    for group, (_, listed) in enumerate(asked):
        for place, columns in enumerate(listed):
            made.update((bound(slot, group, place, name), value) for name, value in columns.items())
    return made


def flattened(node: Node) -> Iterator[Node]:
    """The parts that must all hold."""
    if isinstance(node, shapes.All):
        for part in node.parts:
            yield from flattened(part)
    else:
        yield node


def _all(parts: list[Node]) -> Node:
    kept = [part for part in parts if part != ANYTHING]
    if NOTHING in kept:
        return NOTHING
    return kept[0] if len(kept) == 1 else shapes.All(tuple(kept))


def _any(parts: list[Node]) -> Node:
    kept = [part for part in parts if part != NOTHING]
    if ANYTHING in kept:
        return ANYTHING
    return kept[0] if len(kept) == 1 else shapes.Any(tuple(kept))


def _not(part: Node) -> Node:
    if part == NOTHING:
        return ANYTHING
    if part == ANYTHING:
        return NOTHING
    return part.part if isinstance(part, shapes.Not) else shapes.Not(part)


def form_of(tx: Transaction, value: Value) -> tuple[str, Any, dict[str, Any]] | None:
    """How a value is compared: the form's name, what all values of its group share, and its bound columns.

    None for a value that no row can have.
    """
    match value:
        case TokenValue(None, code):
            return "code", None, {"code": code}
        case TokenValue(system, code):
            sid = parameters.system(tx, system or "")
            if sid is None:
                return None
            return ("system", None, {"sid": sid}) if code is None else ("system code", sid, {"sid": sid, "code": code})
        case ReferenceValue(None, id_):
            return "id", None, {"target_id": id_}
        case ReferenceValue(type_, id_):
            return "type id", type_, {"target_type": type_, "target_id": id_}
        case UriValue(text, below=True):
            return "below", None, {"exact": text, "low": f"{text}/", "high": f"{text}/{_HIGHEST}"}
        case UriValue(text):
            return "uri", None, {"value": text}
        case StringValue(text, "begins"):
            return "begins", None, {"low": text, "high": text + _HIGHEST}
        case StringValue(text, "is"):
            return "is", None, {"value": text}
        case StringValue(text, how):
            return how, None, {"text": text}
        case DateValue(prefix, wanted):
            return prefix, None, {"low": wanted.low, "high": wanted.high}
        case NumberValue(prefix, exact, low, high):
            return prefix, None, {"exact": exact, "low": low, "high": high}
        case QuantityValue(number, system, code):
            return _quantity_form(tx, number, system, code)


def _quantity_form(
    tx: Transaction, number: NumberValue, system: str | None, code: str
) -> tuple[str, Any, dict[str, Any]] | None:
    columns: dict[str, Any] = {"exact": number.exact, "low": number.low, "high": number.high, "code": code}
    if system is None:
        return f"{number.prefix} {'code' if code else ''}".strip(), None, columns
    columns["sid"] = parameters.system(tx, system)
    if columns["sid"] is None:
        return None
    return f"{number.prefix} system{' code' if code else ''}", None, columns
