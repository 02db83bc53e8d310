"""Adds to the matches of a search what they refer to and what refers to them (R4 section 3.1.1.5.7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final

from fhirplan.catalog import CATALOG, ResourceSpec
from fhirplan.search.criteria import Criterion
from fhirplan.search.restrict import NONE
from fhirplan.search.results import Include
from fhirplan.store import parameters, provenance, versions
from fhirplan.store.engine import Transaction
from fhirplan.store.search.include_statements import (
    AT_ONCE,
    named,
    padded,
    parts,
    sources_statement,
    targets_statement,
    versions_statement,
    whole_targets_statement,
)
from fhirplan.store.search.nodes import Compiler, spec_of
from fhirplan.store.search.shapes import NOTHING, Node
from fhirplan.store.search.visible import Eyes, visible_of_any
from fhirplan.store.versions import Version
from fhirplan.store.writes import PROVENANCE

_Pids = tuple[int, ...]
# Which parameters the includes of searches follow, by what they are: few are ever written.
_MEMORY: Final = "followed"
_MOST_KNOWN: Final = 1024


def included(
    tx: Transaction,
    connection: str,
    matches: Sequence[Version],
    includes: Sequence[Include],
    most: int,
    catalog: Mapping[str, ResourceSpec],
    allowed: Eyes | None = None,
) -> tuple[list[Version], bool]:
    """The resources that the includes add, none twice and no match; and whether they were cut at ``most``.

    What is added is the current version, also where a reference names an earlier one. An include that goes round in a
    circle ends, since nothing is added twice. With ``allowed`` nothing is added, or followed further, that it does not
    let be seen, and nothing of that kind counts.
    """
    adding = _Adding(tx, connection, catalog, {item.rid for item in matches}, most, allowed)
    found = adding.beside(matches, includes)
    iterated = [item for item in includes if item.iterate]
    all_found = list(found)
    while found and iterated and not adding.cut:
        found = adding.beside(found, iterated)
        all_found += found
    return all_found, adding.cut


class _Adding:
    """What has been added so far."""

    def __init__(
        self,
        tx: Transaction,
        connection: str,
        catalog: Mapping[str, ResourceSpec],
        seen: set[int],
        most: int,
        allowed: Eyes | None,
    ) -> None:
        self._tx, self._connection, self._catalog = tx, connection, catalog
        self._seen, self._left, self._allowed = seen, most, allowed
        self.cut = False

    def beside(self, resources: Sequence[Version], includes: Sequence[Include]) -> list[Version]:
        """What the includes add to these resources."""
        forward = self._forward(resources, includes)
        reverse = [include for include in includes if include.reverse]
        made = any(item.rid < 0 for item in resources)
        if len(forward) == 1 and not (reverse or made or self._allowed) and len(resources) <= AT_ONCE:
            return self._taken(self._whole_targets([item.rid for item in resources], *forward[0]))
        wanted: set[int] = set()
        for pids, target in forward:
            wanted.update(self._targets([item.rid for item in resources], pids, target))
        for include in reverse:
            wanted.update(self._sources(resources, include))
        wanted.update(self._named_by_made(resources, includes))
        wanted -= self._seen
        if self._allowed is not None:
            wanted = visible_of_any(self._tx, self._connection, wanted, self._allowed, self._catalog)
        if len(wanted) > self._left:
            self.cut = True
        rids = sorted(wanted)[: self._left]
        self._seen.update(rids)
        self._left -= len(rids)
        return [*self._read(rids), *self._taken(self._made(resources, reverse))]

    def _made(self, resources: Sequence[Version], reverse: Iterable[Include]) -> list[Version]:
        """The Provenances of writes that refer to these resources, where an include asks for Provenance."""
        found: list[Version] = []
        for include in reverse:
            if include.source in ("*", PROVENANCE):
                named = [(item.type, item.id) for item in resources if include.target in ("", item.type)]
                found += provenance.referring(self._tx, self._connection, named, include.code, self._left + 1)
        return found if self._allowed is None else [item for item in found if self._allowed.sees(item)]

    def _named_by_made(self, resources: Sequence[Version], includes: Iterable[Include]) -> Iterable[int]:
        """The numbers of what the Provenances of writes refer to; these have no rows in an index."""
        for include in includes:
            if include.reverse or include.source not in ("*", PROVENANCE):
                continue
            for item in resources:
                for name in provenance.referred(item, include.code, include.target) if item.rid < 0 else ():
                    version = versions.current(self._tx, self._connection, *name)
                    if version is not None and not version.deleted:
                        yield version.rid

    def _taken(self, found: Sequence[Version]) -> list[Version]:
        """Those that are new, as far as the limit allows."""
        new = [item for item in found if item.rid not in self._seen]
        if len(new) > self._left:
            self.cut = True
            del new[self._left :]
        self._seen.update(item.rid for item in new)
        self._left -= len(new)
        return new

    def _whole_targets(self, rids: Sequence[int], pids: _Pids, target: str) -> list[Version]:
        listed, made = padded(rids), padded(pids)
        params = {"connection": self._connection, "limit": self._left + len(self._seen) + 1}
        if target:
            params["target"] = target
        stmt = whole_targets_statement(len(listed), len(made), bool(target))
        found = self._tx.all(stmt, **params, **named("p", made), **named("r", listed))
        found.sort(key=itemgetter(0))
        return [Version(*row) for row in found]

    def _forward(self, resources: Sequence[Version], includes: Sequence[Include]) -> list[tuple[_Pids, str]]:
        """The parameters to follow, those without a particular target together."""
        types = frozenset(item.type for item in resources)
        known: dict[Any, list[tuple[_Pids, str]]] = self._tx.database.memory.setdefault(_MEMORY, {})
        number = parameters.generation_of(self._tx)
        if number < 0 or self._catalog is not CATALOG:
            return self._followed(types, includes)
        key = (self._connection, number, types, *includes)
        if key not in known:
            if len(known) >= _MOST_KNOWN:
                known.clear()
            known[key] = self._followed(types, includes)
        return known[key]

    def _followed(self, types: frozenset[str], includes: Iterable[Include]) -> list[tuple[_Pids, str]]:
        by_target: dict[str, set[int]] = {}
        for include in includes:
            if not include.reverse:
                sources = types if include.source == "*" else types & {include.source}
                pids = (pid for type_ in sources for pid in self._pids(type_, include.code, ""))
                by_target.setdefault(include.target, set()).update(pids)
        return [(tuple(sorted(pids)), target) for target, pids in by_target.items() if pids]

    def _pids(self, type: str, code: str, target: str) -> list[int]:
        """The numbers of a type's references; ``target`` is the type they must be able to lead to, or ""."""
        spec = spec_of(self._catalog, type)
        named = [
            item
            for item in spec.search
            if item.type == "reference"
            and code in ("*", item.code)
            and (not target or not item.targets or target in item.targets)
        ]
        found = (parameters.searched(self._tx, self._connection, spec, item.code) for item in named)
        return [pid for pid in found if pid is not None]

    def _targets(self, rids: Sequence[int], pids: _Pids, target: str) -> Iterable[int]:
        made = padded(pids)
        shared: dict[str, Any] = {"connection": self._connection, **named("p", made)}
        if target:
            shared["target"] = target
        for part in parts(rids):
            stmt = targets_statement(len(part), len(made), bool(target))
            yield from (row[0] for row in self._tx.all(stmt, **shared, **named("r", part)) if row[0] is not None)

    def _sources(self, resources: Sequence[Version], include: Include) -> Iterable[int]:
        ids: dict[str, list[str]] = {}
        for item in resources:
            if include.target in ("", item.type):
                ids.setdefault(item.type, []).append(item.id)
        types = self._catalog if include.source == "*" else (include.source,)
        for target, listed in ids.items():
            if self._allowed is not None:
                for type_ in types:
                    yield from self._seen_sources(type_, include.code, target, listed, self._allowed(type_))
                continue
            pids = [pid for type_ in types for pid in self._pids(type_, include.code, target)]
            if pids:
                yield from self._refer(target, listed, padded(pids))

    def _seen_sources(
        self, type: str, code: str, target: str, ids: Sequence[str], own: Criterion | None
    ) -> Iterable[int]:
        """What of a type refers to these and may be seen; the limit counts nothing else."""
        pids = self._pids(type, code, target)
        if not pids or own == NONE:
            return
        compiler = Compiler(self._tx, self._connection, self._catalog, type)
        node = compiler.node(type, own) if own is not None else None
        if node != NOTHING:
            yield from self._refer(target, ids, padded(pids), node, compiler.params)

    def _refer(
        self,
        target: str,
        ids: Sequence[str],
        pids: Sequence[int],
        node: Node | None = None,
        params: Mapping[str, Any] = MappingProxyType({}),
    ) -> Iterable[int]:
        shared = {**params, "target": target, **named("p", pids), "limit": self._left + len(self._seen) + 1}
        for part in parts(ids):
            stmt = sources_statement(len(part), len(pids), node)
            yield from (row[0] for row in self._tx.all(stmt, **shared, **named("r", part)))

    def _read(self, rids: Sequence[int]) -> list[Version]:
        read: list[Version] = []
        for part in parts(rids):
            read += [Version(*row) for row in self._tx.all(versions_statement(len(part)), **named("r", part))]
        unique = {item.rid: item for item in read}
        return [unique[rid] for rid in rids]
