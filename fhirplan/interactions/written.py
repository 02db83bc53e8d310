"""Stores what a write brings, makes its answer, and has it pushed at once where the connection asks for that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypedDict

from fhirplan.coordination.makers import may_make
from fhirplan.coordination.rules import refuse
from fhirplan.coordination.world import Change as Moved
from fhirplan.errors import Issue, Severity
from fhirplan.fhir import outcome
from fhirplan.fhir.codec import loads
from fhirplan.interactions.incoming import policy
from fhirplan.interactions.outcomes import said
from fhirplan.interactions.seen_record import held, weighed
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import sight
from fhirplan.interactions.subscribing import subscribed
from fhirplan.interactions.touching import check
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.store import findings
from fhirplan.store.commit import Change, commit, with_rows
from fhirplan.store.coordination.foreseen import Foreseen, foresee
from fhirplan.store.coordination.record import StoredRecord
from fhirplan.store.coordination.ruled import ruled, touched_ahead
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Version


@dataclass(frozen=True, slots=True)
class Stored:
    """A version that was written, and everything that was found in it without stopping it."""

    version: Version
    issues: tuple[Issue, ...]


def prepared(
    services: Services, interaction: Interaction, changes: Sequence[Change]
) -> tuple[Sequence[Change], Foreseen | None]:
    """The changes and how the coordination rules judge them, found before other writers have to wait for that.

    Where it cannot be foreseen, since the id is not known yet or the database makes nobody wait, there is no judgement,
    and the changes are as they will be stored in most cases, with their index rows.
    """
    # Of what a caller is held to, only the transaction that writes can tell.
    if all(change.id for change in changes) and held(services, interaction) is None:
        ahead = foresee(
            services.database,
            interaction.connection,
            changes,
            services.clock(),
            services.rules,
            base=interaction.base,
            **_judging(services, interaction),
        )
        if ahead is not None:
            return changes, ahead
    return [_ready(services, interaction, change) for change in changes], None


def _ready(services: Services, interaction: Interaction, change: Change) -> Change:
    if not interaction.imported:
        change = touched_ahead(change, services.clock(), services.rules)
    return with_rows(change, interaction.base)


class _Judging(TypedDict):
    lenient: bool
    additions: bool
    following: bool


def _judging(services: Services, interaction: Interaction) -> _Judging:
    imported = interaction.imported
    lenient = imported or policy(services, services.connection(interaction)) == "base"
    return _Judging(lenient=lenient, additions=not imported, following=not imported)


def stored(
    services: Services,
    tx: Transaction,
    interaction: Interaction,
    changes: Sequence[Change],
    found: Sequence[tuple[Issue, ...]] = (),
    place: Callable[[int, Issue], Issue] = lambda _index, issue: issue,
    ahead: Foreseen | None = None,
) -> list[Stored]:
    """Judges the changes that an interaction leads to by the coordination rules, and commits them and what follows.

    ``found`` has what validation found for each change; where an error is among it that the connection only records,
    or the interaction brings in what an EHR has, it is kept with the version. ``place`` turns a finding about the
    change of an index into one about the whole request. ``ahead`` is what ``prepared`` gave for these changes.
    Raises InvalidResource and NotPermitted for what breaks a rule, and what ``store.commit`` raises.
    """
    asked, changes = changes, [subscribed(services, tx, interaction, change) for change in changes]
    if any(one is not other for one, other in zip(asked, changes, strict=True)):
        ahead = None
    for change in changes:
        check(services, tx, interaction, change)
    now = services.clock()
    judged = ahead.still(tx, changes) if ahead is not None else None
    if judged is None:
        how, record = _judging(services, interaction), weighed(services, tx, interaction)
        judged = ruled(tx, interaction.connection, changes, now, services.rules, **how, record=record)
    makers = _makers(services, tx, interaction, changes)
    judgements = [(*who, *issues) for who, issues in zip(makers, judged.found, strict=True)]
    known = [*found, *[()] * (len(changes) - len(found))]
    more = [_unsaid(issues, told) for issues, told in zip(judgements, known, strict=True)]
    refuse(place(index, issue) for index, issues in enumerate(more) for issue in issues)
    versions = commit(
        tx,
        interaction.connection,
        judged.all,
        now=now,
        origin=services.origin(interaction),
        base=interaction.base,
    )
    # After those of the changes come the versions of what follows from them, which nobody has asked for.
    return [
        _noted(tx, interaction, version, (*told, *issues))
        for version, told, issues in zip(versions, known, more, strict=False)
    ]


def _noted(tx: Transaction, interaction: Interaction, version: Version, issues: tuple[Issue, ...]) -> Stored:
    """A version with what was found in it, which stays beside it where it is wrong or comes from an EHR."""
    kept = interaction.imported or any(issue.is_error for issue in issues)
    if issues and kept and not findings.of(tx, version.rid, version.version):
        findings.put(tx, version.rid, version.version, issues)
    return Stored(version, issues)


def _makers(
    services: Services, tx: Transaction, interaction: Interaction, changes: Sequence[Change]
) -> list[tuple[Issue, ...]]:
    """What stands against the person who acts making each move, where the token names one and the rules are asked for.

    Nobody is held to it who administers, nor a program.
    """
    grant = interaction.actor.grant if interaction.actor else None
    if grant is None or not grant.person or _judging(services, interaction)["lenient"]:
        return [() for _ in changes]
    record = StoredRecord(tx, interaction.connection, services.rules.behaviors)
    return [
        may_make(Moved(record.get(f"Task/{change.id}"), {**change.resource, "id": change.id}), grant.person, record)
        if change.type == "Task" and change.resource is not None
        else ()
        for change in changes
    ]


def _unsaid(issues: tuple[Issue, ...], known: tuple[Issue, ...]) -> tuple[Issue, ...]:
    """The findings of rules that the profiles have not told already of the same element, each once."""
    if not issues:
        return ()
    told = {(issue.rule, issue.expression) for issue in known}
    return tuple({(i.rule, i.expression, i.text): i for i in issues if (i.rule, i.expression) not in told}.values())


def written(
    services: Services,
    interaction: Interaction,
    version: Version,
    *,
    created: bool,
    changed: bool,
    issues: tuple[Issue, ...] = (),
) -> Reply:
    """The answer to a create, update or delete after its commit.

    201 when ``created``; what the body is follows Prefer (R4 section 3.1.0.1.9), by default the resource as stored.
    """
    receipt, told = pushed(services, interaction, version) if changed else ("", ())
    body = b""
    if interaction.prefer == "OperationOutcome":
        body = said((*issues, *told))
    elif interaction.prefer != "minimal" and _readable(services, interaction, version):
        body = version.body or b""
    return Reply(
        201 if created else 200,
        body,
        version.type,
        version.id,
        version.version,
        version.updated,
        created,
        (*issues, *told),
        receipt=receipt,
    )


def _readable(services: Services, interaction: Interaction, version: Version) -> bool:
    """Whether the caller may read what was written or found: the right to change does not give that."""
    if interaction.actor is None or interaction.actor.grant is None:
        return True
    with services.database.read() as tx:
        eyes = sight(services, tx, interaction, "r")
        return eyes is None or eyes.sees(version)


def pushed(services: Services, interaction: Interaction, version: Version) -> tuple[str, tuple[Issue, ...]]:
    """What the EHR made of a committed write, as a word and as findings; nothing where the worker pushes later."""
    connection = services.connection(interaction)
    if services.pushed is None or connection.write_mode != "through" or not connection.ehr_url:
        return "", ()
    receipt = services.pushed(interaction.connection, version.type, version.id)
    state = str(receipt.get("state") or "waiting")
    severity, code, text = _TOLD.get(state, _TOLD["waiting"])
    told = Issue(severity, code, text.format(ehr=connection.ehr_label), version.type)
    said_there = receipt.get("outcome")
    reasons = outcome.issues(loads(said_there)) if isinstance(said_there, str) else ()
    # The write stands here whatever the EHR says, so none of its findings is an error of this request.
    return state, (told, *(replace(item, severity=severity) for item in reasons))


_TOLD: Final[dict[str, tuple[Severity, str, str]]] = {
    "sent": ("information", "informational", "{ehr} has this version."),
    "waiting": ("warning", "transient", "{ehr} does not have this version yet; it is sent again until it does."),
    "parked": ("warning", "processing", "{ehr} did not take this version; it is kept here for somebody to look at."),
    "conflict": (
        "warning",
        "conflict",
        "{ehr} changed the same resource; both copies are kept for somebody to resolve.",
    ),
}
