"""Shows the stored record to the coordination rules and the coordination state: a World inside one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from fhirplan.catalog import CATALOG
from fhirplan.coordination.world import POINTERS
from fhirplan.fhir.codec import Resource
from fhirplan.store.coordination.patient_record import of_patient
from fhirplan.store.engine import Transaction
from fhirplan.store.search.compartment import members
from fhirplan.store.versions import Version, current

MOST: Final = 20_000
"""How many resources of one type are read of a patient, or as pointing to one resource, at most."""
_PARSED: Final = 1024
_MEMORY: Final = "parsed versions"


class StoredRecord:
    """A World of what is stored; each resource is read at most once. It ends with its transaction.

    The resources it gives are shared between transactions: never change one. ``known`` has what was read by its
    reference, ``versions`` the versions of it that ``get`` found, ``listed`` the types of which lists were read.
    ``shown`` tells which resources it gives; without it all are.
    """

    def __init__(
        self,
        tx: Transaction,
        connection: str,
        behaviors: Mapping[str, str] | None = None,
        shown: Callable[[Version], bool] | None = None,
    ) -> None:
        self._tx, self._connection, self._behaviors, self._shown = tx, connection, behaviors or {}, shown
        self.known: Final[dict[str, Resource | None]] = {}
        self.versions: Final[dict[str, Version]] = {}
        self.listed: Final[set[str]] = set()
        self._lists: dict[tuple[str, ...], Sequence[Resource]] = {}

    def get(self, ref: str) -> Resource | None:
        """See ``World``."""
        if ref not in self.known:
            type_, _, id_ = ref.partition("/")
            found = current(self._tx, self._connection, type_, id_) if type_ in CATALOG and id_ else None
            if found is None or found.deleted or (self._shown is not None and not self._shown(found)):
                self.known[ref] = None
            else:
                self.versions[ref] = found
                self.known[ref] = parsed(self._tx, found)
        return self.known[ref]

    def points(self, type_: str, element: str, ref: str) -> Sequence[Resource]:
        """See ``World``."""
        key = (type_, element, ref)
        if key not in self._lists:
            kind, _, id_ = ref.partition("/")
            code = POINTERS[type_, element]
            self.listed.add(type_)
            found = members(self._tx, self._connection, type_, (code,), (kind, id_), count=MOST)
            self._lists[key] = self._given(found)
        return self._lists[key]

    def of_patient(self, patient: str, type_: str) -> Sequence[Resource]:
        """See ``World``."""
        key = (patient, type_)
        if key not in self._lists:
            id_ = patient.removeprefix("Patient/")
            self.listed.add(type_)
            found = of_patient(self._tx, self._connection, id_, (type_,), count=MOST) if id_ else []
            self._lists[key] = self._given(found)
        return self._lists[key]

    def behavior(self, action: str) -> str:
        """See ``World``."""
        return self._behaviors.get(action, "")

    def _given(self, found: Iterable[Version]) -> list[Resource]:
        return [self._taken(item) for item in found if self._shown is None or self._shown(item)]

    def _taken(self, version: Version) -> Resource:
        ref = f"{version.type}/{version.id}"
        known = self.known.get(ref)
        if known is None:
            known = self.known[ref] = parsed(self._tx, version)
        return known


def parsed(tx: Transaction, version: Version) -> Resource:
    """The resource of a version, read again only when it was not among the last that were."""
    memory: dict[tuple[int, int], tuple[bytes | None, Resource]] = tx.database.memory.setdefault(_MEMORY, {})
    key = version.rid, version.version
    known = memory.get(key)
    # A transaction that was undone may have given the same number to another text.
    if known is not None and known[0] == version.body:
        return known[1]
    made = version.resource()
    if len(memory) >= _PARSED:
        memory.clear()
    memory[key] = (version.body, made)
    return made
