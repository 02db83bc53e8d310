"""What of a lane can be an entry of a transaction, and the entries themselves."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fhirplan.ehr.answered import remote_copy
from fhirplan.ehr.discovery import Capabilities, TypeCapability
from fhirplan.ehr.transactions import Part
from fhirplan.fhir.codec import Resource
from fhirplan.store import versions
from fhirplan.store.engine import Transaction
from fhirplan.store.sync import links
from fhirplan.store.sync.links import Link
from fhirplan.store.sync.outbox import Entry
from fhirplan.store.versions import Version
from fhirplan.sync import deliver
from fhirplan.sync.claims import Run
from fhirplan.sync.content import comparable, same
from fhirplan.sync.identity import Ids, outbound, targets
from fhirplan.sync.lookup import condition
from fhirplan.sync.order import Key
from fhirplan.sync.sending import is_on_its_way
from fhirplan.sync.withholding import is_withheld


@dataclass(frozen=True, slots=True)
class Ready:
    """One resource, as its entry of a transaction says it; ``again``: some references went by identifier only."""

    key: Key
    rows: tuple[Entry, ...]
    local: Resource
    version: int
    part: Part
    again: bool


def held_here(run: Run, tx: Transaction, key: Key) -> tuple[Link | None, Version | None]:
    """The link of a resource of ours and its current version, as far as there are any."""
    return links.by_id(tx, run.sides.connection, *key), versions.current(tx, run.sides.connection, *key)


def is_fit(run: Run, offered: Capabilities, link: Link | None, local: Resource, attempts: int) -> bool:
    """Whether a change can be an entry: a create, or an update that cannot overwrite what we have not seen.

    The EHR refuses a stale one by itself, or it can be asked for all copies at once before.
    """
    kind = offered.of(str(local["resourceType"]))
    if is_withheld(run.sides, local) or deliver.is_mistake(local):
        return False
    if link is None or (link.ehr_gone and not link.agreed):
        return kind.can("create")
    if not link.agreed or attempts or same(comparable(local), link.base):
        return False
    return kind.can("update") and (_guarded(run, kind, link) or (kind.can("search-type") and "_id" in kind.search))


def moved_there(run: Run, keys: Sequence[Key]) -> list[Key]:
    """Those whose copy there is not the one both agreed on, where the EHR would not refuse to overwrite it."""
    sides, offered = run.sides, run.sides.client.capabilities()
    wanted: dict[str, dict[str, Link]] = {}
    with sides.database.read() as tx:
        for key in keys:
            link, _ = held_here(run, tx, key)
            if link is not None and link.agreed and not _guarded(run, offered.of(key[0]), link):
                wanted.setdefault(key[0], {})[link.ehr_id] = link
    moved: list[Key] = []
    for type_, by_id in wanted.items():
        seen = set[str]()
        for page in sides.client.search(type_, {"_id": ",".join(by_id), "_count": str(len(by_id))}):
            copies = [remote_copy(resource) for resource in page.resources if resource.get("id") in by_id]
            seen |= {copy.id for copy in copies if deliver.is_as_known(sides, by_id[copy.id], copy)}
        moved += [(type_, link.id) for ehr_id, link in by_id.items() if ehr_id not in seen]
    return moved


def made_ready(run: Run, keys: Sequence[Key], claimed: Mapping[Key, tuple[Entry, ...]]) -> list[Ready]:
    """The entries, which refer to each other by fullUrl."""
    sides = run.sides
    with sides.database.read() as tx:
        here = {key: held_here(run, tx, key) for key in keys}
        creates = {key for key, (link, _) in here.items() if link is None or link.ehr_gone}
        urls = {key: _url(run, key) for key in creates}
        ids = replace(sides.ids(tx), placed=urls)
        return [_ready(run, ids, key, *here[key], claimed[key]) for key in keys]


def _ready(run: Run, ids: Ids, key: Key, link: Link | None, current: Version | None, rows: tuple[Entry, ...]) -> Ready:
    if current is None:
        raise AssertionError("what was looked over is there")
    sides, local = run.sides, current.resource()
    offered = sides.client.capabilities().of(key[0])
    cut = [to for to in targets(sides.border, local) if to not in ids.placed and is_on_its_way(run, ids.tx, to)]
    if key in ids.placed:
        body = outbound(ids, local, "")
        part = Part(body, ids.placed[key], if_none_exist=condition(offered, body, key[1]))
    else:
        ehr_id, version = (link.ehr_id, link.ehr_version) if link else ("", "")
        part = Part(outbound(ids, local, ehr_id), f"{sides.border.ehr_base}/{key[0]}/{ehr_id}", if_match=version)
    return Ready(key, rows, local, current.version, part, bool(cut))


def _guarded(run: Run, kind: TypeCapability, link: Link) -> bool:
    return kind.guards_updates and bool(link.ehr_version) and not run.sides.vendor().unsafe_if_match


def _url(run: Run, key: Key) -> str:
    """The urn by which a transaction's entries refer to one that has no id yet."""
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{run.sides.border.our_base}/{key[0]}/{key[1]}')}"
