"""What consents and security labels let a reader see, as conditions on each type.

A resource with a guarded label is shown to those only whom a current consent of its patient names, to the patient,
and in an emergency that was declared. What a consent forbids is shown to nobody it forbids it to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from sqlalchemy import bindparam, literal, select

from fhirplan.access.consent import Label, Rule
from fhirplan.catalog import CATALOG
from fhirplan.coordination.vocabulary import SYNC_TAG
from fhirplan.errors import TooCostly
from fhirplan.fhir.codec import Resource
from fhirplan.search.criteria import Chain, Condition, Criterion, Every, Negation, ReferenceValue, Some, TokenValue
from fhirplan.search.definitions import ID, SearchParameter
from fhirplan.search.match import fulfils_alone
from fhirplan.search.restrict import both
from fhirplan.search.values import Row, extractor
from fhirplan.store import parameters, tables
from fhirplan.store.access import consents
from fhirplan.store.engine import Transaction, statement

MOST_PATIENTS: Final = 2000
"""So many patients' consents are weighed in one search; of a single resource only its own patients' are."""
DERIVED: Final = frozenset({"List", "Flag"})
"""Types of which this server makes resources out of others of the same patient, naming these in their text."""
_PROVENANCE: Final = "Provenance"
_LABELLED: Final = b'"security"'
_USED: Final = statement(
    select(literal(1))
    .where(
        tables.index_token.c.pid == bindparam("pid"),
        tables.index_token.c.code == bindparam("code"),
        tables.index_token.c.sid == bindparam("sid"),
    )
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, as consents name them: ``names`` are references to the person and their organizations.

    ``own`` is the patient that the reader is, "" for none. ``trusted`` readers see what is ``guarded`` without a
    consent, as the program that keeps these records does. ``emergencies`` are patients for whom an emergency is
    declared. ``only`` is the one patient that anything is read of, "" for any.
    """

    names: frozenset[str] = frozenset()
    own: str = ""
    trusted: bool = False
    guarded: tuple[Label, ...] = ()
    emergencies: frozenset[str] = frozenset()
    only: str = ""


def withholds_nothing(tx: Transaction, connection: str, body: bytes | None) -> bool:
    """Whether a resource may be shown to anybody whom its access allows: it has no label and no consent is in force."""
    return body is not None and _LABELLED not in body and not consents.of_connection(tx, connection)


@dataclass
class Withheld:
    """What is withheld from a reader now (ms); called with a type it gives what may be shown, None for everything."""

    tx: Transaction
    connection: str
    reader: Reader
    now: int
    _known: dict[str, Criterion | None] = field(default_factory=dict)
    _rules: tuple[Rule, ...] | None = None
    _by_patient: dict[str, list[Rule]] | None = None
    _alone: dict[tuple[str, frozenset[str]], Criterion | None] = field(default_factory=dict)
    _forbidden_of: dict[str, bool] = field(default_factory=dict)
    _systems: dict[str, int | None] = field(default_factory=dict)

    def __call__(self, type_: str) -> Criterion | None:
        """What a stored resource of a type must fulfil, as it is now, to be shown."""
        if type_ not in self._known:
            used = [label for label in self.reader.guarded if self._is_used(type_, label)]
            own = self._made(type_, used, self.rules)
            self._known[type_] = self._with_targets(own) if type_ == _PROVENANCE else own
        return self._known[type_]

    def unlabelled(self, type_: str, body: bytes | None) -> bool:
        """Whether a resource may be shown since it has no label and no consent forbids anything of its type."""
        return body is not None and _LABELLED not in body and not self._forbids(type_)

    def limits(self, type_: str) -> bool:
        """Whether any resource of a type could be withheld."""
        return bool(self.reader.guarded and not self.reader.trusted) or self._forbids(type_)

    def shows(self, resource: Resource, base: str = "") -> bool:
        """Whether a resource on its own may be shown; only the consents of the patients it belongs to are weighed."""
        key = type_, whose = resource["resourceType"], _whose(resource, base)
        if key not in self._alone:
            rules = [rule for patient in sorted(whose) for rule in self.rules_by_patient.get(patient, ())]
            self._alone[key] = self._made(type_, self.reader.guarded, rules)
        own = self._alone[key]
        return own is None or fulfils_alone(resource, own, CATALOG[type_].parameters, base)

    def _forbids(self, type_: str) -> bool:
        """Whether any consent forbids anything of a type."""
        if type_ not in self._forbidden_of:
            self._forbidden_of[type_] = any(True for _ in self._forbidding(type_, self.rules))
        return self._forbidden_of[type_]

    def _is_used(self, type_: str, label: Label) -> bool:
        """Whether any resource of a type has a label."""
        if label[0] not in self._systems:
            self._systems[label[0]] = parameters.system(self.tx, label[0])
        sid = self._systems[label[0]]
        if sid is None:
            return False
        pid = parameters.searched(self.tx, self.connection, CATALOG[type_], "_security")
        return pid is not None and self.tx.one(_USED, pid=pid, sid=sid, code=label[1]) is not None

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of consents that concern the reader."""
        if self._rules is None:
            found = consents.of_connection(self.tx, self.connection)
            only = self.reader.only
            self._rules = tuple(
                rule
                for rule in found
                if (not only or rule.patient == only) and rule.concerns(self.reader.names, self.now)
            )
        return self._rules

    @property
    def rules_by_patient(self) -> dict[str, list[Rule]]:
        """The same rules, by whose they are."""
        if self._by_patient is None:
            self._by_patient = {}
            for rule in self.rules:
                self._by_patient.setdefault(rule.patient, []).append(rule)
        return self._by_patient

    def _made(self, type_: str, guarded: Iterable[Label], rules: Sequence[Rule]) -> Criterion | None:
        parts = [*self._guard(type_, guarded, rules), *self._forbidden(type_, rules)]
        return both(parts) if parts else None

    def _guard(self, type_: str, guarded: Iterable[Label], rules: Sequence[Rule]) -> Iterable[Criterion]:
        if self.reader.trusted:
            return
        groups: dict[frozenset[str], list[Label]] = {}
        for label in guarded:
            groups.setdefault(frozenset(self._permitted(type_, label, rules)), []).append(label)
        for patients, labels in groups.items():
            hidden = Condition(_security(type_), _tokens(labels), negated=True)
            theirs = _of(type_, patients) if patients else None
            yield Some((hidden, theirs)) if theirs is not None else hidden

    def _permitted(self, type_: str, label: Label, rules: Sequence[Rule]) -> Iterable[str]:
        """The patients who let the reader see what has a label."""
        yield from self.reader.emergencies
        if self.reader.own:
            yield self.reader.own
        for rule in rules:
            fits = (not rule.types or type_ in rule.types) and (not rule.labels or label in rule.labels)
            # Whoever may see labelled records is named, and sees them all or is not let through.
            if rule.permits and rule.actors and fits and not rule.data:
                yield rule.patient

    def _forbidding(self, type_: str, rules: Iterable[Rule]) -> Iterator[tuple[Rule, frozenset[str], bool]]:
        """The rules that forbid something of a type: each with the resources it names, and whether it is of what is
        derived only."""
        if not _is_owned(type_):
            return
        for rule in rules:
            if rule.permits or rule.patient == self.reader.own or rule.patient in self.reader.emergencies:
                continue
            data = frozenset(item for item in rule.data if item.startswith(f"{type_}/"))
            about = (not rule.types or type_ in rule.types) and (not rule.data or bool(data))
            # What is derived may be made of anything, so whatever is forbidden takes it along.
            if about or type_ in DERIVED:
                yield rule, data, not about

    def _forbidden(self, type_: str, rules: Sequence[Rule]) -> Iterable[Criterion]:
        groups: dict[tuple[frozenset[Label], frozenset[str], tuple[Rule, ...], bool], set[str]] = {}
        for rule, data, derived in self._forbidding(type_, rules):
            exceptions = tuple(item for item in rule.exceptions if item.concerns(self.reader.names, self.now))
            groups.setdefault((rule.labels, data, exceptions, derived), set()).add(rule.patient)
        for (labels, data, exceptions, derived), patients in groups.items():
            theirs = _of(type_, patients)
            if theirs is not None:
                marked = [_derived(type_)] if derived else []
                yield Negation(Every((theirs, *marked, *_about(type_, labels, data), *_except(type_, exceptions))))

    def _with_targets(self, own: Criterion | None) -> Criterion | None:
        """A Provenance is withheld with what it is about."""
        target = CATALOG[_PROVENANCE].parameter("target")
        ends = [(name, shown) for name in CATALOG if name != _PROVENANCE and (shown := self(name)) is not None]
        if target is None or not ends:
            return own
        hidden = Negation(Some(tuple(Chain(target, name, Negation(shown)) for name, shown in ends)))
        return hidden if own is None else Every((own, hidden))


def _about(type_: str, labels: frozenset[Label], data: frozenset[str]) -> Iterable[Criterion]:
    if labels:
        yield Condition(_security(type_), _tokens(sorted(labels)))
    if data:
        yield Condition(ID, tuple(TokenValue(None, item.partition("/")[2]) for item in sorted(data)))


def _except(type_: str, exceptions: Sequence[Rule]) -> Iterable[Criterion]:
    for rule in exceptions:
        data = frozenset(item for item in rule.data if item.startswith(f"{type_}/"))
        if (rule.types and type_ not in rule.types) or (rule.data and not data):
            continue
        parts = list(_about(type_, rule.labels, data))
        yield Negation(Every(tuple(parts)))


def _of(type_: str, patients: Iterable[str]) -> Criterion | None:
    """That a resource belongs to one of these patients; None for a type that belongs to none."""
    listed = sorted(patients)
    if len(listed) > MOST_PATIENTS:
        raise TooCostly("The consents of too many patients would have to be weighed. Narrow this to one patient.")
    if type_ == "Patient":
        return Condition(ID, tuple(TokenValue(None, item) for item in listed))
    parameter = CATALOG[type_].parameter("patient")
    if parameter is None:
        return None
    return Condition(parameter, tuple(ReferenceValue("Patient", item) for item in listed))


def _is_owned(type_: str) -> bool:
    """Whether resources of a type belong to patients."""
    return type_ == "Patient" or CATALOG[type_].parameter("patient") is not None


def _whose(resource: Resource, base: str) -> frozenset[str]:
    """The ids of the patients that a resource belongs to, as a search by ``patient`` finds it."""
    type_ = resource["resourceType"]
    if type_ == "Patient":
        return frozenset({str(resource.get("id", ""))})
    found = (row for _, kind, row in _owners(type_, base)(resource) if kind == "reference")
    return frozenset(str(row[1]) for row in found if row[0] == "Patient")


@lru_cache(maxsize=256)
def _owners(type_: str, base: str) -> Callable[[Resource], set[Row]]:
    parameter = CATALOG[type_].parameter("patient")
    return extractor((parameter,) if parameter is not None else (), base)


def _security(type_: str) -> SearchParameter:
    return _of_all_types(type_, "_security")


def _derived(type_: str) -> Criterion:
    return Condition(_of_all_types(type_, "_tag"), (TokenValue(SYNC_TAG, "derived"),))


def _of_all_types(type_: str, code: str) -> SearchParameter:
    found = CATALOG[type_].parameter(code)
    if found is None:
        raise LookupError(f"{type_} has no {code}")
    return found


def _tokens(labels: Iterable[Label]) -> tuple[TokenValue, ...]:
    return tuple(TokenValue(system, code) for system, code in labels)
