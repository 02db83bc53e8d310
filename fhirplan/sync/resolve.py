"""Ends a conflict as a person decided: ours, theirs, field by field, or as they wrote it; and records who did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from fhirplan.coordination.makers import may_make
from fhirplan.coordination.moves import MACHINES
from fhirplan.coordination.rules import refuse
from fhirplan.coordination.world import Change as Moved
from fhirplan.errors import EhrFailure, InvalidResource, Issue, NotFound, VersionMismatch
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.dates import instant
from fhirplan.merge.policy import Side
from fhirplan.merge.resolve import apply
from fhirplan.merge.three_way import Clashing
from fhirplan.store import versions
from fhirplan.store.commit import Change, Origin, commit, lane
from fhirplan.store.coordination.record import StoredRecord
from fhirplan.store.coordination.ruled import ruled
from fhirplan.store.sync import conflicts, links, outbox, receipts
from fhirplan.store.sync.conflicts import Collision
from fhirplan.store.sync.links import Link
from fhirplan.store.sync.receipts import Receipt
from fhirplan.store.versions import Version
from fhirplan.sync.content import comparable
from fhirplan.sync.explain import clashes, edition
from fhirplan.sync.identity import Ids
from fhirplan.sync.plan import newly_broken
from fhirplan.sync.sides import Sides

Take = Literal["ours", "theirs"]


@dataclass(frozen=True, slots=True)
class Fields:
    """A choice for each field in question, by its path or element (``Goal.target[0].due``, ``Goal.description``)."""

    choices: Mapping[str, Side]


@dataclass(frozen=True, slots=True)
class Edited:
    """The resource as a person wrote it, to count on both sides."""

    resource: Resource


def resolve(
    sides: Sides, cid: int, decision: Take | Fields | Edited, *, actor: str, seen: str = "", person: str = ""
) -> None:
    """Resolves a conflict. ``theirs``: the EHR's copy becomes ours; ``ours``: our current version is sent.

    Field by field and as edited, what comes out is stored here and sent. ``seen`` is the edition the person looked at
    (see ``explain.edition``), "" for whichever it is. What is sent names the EHR's version the person saw, so an edit
    made there meanwhile becomes a new conflict. A Provenance tells who decided; it is sent where the EHR takes it.

    What comes out is judged as strictly as what people write here, but only for what the person made of the copies: a
    rule that one of them breaks already is no reason to refuse the decision.

    ``person`` is who is held to the moves of a Task that they may make (``makers``), "" for a program. The status of
    either copy is no move of theirs: ours was judged when it was written here, and the EHR's is the EHR's to decide.

    Raises NotFound for a number that is no conflict, VersionMismatch when somebody resolved it before or it is not as
    it was seen, InvalidResource for a choice that does not fit or leaves something open, or a result that is invalid,
    NotPermitted for a move that is not the person's to make.
    """
    send_provenance = _takes_provenance(sides)
    with sides.database.write() as tx:
        known = conflicts.get(tx, sides.connection, cid)
        if known is None:
            raise NotFound(f"There is no conflict {cid}. See: fhirplan conflicts list")
        current = versions.current(tx, sides.connection, known.type, known.id)
        if seen and seen != edition(known, current):
            raise VersionMismatch(f"Conflict {cid} is not as you saw it. Look at it again, then decide.")
        how = _how(decision)
        if not conflicts.resolve(tx, cid, sides.clock(), by=actor, decision=how):
            raise VersionMismatch(f"Conflict {cid} has been resolved already.")
        ids = sides.ids(tx)
        link = links.by_id(tx, sides.connection, known.type, known.id)
        if link is None:
            raise NotFound(f"{known.type}/{known.id} is no longer linked to the EHR.")
        if decision == "theirs":
            _take_theirs(sides, ids, known, link, actor)
        elif decision == "ours":
            _take_ours(sides, ids, known, link)
        else:
            _take_made(sides, ids, known, link, _made(known, current, decision), current, actor, person)
        after = versions.current(tx, sides.connection, known.type, known.id)
        conflicts.came_of(tx, cid, after.version if after is not None else 0)
        if after is not None and not after.deleted:
            _record(ids, known, how, actor, push=send_provenance)


def _how(decision: Take | Fields | Edited) -> str:
    return decision if isinstance(decision, str) else "fields" if isinstance(decision, Fields) else "edited"


def _origin(known: Collision, actor: str, *, push: bool) -> Origin:
    """The version says whose decision it comes from, and of which conflict."""
    return Origin(actor=actor, request_id=f"conflict-{known.cid}", source="api" if push else "ehr", push=push)


def _made(known: Collision, current: Version | None, decision: Take | Fields | Edited) -> Resource:
    """What both sides are to hold, by a person's choices or words."""
    if isinstance(decision, Edited):
        given = decision.resource
        if given.get("resourceType") != known.type or given.get("id", known.id) != known.id:
            raise InvalidResource(
                f"This conflict is about {known.type}/{known.id}; what was given is another resource."
            )
        return {**given, "id": known.id}
    local = comparable(current.resource()) if current is not None and not current.deleted else None
    remote = comparable(known.remote)
    if local is None or remote is None or not isinstance(decision, Fields):
        raise InvalidResource("One side deleted the resource, so there are no fields to choose. Take ours or theirs.")
    named = {clash.element: clash.path for clash in clashes(known.base, local, remote)}
    chosen = {named.get(path, path): side for path, side in decision.choices.items()}
    outcome = apply(known.base, local, remote, chosen)
    if isinstance(outcome, Clashing):
        left = ", ".join(clash.path for clash in outcome.clashes)
        raise InvalidResource(f"These are still to be decided: {left}. Choose ours or theirs for each.")
    return outcome.resource


def _take_made(
    sides: Sides,
    ids: Ids,
    known: Collision,
    link: Link,
    made: Resource,
    current: Version | None,
    actor: str,
    person: str,
) -> None:
    """Stores what a person made of both copies; it may break no rule that neither of them breaks."""
    mine = [current.resource()] if current is not None and not current.deleted else []
    copies = [*mine, known.remote] if known.remote is not None else mine
    findings = newly_broken(made, copies, sides.judge or sides.validate)
    if findings:
        raise InvalidResource(findings)
    tx, name = ids.tx, ids.connection
    links.put(tx, name, _agreed(known, link, 0), ids.now)
    outbox.move(tx, name, known.type, known.id, "held", "waiting", ids.now)
    method: Literal["create", "update"] = "create" if current is None or current.deleted else "update"
    changes = _ruled(sides, ids, known, Change(method, known.type, known.id, made), person)
    commit(tx, name, changes, now=ids.now, origin=_origin(known, actor, push=True), base=ids.border.our_base)


def _ruled(sides: Sides, ids: Ids, known: Collision, change: Change, person: str) -> list[Change]:
    """The change with what follows from it; raises InvalidResource or NotPermitted for one that breaks a rule.

    A state that the EHR's copy has already is the EHR's to decide, so it is taken as an import is.
    """
    if sides.rules is None:
        return [change]
    machine = MACHINES.get(known.type)
    theirs = known.remote.get(machine.element) if machine and known.remote else None
    as_theirs = theirs is not None and machine is not None and (change.resource or {}).get(machine.element) == theirs
    judged = ruled(ids.tx, ids.connection, [change], ids.now, sides.rules, lenient=as_theirs)
    refuse(judged.found[0] if as_theirs else (*_not_theirs_to_make(ids, change, person), *judged.found[0]))
    return judged.all


def _not_theirs_to_make(ids: Ids, change: Change, person: str) -> tuple[Issue, ...]:
    """What stands against the person making the move, from our current version, that a change is; nothing else."""
    if not person or change.type != "Task" or change.resource is None:
        return ()
    record = StoredRecord(ids.tx, ids.connection)
    return may_make(Moved(record.get(f"Task/{change.id}"), change.resource), person, record)


def _takes_provenance(sides: Sides) -> bool:
    try:
        return sides.client.capabilities().of("Provenance").can("create")
    except EhrFailure:
        return False


def _record(ids: Ids, known: Collision, how: str, actor: str, *, push: bool) -> None:
    """A Provenance of the decision: what it was about, who took it, and when (R4 Provenance)."""
    made: Resource = {
        "resourceType": "Provenance",
        "id": ids.new_id(),
        "target": [{"reference": f"{known.type}/{known.id}"}],
        "recorded": instant(ids.now),
        "activity": {"text": f"Resolved a conflict of two edits: {how}"},
        "agent": [{"who": {"display": actor}}],
    }
    origin = replace(_origin(known, actor, push=True), push=push)
    change = Change("create", "Provenance", str(made["id"]), made)
    commit(ids.tx, ids.connection, [change], now=ids.now, origin=origin, base=ids.border.our_base)


def _take_theirs(sides: Sides, ids: Ids, known: Collision, link: Link, actor: str) -> None:
    tx, name = ids.tx, ids.connection
    current = versions.current(tx, name, known.type, known.id)
    origin = _origin(known, actor, push=False)
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
