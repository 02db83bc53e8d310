"""Plans the writes of a transaction: what each entry is about, its references linked, its resource validated.

R4 section 3.2.0.11.2. What an entry writes to may depend on a condition, which then must hold until the write.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from fhirplan.errors import (
    FhirplanError,
    InvalidResource,
    InvalidSearch,
    Issue,
    MalformedRequest,
    MultipleMatches,
)
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.bundles.entries import Entry, at_entry, located
from fhirplan.interactions.bundles.linking import conditional, linked
from fhirplan.interactions.create import existing
from fhirplan.interactions.incoming import checked, fits_address, refusing
from fhirplan.interactions.matching import chosen, described, hold, matches
from fhirplan.interactions.patch import parsed_patch, patched_resource, patched_version
from fhirplan.interactions.services import Services
from fhirplan.interactions.update import meant_id
from fhirplan.interactions.values import Interaction
from fhirplan.search.values import Row
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Version

WRITES: Final = ("create", "update", "patch", "delete")


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


def hold_all(services: Services, tx: Transaction, entries: Iterable[Entry]) -> None:
    """As ``hold``, for all entries at once and so in one order: two transactions never wait for each other."""
    asked = [item.interaction for item in entries if item.interaction.if_none_exist or _by_query(item)]
    # What cannot be read is told by the entry that has it, which comes later.
    with suppress(InvalidSearch):
        hold(services, tx, asked)


def _by_query(item: Entry) -> bool:
    return item.interaction.kind == "update" and not item.interaction.id


def has_condition(item: Entry, maybe: bool) -> bool:
    """Whether an entry has a condition; ``maybe`` says whether any resource can have a conditional reference."""
    asked = item.interaction
    if asked.kind == "patch" or (asked.kind in ("update", "delete") and not asked.id):
        return True
    return bool(asked.if_none_exist) or (maybe and item.method in ("POST", "PUT") and conditional(asked.body))


def plan(services: Services, tx: Transaction | None, entries: list[Entry]) -> list[Planned]:
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
