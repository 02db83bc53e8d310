"""Rewrites ids at the border: a resource in the EHR's ids into ours and back, references included.

in the EHR                                 here
Patient/55                                 Patient/<ours>            our id is set aside when it is not known yet
Medication/9 (a type we do not hold)       <EHR base>/Medication/9
Goal/7/_history/2 (the EHR's numbering)    <EHR base>/Goal/7/_history/2
identifier sid/goal|g1, no reference       Goal/g1                   what the EHR did not have when it was sent
<our base>/Goal/g1/_history/3              Goal/g1/_history/3
<our base>/Device/fhirplan                 Device/fhirplan           of a type we do not hold, and named here
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from fhirplan.fhir import reference
from fhirplan.fhir.codec import Json, Resource
from fhirplan.fhir.reference import Reference
from fhirplan.store.commit import Origin
from fhirplan.store.engine import Transaction
from fhirplan.store.sync import links
from fhirplan.store.sync.links import Link
from fhirplan.sync.content import SID, marked, sid_system, unmarked

# Who writes what comes from the EHR; it is not sent back there.
FROM_EHR: Final = Origin(actor="ehr", request_id="", source="ehr", push=False)
_Element = dict[str, Any]
_VERSION_AND_TIME: Final = ("versionId", "lastUpdated")


@lru_cache
def _by_sid(types: frozenset[str]) -> Mapping[str, str]:
    return {sid_system(type_): type_ for type_ in types}


@dataclass(frozen=True, slots=True)
class Border:
    """Where two id spaces meet: both FHIR bases without a slash at the end, and the types we hold."""

    ehr_base: str
    our_base: str
    types: frozenset[str]

    @property
    def by_sid(self) -> Mapping[str, str]:
        """The type that each system of our business identifiers stands for."""
        return _by_sid(self.types)


class Unknown(LookupError):
    """The EHR's resource has no id here, and none may be set aside."""


@dataclass(slots=True)
class Ids:
    """The pairs of ids inside one transaction; remembers what it looked up, so it ends with the transaction.

    With ``only_known`` nothing is written: what has no id here raises Unknown.
    """

    tx: Transaction
    connection: str
    border: Border
    new_id: Callable[[], str]
    now: int
    only_known: bool = False
    # What a transaction's other entries are referred to by, until they have an id there.
    placed: Mapping[tuple[str, str], str] = field(default_factory=dict)
    _ours: dict[tuple[str, str], str] = field(default_factory=dict)

    def ours(self, type_: str, ehr_id: str) -> str:
        """Our id for the EHR's resource; one is set aside when there is none yet."""
        known = self._ours.get((type_, ehr_id)) or links.our_id(self.tx, self.connection, type_, ehr_id)
        if not known:
            if self.only_known:
                raise Unknown
            known = self._free(ehr_id, links.taken(self.tx, self.connection, type_, [ehr_id]))
            links.add(self.tx, self.connection, [Link(type_, known, ehr_id)], self.now)
        self._ours[type_, ehr_id] = known
        return known

    def chosen(self, wanted: Sequence[tuple[str, str, str]]) -> list[str]:
        """Our ids for resources of the EHR's, by (type, its id, our id as far as there is one): that, else a free one.

        The caller writes their links.
        """
        by_type: dict[str, list[str]] = {}
        for type_, ehr_id, known in wanted:
            if not known:
                by_type.setdefault(type_, []).append(ehr_id)
        taken = {type_: links.taken(self.tx, self.connection, type_, named) for type_, named in by_type.items()}
        made = [known or self._free(ehr_id, taken[type_]) for type_, ehr_id, known in wanted]
        self._ours.update({(type_, ehr_id): id_ for (type_, ehr_id, _), id_ in zip(wanted, made, strict=True)})
        return made

    def theirs(self, type_: str, id_: str) -> str:
        """The EHR's id for our resource, "" when it has none."""
        return links.their_id(self.tx, self.connection, type_, id_)

    def forget(self) -> None:
        """Forgets what was looked up, after part of the transaction was undone."""
        self._ours.clear()

    def _free(self, ehr_id: str, taken: Set[str]) -> str:
        return ehr_id if reference.ID.fullmatch(ehr_id) and ehr_id not in taken else self.new_id()


def inbound(ids: Ids, remote: Resource, our_id: str) -> Resource:
    """The EHR's copy as ours: our id, references in our ids, without our mark.

    meta.versionId and lastUpdated are left as they are.
    """
    by_sid = ids.border.by_sid
    made: Resource = _mapped(remote, lambda element: _reference_in(ids, by_sid, element))
    return unmarked({**made, "id": our_id})


def outbound(ids: Ids, local: Resource, ehr_id: str) -> Resource:
    """Our copy as the EHR gets it: its id ("" for a create: none), its references, our id as a business identifier.

    A resource that came from the EHR under the same id needs no identifier of ours to be found again.
    """
    our_id = str(local["id"])
    made: Resource = dict(_mapped(local, lambda element: _reference_out(ids, element)))
    meta = {k: v for k, v in made.get("meta", {}).items() if k not in _VERSION_AND_TIME}
    if meta:
        made["meta"] = meta
    else:
        made.pop("meta", None)
    if ehr_id:
        made["id"] = ehr_id
    else:
        made.pop("id", None)
    return made if ehr_id == our_id else marked(made, our_id)


def targets(border: Border, local: Resource) -> tuple[tuple[str, str], ...]:
    """(type, id) of the resources of ours that a resource refers to, each once, without itself."""
    found: dict[tuple[str, str], None] = {}
    for _, element in reference.walk(local):
        to = reference.parse(element["reference"])
        if to and to.server in ("", border.our_base) and not to.version and to.type in border.types:
            found[to.type, to.id] = None
    found.pop((str(local["resourceType"]), str(local["id"])), None)
    return tuple(found)


def _reference_in(ids: Ids, by_sid: Mapping[str, str], element: _Element) -> _Element:
    border = ids.border
    if "reference" not in element:
        return _named_by_us(by_sid, element)
    to = reference.parse(element["reference"])
    if to is None:
        return element
    if to.server == border.our_base:
        return {**element, "reference": _spelled(to, to.id)}
    if to.server not in ("", border.ehr_base):
        return element
    if to.version or to.type not in border.types:
        return {**element, "reference": f"{border.ehr_base}/{_spelled(to, to.id)}"}
    here = f"{to.type}/{ids.ours(to.type, to.id)}"
    return element if here == element["reference"] else {**element, "reference": here}


def _reference_out(ids: Ids, element: _Element) -> _Element:
    border = ids.border
    to = reference.parse(element.get("reference"))
    if to is None:
        return element
    if to.server == border.ehr_base:
        return {**element, "reference": _spelled(to, to.id)}
    if to.server not in ("", border.our_base):
        return element
    if to.version or to.type not in border.types:
        return {**element, "reference": f"{border.our_base}/{_spelled(to, to.id)}"}
    theirs = ids.theirs(to.type, to.id)
    if theirs:
        return {**element, "reference": f"{to.type}/{theirs}"}
    if (to.type, to.id) in ids.placed:
        return {**element, "reference": ids.placed[to.type, to.id]}
    if "identifier" in element:
        return {**element, "reference": f"{border.our_base}/{to.local}"}
    rest = {key: value for key, value in element.items() if key != "reference"}
    return {**rest, "identifier": {"system": sid_system(to.type), "value": to.id}}


def _named_by_us(by_sid: Mapping[str, str], element: _Element) -> _Element:
    """A reference that we sent by identifier, as the literal one it stands for."""
    named = element["identifier"]
    type_ = by_sid.get(named["system"])
    if type_ is None:
        return element
    rest = {key: value for key, value in element.items() if key != "identifier"}
    return {**rest, "reference": f"{type_}/{named['value']}"}


def _spelled(to: Reference, id_: str) -> str:
    return f"{to.type}/{id_}" + (f"/_history/{to.version}" if to.version else "")


def _mapped(value: _Element, change: Callable[[_Element], _Element]) -> _Element:
    """A copy in which each Reference element is changed; what holds none that changes is not copied."""
    made = value
    for key, item in value.items():
        changed = _changed(item, change)
        if changed is not item:
            made = dict(value) if made is value else made
            made[key] = changed
    if ("reference" in made or "identifier" in made) and _is_reference(made):
        return change(made)
    return made


def _changed(value: Json, change: Callable[[_Element], _Element]) -> Json:
    kind = type(value)
    if kind is dict:
        return _mapped(value, change)
    if kind is not list:
        return value
    made = value
    for place, item in enumerate(value):
        changed = _changed(item, change)
        if changed is not item:
            made = list(value) if made is value else made
            made[place] = changed
    return made


def _is_reference(element: _Element) -> bool:
    """A literal reference, or one by a business identifier of ours alone."""
    if isinstance(element.get("reference"), str):
        return True
    named = element.get("identifier")
    return (
        isinstance(named, dict)
        and isinstance(named.get("value"), str)
        and str(named.get("system", "")).startswith(SID)
        and element.keys() <= {"identifier", "display", "type", "id", "extension"}
    )
