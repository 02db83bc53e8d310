"""Carries out a transaction: all entries or none (R4 section 3.2.0.11.2).

The entries are linked and validated before the write lock is taken, unless one has a condition (``ifNoneExist``, a
reference such as ``Patient?identifier=x``), which must hold at the moment of the write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from fhirplan.access.decide import decide
from fhirplan.errors import (
    FhirplanError,
    InvalidResource,
    InvalidSearch,
    Issue,
    MalformedRequest,
    MultipleMatches,
    NotSupported,
)
from fhirplan.fhir.bundle import responses
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.auditing import note
from fhirplan.interactions.batch import answer
from fhirplan.interactions.conditions import required
from fhirplan.interactions.create import existing
from fhirplan.interactions.entries import METHODS, Entry, at_entry, entry, listed, located
from fhirplan.interactions.incoming import checked, fits_address, refusing
from fhirplan.interactions.linking import conditional, linked, may_have_conditional
from fhirplan.interactions.matching import chosen, described, hold, matches
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.patch import parsed_patch, patched_resource, patched_version
from fhirplan.interactions.provenances import refuse_made
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import sight
from fhirplan.interactions.touching import check, touched, updated
from fhirplan.interactions.update import meant_id
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.interactions.written import prepared, stored, written
from fhirplan.search.values import Row
from fhirplan.store.commit import Change
from fhirplan.store.engine import Transaction
from fhirplan.store.foreseen import Foreseen
from fhirplan.store.versions import Method, Version
from fhirplan.validation.asking import kept_only

Read = Callable[[Services, Transaction, Interaction], Reply]
WRITES: Final = ("create", "update", "patch", "delete")
_METHODS: Final[dict[str, Method]] = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Planned:
    """One write of a transaction, ready to be committed.

    ``found`` is what ifNoneExist matched instead, ``before`` what a patch changes. ``id`` is "" where a conditional
    delete matches nothing. ``unused`` says that nothing may be stored under the id yet.
    """

    entry: Entry
    type: str
    id: str
    resource: Resource | None = None
    rows: frozenset[Row] | None = None
    issues: tuple[Issue, ...] = ()
    found: Version | None = None
    before: Version | None = None
    unused: bool = False

    @property
    def name(self) -> str:
        """What it writes to, as type/id."""
        return f"{self.type}/{self.id}"


def transaction(services: Services, interaction: Interaction, bundle: Resource, reads: dict[str, Read]) -> Reply:
    """200 with a transaction-response whose entries stand in the order of the request.

    Raises, with the expression of the entry that is at fault, whatever its interaction raises alone; then nothing of
    the Bundle has been applied.
    """
    entries = [entry(interaction, index, item) for index, item in enumerate(listed(services, bundle))]
    _permit(services, entries, reads)
    _refuse_overlap(entries)
    maybe = may_have_conditional(interaction.body)
    if any(_has_condition(item, maybe) for item in entries):
        if services.settings.terminology_url:
            # What a terminology server says is asked for now, so that nobody waits for it under the lock.
            with services.database.read() as tx:
                _plan(services, tx, entries)
        with services.database.write() as tx, kept_only():
            _hold(services, tx, entries)
            done = _apply(services, tx, interaction, entries, _plan(services, tx, entries), reads)
    else:
        planned = _plan(services, None, entries)
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


def _hold(services: Services, tx: Transaction, entries: Iterable[Entry]) -> None:
    """As ``hold``, for all entries at once and so in one order: two transactions never wait for each other."""
    asked = [item.interaction for item in entries if item.interaction.if_none_exist or _by_query(item)]
    # What cannot be read is told by the entry that has it, which comes later.
    with suppress(InvalidSearch):
        hold(services, tx, asked)


def _by_query(item: Entry) -> bool:
    return item.interaction.kind == "update" and not item.interaction.id


def _has_condition(item: Entry, maybe: bool) -> bool:
    """Whether an entry has a condition; ``maybe`` says whether any resource can have a conditional reference."""
    asked = item.interaction
    if asked.kind == "patch" or (asked.kind in ("update", "delete") and not asked.id):
        return True
    return bool(asked.if_none_exist) or (maybe and item.method in ("POST", "PUT") and conditional(asked.body))


def _plan(services: Services, tx: Transaction | None, entries: list[Entry]) -> list[Planned]:
    """The writes, linked and validated. Without ``tx`` no entry has a condition.

    Raises InvalidResource with the findings of all entries, MultipleMatches, InvalidSearch.
    """
    targets = _targets(services, tx, entries)
    links = {
        item.entry.full_url: f"{item.type}/{item.id}"
        for item in targets
        if item.entry.full_url and item.entry.method != "DELETE"
    }
    planned: list[Planned] = []
    wrong: list[Issue] = []
    for item in targets:
        try:
            planned.append(_ready(services, tx, item, links, targets))
        except InvalidResource as error:
            wrong.extend(located(issue, item.entry.index) for issue in error.issues)
        except FhirplanError as error:
            raise at_entry(error, item.entry.index) from None
    if wrong:
        raise InvalidResource(wrong)
    return planned


def _targets(services: Services, tx: Transaction | None, entries: Iterable[Entry]) -> list[Planned]:
    """What each write is about, in the order of the entries.

    Deletes come first, so that what the Bundle itself deletes matches no condition of another entry. Raises
    MalformedRequest when two entries turn out to be about one resource.
    """
    gone: set[str] = set()
    targets: list[Planned] = []
    names: dict[str, int] = {}
    writes = [item for item in entries if item.interaction.kind in WRITES]
    for item in sorted(writes, key=lambda item: item.method != "DELETE"):
        try:
            made = _target(services, tx, item, gone)
        except FhirplanError as error:
            raise at_entry(error, item.index) from None
        if item.method == "DELETE":
            gone.add(made.name)
        if made.id and not made.found:
            if made.name in names:
                raise MalformedRequest(
                    f"Entries {names[made.name]} and {item.index} are both about {made.name}. A transaction changes a "
                    "resource once; keep one of them.",
                    expression=f"{item.place}.request.url",
                )
            names[made.name] = item.index
        targets.append(made)
    return sorted(targets, key=lambda made: made.entry.index)


def _target(services: Services, tx: Transaction | None, item: Entry, gone: set[str]) -> Planned:
    """What an entry writes to: the id of its address, of what its condition matches, or a new one."""
    asked = item.interaction
    if tx and asked.kind == "patch":
        before = patched_version(services, tx, asked, gone)
        return Planned(item, before.type, before.id, before=before)
    if tx and not asked.id and asked.kind != "create":
        match = chosen(services, tx, asked, gone)
        if asked.kind == "delete":
            return Planned(item, asked.type, match.id if match else "")
        given = asked.body.get("id") if isinstance(asked.body, dict) else None
        id_, unused = meant_id(services, tx, asked, match, given)
        return Planned(item, asked.type, id_, unused=unused)
    if asked.kind != "create":
        return Planned(item, asked.type, asked.id)
    found = existing(services, tx, asked) if tx else None
    if found is None or f"{found.type}/{found.id}" in gone:
        return Planned(item, asked.type, services.new_id())
    return Planned(item, asked.type, found.id, found=found)


def _ready(
    services: Services, tx: Transaction | None, item: Planned, links: dict[str, str], targets: list[Planned]
) -> Planned:
    asked = item.entry.interaction
    body = asked.body
    if item.found or item.entry.method == "DELETE" or not isinstance(body, dict):
        return item

    def found(type_: str, query: str) -> str:
        return _referred(services, tx, asked, targets, type_, query)

    def link(resource: Resource) -> Resource:
        return linked(resource, item.entry.index, item.entry.full_url, links, found)

    if item.before:
        made = patched_resource(services, item.before, parsed_patch(services, asked), asked, link)
        return replace(item, resource=made.resource, issues=made.issues)
    fits_address(body, asked)
    resource = link(body)
    connection = services.connection(asked)
    issues = checked(services, resource, connection=connection)
    if refusing(issues, connection):
        raise InvalidResource(issues)
    return replace(item, resource=resource, issues=issues)


def _referred(
    services: Services, tx: Transaction | None, asked: Interaction, targets: list[Planned], type_: str, query: str
) -> str:
    """What a conditional reference points to, in the state after the transaction's own writes.

    A resource that this Bundle writes counts as the Bundle has it, one that it deletes does not count.
    """
    stored = matches(services, tx, asked, type_, query) if tx else []
    # What is patched counts as it is stored, since its new state is not known before its references are.
    written_here = {(item.type, item.id) for item in targets if not item.found and not item.before}
    names = [f"{item.type}/{item.id}" for item in stored if (item.type, item.id) not in written_here]
    for item in targets:
        body = item.entry.interaction.body
        if item.type != type_ or item.found or item.before or not isinstance(body, dict) or not body:
            continue
        if described(services, asked, type_, query, {**body, "id": item.id}):
            names.append(f"{item.type}/{item.id}")
    if len(names) == 1:
        return names[0]
    if names:
        raise MultipleMatches(
            f"The reference {type_}?{query[:80]} matches {names[0]} and {names[1]}. Make it narrower."
        )
    raise InvalidResource(
        Issue(
            "error",
            "not-found",
            f"The reference {type_}?{query[:80]} matches no {type_}. Add it to the Bundle, or "
            "refer to one that is here.",
        )
    )


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
