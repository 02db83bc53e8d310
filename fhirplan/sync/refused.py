"""Notes what the EHR refused to tell while a type is pulled, so that the rest goes on and this is asked again later."""

from __future__ import annotations

from typing import Final

from fhirplan.errors import EhrFailure
from fhirplan.store.sync import refusals
from fhirplan.store.sync.refusals import About, Refusal
from fhirplan.sync.course import Course
from fhirplan.telemetry import log

# What the EHR refused is asked for again after so long.
REFUSED_MS: Final = 3_600_000
_log = log("sync.pull")


def known(course: Course, about: About) -> tuple[frozenset[str], tuple[str, ...]]:
    """The EHR's ids that are not to be asked for yet, and those that are again, the longest ago first."""
    with course.sides.database.read() as tx:
        noted = refusals.of(tx, course.sides.connection, course.type, about)
    before = course.sides.clock() - (0 if course.again else REFUSED_MS)
    return (
        frozenset(ehr_id for ehr_id, asked in noted.items() if asked > before),
        tuple(ehr_id for ehr_id, asked in noted.items() if asked <= before),
    )


def note(course: Course, about: About, ehr_id: str, error: EhrFailure, *, at_once: bool = False) -> None:
    """Notes a refusal; ``at_once`` has it asked for again by the next pull, since there was no answer at all."""
    name = course.sides.connection
    _log.warning("refused", connection=name, type=course.type, about=about, error=type(error).__name__)
    asked = 0 if at_once else course.sides.clock()
    with course.transaction() as tx:
        refusals.note(tx, name, Refusal(course.type, about, ehr_id, asked, error.text))


def forget(course: Course, about: About, ehr_id: str) -> None:
    """Forgets a refusal, since the EHR has answered."""
    with course.transaction() as tx:
        refusals.forget(tx, course.sides.connection, course.type, about, ehr_id)


def sentence(item: Refusal) -> str:
    """What is not known for want of an answer."""
    if item.about == "patient":
        return f"The EHR does not show the {item.type} resources of its Patient/{item.ehr_id}. {item.said}"
    return f"The EHR does not tell whether it still has {item.type}/{item.ehr_id}. {item.said}"
