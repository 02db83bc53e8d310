"""How a type is asked for at this EHR, and whether what came back is what was asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from fhirplan.ehr.paging import Page
from fhirplan.errors import EhrRejected
from fhirplan.store.sync import links
from fhirplan.sync.content import patient_of
from fhirplan.sync.course import Course, before

PAGE: Final = 100
"""Resources on a page."""
_BY_PATIENT: Final = ("patient", "subject")


class Distrusted(EhrRejected):
    """What the EHR gave is not what it was asked for, which is no matter of one patient."""

    def __init__(self, text: str) -> None:
        super().__init__(text, status=200)


@dataclass(frozen=True, slots=True)
class Search:
    """One search of a pull; ``patient`` is the EHR's id of the one it is about, "" for all."""

    parameters: Mapping[str, str]
    patient: str = ""


def by_patient(course: Course) -> str:
    """The parameter by which the type is asked for one patient at a time, "" where everything is listed at once."""
    told = course.vendor.ask(course.type).by_patient
    if told or not course.sides.patients:
        return told
    return next((code for code in _BY_PATIENT if code in course.capability.search), "")


def searches(course: Course, patients: Iterator[str], unseen: Collection[str] = ()) -> Iterator[Search]:
    """The searches that list a type at this EHR: one, or one for each patient and value that it wants told.

    Of the ``unseen`` patients everything is asked for, not what changed only.
    """
    asking = course.vendor.ask(course.type)
    name = by_patient(course)
    start = before(course.since)
    recent = {"_lastUpdated": f"ge{start[:10] if course.vendor.by_day else start}"} if start else {}
    for patient in patients if name else ("",):
        about = {name: patient} if patient else {}
        for more in [{key: value} for key, value in asking.each] or [{}]:
            yield Search({"_count": str(PAGE), **({} if patient in unseen else recent), **about, **more}, patient)


def distrust(course: Course, search: Search, page: Page, seen: int) -> None:
    """Checks that what came back is what was asked for: an EHR may ignore a parameter and say nothing.

    ``seen`` is how many resources of the search came with this page and those before. Raises Distrusted when it
    ignored a parameter that matters; a list that was cut short is told and not taken as complete.
    """
    meanings = {course.vendor.meanings.get(code) for code in page.codes}
    if "ignored" in meanings:
        raise Distrusted(f"The EHR says that it ignored a parameter of the search for {course.type}.")
    if "capped" in meanings:
        course.capped = course.cut = True
        course.tally.trouble(f"The EHR gave only some of the {course.type} resources: its limit for one search.")
    elif failed := [issue.text for issue in page.remarks if issue.is_error]:
        course.capped = course.cut = True
        course.tally.trouble(f"The EHR says that its list of {course.type} resources is not whole: {failed[0][:300]}")
    if page.last and page.total is not None and page.total > seen:
        _cut_short(course, page, seen)
    if search.patient and any(patient_of(item) not in ("", search.patient) for item in page.resources):
        if _was_replaced(course, search.patient):
            raise EhrRejected(f"Patient/{search.patient} was merged into another record there.", status=200)
        raise Distrusted(
            f"The EHR was asked for the {course.type} resources of one patient and gave others' too, so none is taken."
        )


def _was_replaced(course: Course, patient: str) -> bool:
    """Whether the EHR says that it merged a patient's record into another one, with whose resources it may answer."""
    with course.sides.database.read() as tx:
        known = links.by_ehr_id(tx, course.sides.connection, "Patient", patient)
    told = known.base.get("link") if known is not None and known.base is not None else None
    return any(isinstance(item, dict) and item.get("type") == "replaced-by" for item in told or ())


def _cut_short(course: Course, page: Page, seen: int) -> None:
    """Fewer came than the EHR counts. A full last page was cut off; otherwise the rest may be what we may not see."""
    course.capped = True
    said = f"The EHR counts {page.total} {course.type} resources and gave {seen}"
    if len(page.resources) >= PAGE:
        course.cut = True
        course.tally.trouble(f"{said}, with no link to a next page.")
    else:
        course.tally.skipped[course.type] = f"{said}; what is not among them is not taken for deleted."
