"""Compares both sides over HTTP, resource by resource: the proof that a sync has done its work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fhirplan.ehr.client import EhrClient
from fhirplan.fhir.codec import Resource
from fhirplan.store import links
from fhirplan.sync.content import comparable, same
from fhirplan.sync.identity import Ids, inbound
from fhirplan.sync.plan import paths
from fhirplan.sync.sides import Sides

_Listed = Mapping[tuple[str, str], Resource]


@dataclass(frozen=True, slots=True)
class Difference:
    """One resource that is not the same on both sides; ``what`` says how, in words with the elements that differ."""

    type: str
    id: str
    ehr_id: str
    what: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many linked resources were compared, and which differ."""

    compared: int
    differences: tuple[Difference, ...]


def compare(sides: Sides, ours: EhrClient) -> Agreement:
    """Reads every linked resource from our FHIR API (``ours``) and from the EHR, and compares their contents.

    References are compared in our ids. Raises EhrFailure when either side does not answer.
    """
    with sides.database.read() as tx:
        pairs = links.pairs(tx, sides.connection)
    here = _listed(ours, {type_ for type_, _, _ in pairs})
    there = _listed(sides.client, {type_ for type_, _, _ in pairs})
    copies = [
        (pair, _copy(ours, here, pair[0], pair[1]), _copy(sides.client, there, pair[0], pair[2])) for pair in pairs
    ]
    with sides.database.write() as tx:
        ids = sides.ids(tx)
        found = [_difference(ids, *item) for item in copies]
    return Agreement(len(pairs), tuple(item for item in found if item is not None))


def _copy(client: EhrClient, listed: _Listed, type_: str, id_: str) -> Resource | None:
    """One side's copy; what no search listed is asked for by its id."""
    known = listed.get((type_, id_))
    if known is not None:
        return known
    read = client.read(type_, id_)
    return read.resource if read else None


def _listed(client: EhrClient, types: set[str]) -> _Listed:
    """What a search of each type lists, so that not every resource needs a read of its own."""
    offered = client.capabilities()
    found: dict[tuple[str, str], Resource] = {}
    for type_ in sorted(types):
        if offered.of(type_).can("search-type"):
            for page in client.search(type_, {"_count": "200"}):
                found.update({(type_, str(item.get("id"))): item for item in page.resources})
    return found


def _difference(
    ids: Ids, pair: tuple[str, str, str], here: Resource | None, there: Resource | None
) -> Difference | None:
    type_, id_, ehr_id = pair
    if here is None or there is None:
        missing = "both sides" if here is there else "our side" if here is None else "the EHR"
        return Difference(type_, id_, ehr_id, f"It is missing on {missing}.")
    mine, theirs = comparable(here), comparable(inbound(ids, there, id_))
    if same(mine, theirs):
        return None
    return Difference(type_, id_, ehr_id, f"These differ: {', '.join(paths(None, mine, theirs))}.")
