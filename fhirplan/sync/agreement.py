"""Compares both sides over HTTP, resource by resource: the proof that a sync has done its work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fhirplan.ehr.client import EhrClient
from fhirplan.ehr.routes import ROUTE
from fhirplan.ehr.vendors.vendor import EVERYTHING
from fhirplan.fhir.codec import Resource
from fhirplan.store.sync import links, receipts
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
    """How many linked resources were compared, and which differ.

    ``elsewhere`` are those whose change the EHR has in another form, as their receipts say.
    """

    compared: int
    differences: tuple[Difference, ...]
    elsewhere: tuple[tuple[str, str], ...] = ()


def compare(sides: Sides, ours: EhrClient) -> Agreement:
    """Reads every linked resource from our FHIR API (``ours``) and from the EHR, and compares their contents.

    References are compared in our ids. Raises EhrFailure when either side does not answer.
    """
    with sides.database.read() as tx:
        pairs = links.pairs(tx, sides.connection)
    vendor, types = sides.vendor(), {type_ for type_, _, _ in pairs}
    here = _listed(ours, types)
    there = _listed(sides.client, {type_ for type_ in types if vendor.ask(type_) == EVERYTHING})
    copies = [
        (pair, _copy(ours, here, pair[0], pair[1]), _copy(sides.client, there, pair[0], pair[2])) for pair in pairs
    ]
    with sides.database.write() as tx:
        ids = sides.ids(tx)
        found = [item for item in (_difference(ids, *copy) for copy in copies) if item is not None]
        elsewhere = tuple((item.type, item.id) for item in found if _went_elsewhere(ids, item))
    left = tuple(item for item in found if (item.type, item.id) not in elsewhere)
    return Agreement(len(pairs), left, elsewhere)


def _went_elsewhere(ids: Ids, item: Difference) -> bool:
    known = receipts.latest(ids.tx, ids.connection, item.type, item.id)
    return known is not None and known.state == "sent" and known.route in ROUTE.values()


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
