"""Whose records are pulled from an EHR that is asked one patient at a time: those told, or those known here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fhirplan.errors import EhrRejected
from fhirplan.fhir import reference
from fhirplan.store import links
from fhirplan.sync.report import Tally
from fhirplan.sync.sides import Sides

_GROUP: Final = "Group/"


def chosen(sides: Sides, tally: Tally) -> Iterator[str]:
    """The EHR's ids of the patients, each once where a Group tells them; all that are linked where none are told.

    Raises EhrFailure when the Group cannot be read. What is no id is said in the tally.
    """
    if not sides.patients:
        yield from links.each_ehr_id(sides.database, sides.connection, "Patient")
    elif sides.patients.startswith(_GROUP):
        yield from _of_group(sides, sides.patients.removeprefix(_GROUP))
    else:
        yield from _of_file(Path(sides.patients), tally)


def _of_file(path: Path, tally: Tally) -> Iterator[str]:
    """A line each; empty ones and those that begin with # are passed over."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                text = line.strip().removeprefix("Patient/")
                if reference.ID.fullmatch(text):
                    yield text
                elif text and not text.startswith("#"):
                    tally.trouble(f"Line {number} of the file of ehr_patients is no patient's id; it is passed over.")
    except (OSError, UnicodeDecodeError) as error:
        tally.trouble(f"The file of ehr_patients cannot be read ({type(error).__name__}), so the rest is not pulled.")


def _of_group(sides: Sides, id_: str) -> Iterator[str]:
    """The active members of a Group that are patients (R4 Group.member)."""
    found = sides.client.read("Group", id_)
    if found is None:
        raise EhrRejected(f"The EHR has no Group/{id_}, which ehr_patients names.", status=404)
    listed = found.resource.get("member")
    met = set[str]()
    for member in listed if isinstance(listed, list) else []:
        entity = member.get("entity") if isinstance(member, dict) and member.get("inactive") is not True else None
        to = reference.parse(entity.get("reference")) if isinstance(entity, dict) else None
        if to and to.type == "Patient" and to.id not in met:
            met.add(to.id)
            yield to.id
