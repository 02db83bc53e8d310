"""Ends a conflict as a person decided: our copy goes to the EHR, or the EHR's copy is taken here."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from fhirplan.errors import NotFound, VersionMismatch
from fhirplan.store import conflicts, links, outbox, receipts, versions
from fhirplan.store.commit import Change, Origin, commit, lane
from fhirplan.store.conflicts import Collision
from fhirplan.store.links import Link
from fhirplan.store.receipts import Receipt
from fhirplan.store.versions import Version
from fhirplan.sync.content import comparable
from fhirplan.sync.identity import Ids
from fhirplan.sync.sides import Sides

Take = Literal["ours", "theirs"]


def resolve(sides: Sides, cid: int, take: Take, *, actor: str) -> None:
    """Resolves a conflict. ``theirs``: the EHR's copy becomes ours; ``ours``: our current version is sent.

    What is sent names the EHR's version the person saw, so an edit made there meanwhile becomes a new conflict.
    Raises NotFound for a number that is no conflict, VersionMismatch when somebody resolved it before.
    """
    with sides.database.write() as tx:
        known = conflicts.get(tx, sides.connection, cid)
        if known is None:
            raise NotFound(f"There is no conflict {cid}. See: fhirplan conflicts list")
        if not conflicts.resolve(tx, cid, sides.clock()):
            raise VersionMismatch(f"Conflict {cid} has been resolved already.")
        ids = sides.ids(tx)
        link = links.by_id(tx, sides.connection, known.type, known.id)
        if link is None:
            raise NotFound(f"{known.type}/{known.id} is no longer linked to the EHR.")
        if take == "theirs":
            _take_theirs(sides, ids, known, link, actor)
        else:
            _take_ours(sides, ids, known, link)


def _take_theirs(sides: Sides, ids: Ids, known: Collision, link: Link, actor: str) -> None:
    tx, name = ids.tx, ids.connection
    current = versions.current(tx, name, known.type, known.id)
    origin = Origin(actor=actor, request_id="", source="ehr", push=False)
    version = current
    if known.remote is not None:
        exists = current is not None and not current.deleted
        change = Change("update" if exists else "create", known.type, known.id, known.remote)
        version = commit(tx, name, [change], now=ids.now, origin=origin, base=ids.border.our_base)[0]
    elif current is not None and not current.deleted:
        version = commit(
            tx, name, [Change("delete", known.type, known.id)], now=ids.now, origin=origin, base=ids.border.our_base
        )[0]
    links.put(tx, name, _agreed(known, link, version.version if version else 0), ids.now)
    for entry in outbox.unsettled(tx, name, known.type, known.id):
        receipts.put(
            tx,
            name,
            Receipt(entry.oid, known.type, known.id, entry.version, "none", "conflict", link.ehr_id, at=ids.now),
        )
    for state in ("held", "waiting", "parked"):
        outbox.move(tx, name, known.type, known.id, state, "done", ids.now)


def _take_ours(sides: Sides, ids: Ids, known: Collision, link: Link) -> None:
    tx, name = ids.tx, ids.connection
    links.put(tx, name, _agreed(known, link, 0), ids.now)
    if outbox.move(tx, name, known.type, known.id, "held", "waiting", ids.now):
        return
    current = versions.current(tx, name, known.type, known.id)
    if current is not None and not outbox.unsettled(tx, name, known.type, known.id):
        _send(sides, ids, current)


def _agreed(known: Collision, link: Link, local_version: int) -> Link:
    """The link as if both sides had agreed on the EHR's copy, which the person has seen."""
    if known.remote is None:
        return replace(link, base=None, ehr_version="", ehr_updated="", ehr_gone=True, local_version=local_version)
    base = comparable(known.remote)
    return replace(link, base=base, ehr_version=known.ehr_version, ehr_gone=False, local_version=local_version)


def _send(sides: Sides, ids: Ids, current: Version) -> None:
    resource = None if current.deleted else current.resource()
    outbox.put(
        ids.tx,
        ids.connection,
        current.type,
        current.id,
        rid=current.rid,
        version=current.version,
        method=current.method,
        lane=lane(sides.catalog[current.type], current.id, resource) if resource else "",
        now=ids.now,
    )
