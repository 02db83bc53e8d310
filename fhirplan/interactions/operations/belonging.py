"""Reads what belongs to a patient, or to any, type by type: the pages of Patient/$everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from fhirplan.catalog import CATALOG
from fhirplan.catalog.compartment import BESIDE, PATIENT
from fhirplan.fhir.dates import Span
from fhirplan.interactions.operations.narrowing import MADE, Narrowed, wrong_page
from fhirplan.interactions.sight import Sight
from fhirplan.search import page
from fhirplan.search.criteria import Chain, Condition, Criterion, DateValue, Every
from fhirplan.search.definitions import LAST_UPDATED
from fhirplan.search.query import Query
from fhirplan.search.restrict import either
from fhirplan.store import writes
from fhirplan.store.engine import Transaction
from fhirplan.store.provenance import made, patient_of
from fhirplan.store.search.compartment import members
from fhirplan.store.search.searching import search
from fhirplan.store.versions import Version
from fhirplan.store.writes import PROVENANCE, Write

# In the order of the catalog, which has what is referred to before what refers; the patient comes first on its own.
_BELONGING: Final = {
    type_: codes for type_ in CATALOG if type_ != "Patient" and (codes := PATIENT.get(type_) or BESIDE.get(type_))
}
_STAGES: Final = ("Patient", *_BELONGING, MADE)
# So many are read at once where care dates or rights choose among them.
_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Belonging:
    """One resource that belongs to a patient; after ``stage`` and ``number`` its pages go on."""

    version: Version
    stage: str
    number: int


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads what belongs to ``patient``, or to any patient where that is None, as far as ``eyes`` see it."""

    tx: Transaction
    connection: str
    asked: Narrowed
    eyes: Sight | None
    patient: Version | None = None

    def page(self) -> list[Belonging]:
        """The next that are asked for, one more than a page holds where there are so many."""
        found: list[Belonging] = []
        for stage, after in self._stages():
            missing = self.asked.count + 1 - len(found)
            if missing:
                found += self._of_stage(stage, after, missing)
        return found

    def _stages(self) -> list[tuple[str, int]]:
        """The stages that are still to be read, each with the number that it is read from."""
        order = [stage for stage in _STAGES if self.asked.holds(PROVENANCE if stage == MADE else stage)]
        if self.asked.after is None:
            return [(stage, 0) for stage in order]
        last, number = self.asked.after
        if last not in _STAGES:
            raise wrong_page()
        left = [one for one in order if _STAGES.index(one) >= _STAGES.index(last)]
        return [(one, number if one == last else 0) for one in left]

    def _of_stage(self, stage: str, after: int, count: int) -> list[Belonging]:
        if stage == MADE:
            return self._made(after, count)
        if stage == "Patient" and self.patient is not None:
            new = not after and self.patient.updated >= self.asked.since
            return [Belonging(self.patient, stage, self.patient.rid)] if new else []
        return [Belonging(item, stage, item.rid) for item in self._of_type(stage, after, count)]

    def _of_type(self, type_: str, after: int, count: int) -> list[Version]:
        """The next resources of a type that are asked for."""
        found: list[Version] = []
        asked = self.asked
        while len(found) < count:
            read = self._read(type_, after, max(count - len(found), _AT_ONCE if asked.care else 0))
            found += [item for item in read if not asked.care or asked.in_care(type_, item.resource())]
            if not read or not asked.care:
                break
            after = read[-1].rid
        return found[:count]

    def _read(self, type_: str, after: int, count: int) -> list[Version]:
        if self.patient is None:
            query = Query(
                type_, tuple(self._of_any(type_)), (), count, "", page.Position(after) if after else None, "", ()
            )
            return search(self.tx, self.connection, query, allowed=self.eyes).versions
        return members(
            self.tx,
            self.connection,
            type_,
            _BELONGING[type_],
            ("Patient", self.patient.id),
            after=after,
            since=self.asked.since,
            count=count,
            allowed=self.eyes,
        )

    def _of_any(self, type_: str) -> Iterator[Criterion]:
        """That a resource belongs to some patient, and changed when it is asked for."""
        parameters = [CATALOG[type_].parameter(code) for code in _BELONGING.get(type_, ())]
        ends: Sequence[Criterion] = [Chain(item, "Patient", Every(())) for item in parameters if item is not None]
        if ends:
            yield either(ends)
        since = self.asked.since
        if since:
            yield Condition(LAST_UPDATED, (DateValue("ge", Span(since, since + 1)),))

    def _made(self, after: int, count: int) -> list[Belonging]:
        """The Provenances of the writes in the record of the patient, or of any.

        Newest first, so that pages end also for whoever writes while going through them.
        """
        found: list[Belonging] = []
        read = self._writes()
        while len(found) < count:
            batch = read(after, max(count - len(found), _AT_ONCE))
            for write in batch:
                after = write.number
                if write.updated < self.asked.since or (self.patient is None and not patient_of(write)):
                    continue
                version = made(self.tx, self.connection, write)
                if self.eyes is None or self.eyes.sees(version):
                    found.append(Belonging(version, MADE, write.number))
            if not batch:
                break
        return found[:count]

    def _writes(self) -> Callable[[int, int], list[Write]]:
        tx, connection, patient = self.tx, self.connection, self.patient
        if patient is None:
            return lambda after, count: writes.along(tx, connection, after=after or None, count=count, backwards=True)
        of_patient = partial(writes.of_patient, tx, connection, patient.id, backwards=True)
        return lambda after, count: of_patient(after=after or None, count=count)
