"""Finds which resource of ours an EHR's resource is, and mends the record where one was held for two.

That happens when the reply to a creation of ours was lost and the EHR's copy was met before we knew it for ours: in a
reference, or in a search. The id that was given to it meanwhile gives way to the one it was born with.
"""

from __future__ import annotations

from dataclasses import replace

from fhirplan.fhir import reference
from fhirplan.fhir.codec import Resource
from fhirplan.store import versions
from fhirplan.store.commit import Change, commit
from fhirplan.store.sync import links
from fhirplan.store.sync.links import Link
from fhirplan.sync.content import comparable, marks, same
from fhirplan.sync.identity import FROM_EHR, Ids


def our_id_of(ids: Ids, remote: Resource) -> str:
    """Our id for a resource of the EHR's: the known one, the one it was born with here, or a new one.

    The id it carries counts only while that resource of ours has no copy there: a copy made in the EHR carries it too.
    """
    type_, ehr_id = str(remote["resourceType"]), str(remote["id"])
    known = links.by_ehr_id(ids.tx, ids.connection, type_, ehr_id)
    if known is not None and (known.agreed or known.ehr_gone):
        return known.id
    for own in marks(remote):
        taken = links.by_id(ids.tx, ids.connection, type_, own)
        if taken is None and versions.current(ids.tx, ids.connection, type_, own) is not None:
            pair(ids, Link(type_, own, ehr_id))
            return own
    return ids.ours(type_, ehr_id)


def pair(ids: Ids, link: Link) -> None:
    """Writes a link; what held the EHR's resource under another id of ours gives way."""
    other = links.by_ehr_id(ids.tx, ids.connection, link.type, link.ehr_id)
    if other is not None and other.id != link.id:
        links.remove(ids.tx, ids.connection, other.type, other.id)
        _give_way(ids, other)
        links.put(ids.tx, ids.connection, link, ids.now)
        _repoint(ids, f"{other.type}/{other.id}", f"{link.type}/{link.id}")
    else:
        links.put(ids.tx, ids.connection, link, ids.now)
    ids.forget()


def _give_way(ids: Ids, other: Link) -> None:
    """Deletes the second copy, unless somebody has edited it here; then it stays and is sent as its own resource."""
    current = versions.current(ids.tx, ids.connection, other.type, other.id)
    if current is not None and not current.deleted and same(comparable(current.resource()), other.base):
        commit(
            ids.tx,
            ids.connection,
            [Change("delete", other.type, other.id)],
            now=ids.now,
            origin=FROM_EHR,
            base=ids.border.our_base,
        )


def _repoint(ids: Ids, old: str, new: str) -> None:
    """Has everything that refers to ``old`` refer to ``new``: the agreed copies and, with a new version, ours."""
    for link in links.naming(ids.tx, ids.connection, old):
        current = versions.current(ids.tx, ids.connection, link.type, link.id)
        number = link.local_version
        if current is not None and not current.deleted:
            changed = reference.rewrite(current.resource(), lambda text: new if text == old else None)
            change = Change("update", link.type, link.id, changed)
            made = commit(ids.tx, ids.connection, [change], now=ids.now, origin=FROM_EHR, base=ids.border.our_base)[0]
            number = made.version if current.version == number else number
        base = reference.rewrite(link.base or {}, lambda text: new if text == old else None)
        links.put(ids.tx, ids.connection, replace(link, base=base, local_version=number), ids.now)
