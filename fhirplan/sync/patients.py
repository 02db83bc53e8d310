"""Whose records are pulled from an EHR that is asked one patient at a time: those told, or those known here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from fhirplan.errors import EhrRejected
from fhirplan.fhir import reference
from fhirplan.store.sync import lanes, links
from fhirplan.sync.report import Tally
from fhirplan.sync.sides import Sides

# Whose chart was opened that lately comes first.
ATTENTION_MS: Final = 600_000
_GROUP: Final = "Group/"


def chosen(sides: Sides, tally: Tally) -> Iterator[str]:
    """The EHR's ids of the patients, each once where a Group tells them; all that are linked where none are told.

    Those whose chart was opened lately come first, wherever they stand in the list. Raises EhrFailure when the Group
    cannot be read. What is no id is said in the tally.
    """
    first = _looked_at(sides)
    if not sides.patients:
        yield from first
        everybody: Iterable[str] = links.each_ehr_id(sides.database, sides.connection, "Patient")
    elif sides.patients.startswith(_GROUP):
        everybody = list(_of_group(sides, sides.patients.removeprefix(_GROUP)))
        yield from (patient for patient in everybody if patient in first)
    else:
        file = Path(sides.patients)
        yield from (patient for patient in _of_file(file, tally) if patient in first) if first else ()
        everybody = _of_file(file, tally)
    yield from (patient for patient in everybody if patient not in first)


def _looked_at(sides: Sides) -> dict[str, None]:
    """The linked patients whose chart is open, as the EHR knows them, the latest first."""
    name = sides.connection
    with sides.database.read() as tx:
        ours = [lane.removeprefix("Patient/") for lane in lanes.looked_at(tx, name, sides.clock() - ATTENTION_MS)]
        known = [links.by_id(tx, name, "Patient", id_) for id_ in ours]
    return dict.fromkeys(link.ehr_id for link in known if link is not None and link.agreed and not link.ehr_gone)


def _of_file(path: Path, tally: Tally) -> Iterator[str]:
    """A line each; empty ones and those that begin with # are passed over."""
    named = False
    try:
        # Editors of Windows put a byte order mark before UTF-8.
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                text = line.strip().removeprefix("Patient/")
                if reference.ID.fullmatch(text):
                    named = True
                    yield text
                elif text and not text.startswith("#"):
                    tally.trouble(f"Line {number} of the file of ehr_patients is no patient's id; it is passed over.")
        if not named:
            tally.trouble("The file of ehr_patients names no patient, so nobody's records are pulled.")
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
