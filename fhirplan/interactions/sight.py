"""Says which stored resources an actor may see or touch, as conditions for the database and for a single resource.

The compartment is that of section 6 of the case-management guide: a resource belongs to whom its ``patient`` parameter
names, whoever else takes part in it; a task to whom it is for; people and organizations are seen by a patient where
the patient's resources refer to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from fhirplan.access.actor import Actor, Grant
from fhirplan.access.decide import Limit, limits
from fhirplan.access.scopes import Scopes
from fhirplan.catalog import CATALOG
from fhirplan.catalog.compartment import BESIDE, PATIENT
from fhirplan.errors import FhirplanError, NotFound
from fhirplan.fhir.codec import Resource
from fhirplan.interactions import reading
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction
from fhirplan.search.conditions import criterion as parsed
from fhirplan.search.context import Context
from fhirplan.search.criteria import Chain, Condition, Criterion, Every, Negation, ReferenceValue, Some, TokenValue
from fhirplan.search.definitions import ID
from fhirplan.search.match import fulfils_alone
from fhirplan.search.restrict import NONE, both, either, parts
from fhirplan.store import provenance, versions, writes
from fhirplan.store.access.withheld import Withheld, withholds_nothing
from fhirplan.store.coordination.referred import referred
from fhirplan.store.engine import Transaction
from fhirplan.store.search.visible import belongs, visible
from fhirplan.store.versions import Version
from fhirplan.store.writes import PROVENANCE

SHARED: Final = frozenset({"Practitioner", "PractitionerRole", "Organization", "Location", "HealthcareService"})
"""Types that belong to no patient, and are seen by one where the patient's resources refer to them."""
_OWNED: Final = tuple(type_ for type_ in (*PATIENT, *BESIDE) if type_ not in ("Patient", PROVENANCE))
_BOUNDLESS: Final = Every(())


@dataclass
class Sight:
    """What an actor may do by a ``letter`` (of ``cruds``), in one transaction; called with a type it gives what a
    resource of that type must fulfil: None for all resources, ``NONE`` for no resource."""

    services: Services
    tx: Transaction
    connection: str
    base: str
    actor: Actor
    letter: str
    _known: dict[str, Criterion | None] = field(default_factory=dict)
    _scoped: dict[str, Criterion | None] = field(default_factory=dict)
    _withheld: Withheld | None = None
    _people: dict[str, dict[str, set[str]]] = field(default_factory=dict)

    def __call__(self, type_: str) -> Criterion | None:
        """What a stored resource of a type must fulfil, as it is now."""
        if type_ not in self._known:
            self._known[type_] = _both(self.scoped(type_), self.withheld, type_)
        return self._known[type_]

    def scoped(self, type_: str) -> Criterion | None:
        """What the scopes alone demand of a resource of a type."""
        if type_ not in self._scoped:
            self._scoped[type_] = self._made(type_)
        return self._scoped[type_]

    @property
    def withheld(self) -> Withheld:
        """What consents and labels withhold."""
        if self._withheld is None:
            self._withheld = reading.withheld(self.services, self.tx, self.connection, self.actor)
        return self._withheld

    def sees(self, version: Version) -> bool:
        """Whether a current version may be seen; of a deletion, whether what was deleted might.

        A Provenance that is made of a version is seen where its scopes allow it and that version may be seen.
        """
        if version.rid < 0:
            return self._sees_made(version)
        open_ = withholds_nothing(self.tx, self.connection, version.body)
        if open_ or self.withheld.unlabelled(version.type, version.body):
            # No consent has anything to say about it.
            return self.in_scope(version)
        if version.type == PROVENANCE and not version.deleted:
            # It is withheld with what it is about.
            return self._now(version, self(version.type))
        return self.in_scope(version) and self._is_shown(version)

    def saw(self, version: Version) -> bool:
        """Whether an earlier version may be seen, as it was; of a deletion, whether what was deleted might.

        Besides, the resource must be one that may be seen as it is now.
        """
        if self._unlimited(version):
            return True
        return self._then(version, self.scoped(version.type)) and self._is_shown(version)

    def in_scope(self, version: Version) -> bool:
        """Whether the scopes alone let a current version be seen."""
        patient = _only_patient(version.type, self.limits(version.type)) if not version.deleted else ""
        if patient:
            return belongs(self.tx, self.connection, version, patient)
        return self._now(version, self.scoped(version.type))

    def _unlimited(self, version: Version) -> bool:
        """Whether nothing about a version can hide it."""
        return self.scoped(version.type) is None and self.withheld.unlabelled(version.type, version.body)

    def _now(self, version: Version, own: Criterion | None) -> bool:
        if own is None:
            return True
        if not version.deleted:
            return version.rid in visible(self.tx, self.connection, version.type, (version.rid,), own)
        last = versions.last_live(self.tx, version.rid)
        return last is not None and self._fulfils(last.resource(), own)

    def _then(self, version: Version, own: Criterion | None) -> bool:
        if own is None:
            return True
        last = versions.last_live(self.tx, version.rid, version.version) if version.deleted else version
        return last is not None and self._fulfils(last.resource(), own)

    def _sees_made(self, version: Version) -> bool:
        resource = version.resource()
        write = writes.one(self.tx, self.connection, -version.rid)
        if write is None:
            return False
        for limit in self.limits(PROVENANCE):
            own = self._of_limit(PROVENANCE, replace(limit, patient=""))
            if own == NONE or not self._fulfils(resource, own):
                continue
            now = versions.current(self.tx, self.connection, write.type, write.id)
            then = versions.at(self.tx, self.connection, write.type, write.id, write.version)
            target = self._of_patient(write.type, limit.patient) if limit.patient else None
            if now is None or then is None or not self._now(now, target) or not self._then(then, target):
                continue
            return self._is_shown(now) and self._is_shown(then)
        return False

    def _is_shown(self, version: Version) -> bool:
        """Whether no consent or label withholds a version; of a deletion, what was deleted."""
        last = versions.last_live(self.tx, version.rid, version.version) if version.deleted else version
        return last is not None and self.withheld.shows(last.resource(), self.base)

    def patients(self, type_: str) -> list[str]:
        """The patients that all it sees of a type belongs to, none where it sees more."""
        found = sorted({item.patient for item in self.limits(type_)})
        return [] if "" in found else found

    def among(self, found: list[Version]) -> list[Version]:
        """Those of current, live versions that may be seen, in their order."""
        by_type: dict[str, list[int]] = {}
        for item in found:
            by_type.setdefault(item.type, []).append(item.rid)
        seen = {
            rid
            for type_, rids in by_type.items()
            for rid in visible(self.tx, self.connection, type_, rids, self(type_))
        }
        return [item for item in found if item.rid in seen]

    def allows(self, resource: Resource) -> bool:
        """Whether a resource on its own, stored or not, is one of those that may be seen or written."""
        own = self.scoped(resource["resourceType"])
        return (own is None or self._fulfils(resource, own)) and self.withheld.shows(resource, self.base)

    def is_limited(self, type_: str) -> bool:
        """Whether any resource of a type could be one that may not be seen."""
        return self.scoped(type_) is not None or self.withheld.limits(type_)

    def _fulfils(self, resource: Resource, own: Criterion) -> bool:
        return fulfils_alone(resource, own, CATALOG[resource["resourceType"]].parameters, self.base)

    def limits(self, type_: str) -> tuple[Limit, ...]:
        """What the scopes limit it to."""
        return limits(self.actor, type_, self.letter)

    def _made(self, type_: str) -> Criterion | None:
        if type_ not in CATALOG:
            return NONE
        found = [made for limit in self.limits(type_) if (made := self._of_limit(type_, limit)) != NONE]
        if _BOUNDLESS in found:
            return None
        return either(found) if found else NONE

    def _of_limit(self, type_: str, limit: Limit) -> Criterion:
        listed: list[Criterion] = []
        if limit.patient:
            listed.append(self._of_patient(type_, limit.patient))
        for name, text in limit.query:
            listed.append(self._condition(type_, name, text))
        return both(listed) if listed else _BOUNDLESS

    def _condition(self, type_: str, name: str, text: str) -> Criterion:
        """A condition of a scope; one that cannot be evaluated lets nothing through."""
        spec = CATALOG[type_]
        known = {item.code: item for item in spec.parameters}
        if name not in known:
            return NONE
        try:
            return parsed(Context(CATALOG, base=self.base), type_, known, name, text)
        except FhirplanError:
            return NONE

    def _of_patient(self, type_: str, patient: str) -> Criterion:
        if type_ == "Patient":
            return Condition(ID, (TokenValue(None, patient),))
        if type_ == PROVENANCE:
            return self._provenance(patient)
        if type_ in SHARED:
            if self.letter not in "rs":
                return NONE
            if patient not in self._people:
                self._people[patient] = referred(self.tx, self.connection, patient, _OWNED, SHARED, self.withheld)
            ids = sorted(self._people[patient].get(type_, ()))
            return Condition(ID, tuple(TokenValue(None, item) for item in ids)) if ids else NONE
        parameter = CATALOG[type_].parameter("patient") if type_ in _OWNED else None
        return Condition(parameter, (ReferenceValue("Patient", patient),)) if parameter is not None else NONE

    def _provenance(self, patient: str) -> Criterion:
        """Of the patient or of the patient's resources, and of nobody else's."""
        target = CATALOG[PROVENANCE].parameter("target")
        if target is None or self.letter not in "rs":
            return NONE
        ends = [(type_, self._of_patient(type_, patient)) for type_ in ("Patient", *_OWNED)]
        theirs = [Chain(target, type_, own) for type_, own in ends]
        others = [Chain(target, type_, Negation(own)) for type_, own in ends]
        return Every((Some(tuple(theirs)), Negation(Some(tuple(others)))))


@lru_cache(maxsize=1024)
def _only_patient(type_: str, own: tuple[Limit, ...]) -> str:
    """The patient whose resources of a type these limits let through, "" where that is not all that they say."""
    plain = len(own) == 1 and not own[0].query and type_ in _OWNED and type_ not in SHARED
    return own[0].patient if plain and CATALOG[type_].parameter("patient") is not None else ""


def _both(scoped: Criterion | None, shown: Callable[[str], Criterion | None], type_: str) -> Criterion | None:
    if scoped == NONE:
        return NONE
    own = shown(type_)
    if scoped is None or own is None:
        return own if scoped is None else scoped
    return both([*parts(scoped), *parts(own)])


def sight(services: Services, tx: Transaction, asked: Interaction, letter: str) -> Sight | None:
    """What the actor of an interaction may see by a letter; None where nothing limits them."""
    actor = asked.actor
    if services.settings.auth == "open" or (actor is not None and actor.grant is None):
        return None
    if actor is None:
        # Nobody gets here, since nobody may do anything that shows a resource; if they do, they see nothing.
        actor = Actor("nobody", Grant("", Scopes()))
    return Sight(services, tx, asked.connection, asked.base, actor, letter)


def owner(asked: Interaction) -> str:
    """What the cursors of an actor are bound to, "" where nothing limits them."""
    return asked.actor.grant.key if asked.actor is not None and asked.actor.grant is not None else ""


def current(services: Services, tx: Transaction, asked: Interaction, letter: str) -> Version | None:
    """The current version of what an interaction is about, which may be a deletion.

    None where nothing was ever stored there, and where the actor may not know that something was.
    """
    found = provenance.current(tx, asked.connection, asked.type, asked.id)
    eyes = sight(services, tx, asked, letter) if found is not None else None
    return None if found is None or (eyes is not None and not eyes.sees(found)) else found


def absent(asked: Interaction) -> NotFound:
    """The answer where nothing is stored, and the same where it is somebody else's."""
    return NotFound(f"There is no {asked.type}/{asked.id} here. Search for it, or create it with PUT.")
