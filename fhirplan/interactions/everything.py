"""Gathers all about a patient or a care plan: the operation $everything (R4 operation Patient-everything)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fhirplan.catalog import CATALOG
from fhirplan.catalog.compartment import BESIDE, PATIENT
from fhirplan.errors import Gone, InvalidSearch, MalformedRequest, NotFound, TooCostly
from fhirplan.fhir.bundle import searchset
from fhirplan.fhir.dates import span
from fhirplan.fhir.reference import parse, walk
from fhirplan.interactions.inputs import inputs
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import Sight, sight
from fhirplan.interactions.sight import current as readable
from fhirplan.interactions.values import Interaction, Reply
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
_PAGE: Final = "_page"
_CURSOR: Final = re.compile(r"([A-Z][A-Za-z]+)\.(\d{1,18})", re.ASCII)
# From the plan to its tasks, from these to who does them, from there to the organization they belong to.
_STEPS: Final = 3
_SUPPORTING: Final = {"Task": ("based-on",), "ServiceRequest": ("based-on",)}


def patient_everything(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with a page of all that belongs to a patient, and of whom and what the page's resources refer to.

    Pages follow each other by type and the order of storing, so that what changes meanwhile neither repeats nor hides
    others; the people that are referred to come again with each page that refers to them. Raises NotFound, Gone,
    MalformedRequest, InvalidSearch for a page that is none of ours.
    """
    given = dict(inputs(services, interaction, _PAGE))
    patient = live(services, tx, interaction)
    asked = _asked(services, given)
    eyes = sight(services, tx, interaction, "s")
    page: list[Version] = []
    for type_, after in _stages(asked):
        missing = asked.count + 1 - len(page)
        if type_ == "Patient":
            page += [patient] if patient.updated >= asked.since else []
        elif missing:
            codes, target = _BELONGING[type_], ("Patient", patient.id)
            page += members(
                tx,
                interaction.connection,
                type_,
                codes,
                target,
                after=after,
                since=asked.since,
                count=missing,
                allowed=eyes,
            )
    more = len(page) > asked.count
    page = page[: asked.count]
    links = [("self", _link(interaction, given))]
    if more and page:
        links.append(("next", _link(interaction, {**given, _PAGE: f"{page[-1].type}.{page[-1].rid}"})))
    wanted = {type_ for type_ in REFERRED if not asked.types or type_ in asked.types}
    added = reached(tx, interaction, page, wanted, services.settings.max_count, eyes)
    return Reply(200, searchset(interaction.base, _entries(page), links, included=_entries(added)))


def plan_everything(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with a care plan and what it consists of and refers to; raises NotFound, Gone, TooCostly."""
    inputs(services, interaction)
    plan = live(services, tx, interaction)
    most, eyes = services.settings.max_count, sight(services, tx, interaction, "s")
    parts = [plan, *supporting(tx, interaction, plan.id, most, eyes)]
    added = reached(tx, interaction, parts, set(CATALOG) - {"CarePlan"}, most, eyes)
    if len(parts) + len(added) > most:
        raise TooCostly(f"This plan and what it refers to are more than {most} resources. Search for them by type.")
    found = [*parts[1:], *added]
    links = [("self", _link(interaction, {}))]
    return Reply(200, searchset(interaction.base, _entries([plan]), links, included=_entries(found)))


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


@dataclass(frozen=True, slots=True)
class _Asked:
    count: int
    since: int
    types: frozenset[str]
    after: tuple[str, int] | None


def _asked(services: Services, given: dict[str, str]) -> _Asked:
    settings = services.settings
    text = given.get("_count", str(settings.default_count))
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or not int(text):
        raise MalformedRequest(f"_count is {text[:40]!r}; it is a whole number, 1 or more.", expression="http._count")
    since = span(given["_since"].replace(" ", "+")) if "_since" in given else None
    if since is None and "_since" in given:
        raise MalformedRequest(f"_since is {given['_since'][:40]!r}; it is an instant.", expression="http._since")
    types = frozenset(item.strip() for item in given.get("_type", "").split(",") if item.strip())
    unknown = sorted(types - set(CATALOG))
    if unknown:
        raise MalformedRequest(
            f"_type names {unknown[0][:80]!r}. Served are: {', '.join(sorted(CATALOG))}.", expression="http._type"
        )
    return _Asked(min(int(text), settings.max_count), since.low if since else 0, types, _cursor(given))


def _cursor(given: dict[str, str]) -> tuple[str, int] | None:
    text = given.get(_PAGE)
    if text is None:
        return None
    found = _CURSOR.fullmatch(text)
    if found is None or found[1] not in ("Patient", *_BELONGING):
        raise InvalidSearch("The page is none of this server's. Follow the next link as it is.", expression=_PAGE)
    return found[1], int(found[2])


def _stages(asked: _Asked) -> list[tuple[str, int]]:
    """The types that are still to be read, each with the resource number that it is read from."""
    order = [type_ for type_ in ("Patient", *_BELONGING) if not asked.types or type_ in asked.types]
    if asked.after is None:
        return [(type_, 0) for type_ in order]
    known = ["Patient", *_BELONGING]
    type_, rid = asked.after
    left = [one for one in order if known.index(one) >= known.index(type_) and one != "Patient"]
    return [(one, rid if one == type_ else 0) for one in left]


def _link(interaction: Interaction, given: dict[str, str]) -> str:
    own = f"{interaction.base}/{interaction.type}/{interaction.id}/$everything"
    return f"{own}?{urlencode(given)}" if given else own
