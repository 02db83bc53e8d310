"""What a consent forbids does not go to the EHR, and its receipt says so; what it permits goes."""

from __future__ import annotations

import dataclasses
from typing import Any

from fhirplan.fhir import codec, outcome
from fhirplan.store.access.withheld import Reader

SUD = ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "SUD")


def consent(kind: str, **provision: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "id": "c1",
        "status": "active",
        "patient": {"reference": "Patient/p1"},
        "provision": {"type": kind, **provision},
    }


def of_somebody(ours: Any) -> Any:
    """The same side, of an EHR that another organization keeps."""
    recipient = Reader(frozenset({"Organization/other"}), guarded=(SUD,))
    return dataclasses.replace(ours, sides=dataclasses.replace(ours.sides, recipient=recipient))


def said(receipt: Any) -> str:
    return " ".join(item.text for item in outcome.issues(codec.loads(receipt.outcome)))


def test_a_labelled_goal_stays_here_without_a_consent(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    ours.sync()
    ours = of_somebody(ours)
    ours.save({**make.goal("secret"), "meta": {"security": [{"system": SUD[0], "code": SUD[1]}]}})
    ours.save(make.goal("plain"))
    ours.sync()
    (receipt,) = ours.receipts("Goal", "secret")
    assert receipt.state == "parked"
    assert "Withheld by consent" in said(receipt)
    assert ours.receipts("Goal", "plain")[-1].state == "sent"
    actor = [{"reference": {"reference": "Organization/other"}}]
    ours.save(consent("permit", actor=actor))
    ours.edit("Goal", "secret", description={"text": "Another text"})
    ours.sync()
    assert ours.receipts("Goal", "secret")[-1].state == "sent"


def test_what_a_consent_forbids_to_everybody_stays_here(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    ours.sync()
    goals = [{"system": "http://hl7.org/fhir/resource-types", "code": "Goal"}]
    ours.save(consent("deny", **{"class": goals}))
    ours.save(make.goal("kept"))
    ours.sync()
    (receipt,) = ours.receipts("Goal", "kept")
    assert receipt.state == "parked"
    assert "Withheld by consent" in said(receipt)
