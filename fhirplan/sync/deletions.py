"""Finds what is gone in the EHR. Absence is no deletion; only its own 404 or 410 for the resource is believed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fhirplan.errors import EhrRejected, EhrUnavailable
from fhirplan.store.sync import links
from fhirplan.sync import refused
from fhirplan.sync.absorb import absorb, absorb_gone
from fhirplan.sync.content import patient_of
from fhirplan.sync.course import Course, before
from fhirplan.sync.intake import count

# A complete listing that lacks more than this, and more than half of what we hold, is a lost scope, not deletions.
BELIEVED_GONE: Final = 10
# Where nothing tells of deletions, a few resources not heard of for an hour are asked for at each pull.
ASKED_ANEW: Final = 10
UNHEARD_MS: Final = 3_600_000


def look_for_deletions(course: Course) -> None:
    """Asks for each resource that may be gone. Raises EhrUnavailable when the EHR does not answer at all."""
    if course.capped or not course.capability.can("read"):
        return
    if course.complete:
        suspects = _not_listed(course)
    elif course.capability.can("history-type"):
        suspects = _told_by_history(course)
    else:
        suspects = unheard_of(course)
    ask_all(course, suspects)


def ask_all(course: Course, ehr_ids: Iterable[str]) -> None:
    """Asks for each of these and for what is to be asked for again; what the EHR does not tell is noted for later.

    So the checkpoint may pass it. Raises EhrUnavailable when the EHR does not answer for two in a row.
    """
    put_off, again = refused.known(course, "resource")
    silent = False
    for ehr_id in dict.fromkeys((*ehr_ids, *again[:ASKED_ANEW])):
        if ehr_id in put_off:
            continue
        try:
            ask(course, ehr_id)
        except EhrRejected as error:
            silent = False
            refused.note(course, "resource", ehr_id, error)
        except EhrUnavailable as error:
            if silent:
                raise
            silent = True
            refused.note(course, "resource", ehr_id, error, at_once=True)
        else:
            silent = False
            if ehr_id in again:
                refused.forget(course, "resource", ehr_id)


def _told_by_history(course: Course) -> Iterable[str]:
    try:
        history = course.sides.client.type_history(course.type, before(course.since))
        return [id_ for id_, method in history if method == "DELETE"]
    except EhrRejected:
        # Offered and then refused, as for want of a scope: do as where it is not offered.
        return unheard_of(course)


def _not_listed(course: Course) -> Iterable[str]:
    held, absent = 0, list[str]()
    for ehr_id in links.each_ehr_id(course.sides.database, course.sides.connection, course.type):
        held += 1
        if ehr_id not in course.listed:
            absent.append(ehr_id)
    absent = _shown(course, absent)
    if len(absent) > max(BELIEVED_GONE, held // 2):
        course.tally.skipped[course.type] = (
            f"The EHR lists {held - len(absent)} of the {held} we hold. That is not taken for deletions; "
            "check what we may read there."
        )
        return ()
    return absent


def _shown(course: Course, absent: list[str]) -> list[str]:
    """Without those of patients of whom the EHR refused to list any, whose absence tells nothing."""
    if not course.hidden:
        return absent
    name = course.sides.connection
    with course.sides.database.read() as tx:
        hidden = {item.id for item in links.stored_of(tx, name, "Patient", sorted(course.hidden)).values()}
        held = [(ehr_id, links.by_ehr_id(tx, name, course.type, ehr_id)) for ehr_id in absent]
    return [ehr_id for ehr_id, link in held if link is None or patient_of(link.base or {}) not in hidden]


def unheard_of(course: Course) -> Iterable[str]:
    """A few of the resources that were not heard of for longest."""
    sides = course.sides
    with sides.database.read() as tx:
        long_ago = sides.clock() - UNHEARD_MS
        return links.not_seen_since(tx, sides.connection, course.type, long_ago, ASKED_ANEW)


def ask(course: Course, ehr_id: str) -> None:
    """Asks for one resource that we know by its id, and believes the answer."""
    sides = course.sides
    with sides.database.read() as tx:
        link = links.by_ehr_id(tx, sides.connection, course.type, ehr_id)
    if link is None or link.ehr_gone or not link.agreed:
        return
    remote = sides.client.read(course.type, ehr_id)
    with course.transaction() as tx:
        ids = sides.ids(tx)
        link = links.by_ehr_id(tx, sides.connection, course.type, ehr_id)
        if link is None or link.ehr_gone:
            return
        if remote is None:
            count(course.tally, absorb_gone(ids, link), ())
        else:
            absorb(ids, remote, merging=sides.merging)
            links.seen(tx, sides.connection, course.type, ehr_id, ids.now)
