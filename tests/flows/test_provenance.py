"""What an EHR sent and what a person decided is told by the Provenance of the versions that it led to."""

from __future__ import annotations

from typing import Any

from fhirplan.store import provenance
from fhirplan.store.versions import Version
from fhirplan.sync.resolve import resolve


def told(ours: Any, id_: str) -> list[dict[str, Any]]:
    """The Provenances of a goal, oldest first."""
    with ours.database.read() as tx:
        found: list[Version] = provenance.referring(tx, "default", [("Goal", id_)], "target", 10)
    return [item.resource() for item in reversed(found)]


def test_an_import_names_the_ehr_and_its_copy(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    (made,) = told(ours, "g1")
    assert [agent["type"]["coding"][0]["code"] for agent in made["agent"]] == ["custodian", "assembler"]
    assert made["agent"][0]["who"]["identifier"]["value"] == "default"
    (source,) = made["entity"]
    assert (source["role"], source["what"]["identifier"]["value"]) == ("source", "Goal/g1/_history/1")


def test_a_resolution_names_its_person_and_its_conflict(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    clinic.put(make.goal(text="The clinic's words"))
    ours.edit("Goal", "g1", description={"text": "Our words"})
    ours.sync()
    (kept,) = ours.conflicts()
    resolve(ours.sides, kept.cid, "theirs", actor="Practitioner/nurse")
    made = told(ours, "g1")[-1]
    assert made["agent"][0]["who"] == {"reference": "Practitioner/nurse"}
    assert [item["role"] for item in made["entity"]] == ["revision", "source"]
    assert made["entity"][1]["what"]["identifier"]["value"] == str(kept.cid)
