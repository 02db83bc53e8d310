"""Carries out a transaction: all entries or none (R4 section 3.2.0.11.2).

The entries are linked and validated before the write lock is taken, unless one has a condition (``ifNoneExist``, a
reference such as ``Patient?identifier=x``), which must hold at the moment of the write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from fhirplan.access.decide import decide
from fhirplan.errors import (
    FhirplanError,
    Issue,
    MalformedRequest,
    NotSupported,
)
from fhirplan.fhir.bundle import responses
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.auditing import note
from fhirplan.interactions.bundles.batch import answer
from fhirplan.interactions.bundles.entries import METHODS, Entry, at_entry, entry, listed, located
from fhirplan.interactions.bundles.linking import may_have_conditional
from fhirplan.interactions.bundles.planning import WRITES, Planned, has_condition, hold_all, plan
from fhirplan.interactions.conditions import required
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.provenance.provenances import refuse_made
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import sight
from fhirplan.interactions.touching import check, touched, updated
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.interactions.written import prepared, stored, written
from fhirplan.store.commit import Change
from fhirplan.store.coordination.foreseen import Foreseen
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Method, Version
from fhirplan.validation.asking import kept_only

Read = Callable[[Services, Transaction, Interaction], Reply]
_METHODS: Final[dict[str, Method]] = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}


def transaction(services: Services, interaction: Interaction, bundle: Resource, reads: dict[str, Read]) -> Reply:
    """200 with a transaction-response whose entries stand in the order of the request.

    Raises, with the expression of the entry that is at fault, whatever its interaction raises alone; then nothing of
    the Bundle has been applied.
    """
    entries = [entry(interaction, index, item) for index, item in enumerate(listed(services, bundle))]
    _permit(services, entries, reads)
    _refuse_overlap(entries)
    maybe = may_have_conditional(interaction.body)
    if any(has_condition(item, maybe) for item in entries):
        if services.settings.terminology_url:
            # What a terminology server says is asked for now, so that nobody waits for it under the lock.
            with services.database.read() as tx:
                plan(services, tx, entries)
        with services.database.write() as tx, kept_only():
            hold_all(services, tx, entries)
            done = _apply(services, tx, interaction, entries, plan(services, tx, entries), reads)
    else:
        planned = plan(services, None, entries)
        planned, ahead = _prepared(services, interaction, planned)
        with services.database.write() as tx:
            done = _apply(services, tx, interaction, entries, planned, reads, ahead)
    answers = [answer(_told(services, item, done[item.index]), interaction, item.method) for item in entries]
    return Reply(200, responses("transaction", answers))


@dataclass(frozen=True, slots=True)
class _Done:
    reply: Reply | None = None
    version: Version | None = None
    created: bool = False
    changed: bool = False
    issues: tuple[Issue, ...] = ()


def _permit(services: Services, entries: Iterable[Entry], reads: dict[str, Read]) -> None:
    for item in entries:
        asked = item.interaction
        try:
            if asked.kind not in WRITES and asked.kind not in reads:
                raise NotSupported(f"Entry {item.index} asks for a {asked.kind}, which no transaction does.")
            decide(asked.actor, asked.kind, asked.type, services.settings.auth)
            if asked.kind in WRITES:
                refuse_made(asked)
            if asked.kind in WRITES and (asked.id or asked.kind == "create"):
                refuse_parameters(asked)
        except FhirplanError as error:
            raise at_entry(error, item.index) from None


def _refuse_overlap(entries: Iterable[Entry]) -> None:
    seen: dict[str, int] = {}
    for item in entries:
        asked = item.interaction
        condition = f"{asked.type}?{asked.if_none_exist}" if asked.if_none_exist else ""
        once = ((item.identity, "request.url"), (item.full_url, "fullUrl"), (condition, "request.ifNoneExist"))
        for name, element in once:
            if name and name in seen:
                raise MalformedRequest(
                    f"Entries {seen[name]} and {item.index} are both about {name[:200]}. A transaction changes a "
                    "resource once; keep one of them.",
                    expression=f"{item.place}.{element}",
                )
            if name:
                seen[name] = item.index


def _prepared(
    services: Services, interaction: Interaction, planned: list[Planned]
) -> tuple[list[Planned], Foreseen | None]:
    """The writes in processing order, and how they are judged where none is a deletion, which may find nothing."""
    ordered = _ordered(planned)
    if not ordered or ordered[0].entry.method == "DELETE":
        return ordered, None
    changes, ahead = prepared(services, interaction, [_change(item, None) for item in ordered])
    if ahead is not None:
        return ordered, ahead
    made = zip(ordered, changes, strict=True)
    return [replace(item, resource=change.resource, rows=change.rows) for item, change in made], None


def _ordered(planned: list[Planned]) -> list[Planned]:
    return sorted(planned, key=lambda item: METHODS.index(item.entry.method))


def _change(item: Planned, expected: int | None) -> Change:
    return Change(_METHODS[item.entry.method], item.type, item.id, item.resource, expected, item.rows)


def _apply(
    services: Services,
    tx: Transaction,
    interaction: Interaction,
    entries: list[Entry],
    planned: list[Planned],
    reads: dict[str, Read],
    ahead: Foreseen | None = None,
) -> dict[int, _Done]:
    """Commits the writes in processing order, then reads in the state that they leave."""
    ordered = _ordered(planned)
    done: dict[int, _Done] = {}
    changes: list[tuple[Planned, Change, Version | None]] = []
    for item in ordered:
        if item.found:
            done[item.entry.index] = _Done(version=item.found)
            continue
        before = _before(services, tx, item)
        expected = 0 if item.unused else _expected(item, before)
        if item.entry.method == "DELETE" and (before is None or before.deleted):
            done[item.entry.index] = _Done(Reply(204))
            continue
        change = _change(item, expected)
        _check(services, tx, item, change)
        changes.append((item, change, before))
    found = [item.issues for item, _, _ in changes]
    made = stored(
        services,
        tx,
        interaction,
        [change for _, change, _ in changes],
        found,
        lambda place, issue: located(issue, changes[place][0].entry.index),
        ahead,
    )
    for (item, change, before), one in zip(changes, made, strict=True):
        version = one.version
        created = change.method != "delete" and (before is None or before.deleted)
        changed = before is None or version.version != before.version
        done[item.entry.index] = _Done(None, version, created, changed, one.issues)
    for reading in entries:
        if reading.interaction.kind in reads:
            done[reading.index] = _Done(_read(services, tx, reading, reads))
    return done


def _before(services: Services, tx: Transaction, item: Planned) -> Version | None:
    """The current version of what an entry writes to, as far as its caller may know."""
    if item.entry.method == "POST" or not item.id:
        return None
    asked = replace(item.entry.interaction, id=item.id)
    try:
        if item.entry.method == "PUT":
            return updated(services, tx, asked, item.id)
        return touched(services, tx, asked, item.type, item.id, "d" if item.entry.method == "DELETE" else "u")
    except FhirplanError as error:
        raise at_entry(error, item.entry.index) from None


def _check(services: Services, tx: Transaction, item: Planned, change: Change) -> None:
    asked = item.entry.interaction
    if sight(services, tx, asked, "u") is None:
        return
    try:
        check(services, tx, replace(asked, id=item.id), change)
    except FhirplanError as error:
        raise at_entry(error, item.entry.index) from None


def _expected(item: Planned, before: Version | None) -> int | None:
    asked = item.entry.interaction
    if not asked.if_match and not asked.if_none_match:
        return None
    try:
        return required(replace(asked, id=item.id), before)
    except FhirplanError as error:
        raise at_entry(error, item.entry.index) from None


def _read(services: Services, tx: Transaction, item: Entry, reads: dict[str, Read]) -> Reply:
    try:
        reply = reads[item.interaction.kind](services, tx, item.interaction)
        note(services, item.interaction, reply)
        return reply
    except FhirplanError as error:
        raise at_entry(error, item.index) from None


def _told(services: Services, item: Entry, done: _Done) -> Reply:
    if done.reply or done.version is None:
        return done.reply or Reply(204)
    reply = written(
        services, item.interaction, done.version, created=done.created, changed=done.changed, issues=done.issues
    )
    return replace(reply, status=204, body=b"") if done.version.deleted else reply
