"""Each change gets a receipt that says what became of it, and one refused change stops no other."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fhirplan.ehr.transport import Transport
from fhirplan.fhir import codec, outcome
from fhirplan.store import versions
from fhirplan.sync.through import Through


def said(receipt: Any) -> str:
    return " ".join(item.text for item in outcome.issues(codec.loads(receipt.outcome)))


def test_a_refused_change_is_parked_with_the_ehrs_words_and_the_rest_flows(
    clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    clinic.put(make.patient())
    behind_door.sync()
    door.poison = b'"text":"Poison"'
    behind_door.save(make.goal("poison", "Poison"))
    for number in range(5):
        behind_door.save(make.goal(f"good-{number}"))
    report = behind_door.sync()
    assert (report.parked, report.waiting, report.pushed) == (1, 0, 5)
    (receipt,) = behind_door.receipts("Goal", "poison")
    assert receipt.state == "parked"
    assert "A name is needed." in said(receipt)
    assert any("Goal/poison is parked" in reason and "A name is needed." in reason for reason in report.reasons)


def test_a_new_version_of_a_parked_resource_is_sent(clinic: Any, door: Any, behind_door: Any, make: Any) -> None:
    behind_door.save(make.patient("mine"))
    door.fault = lambda method, _path: "422" if method == "POST" else ""
    behind_door.sync()
    door.fault = lambda *_: ""
    behind_door.edit("Patient", "mine", gender="female")
    assert behind_door.sync().agreed
    assert [item.state for item in behind_door.receipts("Patient", "mine")] == ["sent", "sent"]


def test_what_refers_to_a_parked_resource_is_sent_with_its_business_identifier(
    clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    clinic.put(make.patient())
    behind_door.sync()
    behind_door.save(make.goal("poison", "Poison"))
    behind_door.save(make.plan("cp", goal=[{"reference": "Goal/poison"}]))
    door.poison = b'"text":"Poison"'
    report = behind_door.sync()
    assert (report.parked, report.waiting) == (1, 0)
    (planned,) = clinic.all("CarePlan")
    assert planned["goal"] == [{"identifier": {"system": "http://fhirplan.dev/fhir/sid/goal", "value": "poison"}}]
    assert behind_door.get("CarePlan", "cp")["goal"] == [{"reference": "Goal/poison"}]


def test_a_change_the_ehr_does_not_take_is_kept_here_and_said(
    clinic: Any, ours: Any, make: Any, monkeypatch: Any
) -> None:
    clinic.put(make.patient())
    ours.sync()
    known = ours.sides.client.capabilities()
    frozen = dataclasses.replace(known.types["Patient"], interactions=frozenset({"read", "search-type"}))
    monkeypatch.setattr(
        ours.sides.client, "_known", dataclasses.replace(known, types={**known.types, "Patient": frozen})
    )
    ours.edit("Patient", "p1", gender="female")
    assert ours.sync().parked == 1
    (receipt,) = ours.receipts("Patient", "p1")
    assert (receipt.state, receipt.route) == ("parked", "none")
    assert "kept here only" in said(receipt)
    assert ours.get("Patient", "p1")["gender"] == "female"


@pytest.mark.parametrize(
    ("fault", "state"), [("", "sent"), ("422", "parked"), ("500", "waiting"), ("cut", "waiting"), ("refuse", "waiting")]
)
def test_write_through_waits_for_the_ehr_and_gives_the_receipt(
    fault: str, state: str, clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    door.fault = lambda method, _path: fault if method == "POST" else ""
    behind_door.save(make.patient("mine"))
    receipt = Through(lambda _name: behind_door.sides)("default", "Patient", "mine")
    assert (receipt["state"], receipt["version"]) == (state, 1)
    assert len(clinic.all("Patient")) == (1 if fault in ("", "cut") else 0)


def test_write_through_sends_first_what_is_referred_to(clinic: Any, ours: Any, make: Any) -> None:
    ours.save(make.patient("p1"))
    ours.save(make.goal("mine"))
    receipt = Through(lambda _name: ours.sides)("default", "Goal", "mine")
    assert receipt["state"] == "sent"
    (goal,), (patient,) = clinic.all("Goal"), clinic.all("Patient")
    assert goal["subject"] == {"reference": f"Patient/{patient['id']}"}


def test_what_the_ehr_made_of_our_write_is_taken_over(clinic: Any, ours: Any, make: Any, monkeypatch: Any) -> None:
    """An EHR that adds or drops something as it stores our resource; we must not think it holds what we sent."""
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    real = ours.sides.client.update

    def shortened(resource: Any, **how: Any) -> Any:
        return real({**resource, "description": {"text": resource["description"]["text"][:4]}}, **how)

    monkeypatch.setattr(ours.sides.client, "update", shortened)
    ours.edit("Goal", "g1", description={"text": "Longer than it keeps"})
    assert ours.sync().agreed
    assert ours.get("Goal", "g1")["description"]["text"] == "Long"


def test_what_the_ehr_does_not_keep_of_a_change_is_said_and_stays_in_the_history(
    clinic: Any, ours: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Transport.write

    def stripping(self: Transport, method: str, address: str, body: bytes | None, headers: Any) -> Any:
        kept = codec.loads(body or b"{}")
        if kept.get("resourceType") == "Goal":
            del kept["note"]
            body = codec.dumps(kept)
        return real(self, method, address, body, headers)

    monkeypatch.setattr(Transport, "write", stripping)
    one = type(ours)(dataclasses.replace(ours.sides, bundle=1))
    clinic.put(make.patient())
    one.sync()
    one.save(make.goal("mine", note=[{"text": "She wants to walk to the church."}]))
    assert one.sync().agreed
    (receipt,) = one.receipts("Goal", "mine")
    assert (receipt.state, receipt.route) == ("sent", "create")
    assert said(receipt) == "The EHR did not keep Goal.note. What was sent is version 1 in the history here."
    with one.database.read() as tx:
        sent = versions.at(tx, "default", "Goal", "mine", 1)
    assert sent is not None
    assert sent.resource()["note"] == [{"text": "She wants to walk to the church."}]
    writes = len(clinic.writes())
    assert one.sync().agreed
    assert len(clinic.writes()) == writes
