"""Takes in what changed in the EHR since the last pull, page by page; the checkpoint moves last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from fhirplan.ehr.answered import RemoteCopy
from fhirplan.ehr.discovery import TypeCapability
from fhirplan.errors import EhrFailure, EhrRejected, EhrUnavailable
from fhirplan.store.sync import checkpoints, links
from fhirplan.sync import refused
from fhirplan.sync.content import patient_of
from fhirplan.sync.course import Course, not_after
from fhirplan.sync.deletions import UNHEARD_MS, ask, ask_all, look_for_deletions, unheard_of
from fhirplan.sync.intake import take
from fhirplan.sync.patients import chosen
from fhirplan.sync.report import Progress, Tally, silent
from fhirplan.sync.searches import PAGE, Distrusted, Search, by_patient, distrust, searches
from fhirplan.sync.sides import Sides
from fhirplan.telemetry import log

# Types in a row that the EHR does not answer, before the pull gives up on it.
PATIENCE: Final = 2
# What is refused of so many patients, with no answer about another one, is refused of all.
REFUSED_TO_ALL: Final = 5
# Resources that were referred to and never seen, which one pull asks for by id.
REFERRED: Final = 20
_log = log("sync.pull")


def pull(
    sides: Sides,
    tally: Tally,
    *,
    full: bool = False,
    again: bool = False,
    dry: bool = False,
    progress: Progress = silent,
) -> None:
    """Pulls each type the EHR serves; what fails is said in the tally and tried again by the next pull.

    ``full`` lists everything instead of what changed, ``again`` also asks at once for what the EHR refused to tell
    before; ``dry`` changes nothing here. Raises EhrFailure only when the
    EHR does not even tell what it can do.
    """
    sides.client.matters("pull")
    offered = sides.client.capabilities()
    silent_types = 0
    in_part: list[Course] = []
    for type_, spec in sides.catalog.items():
        if spec.sync == "none":
            continue
        course = _course(sides, offered.of(type_), tally, full=full, dry=dry)
        course.again = again
        searched = _can_be_found(sides, course.capability)
        if not searched:
            tally.skipped[type_] = "The EHR does not offer a search of this type."
        if course.capability.can("read") and (not searched or by_patient(course)):
            in_part.append(course)
        if searched:
            failed = _told(course, partial(_pull_type, course, progress))
            silent_types = silent_types + 1 if isinstance(failed, EhrUnavailable) else 0
        if silent_types >= PATIENCE:
            tally.trouble("The EHR does not answer, so the other types were not asked for.")
            return
    # Last, since only then it is known what all the others refer to.
    for course in in_part:
        if isinstance(_told(course, partial(_pull_referred, course)), EhrUnavailable):
            return


def _told(course: Course, act: Callable[[], None]) -> EhrFailure | None:
    """Does one part of a pull; what fails in it is told and given, for the next pull to try again."""
    try:
        act()
    except EhrFailure as error:
        _log.warning("pull failed", connection=course.sides.connection, type=course.type, error=type(error).__name__)
        course.tally.trouble(f"{course.type} could not be pulled. {error.text}")
        return error
    return None


def _can_be_found(sides: Sides, capability: TypeCapability) -> bool:
    return capability.can("search-type") or bool(sides.patients and capability.can("read"))


def _course(sides: Sides, capability: TypeCapability, tally: Tally, *, full: bool, dry: bool) -> Course:
    with sides.database.read() as tx:
        known = checkpoints.get(tx, sides.connection, capability.type)
    now = sides.clock()
    # An earlier pull may have kept a time that was in the future then.
    since = not_after(known, now) if not full and "_lastUpdated" in capability.search else ""
    return Course(sides, capability, tally, dry, since, newest=known, began=now, vendor=sides.vendor())


def _pull_type(course: Course, progress: Progress) -> None:
    if course.sides.patients and not (course.capability.can("search-type") and by_patient(course)):
        _pull_by_id(course, progress)
        return
    if not _list_all(course, progress):
        course.tally.skipped[course.type] = (
            "The EHR lists these by patient only, and no patient is known here yet. Name them in ehr_patients."
        )
        return
    look_for_deletions(course)
    _move_checkpoint(course)


def _list_all(course: Course, progress: Progress) -> bool:
    """Takes in all that the searches list; False where there was nobody to ask about.

    What the EHR refuses of one patient, as for want of a consent there, is noted and does not touch the others. Raises
    EhrRejected when it refuses the same of all.
    """
    put_off, unseen = refused.known(course, "patient")
    course.hidden |= put_off
    done, answered, asked = 0, set[str](), False
    errors: dict[str, EhrRejected] = {}
    for search in searches(course, chosen(course.sides, course.tally), unseen):
        asked = True
        if search.patient in course.hidden:
            continue
        try:
            done = _list(course, search, progress, done)
            answered.add(search.patient)
        except EhrRejected as error:
            errors[search.patient] = error
            if not search.patient or isinstance(error, Distrusted) or (not answered and len(errors) >= REFUSED_TO_ALL):
                raise
            course.hidden.add(search.patient)
    if errors and not answered:
        raise next(iter(errors.values()))
    for patient, refusal in errors.items():
        refused.note(course, "patient", patient, refusal)
    for patient in answered.difference(errors).intersection(unseen):
        refused.forget(course, "patient", patient)
    return asked


def _list(course: Course, search: Search, progress: Progress, done: int) -> int:
    """Takes in what one search lists; gives how many were listed by all searches until then."""
    seen = 0
    for page in course.sides.client.search(course.type, search.parameters):
        seen += page.size
        distrust(course, search, page, seen)
        take(course, page.resources)
        done += len(page.resources)
        progress(course.type, done, page.total or 0)
    return done


def _move_checkpoint(course: Course) -> None:
    if course.checkpoint and not course.cut and not course.dry:
        with course.transaction("moving", "moved") as tx:
            checkpoints.put(tx, course.sides.connection, course.type, course.checkpoint, course.sides.clock())


def _pull_by_id(course: Course, progress: Progress) -> None:
    """What is not listed, as ``ehr_patients`` tells whose records are ours: the patients, and what those refer to."""
    waiting: list[RemoteCopy] = []
    noted = {ehr_id for ids in refused.known(course, "resource") for ehr_id in ids}
    errors: dict[str, EhrRejected] = {}
    for done, ehr_id in enumerate(_wanted(course), start=1):
        try:
            found = course.sides.client.read(course.type, ehr_id)
        except EhrRejected as error:
            errors[ehr_id] = error
            if len(errors) == done >= REFUSED_TO_ALL:
                raise
            continue
        if ehr_id in noted:
            refused.forget(course, "resource", ehr_id)
        if found is None:
            ask(course, ehr_id)
            continue
        waiting.append(found)
        if len(waiting) == PAGE:
            take(course, [item.resource for item in waiting])
            waiting.clear()
        progress(course.type, done, 0)
    take(course, [item.resource for item in waiting])
    for ehr_id, refusal in errors.items():
        refused.note(course, "resource", ehr_id, refusal)
    if course.type != "Patient":
        ask_all(course, unheard_of(course))


def _pull_referred(course: Course) -> None:
    """What a search shows in part or not at all: that which others refer to; of the unsearched also a few known."""
    _read_referred(course)
    if not course.capability.can("search-type"):
        ask_all(course, unheard_of(course))


def _read_referred(course: Course) -> None:
    """Reads some of what was referred to and no search has shown, as a search may show a part only.

    Of patients whose records are not here nothing is taken. What the EHR does not show is asked for again later.
    """
    sides = course.sides
    if not course.capability.can("read"):
        return
    with sides.database.read() as tx:
        wanted = links.referred(tx, sides.connection, course.type, sides.clock(), REFERRED)
    found: list[RemoteCopy] = []
    for ehr_id in wanted:
        try:
            read = sides.client.read(course.type, ehr_id)
        except EhrRejected:
            read = None
        if read is not None and _is_of_ours(course, read):
            found.append(read)
    _put_off(course, wanted)
    take(course, [item.resource for item in found])


def _put_off(course: Course, ehr_ids: Sequence[str]) -> None:
    """Has what the EHR does not show asked for again after a while, not at each pull."""
    if ehr_ids:
        with course.transaction() as tx:
            for ehr_id in ehr_ids:
                links.seen(tx, course.sides.connection, course.type, ehr_id, course.sides.clock() + UNHEARD_MS)


def _is_of_ours(course: Course, copy: RemoteCopy) -> bool:
    patient = patient_of(copy.resource)
    if not patient:
        return True
    with course.sides.database.read() as tx:
        known = links.stored(tx, course.sides.connection, "Patient", patient)
    return known is not None and known.base is not None


def _wanted(course: Course) -> Iterator[str]:
    if course.type == "Patient":
        yield from chosen(course.sides, course.tally)
        return
    with course.sides.database.read() as tx:
        listed = links.referred(tx, course.sides.connection, course.type, course.sides.clock(), PAGE)
    _put_off(course, listed)
    yield from listed
