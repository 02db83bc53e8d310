"""Takes in one page of what the EHR holds, in one transaction: what is new together, what is known one by one.

Most of a page is either new, as in a first pull, or just as we know it. Both are told apart beforehand, outside of the
writer's lock, so that validation and a look at the EHR hold up nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhirplan.ehr.answered import RemoteCopy, remote_copy
from fhirplan.errors import FhirplanError, Issue
from fhirplan.fhir import codec, outcome, reference
from fhirplan.fhir.codec import Resource
from fhirplan.store import versions
from fhirplan.store.engine import Transaction
from fhirplan.store.sync import conflicts, links, outbox, receipts
from fhirplan.store.sync.receipts import Receipt
from fhirplan.sync.absorb import MISSHAPEN, Absorbed, New, absorb, absorb_new
from fhirplan.sync.content import comparable, marks
from fhirplan.sync.course import Course
from fhirplan.sync.identity import Ids, Unknown, inbound
from fhirplan.sync.known import is_known, is_stale
from fhirplan.sync.plan import Conflict, Echo, FastForward, Merged, RemoteGone
from fhirplan.sync.report import Tally
from fhirplan.sync.stand_in import is_stand_in
from fhirplan.telemetry import log

_log = log("sync.pull")
Found = tuple[RemoteCopy, Sequence[Issue]]


@dataclass(slots=True)
class _Sorted:
    """A page's copies by what is to be done.

    ``same`` are known, with whether they are our own writes; ``renumbered`` say the same under another version.
    """

    same: list[tuple[RemoteCopy, bool]]
    renumbered: list[tuple[RemoteCopy, links.Stored]]
    new: list[RemoteCopy]
    other: list[RemoteCopy]


def take(course: Course, resources: Sequence[Resource]) -> None:
    """Takes the resources of one page in; what is wrong with one of them does not touch the others.

    Raises EhrFailure where one has to be asked for and the EHR does not answer.
    """
    copies = [remote_copy(resource) for resource in resources if not is_stand_in(resource)]
    for copy in copies:
        course.listed.add(copy.id)
    found = _sorted_out(course, copies)
    for copy, ours in found.same:
        course.tally.add(course.type, "echo" if ours else "unchanged")
        course.saw(copy.updated)
    new = [(copy, _findings(course, copy)) for copy in found.new]
    other = [(copy, _findings(course, copy)) for copy in found.other]
    if not (new or other or found.renumbered):
        return
    with course.transaction() as tx:
        ids = course.sides.ids(tx)
        for copy, known in found.renumbered:
            _note(course, ids, copy, known)
        for copy, issues in [*_take_new(course, ids, new), *other]:
            take_one(course, ids, copy, issues)


def _sorted_out(course: Course, copies: Sequence[RemoteCopy]) -> _Sorted:
    """Tells apart what is new, as we know it, and the rest; what we hold for gone is asked for.

    A page may be older than a deletion, so a copy of something that is gone is no news by itself.
    """
    name, made, gone = course.sides.connection, _Sorted([], [], [], []), list[RemoteCopy]()
    with course.sides.database.read() as tx:
        ids = course.sides.ids(tx, only_known=True)
        torn = bool(conflicts.count(tx, name))
        met = set[str]()
        linked = links.stored_of(tx, name, course.type, [copy.id for copy in copies])
        for copy in copies:
            known = linked.get(copy.id)
            if known is None or (known.base is None and not known.ehr_gone):
                named = reference.ID.fullmatch(copy.id) and copy.id not in met
                fresh = named and not marks(copy.resource) and _unheld(ids, known)
                (made.new if fresh else made.other).append(copy)
            elif known.ehr_gone:
                gone.append(copy)
            elif is_known(known, copy):
                made.same.append((copy, receipts.wrote(tx, name, course.type, known.id, copy.version)))
            elif is_stale(known, copy, ids.now):
                # What it is will be clear when it is listed again.
                course.hold_back(copy.updated)
                made.same.append((copy, False))
            elif not torn and _says_the_same(ids, known, copy):
                if (known.ehr_version, known.ehr_updated) == (copy.version, copy.updated):
                    made.same.append((copy, False))
                else:
                    made.renumbered.append((copy, known))
            else:
                made.other.append(copy)
            met.add(copy.id)
    for copy in gone:
        read = course.sides.client.read(course.type, copy.id) if course.capability.can("read") else copy
        made.other += [read] if read is not None else []
    return made


def _unheld(ids: Ids, known: links.Stored | None) -> bool:
    """Whether nothing is stored here yet under the id that was set aside for a resource of the EHR's."""
    return known is None or versions.current(ids.tx, ids.connection, known.type, known.id) is None


def _says_the_same(ids: Ids, known: links.Stored, copy: RemoteCopy) -> bool:
    """Whether the EHR's copy and ours are both the agreed one, letter for letter: nothing is to be written then."""
    try:
        content = comparable(inbound(ids, copy.resource, known.id))
    except (Unknown, *MISSHAPEN):
        return False
    if codec.dumps(content) != known.base:
        return False
    current = versions.current(ids.tx, ids.connection, known.type, known.id)
    return current is not None and current.version == known.local_version


def _findings(course: Course, copy: RemoteCopy) -> tuple[Issue, ...]:
    """What is wrong with a copy; it never keeps the copy out."""
    try:
        return tuple(course.sides.validate(copy.resource))
    except MISSHAPEN as error:
        return (Issue("error", "structure", f"This cannot be validated ({type(error).__name__})."),)


def _take_new(course: Course, ids: Ids, found: Sequence[Found]) -> Sequence[Found]:
    """Stores what is new in one go, and gives what has to be taken one by one instead."""
    new: list[New] = []
    late: list[Found] = []
    linked = links.stored_of(ids.tx, ids.connection, course.type, [copy.id for copy, _ in found])
    for copy, issues in found:
        known = linked.get(copy.id)
        if known is None or (known.base is None and not known.ehr_gone):
            new.append(New(copy, issues, known.id if known else ""))
        else:
            # Somebody linked it, as by sending ours, since the page was sorted out.
            late.append((copy, issues))
    if len(new) < 2:
        return found
    try:
        with ids.tx.part():
            absorb_new(ids, new, course.sides.merging)
    except (FhirplanError, *MISSHAPEN):
        # One of them cannot be kept; one by one it shows which.
        ids.forget()
        return found
    for item in new:
        course.tally.add(course.type, "new")
        if notable(item.found):
            course.tally.add(course.type, "with_findings")
        course.saw(item.copy.updated)
    return late


def _note(course: Course, ids: Ids, copy: RemoteCopy, known: links.Stored) -> None:
    """Notes another version of the same content; who sends ours meanwhile will note what comes of that."""
    if _is_being_sent(ids, copy):
        course.hold_back(copy.updated)
    else:
        links.touch(ids.tx, ids.connection, known, copy.version, copy.updated, ids.now)
        course.tally.add(course.type, "unchanged")
    course.saw(copy.updated)


def take_one(course: Course, ids: Ids, copy: RemoteCopy, found: Sequence[Issue]) -> None:
    """One resource; whatever is wrong with it is recorded and does not touch the others of its page."""
    try:
        with ids.tx.part():
            if _is_being_sent(ids, copy):
                course.hold_back(copy.updated)
            else:
                count(course.tally, absorb(ids, copy, found, course.sides.merging), found)
    except (FhirplanError, *MISSHAPEN) as error:
        ids.forget()
        _refuse(course, ids, copy, error)
    course.saw(copy.updated)


def _is_being_sent(ids: Ids, copy: RemoteCopy) -> bool:
    """Whether a worker is sending our version right now: what this copy is will be clear once the reply is in."""
    link = links.stored(ids.tx, ids.connection, copy.type, copy.id)
    if link is None:
        return False
    return any(row.state == "claimed" for row in outbox.unsettled(ids.tx, ids.connection, link.type, link.id))


def _refuse(course: Course, ids: Ids, copy: RemoteCopy, error: Exception) -> None:
    """Notes a resource of the EHR's that cannot be kept, once for each of its versions."""
    _log.warning("not taken in", connection=ids.connection, type=copy.type, ehr_id=copy.id, error=type(error).__name__)
    course.tally.add(copy.type, "refused")
    course.tally.trouble(f"{copy.type}/{copy.id} of the EHR could not be taken in: it is not shaped as FHIR.")
    id_ = copy.id if reference.ID.fullmatch(copy.id) else "unknown"
    if _told_before(ids.tx, ids.connection, copy, id_):
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


def _told_before(tx: Transaction, connection: str, copy: RemoteCopy, id_: str) -> bool:
    told = receipts.of(tx, connection, copy.type, id_)
    return any(item.route == "pull" and item.ehr_version == copy.version for item in told)


def notable(found: Sequence[Issue]) -> bool:
    """Whether there is more among findings than hints, as that another code would be preferred."""
    return any(issue.severity != "information" for issue in found)


def count(tally: Tally, absorbed: Absorbed, found: Sequence[Issue]) -> None:
    """Counts what was decided about one resource."""
    match absorbed.decision:
        case FastForward():
            tally.add(absorbed.type, "new" if absorbed.created else "changed")
            if notable(found):
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
