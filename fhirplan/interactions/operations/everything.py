"""Gathers all about a patient or a care plan: the operation $everything (R4 operation Patient-everything)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import urlencode

from fhirplan.catalog import CATALOG
from fhirplan.errors import Gone, NotFound, TooCostly
from fhirplan.fhir.bundle import searchset
from fhirplan.fhir.reference import parse, walk
from fhirplan.interactions.operations.belonging import Reader
from fhirplan.interactions.operations.inputs import inputs
from fhirplan.interactions.operations.narrowing import PAGE, Narrowed, narrowed
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import Sight, sight
from fhirplan.interactions.sight import current as readable
from fhirplan.interactions.values import Interaction, Parameters, Reply
from fhirplan.store.engine import Transaction
from fhirplan.store.provenance import current
from fhirplan.store.search.compartment import members
from fhirplan.store.versions import Version

REFERRED: Final = frozenset(
    {"Practitioner", "PractitionerRole", "Organization", "RelatedPerson", "Location", "HealthcareService"}
)
"""Who and what is added to a patient's resources when these refer to it."""

# From the plan to its tasks, from these to who does them, from there to the organization they belong to.
_STEPS: Final = 3
_SUPPORTING: Final = {"Task": ("based-on",), "ServiceRequest": ("based-on",)}


def patient_everything(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with a page of all that belongs to a patient, and of whom and what the page's resources refer to.

    Without an id it is about all patients that the caller may see. Pages follow each other by type and the order of
    storing, so that what changes meanwhile neither repeats nor hides others; the people that are referred to come again
    with each page that refers to them. Raises NotFound, Gone, MalformedRequest, InvalidSearch for a page that is none
    of ours.
    """
    given = inputs(services, interaction, PAGE)
    patient = live(services, tx, interaction) if interaction.id else None
    asked = narrowed(services, given)
    eyes = sight(services, tx, interaction, "s")
    found = Reader(tx, interaction.connection, asked, eyes, patient).page()
    listed = found[: asked.count]
    page = [item.version for item in listed]
    last = f"{listed[-1].stage}.{listed[-1].number}" if len(found) > asked.count else ""
    wanted = {type_ for type_ in REFERRED if asked.holds(type_)}
    added = reached(tx, interaction, page, wanted, services.settings.max_count, eyes)
    links = _links(interaction, given, last)
    return Reply(200, searchset(interaction.base, _entries(page), links, included=_entries(added)))


def plan_everything(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with a page of a care plan and what it consists of and refers to, the plan first.

    Raises NotFound, Gone, MalformedRequest, InvalidSearch for a page that is none of ours, and TooCostly for a plan of
    more resources than a page may have.
    """
    given = inputs(services, interaction, PAGE)
    plan = live(services, tx, interaction)
    asked = narrowed(services, given)
    most, eyes = services.settings.max_count, sight(services, tx, interaction, "s")
    parts = [plan, *supporting(tx, interaction, plan.id, most, eyes)]
    added = reached(tx, interaction, parts, set(CATALOG) - {"CarePlan"}, most, eyes)
    if len(parts) + len(added) > most:
        raise TooCostly(f"This plan and what it refers to are more than {most} resources. Search for them by type.")
    rest = sorted([*parts[1:], *added], key=lambda item: item.rid)
    found = [item for item in (plan, *rest) if _is_asked(item, asked)]
    if asked.after is not None:
        behind = asked.after[1]
        found = [item for item in found if item.rid > behind and item != plan]
    page = found[: asked.count]
    if "_count" not in dict(given):
        # R4 wants it whole unless the caller asks for pages, and a plan has a limit of its own.
        page = found
    last = f"{page[-1].type}.{0 if page[-1] == plan else page[-1].rid}" if page and len(page) < len(found) else ""
    links = _links(interaction, given, last)
    shown = [item for item in page if item == plan]
    beside = [item for item in page if item != plan]
    return Reply(200, searchset(interaction.base, _entries(shown), links, included=_entries(beside)))


def _is_asked(item: Version, asked: Narrowed) -> bool:
    return asked.holds(item.type) and item.updated >= asked.since and asked.in_care(item.type, item.resource())


def _links(interaction: Interaction, given: Parameters, last: str) -> list[tuple[str, str]]:
    """The page itself and, unless ``last`` is "", the next one after that place."""
    links = [("self", _link(interaction, given))]
    if last:
        kept = tuple(pair for pair in given if pair[0] != PAGE)
        links.append(("next", _link(interaction, (*kept, (PAGE, last)))))
    return links


def supporting(
    tx: Transaction, interaction: Interaction, plan: str, most: int, eyes: Sight | None = None
) -> list[Version]:
    """The tasks and service requests that refer to a plan as what they are based on, and may be seen."""
    return [
        item
        for type_, codes in _SUPPORTING.items()
        for item in members(tx, interaction.connection, type_, codes, ("CarePlan", plan), count=most + 1, allowed=eyes)
    ]


def live(services: Services, tx: Transaction, interaction: Interaction, letter: str = "r") -> Version:
    """The current version of what an operation is called on; raises NotFound, Gone."""
    found = readable(services, tx, interaction, letter)
    if found is None:
        raise NotFound(f"There is no {interaction.type}/{interaction.id} here.")
    if found.deleted:
        raise Gone(f"{found.type}/{found.id} was deleted with version {found.version}.")
    return found


def reached(
    tx: Transaction,
    interaction: Interaction,
    start: Sequence[Version],
    types: set[str],
    most: int,
    eyes: Sight | None = None,
) -> list[Version]:
    """What resources refer to, of these types, and what that refers to; not more than a little over ``most``.

    What ``eyes`` do not see is neither given nor followed.
    """
    seen = {(item.type, item.id) for item in start}
    found: list[Version] = []
    edge = list(start)
    for _ in range(_STEPS):
        following: list[Version] = []
        for name in dict.fromkeys(name for item in edge for name in references(item, interaction.base)):
            if name in seen or name[0] not in types or len(found) + len(following) > most:
                continue
            seen.add(name)
            version = current(tx, interaction.connection, *name)
            if version is not None and not version.deleted and (eyes is None or eyes.sees(version)):
                following.append(version)
        found += following
        edge = following
    return found


def references(version: Version, base: str) -> Iterator[tuple[str, str]]:
    """Type and id of each resource here that a version refers to."""
    for _, element in walk(version.resource()):
        found = parse(element["reference"])
        if found is not None and found.server in ("", base):
            yield found.type, found.id


def _entries(found: Iterable[Version]) -> Iterator[tuple[str, str, bytes]]:
    return ((item.type, item.id, item.body or b"") for item in found)


def _link(interaction: Interaction, given: Parameters) -> str:
    about = f"{interaction.type}/{interaction.id}" if interaction.id else interaction.type
    own = f"{interaction.base}/{about}/$everything"
    return f"{own}?{urlencode(given)}" if given else own
