"""Writes what a decision about the EHR's copy leads to: a version with its findings, what follows, or a conflict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource
from fhirplan.store import findings
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.coordination.ruled import Ruled, noticed, ruled
from fhirplan.store.sync import conflicts, links, outbox
from fhirplan.store.sync.links import Link
from fhirplan.store.versions import Method, Version
from fhirplan.sync.content import comparable
from fhirplan.sync.identity import FROM_EHR, Ids
from fhirplan.sync.merging import Merging
from fhirplan.sync.plan import Merged

# Who writes what both sides' edits were merged into.
MERGED: Final = Origin(actor="merge", request_id="", source="ehr", push=True)
# What follows by our rules from a change of the EHR's; it is sent, since the EHR does not know of it.
FOLLOWING: Final = Origin(actor="coordination", request_id="", source="api", push=True)
# Rules that miss something, which the same pull may bring a moment later; and how a resource began, which is its past.
_TOO_EARLY: Final = frozenset({"cm-sm-import", "cm-x-02", "cm-x-15", "cm-x-17", "cm-x-18", "cm-x-20"})


def store(ids: Ids, incoming: Resource, current: Version | None, found: Sequence[Issue], merging: Merging) -> Version:
    """Stores the EHR's copy as it is, with what is wrong with it, and what follows from it here."""
    created = current is None or current.deleted
    method: Method = "create" if created else "update"
    change = Change(method, str(incoming["resourceType"]), str(incoming["id"]), incoming)
    judged = judge(ids, change, merging)
    stored = commit(ids.tx, ids.connection, [change], now=ids.now, origin=FROM_EHR, base=ids.border.our_base)[0]
    told = [item for item in judged.found[0] if not (created and item.rule in _TOO_EARLY)]
    findings.put(ids.tx, stored.rid, stored.version, (*found, *told))
    follow(ids, judged.following)
    if not created:
        tell(ids, stored, merging)
    return stored


def store_merged(ids: Ids, made: Merged, merging: Merging) -> None:
    """Our copy with the EHR's changes in it; it is sent, since the EHR lacks ours."""
    change = Change("update", str(made.resource["resourceType"]), str(made.resource["id"]), made.resource)
    judged = judge(ids, change, merging)
    stored = commit(ids.tx, ids.connection, [change], now=ids.now, origin=MERGED, base=ids.border.our_base)[0]
    if judged.found[0] and not findings.of(ids.tx, stored.rid, stored.version):
        findings.put(ids.tx, stored.rid, stored.version, judged.found[0])
    follow(ids, judged.following)
    tell(ids, stored, merging)


def tell(ids: Ids, stored: Version | None, merging: Merging, *, torn: bool = False) -> None:
    """Asks the lead of the plan to look at what the EHR changed."""
    if merging.rules is not None and merging.tells and stored is not None:
        follow(ids, noticed(ids.tx, ids.connection, stored, ids.now, merging.rules, torn=torn))


def keep(
    ids: Ids,
    link: Link,
    current: Version | None,
    remote: Resource | None,
    ehr_version: str,
    paths: tuple[str, ...],
) -> None:
    """Keeps all three copies and holds our change back; neither side is touched."""
    conflicts.record(
        ids.tx,
        ids.connection,
        link.type,
        link.id,
        base=link.base,
        local=content_of(current),
        remote=remote,
        ehr_version=ehr_version,
        paths=paths,
        now=ids.now,
    )
    if links.by_id(ids.tx, ids.connection, link.type, link.id) is None:
        links.put(ids.tx, ids.connection, link, ids.now)
    outbox.hold(ids.tx, ids.connection, link.type, link.id)


def close(ids: Ids, type_: str, our_id: str) -> None:
    """Closes a conflict that has come to nothing, since both sides can be reconciled again."""
    known = conflicts.open_of(ids.tx, ids.connection, type_, our_id)
    if known:
        conflicts.resolve(ids.tx, known.cid, ids.now)
        outbox.move(ids.tx, ids.connection, type_, our_id, "held", "waiting", ids.now)


def content_of(current: Version | None) -> Resource | None:
    """What our current version says, None where there is none or it is a deletion."""
    return comparable(current.resource()) if current is not None and not current.deleted else None


def judge(ids: Ids, change: Change, merging: Merging) -> Ruled:
    """What the coordination rules say of the EHR's change, which they never refuse nor touch."""
    if merging.rules is None:
        return Ruled((change,), (), ((),))
    return ruled(ids.tx, ids.connection, [change], ids.now, merging.rules, lenient=True, additions=False)


def follow(ids: Ids, following: Sequence[Change]) -> None:
    """Commits what follows from a change of the EHR's."""
    if following:
        commit(ids.tx, ids.connection, following, now=ids.now, origin=FOLLOWING, base=ids.border.our_base)
