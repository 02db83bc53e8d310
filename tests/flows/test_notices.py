"""An EHR's notices at $ehr-notify: who may send them, what they lead to, and that none is lost."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from fhirplan import assembly
from fhirplan.errors import EhrUnavailable
from fhirplan.interactions.services import Services
from fhirplan.jobs.passes import has_notices, notice_pass
from fhirplan.settings import load
from fhirplan.store.engine import Database
from fhirplan.store.sync import notices
from fhirplan.sync.notices import fetch
from fhirplan.sync.report import Tally
from fhirplan.validation import Validator
from fhirplan.web.app import create_app

SECRET = "a-secret-of-the-clinic-1234"
URL = "/fhir/$ehr-notify"
KIND = "application/fhir+json"


class Hook:
    """The EHR's end of the notices."""

    def __init__(self, client: Any, database: Database) -> None:
        self.client, self.database = client, database

    def send(self, body: Any = None, *, path: str = URL, secret: str | None = SECRET, method: str = "POST") -> Any:
        headers = {"Authorization": f"Bearer {secret}"} if secret is not None else {}
        data = body if isinstance(body, bytes | str) else b"" if body is None else json.dumps(body)
        return self.client.open(path, method=method, data=data, headers=headers, content_type=KIND)

    def waiting(self) -> list[tuple[str, str]]:
        with self.database.read() as tx:
            return [(type_, id_) for type_, id_, _ in notices.waiting(tx, "default")]

    def heed(self, ours: Any) -> Tally:
        tally = Tally()
        fetch(ours.sides, tally)
        return tally


@pytest.fixture
def hook_with(database: Database, tmp_path: Path, clinic: Any) -> Any:
    def make(**given: Any) -> Hook:
        settings = load({}, auth="open", data_dir=str(tmp_path), ehr_url=clinic.base, **given)
        services = Services(database, Validator.load(), settings, clock=assembly.now, new_id=lambda: "unused")
        return Hook(create_app(services).test_client(), database)

    return make


@pytest.fixture
def hook(hook_with: Any) -> Hook:
    made: Hook = hook_with(ehr_notify_secret=SECRET)
    return made


def events(*numbered: tuple[int, str], kind: str = "event-notification", count: int | None = None) -> dict[str, Any]:
    told = [
        {
            "name": "notification-event",
            "part": [
                {"name": "event-number", "valueString": str(number)},
                {"name": "focus", "valueReference": {"reference": focus}},
            ],
        }
        for number, focus in numbered
    ]
    newest = count if count is not None else max((number for number, _ in numbered), default=0)
    parameters = [
        {"name": "subscription", "valueReference": {"reference": "Subscription/s"}},
        {"name": "status", "valueCode": "active"},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(newest)},
        *told,
    ]
    first = {"resourceType": "Parameters", "parameter": parameters}
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": first}]}


# Who may send


def test_without_a_secret_in_the_settings_nothing_is_taken(hook_with: Any) -> None:
    bare = hook_with()
    for secret in (None, "", SECRET):
        assert bare.send(secret=secret).status_code == 403
    assert bare.waiting() == []


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET[:-1], SECRET + "x", SECRET.upper(), "\udcff"])
def test_who_does_not_know_the_secret_is_refused(secret: str | None, hook: Hook) -> None:
    answer = hook.send(secret=secret.encode("utf-8", "surrogateescape").decode("latin-1") if secret else secret)
    assert answer.status_code == 401
    assert answer.get_json()["resourceType"] == "OperationOutcome"
    assert hook.waiting() == []


def test_an_unknown_connection_is_refused_like_a_wrong_secret(hook: Hook) -> None:
    assert hook.send(path="/nowhere/fhir/$ehr-notify").status_code == 401


def test_a_secret_that_can_be_guessed_is_refused_at_the_start() -> None:
    from fhirplan.errors import Misconfigured

    with pytest.raises(Misconfigured) as refused:
        load({}, ehr_notify_secret="short")
    assert "ehr_notify_secret" in refused.value.text
    assert "short" not in refused.value.text


def test_each_connection_has_its_own_secret(hook_with: Any) -> None:
    other = {"mercy": {"ehr_url": "http://127.0.0.1:9/fhir", "ehr_notify_secret": "another-secret-entirely"}}
    two = hook_with(ehr_notify_secret=SECRET, connections=other)
    assert two.send(path="/mercy/fhir/$ehr-notify").status_code == 401
    assert two.send(path="/mercy/fhir/$ehr-notify", secret="another-secret-entirely").status_code == 200
    assert two.waiting() == []


# What it leads to


def test_a_rest_hook_without_payload_leads_to_a_pull(hook: Hook, clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    assert hook.send().status_code == 200
    assert hook.waiting() == [("", "")]
    hook.heed(ours)
    assert ours.get("Patient", "p1") is not None
    assert hook.waiting() == []


def test_the_content_of_a_notice_is_never_believed(hook: Hook, clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal(text="What the EHR holds"))
    forged = make.goal(text="What the notice says")
    assert hook.send(forged).status_code == 200
    assert hook.send(make.goal("never-there"), path=f"{URL}/Goal/never-there", method="PUT").status_code == 200
    hook.heed(ours)
    assert ours.get("Goal", "g1")["description"]["text"] == "What the EHR holds"
    assert ours.get("Goal", "never-there") is None


def test_only_what_is_named_is_fetched(hook: Hook, clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    clinic.put(make.goal(text="Changed"))
    hook.send(events((1, "Goal/g1")))
    before = ours.sides.client.calls
    hook.heed(ours)
    assert ours.get("Goal", "g1")["description"]["text"] == "Changed"
    assert ours.sides.client.calls - before == 1


def test_a_deletion_is_told_by_the_ehr_and_not_by_the_notice(hook: Hook, clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    clinic.put(make.goal("g2"))
    ours.sync()
    clinic.delete("Goal/g1")
    hook.send(events((1, "Goal/g1"), (2, "Goal/g2")))
    hook.heed(ours)
    assert ours.get("Goal", "g1") is None
    assert ours.get("Goal", "g2") is not None


def test_a_handshake_and_a_quiet_heartbeat_cost_nothing(hook: Hook) -> None:
    assert hook.send(events(kind="handshake", count=0)).status_code == 200
    assert hook.send(events(kind="heartbeat", count=0)).status_code == 200
    assert hook.waiting() == []


def test_types_that_are_not_synced_are_not_fetched(hook: Hook) -> None:
    hook.send({"resourceType": "Medication", "id": "m1"})
    assert hook.waiting() == []


def test_a_notice_larger_than_is_read_still_leads_to_a_pull(hook: Hook) -> None:
    assert hook.send(b"x" * (3 * 2**20)).status_code == 200
    assert hook.waiting() == [("", "")]


def test_many_notices_become_one_pull(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MOST_WAITING", 10)
    for number in range(40):
        hook.send({"resourceType": "Goal", "id": f"g{number}"})
    assert len(hook.waiting()) == 11
    assert ("", "") in hook.waiting()


def test_a_resource_of_a_patient_who_is_not_ours_is_not_taken(
    hook: Hook, clinic: Any, ours: Any, make: Any, tmp_path: Path
) -> None:
    (tmp_path / "patients").write_text("p1\n")
    only = type(ours)(dataclasses.replace(ours.sides, patients=str(tmp_path / "patients")))
    clinic.put(make.patient())
    clinic.put(make.patient("p2"))
    clinic.put(make.goal("mine"))
    clinic.put(make.goal("foreign", subject={"reference": "Patient/p2"}))
    hook.send(events((1, "Goal/mine"), (2, "Goal/foreign"), (3, "Patient/p2")))
    hook.heed(only)
    assert only.get("Goal", "mine") is not None
    assert only.get("Goal", "foreign") is None
    assert only.get("Patient", "p2") is None


# Subscription notices were retried for a minute, then lost


def test_a_notice_waits_as_long_as_the_ehr_does_not_answer(
    hook: Hook, clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    behind_door.sync()
    clinic.put(make.goal(text="Changed"))
    hook.send(events((1, "Goal/g1")))
    door.fault = lambda _method, path: "refuse" if "Goal" in path else ""
    for _ in range(2):
        with pytest.raises(EhrUnavailable):
            hook.heed(behind_door)
        assert hook.waiting() == [("Goal", "g1")]
    door.fault = lambda *_: ""
    hook.heed(behind_door)
    assert behind_door.get("Goal", "g1")["description"]["text"] == "Changed"
    assert hook.waiting() == []


def test_a_notice_that_never_came_shows_by_the_number_of_the_next(
    hook: Hook, clinic: Any, ours: Any, make: Any
) -> None:
    clinic.put(make.patient())
    hook.send(events((1, "Goal/g1")))
    hook.heed(ours)
    clinic.put(make.goal("lost"))
    hook.send(events((3, "Goal/g1")))
    assert ("", "") in hook.waiting()
    hook.heed(ours)
    assert ours.get("Goal", "lost") is not None


def test_a_notice_that_never_came_shows_by_a_heartbeat(hook: Hook) -> None:
    hook.send(events(kind="handshake", count=0))
    hook.send(events((1, "Goal/g1")))
    hook.send(events(kind="heartbeat", count=1))
    assert hook.waiting() == [("Goal", "g1")]
    hook.send(events(kind="heartbeat", count=2))
    assert ("", "") in hook.waiting()


def test_an_event_that_comes_twice_or_late_does_no_harm(hook: Hook, clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    for number in (1, 2, 2, 1):
        hook.send(events((number, "Goal/g1")))
    assert hook.waiting() == [("Goal", "g1")]
    hook.heed(ours)
    assert [item.new for item in hook.heed(ours).types()] == []


def test_a_notice_that_comes_while_its_resource_is_fetched_is_not_forgotten(
    hook: Hook, clinic: Any, ours: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    hook.send(events((1, "Goal/g1")))
    real = ours.sides.client.read

    def late(type_: str, id_: str) -> Any:
        found = real(type_, id_)
        import time

        time.sleep(0.005)
        clinic.put(make.goal(text="Changed meanwhile"))
        hook.send(events((2, "Goal/g1")))
        return found

    monkeypatch.setattr(ours.sides.client, "read", late)
    hook.heed(ours)
    monkeypatch.undo()
    assert hook.waiting() == [("Goal", "g1")]
    hook.heed(ours)
    assert ours.get("Goal", "g1")["description"]["text"] == "Changed meanwhile"


def test_a_subscription_that_says_it_fails_leads_to_a_pull(hook: Hook) -> None:
    hook.send(events(kind="handshake", count=0))
    said = events(kind="heartbeat", count=0)
    said["entry"][0]["resource"]["parameter"][1]["valueCode"] = "error"
    hook.send(said)
    assert hook.waiting() == [("", "")]


def test_the_worker_heeds_notices_only_when_there_are_any(
    hook: Hook, clinic: Any, ours: Any, make: Any, tmp_path: Path
) -> None:
    clinic.put(make.patient())
    assert not has_notices(ours.database, "default")
    hook.send(events((1, "Patient/p1")))
    assert has_notices(ours.database, "default")
    assert notice_pass(ours.sides, tmp_path)
    assert not has_notices(ours.database, "default")
    assert ours.get("Patient", "p1") is not None
