"""Takes in what changed in the EHR since the last pull, page by page; the checkpoint moves last, with the last page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text

from fhirplan.ehr.client import RemoteCopy, remote_copy
from fhirplan.ehr.discovery import TypeCapability
from fhirplan.ehr.paging import Page
from fhirplan.ehr.vendors.open import OPEN
from fhirplan.ehr.vendors.vendor import Vendor
from fhirplan.errors import EhrFailure, EhrRejected, EhrUnavailable, FhirplanError, Issue
from fhirplan.fhir import codec, outcome, reference
from fhirplan.fhir.codec import Resource
from fhirplan.store import checkpoints, links, outbox, receipts
from fhirplan.store.engine import Transaction, statement
from fhirplan.store.receipts import Receipt
from fhirplan.sync.absorb import MISSHAPEN, Absorbed, absorb, absorb_gone, instant
from fhirplan.sync.identity import Ids
from fhirplan.sync.plan import Conflict, Echo, FastForward, Merged, RemoteGone
from fhirplan.sync.report import Progress, Tally, silent
from fhirplan.sync.sides import Sides
from fhirplan.sync.stand_in import is_stand_in
from fhirplan.telemetry import log

# Ties at the boundary, clocks of several EHR nodes and transactions under way: look back this far, every time.
OVERLAP: Final = timedelta(seconds=30)
PAGE: Final = 100
# A complete listing that lacks more than this, and more than half of what we hold, is a lost scope, not deletions.
BELIEVED_GONE: Final = 10
# Where nothing tells of deletions, a few resources not heard of for an hour are asked for at each pull.
ASKED_ANEW: Final = 10
UNHEARD_MS: Final = 3_600_000
# Types in a row that the EHR does not answer, before the pull gives up on it.
PATIENCE: Final = 2
_log = log("sync.pull")
_SAVE = statement(text("SAVEPOINT one"))
_BACK = statement(text("ROLLBACK TO SAVEPOINT one"))
_KEEP = statement(text("RELEASE SAVEPOINT one"))


class _Undo(Exception):
    """Rolls a dry run's transaction back."""


@dataclass(slots=True)
class _Course:
    """One type's pull while it runs."""

    sides: Sides
    capability: TypeCapability
    tally: Tally
    dry: bool
    since: str
    newest: str
    vendor: Vendor = OPEN
    held_back: str = ""
    capped: bool = False
    listed: set[str] = field(default_factory=set)

    @property
    def type(self) -> str:
        return self.capability.type

    @property
    def complete(self) -> bool:
        """Whether the search lists everything the EHR has of the type."""
        return not self.since

    def saw(self, updated: str) -> None:
        """Moves the newest time seen."""
        self.newest = _later(self.newest, updated)

    def hold_back(self, updated: str) -> None:
        """Keeps the checkpoint from passing a resource that could not be decided yet."""
        if updated and (not self.held_back or _later(self.held_back, updated) == self.held_back):
            self.held_back = updated

    @property
    def checkpoint(self) -> str:
        """Where the next pull begins."""
        held_earlier = self.held_back and _later(self.newest, self.held_back) == self.newest
        return self.held_back if held_earlier else self.newest


def pull(sides: Sides, tally: Tally, *, full: bool = False, dry: bool = False, progress: Progress = silent) -> None:
    """Pulls each type the EHR serves; what fails is said in the tally and tried again by the next pull.

    ``full`` lists everything instead of what changed; ``dry`` changes nothing here. Raises EhrFailure only when the
    EHR does not even tell what it can do.
    """
    offered = sides.client.capabilities()
    silent_types = 0
    for type_, spec in sides.catalog.items():
        if spec.sync == "none":
            continue
        capability = offered.of(type_)
        if not capability.can("search-type"):
            tally.skipped[type_] = "The EHR does not offer a search of this type."
            continue
        try:
            _pull_type(sides, capability, tally, full=full, dry=dry, progress=progress)
            silent_types = 0
        except EhrFailure as error:
            _log.warning("pull failed", connection=sides.connection, type=type_, error=type(error).__name__)
            tally.trouble(f"{type_} could not be pulled. {error.text}")
            silent_types = silent_types + 1 if isinstance(error, EhrUnavailable) else 0
        if silent_types >= PATIENCE:
            tally.trouble("The EHR does not answer, so the other types were not asked for.")
            return


def _pull_type(
    sides: Sides, capability: TypeCapability, tally: Tally, *, full: bool, dry: bool, progress: Progress
) -> None:
    with sides.database.read() as tx:
        known = checkpoints.get(tx, sides.connection, capability.type)
    since = known if not full and "_lastUpdated" in capability.search else ""
    course = _Course(sides, capability, tally, dry, since, newest=known, vendor=sides.vendor())
    searches = _searches(course)
    if not searches:
        tally.skipped[capability.type] = "The EHR lists these by patient only, and no patient is known here yet."
        return
    done = 0
    for number, search in enumerate(searches, start=1):
        for page in sides.client.search(capability.type, search.parameters):
            _distrust(course, search, page)
            _take_page(course, page, last=page.last and number == len(searches))
            done += len(page.resources)
            progress(capability.type, done, page.total or 0)
    _look_for_deletions(course)


@dataclass(frozen=True, slots=True)
class _Search:
    """One search of a pull; ``patient`` is the EHR's id of the one it is about, "" for all."""

    parameters: Mapping[str, str]
    patient: str = ""


def _searches(course: _Course) -> list[_Search]:
    """The searches that list a type at this EHR: one, or one for each patient and value that it wants told."""
    asking = course.vendor.ask(course.type)
    start = _before(course.since)
    common = {"_count": str(PAGE)}
    if start:
        common["_lastUpdated"] = f"ge{start[:10] if course.vendor.by_day else start}"
    patients = [""]
    if asking.by_patient:
        with course.sides.database.read() as tx:
            patients = links.ehr_ids(tx, course.sides.connection, "Patient")
    made = []
    for patient in patients:
        about = {asking.by_patient: patient} if patient else {}
        made += [_Search({**common, **about, name: value}, patient) for name, value in asking.each]
        if not asking.each:
            made.append(_Search({**common, **about}, patient))
    return made


def _distrust(course: _Course, search: _Search, page: Page) -> None:
    """Checks that what came back is what was asked for: an EHR may ignore a parameter and say nothing.

    Raises EhrRejected when it ignored one that matters; a list that was cut short is told and not taken as complete.
    """
    meanings = {course.vendor.meanings.get(code) for code in page.codes}
    if "ignored" in meanings:
        raise EhrRejected(f"The EHR says that it ignored a parameter of the search for {course.type}.", status=200)
    if "capped" in meanings:
        course.capped = True
        course.tally.trouble(f"The EHR gave only some of the {course.type} resources: its limit for one search.")
    if search.patient and any(patient_of(item) not in ("", search.patient) for item in page.resources):
        raise EhrRejected(
            f"The EHR was asked for the {course.type} resources of one patient and gave others' too, so none is taken.",
            status=200,
        )


def patient_of(resource: Resource) -> str:
    """The EHR's id of the patient a resource names as its own, "" when it names none."""
    for key in ("subject", "patient", "for", "beneficiary"):
        element = resource.get(key)
        found = reference.parse(element.get("reference")) if isinstance(element, dict) else None
        if found and found.type == "Patient":
            return found.id
    return ""


def _take_page(course: _Course, page: Page, *, last: bool) -> None:
    """One page is one transaction; validation and calls come before it, so that the writer's lock is held briefly."""
    sides = course.sides
    fresh = [_fresh(course, resource) for resource in page.resources if not is_stand_in(resource)]
    copies = [(copy, _findings(course, copy)) for copy in fresh if copy is not None]
    with _transaction(course) as tx:
        ids = sides.ids(tx)
        for copy, found in copies:
            _take_one(course, ids, copy, found)
        if last and course.checkpoint and not course.dry:
            checkpoints.put(tx, sides.connection, course.type, course.checkpoint, ids.now)


def _fresh(course: _Course, resource: Resource) -> RemoteCopy | None:
    """A resource of a page as a copy; one we hold for gone is asked for, since a page may be older than a deletion."""
    copy = remote_copy(resource)
    course.listed.add(copy.id)
    with course.sides.database.read() as tx:
        link = links.by_ehr_id(tx, course.sides.connection, course.type, copy.id)
    if link is not None and link.ehr_gone and course.capability.can("read"):
        return course.sides.client.read(course.type, copy.id)
    return copy


def _findings(course: _Course, copy: RemoteCopy) -> tuple[Issue, ...]:
    """What is wrong with a copy whose version we do not know yet; it never keeps the copy out."""
    with course.sides.database.read() as tx:
        link = links.by_ehr_id(tx, course.sides.connection, course.type, copy.id)
    if link is not None and link.agreed and copy.version and link.ehr_version == copy.version:
        return ()
    try:
        return tuple(course.sides.validate(copy.resource))
    except MISSHAPEN as error:
        return (Issue("error", "structure", f"This cannot be validated ({type(error).__name__})."),)


def _take_one(course: _Course, ids: Ids, copy: RemoteCopy, found: tuple[Issue, ...]) -> None:
    """One resource; whatever is wrong with it is recorded and does not touch the others of its page."""
    ids.tx.run(_SAVE)
    try:
        if _is_being_sent(ids, copy):
            course.hold_back(copy.updated)
        else:
            _count(course.tally, absorb(ids, copy, found, course.sides.merging), found)
        course.saw(copy.updated)
    except (FhirplanError, *MISSHAPEN) as error:
        ids.tx.run(_BACK)
        ids.forget()
        course.saw(copy.updated)
        _refuse(course, ids, copy, error)
    ids.tx.run(_KEEP)


def _is_being_sent(ids: Ids, copy: RemoteCopy) -> bool:
    """Whether a worker is sending our version right now: what this copy is will be clear once the reply is in."""
    link = links.by_ehr_id(ids.tx, ids.connection, copy.type, copy.id)
    if link is None:
        return False
    return any(row.state == "claimed" for row in outbox.unsettled(ids.tx, ids.connection, link.type, link.id))


def _refuse(course: _Course, ids: Ids, copy: RemoteCopy, error: Exception) -> None:
    """Notes a resource of the EHR's that cannot be kept, once for each of its versions."""
    _log.warning("not taken in", connection=ids.connection, type=copy.type, ehr_id=copy.id, error=type(error).__name__)
    course.tally.add(copy.type, "refused")
    course.tally.trouble(f"{copy.type}/{copy.id} of the EHR could not be taken in: it is not shaped as FHIR.")
    id_ = copy.id if reference.ID.fullmatch(copy.id) else "unknown"
    told = receipts.of(ids.tx, ids.connection, copy.type, id_)
    if any(item.route == "pull" and item.ehr_version == copy.version for item in told):
        return
    issues = (
        error.issues if isinstance(error, FhirplanError) else (Issue("error", "structure", str(type(error).__name__)),)
    )
    said = codec.dumps(outcome.outcome(issues)).decode()
    receipts.put(
        ids.tx,
        ids.connection,
        Receipt(None, copy.type, id_, 0, "pull", "parked", copy.id, copy.version, said, ids.now),
    )


def _count(tally: Tally, absorbed: Absorbed, found: tuple[Issue, ...]) -> None:
    match absorbed.decision:
        case FastForward():
            tally.add(absorbed.type, "new" if absorbed.created else "changed")
            if found:
                tally.add(absorbed.type, "with_findings")
        case Merged():
            tally.add(absorbed.type, "merged")
        case RemoteGone():
            tally.add(absorbed.type, "gone")
        case Echo():
            tally.add(absorbed.type, "echo")
        case Conflict():
            pass
        case _:
            tally.add(absorbed.type, "unchanged")


def _look_for_deletions(course: _Course) -> None:
    """Absence is no deletion; only the EHR's own 404 or 410 for the resource is believed."""
    if not course.capability.can("read"):
        return
    if course.capped:
        return
    if course.complete:
        suspects = _not_listed(course)
    elif course.capability.can("history-type"):
        suspects = _told_by_history(course)
    else:
        suspects = _unheard_of(course)
    for ehr_id in dict.fromkeys(suspects):
        _ask(course, ehr_id)


def _told_by_history(course: _Course) -> list[str]:
    try:
        history = course.sides.client.type_history(course.type, _before(course.since))
        return [id_ for id_, method in history if method == "DELETE"]
    except EhrRejected:
        # Offered and then refused, as for want of a scope: do as where it is not offered.
        return _unheard_of(course)


def _not_listed(course: _Course) -> list[str]:
    with course.sides.database.read() as tx:
        held = links.ehr_ids(tx, course.sides.connection, course.type)
    absent = [ehr_id for ehr_id in held if ehr_id not in course.listed]
    if len(absent) > max(BELIEVED_GONE, len(held) // 2):
        course.tally.skipped[course.type] = (
            f"The EHR lists {len(held) - len(absent)} of the {len(held)} we hold. That is not taken for deletions; "
            "check what we may read there."
        )
        return []
    return absent


def _unheard_of(course: _Course) -> list[str]:
    sides = course.sides
    with sides.database.read() as tx:
        before = sides.clock() - UNHEARD_MS
        return links.not_seen_since(tx, sides.connection, course.type, before, ASKED_ANEW)


def _ask(course: _Course, ehr_id: str) -> None:
    """Asks for one resource by its id, and believes the answer."""
    sides = course.sides
    with sides.database.read() as tx:
        link = links.by_ehr_id(tx, sides.connection, course.type, ehr_id)
    if link is None or link.ehr_gone or not link.agreed:
        return
    remote = sides.client.read(course.type, ehr_id)
    with _transaction(course) as tx:
        ids = sides.ids(tx)
        link = links.by_ehr_id(tx, sides.connection, course.type, ehr_id)
        if link is None or link.ehr_gone:
            return
        if remote is None:
            _count(course.tally, absorb_gone(ids, link), ())
        else:
            absorb(ids, remote, merging=sides.merging)
            links.seen(tx, sides.connection, course.type, ehr_id, ids.now)


@contextmanager
def _transaction(course: _Course) -> Iterator[Transaction]:
    """A write transaction, undone at its end in a dry run."""
    try:
        with course.sides.database.write() as tx:
            yield tx
            if course.dry:
                _undo()
    except _Undo:
        return


def _undo() -> None:
    raise _Undo


def _before(since: str) -> str:
    """The instant from which to ask, ``OVERLAP`` before a checkpoint; "" when there is none."""
    found = instant(since)
    if found is None:
        return ""
    start: datetime = found.astimezone(UTC) - OVERLAP
    return start.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _later(one: str, other: str) -> str:
    """The later of two instants as they are spelled; what is no instant counts as earliest."""
    first, second = instant(one), instant(other)
    if second is None:
        return one
    return other if first is None or second > first else one
