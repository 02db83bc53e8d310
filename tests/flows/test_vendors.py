"""EHRs as they are: searched as each wants it, written to by the best way that is open, and a receipt that says so."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from fhirplan.ehr.vendors import VENDORS, vendor_of
from fhirplan.fhir import codec, outcome
from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.personas import PERSONAS
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server
from fhirplan.sync.agreement import compare
from fhirplan.sync.stand_in import mark

CATEGORY = [{"coding": [{"system": "http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "code": "assess-plan"}]}]


class Hospital:
    """A persona's EHR, and its staff, who can do what a third party cannot."""

    def __init__(self, server: Server) -> None:
        self.base, self.door = f"{server.url}/fhir", f"{server.url}/admin"

    def put(self, resource: dict[str, Any]) -> None:
        asked = {"method": "PUT", "path": f"{resource['resourceType']}/{resource['id']}", "body": resource}
        assert requests.post(f"{self.door}/edit", data=codec.dumps(asked), timeout=10).status_code in (200, 201)

    def get(self, path: str) -> Any:
        asked = {"method": "GET", "path": path}
        return codec.loads(requests.post(f"{self.door}/edit", data=codec.dumps(asked), timeout=10).content)

    def all(self, type_: str) -> list[dict[str, Any]]:
        return [entry["resource"] for entry in self.get(f"{type_}?_count=500").get("entry", [])]

    def writes(self) -> list[tuple[str, str]]:
        listed = requests.get(f"{self.door}/requests", timeout=10).json()["requests"]
        return [
            (r["method"], r["path"]) for r in listed if r["method"] in ("POST", "PUT") and r.get("user") != "clinic"
        ]

    def break_with(self, *rules: dict[str, Any]) -> None:
        said = requests.post(f"{self.door}/faults", json={"rules": list(rules), "seed": 1}, timeout=10)
        assert said.status_code == 200, said.text


@pytest.fixture
def hospital(make: Any) -> Iterator[Any]:
    """Starts a persona with two patients, one of whom has a plan, a goal and a task."""
    ends: list[Any] = []

    def start(persona: str) -> Hospital:
        numbers = itertools.count(1)
        store = Store(new_id=lambda: f"ehr-{next(numbers)}")
        server = Server("127.0.0.1", 0, create_app(store, PERSONAS[persona]))
        server.start()
        ends.extend((server.stop, store.close))
        made = Hospital(server)
        for resource in (
            make.patient(),
            make.patient("p2"),
            make.goal(),
            make.plan(category=CATEGORY, goal=[{"reference": "Goal/g1"}]),
            make.task(),
        ):
            made.put(resource)
        return made

    yield start
    for end in ends:
        end()


@pytest.fixture
def with_(hospital: Any, sides_of: Any, ours: Any) -> Any:
    """A persona's hospital and our side of it."""

    def begin(persona: str) -> Any:
        made = hospital(persona)
        return made, type(ours)(sides_of(made.base))

    return begin


def said(receipt: Any) -> str:
    return " ".join(item.text for item in outcome.issues(codec.loads(receipt.outcome)))


@pytest.mark.parametrize(("persona", "name"), [(p, p.partition("-")[0]) for p in PERSONAS])
def test_each_ehr_is_known_by_what_it_calls_itself(persona: str, name: str, with_: Any) -> None:
    _, ours = with_(persona)
    assert ours.sides.vendor().name == name


def test_a_vendor_can_be_told_and_an_unknown_one_is_open() -> None:
    assert vendor_of("Epic May 2026").name == "epic"
    assert vendor_of("Somebody's server").name == "open"
    assert vendor_of("Somebody's server", "oracle").name == "oracle"
    assert all(fact.date and fact.source for vendor in VENDORS.values() for fact in vendor.facts)


@pytest.mark.parametrize("persona", list(PERSONAS))
def test_plans_and_goals_are_pulled_as_each_ehr_wants_it(persona: str, with_: Any) -> None:
    _, ours = with_(persona)
    report = ours.sync()
    assert report.problems == (), report
    assert ours.get("Goal", "g1")["subject"] == {"reference": "Patient/p1"}
    assert ours.get("CarePlan", "cp1")["goal"] == [{"reference": "Goal/g1"}]
    assert (ours.get("Task", "t1") is not None) == (persona in ("open", "epic", "epic-older"))
    assert ours.sync().pulled == 0


@pytest.mark.parametrize("persona", list(PERSONAS))
def test_a_change_there_is_found_without_last_updated_or_history(persona: str, with_: Any, make: Any) -> None:
    hospital, ours = with_(persona)
    ours.sync()
    hospital.put(make.goal(text="Walk to the park"))
    ours.sync()
    assert ours.get("Goal", "g1")["description"]["text"] == "Walk to the park"


@pytest.mark.parametrize(
    ("persona", "type_", "route", "landed"),
    [
        ("epic", "CarePlan", "document", "DocumentReference"),
        ("epic", "Goal", "communication", "Communication"),
        ("epic", "Task", "service-request", "ServiceRequest"),
        ("oracle", "CarePlan", "document", "DocumentReference"),
        ("oracle", "Task", "communication", "Communication"),
        ("athena", "CarePlan", "questionnaire-response", "QuestionnaireResponse"),
        ("athena", "Task", "questionnaire-response", "QuestionnaireResponse"),
        ("meditech", "CarePlan", "communication", "Communication"),
        ("meditech", "Goal", "communication", "Communication"),
        ("open", "Goal", "create", "Goal"),
    ],
)
def test_a_new_resource_goes_by_the_best_way_that_is_open(
    persona: str, type_: str, route: str, landed: str, with_: Any, make: Any
) -> None:
    hospital, ours = with_(persona)
    ours.sync()
    before = len(hospital.all(landed))
    new = {
        "CarePlan": make.plan("new", title="Home again", goal=[{"reference": "Goal/g1"}]),
        "Goal": make.goal("new", "Home again"),
        "Task": make.task("new", description="Home again"),
    }[type_]
    ours.save(new)
    report = ours.sync()
    assert report.agreed, report
    (receipt,) = ours.receipts(type_, "new")
    assert (receipt.state, receipt.route) == ("sent", route)
    assert len(hospital.all(landed)) == before + 1
    if landed != type_:
        (sent,) = [item for item in hospital.all(landed) if mark(item)]
        assert mark(sent) == f"{type_}/new/1"
        assert sent["subject"] == {"reference": "Patient/p1"}
        assert landed in said(receipt)
        assert ours.get(landed, sent["id"]) is None, "our own words came back as something new"


def test_the_document_tells_the_plan_with_its_goals_and_replaces_the_last_one(with_: Any, make: Any) -> None:
    hospital, ours = with_("epic")
    ours.sync()
    ours.edit("CarePlan", "cp1", title="Safe at home")
    assert ours.sync().agreed
    ours.edit("CarePlan", "cp1", title="Safe at home, with help")
    assert ours.sync().agreed
    first, second = sorted(hospital.all("DocumentReference"), key=mark)
    text = base64.b64decode(second["content"][0]["attachment"]["data"]).decode()
    assert "Safe at home, with help" in text
    assert "Walk to the mailbox" in text
    assert second["relatesTo"] == [{"code": "replaces", "target": {"reference": f"DocumentReference/{first['id']}"}}]


def test_an_edit_there_of_a_plan_that_went_as_a_document_is_merged(with_: Any, make: Any) -> None:
    hospital, ours = with_("epic")
    ours.sync()
    ours.edit("CarePlan", "cp1", title="Ours")
    ours.sync()
    hospital.put(make.plan(category=CATEGORY, goal=[{"reference": "Goal/g1"}], description="Theirs"))
    assert ours.sync().agreed
    merged = ours.get("CarePlan", "cp1")
    assert (merged["title"], merged["description"]) == ("Ours", "Theirs")


def test_a_task_of_epics_own_is_updated_there(with_: Any) -> None:
    hospital, ours = with_("epic")
    ours.sync()
    ours.edit("Task", "t1", status="accepted")
    assert ours.sync().agreed
    assert hospital.get("Task/t1")["status"] == "accepted"
    assert ours.receipts("Task", "t1")[0].route == "update"


def test_what_nothing_fits_is_kept_here_and_said(with_: Any) -> None:
    _, ours = with_("epic")
    ours.sync()
    ours.edit("Patient", "p1", gender="female")
    report = ours.sync()
    assert report.parked == 1
    assert "kept here only" in said(ours.receipts("Patient", "p1")[0])


def test_a_stand_in_whose_reply_was_lost_is_sent_once(with_: Any, make: Any) -> None:
    hospital, ours = with_("epic")
    ours.sync()
    hospital.break_with({"fault": "lost-reply", "match": "POST Communication", "times": 1})
    ours.save(make.goal("new", "Home again"))
    for _ in range(3):
        report = ours.sync()
    assert report.agreed, report
    assert [mark(item) for item in hospital.all("Communication")] == ["Goal/new/1"]


def test_an_ehr_that_ignores_the_patient_gives_us_nothing_of_others(with_: Any, make: Any, monkeypatch: Any) -> None:
    hospital, ours = with_("epic")
    ours.sync()
    hospital.put(make.goal("other", subject={"reference": "Patient/p2"}))
    real = ours.sides.client._via.get

    def deaf(address: str, params: Any = None) -> Any:
        if address == "Goal" and params and params.get("patient") == "p1":
            params = {**params, "patient": "p2"}
        return real(address, params)

    monkeypatch.setattr(ours.sides.client._via, "get", deaf)
    report = ours.sync()
    assert any("gave others' too" in text for text in report.problems), report.problems


@pytest.mark.parametrize("persona", ["epic", "oracle", "athena", "meditech"])
def test_both_sides_agree_but_for_what_receipts_explain(persona: str, with_: Any, make: Any, clinic: Any) -> None:
    _, ours = with_(persona)
    ours.sync()
    ours.edit("CarePlan", "cp1", title="Ours")
    assert ours.sync().agreed
    agreement = compare(ours.sides, _OwnSide(ours))
    assert agreement.differences == ()
    assert agreement.elsewhere == (("CarePlan", "cp1"),)


class _OwnSide:
    """Our FHIR API, read past HTTP."""

    def __init__(self, ours: Any) -> None:
        self.ours = ours

    def capabilities(self) -> Any:
        from fhirplan.ehr.discovery import Capabilities

        return Capabilities("", "", {})

    def read(self, type_: str, id_: str) -> Any:
        from fhirplan.ehr.answered import remote_copy

        found = self.ours.get(type_, id_)
        return remote_copy(found) if found else None


def test_what_a_plan_refers_to_is_read_where_a_search_does_not_show_it(with_: Any, make: Any) -> None:
    """Epic's search of care teams gives the longitudinal ones; MEDITECH's tasks are read by id only."""
    hospital, ours = with_("meditech")
    activity = [{"reference": {"reference": "Task/t1"}}]
    hospital.put(make.plan(category=CATEGORY, goal=[{"reference": "Goal/g1"}], activity=activity))
    assert ours.sync().problems == ()
    ours.sync()
    assert ours.get("Task", "t1")["for"] == {"reference": "Patient/p1"}
