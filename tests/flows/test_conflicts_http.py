"""Conflicts and receipts over HTTP: seen, decided once, by somebody who saw what they decided about."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fhirplan import assembly, settings
from fhirplan.interactions.issuers import Issuers
from fhirplan.web.app import create_app
from tests.guarded import conftest as guarded
from tests.issuing import OWN


@pytest.fixture
def http(clinic: Any, ours: Any, make: Any) -> Any:
    """The API of a server whose goal g1 was changed on both sides."""
    chosen = settings.load(
        {}, auth="open", validation="base", database_url=ours.database.url, ehr_url=clinic.base, clinic_label="Lakeside"
    )
    services = assembly.build(chosen)
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    clinic.put(make.goal(text="The clinic's words"))
    ours.edit("Goal", "g1", description={"text": "Our words"})
    ours.sync()
    yield create_app(services).test_client()
    services.database.close()


def test_a_conflict_is_listed_and_told_in_words(http: Any) -> None:
    (listed,) = http.get("/fhir/$conflicts").get_json()["conflicts"]
    assert (listed["resource"], listed["paths"], listed["state"]) == ("Goal/g1", ["Goal.description"], "open")
    shown = http.get(f"/fhir/$conflicts/{listed['number']}")
    assert shown.headers["ETag"].startswith('W/"')
    told = shown.get_json()
    assert "Lakeside" in told["words"][0]
    assert [q["path"] for q in told["questions"]] == ["Goal.description"]
    assert told["theirs"]["description"]["text"] == "The clinic's words"


def test_it_is_decided_once_by_whoever_saw_it_as_it_is(http: Any, ours: Any, clinic: Any) -> None:
    number = http.get("/fhir/$conflicts").get_json()["conflicts"][0]["number"]
    seen = http.get(f"/fhir/$conflicts/{number}").headers["ETag"]
    place, choice = f"/fhir/$conflicts/{number}", {"fields": {"Goal.description": "theirs"}}
    assert http.post(place, json=choice).status_code == 400
    assert http.post(place, json=choice, headers={"If-Match": 'W/"another"'}).status_code == 412
    assert http.post(place, json={"take": "everything"}, headers={"If-Match": seen}).status_code == 400
    assert http.post(place, json=choice, headers={"If-Match": seen}).get_json()["state"] == "resolved"
    assert http.post(place, json=choice, headers={"If-Match": seen}).status_code == 412
    assert ours.sync().agreed
    assert ours.get("Goal", "g1")["description"]["text"] == "The clinic's words"


def test_receipts_tell_what_became_of_each_version(http: Any, ours: Any, clinic: Any, make: Any) -> None:
    told = http.get("/fhir/Goal/g1/$receipts").get_json()["receipts"]
    assert told == []
    ours.save(make.goal("mine"))
    ours.sync()
    (receipt,) = http.get("/fhir/Goal/mine/$receipts").get_json()["receipts"]
    assert (receipt["route"], receipt["state"], receipt["version"]) == ("create", "sent", 1)
    assert clinic.get(f"Goal/{receipt['ehrId']}")["meta"]["versionId"] == receipt["ehrVersion"]
    assert http.get("/fhir/Banana/x/$receipts").status_code == 404


def test_nobody_unknown_sees_or_decides_anything(clinic: Any, ours: Any) -> None:
    chosen = settings.load({}, auth="smart", database_url=ours.database.url, ehr_url=clinic.base)
    services = assembly.build(chosen)
    stranger = create_app(services).test_client()
    for path in ("/fhir/$conflicts", "/fhir/$conflicts/1", "/fhir/Goal/g1/$receipts"):
        assert stranger.get(path).status_code == 401, path
    assert stranger.post("/fhir/$conflicts/1", json={"take": "ours"}).status_code == 401
    services.database.close()


@pytest.mark.parametrize(("who", "status"), [("Practitioner/other", 403), ("Practitioner/owner", 200)])
def test_the_person_of_a_token_is_held_to_the_moves_they_may_make(
    clinic: Any, ours: Any, make: Any, tmp_path: Any, who: str, status: int
) -> None:
    chosen = settings.load(
        {},
        auth="smart",
        validation="base",
        database_url=ours.database.url,
        ehr_url=clinic.base,
        clinic_label="Lakeside",
    )
    services = assembly.build(chosen)
    services = dataclasses.replace(services, issuers=Issuers((OWN,), lambda *_: False))
    given = make.task(status="in-progress", owner={"reference": "Practitioner/owner"}, priority="routine")
    clinic.put(make.patient())
    for name in ("owner", "other"):
        clinic.put({"resourceType": "Practitioner", "id": name})
    clinic.put(given)
    ours.sync()
    clinic.put({**given, "priority": "urgent"})
    ours.edit("Task", "t1", priority="stat")
    ours.sync()
    caller = guarded.Guarded(services, set(), tmp_path / "none").caller("user/*.cruds", fhirUser=who)
    (listed,) = caller.get("$conflicts").get_json()["conflicts"]
    place = f"$conflicts/{listed['number']}"
    edited = {**ours.get("Task", "t1"), "status": "completed"}
    seen = {"If-Match": caller.get(place).headers["ETag"], "Content-Type": "application/json"}
    answer = caller.send("POST", place, {"edited": edited}, seen)
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert ("cm-sm-task-who" in answer.get_data(as_text=True)) == (status == 403)
    services.database.close()
