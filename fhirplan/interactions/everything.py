"""Gathers all about a patient or a care plan: the operation $everything (R4 operation Patient-everything)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import urlencode

from fhirplan.catalog import CATALOG
from fhirplan.catalog.compartment import BESIDE, PATIENT
from fhirplan.errors import Gone, NotFound, TooCostly
from fhirplan.fhir.bundle import searchset
from fhirplan.fhir.reference import parse, walk
from fhirplan.interactions.inputs import inputs
from fhirplan.interactions.narrowing import PAGE, Narrowed, narrowed, wrong_page
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import Sight, sight
from fhirplan.interactions.sight import current as readable
from fhirplan.interactions.values import Interaction, Parameters, Reply
from fhirplan.store.compartment import members
from fhirplan.store.engine import Transaction
from fhirplan.store.provenance import current
from fhirplan.store.versions import Version

REFERRED: Final = frozenset(
    {"Practitioner", "PractitionerRole", "Organization", "RelatedPerson", "Location", "HealthcareService"}
)
"""Who and what is added to a patient's resources when these refer to it."""

# In the order of the catalog, which has what is referred to before what refers; the patient comes first on its own.
_BELONGING: Final = {
    type_: codes for type_ in CATALOG if type_ != "Patient" and (codes := PATIENT.get(type_) or BESIDE.get(type_))
}
# So many are read at once where care dates choose among them.
_AT_ONCE: Final = 100
# From the plan to its tasks, from these to who does them, from there to the organization they belong to.
_STEPS: Final = 3
_SUPPORTING: Final = {"Task": ("based-on",), "ServiceRequest": ("based-on",)}


def patient_everything(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with a page of all that belongs to a patient, and of whom and what the page's resources refer to.

    Pages follow each other by type and the order of storing, so that what changes meanwhile neither repeats nor hides
    others; the people that are referred to come again with each page that refers to them. Raises NotFound, Gone,
    MalformedRequest, InvalidSearch for a page that is none of ours.
    """
    given = inputs(services, interaction, PAGE)
    patient = live(services, tx, interaction)
    asked = narrowed(services, given)
    eyes = sight(services, tx, interaction, "s")
    page: list[Version] = []
    for type_, after in _stages(asked):
        missing = asked.count + 1 - len(page)
        if type_ == "Patient":
            page += [patient] if patient.updated >= asked.since else []
        elif missing:
            page += _of_type(tx, interaction, patient.id, type_, after, missing, asked, eyes)
    more = len(page) > asked.count
    page = page[: asked.count]
    links = _links(interaction, given, page[-1] if more and page else None)
    wanted = {type_ for type_ in REFERRED if asked.holds(type_)}
    added = reached(tx, interaction, page, wanted, services.settings.max_count, eyes)
    return Reply(200, searchset(interaction.base, _entries(page), links, included=_entries(added)))


def _of_type(
    tx: Transaction,
    interaction: Interaction,
    patient: str,
    type_: str,
    after: int,
    count: int,
    asked: Narrowed,
    eyes: Sight | None,
) -> list[Version]:
    """The next resources of a type that belong to a patient and are asked for."""
    found: list[Version] = []
    while len(found) < count:
        read = members(
            tx,
            interaction.connection,
            type_,
            _BELONGING[type_],
            ("Patient", patient),
            after=after,
            since=asked.since,
            count=max(count - len(found), _AT_ONCE if asked.care else 0),
            allowed=eyes,
        )
        found += [item for item in read if not asked.care or asked.in_care(type_, item.resource())]
        if not read or not asked.care:
            break
        after = read[-1].rid
    return found[:count]


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
        last = asked.after[1]
        found = [item for item in found if item.rid > last and item != plan]
    page = found[: asked.count]
    if "_count" not in dict(given):
        # R4 wants it whole unless the caller asks for pages, and a plan has a limit of its own.
        page = found
    links = _links(interaction, given, page[-1] if len(page) < len(found) else None, plan)
    shown = [item for item in page if item == plan]
    beside = [item for item in page if item != plan]
    return Reply(200, searchset(interaction.base, _entries(shown), links, included=_entries(beside)))


def _is_asked(item: Version, asked: Narrowed) -> bool:
    return asked.holds(item.type) and item.updated >= asked.since and asked.in_care(item.type, item.resource())


def _links(
    interaction: Interaction, given: Parameters, last: Version | None, first: Version | None = None
) -> list[tuple[str, str]]:
    """The page itself and, after ``last``, the next one; after ``first`` comes what has any number."""
    links = [("self", _link(interaction, given))]
    if last is not None:
        kept = tuple(pair for pair in given if pair[0] != PAGE)
        links.append(("next", _link(interaction, (*kept, (PAGE, f"{last.type}.{0 if last == first else last.rid}")))))
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


def _stages(asked: Narrowed) -> list[tuple[str, int]]:
    """The types that are still to be read, each with the resource number that it is read from."""
    known = ["Patient", *_BELONGING]
    order = [type_ for type_ in known if asked.holds(type_)]
    if asked.after is None:
        return [(type_, 0) for type_ in order]
    type_, rid = asked.after
    if type_ not in known:
        raise wrong_page()
    left = [one for one in order if known.index(one) >= known.index(type_) and one != "Patient"]
    return [(one, rid if one == type_ else 0) for one in left]


def _link(interaction: Interaction, given: Parameters) -> str:
    own = f"{interaction.base}/{interaction.type}/{interaction.id}/$everything"
    return f"{own}?{urlencode(given)}" if given else own
