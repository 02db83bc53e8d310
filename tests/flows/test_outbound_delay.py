"""What is saved in the chart waits before it goes to the EHR, and what is undone in that time never goes there."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest

from fhirplan import assembly, settings
from fhirplan.cli.sync import standing
from fhirplan.sync.push import push
from fhirplan.sync.report import Tally
from fhirplan.sync.run import run_sync
from fhirplan.web.app import create_app

CHART = "/chart/patients/p1"
DELAY = 10_000


class Desk:
    """A nurse's browser without script beside our side of the sync; both go by one clock, which stands still."""

    def __init__(self, app: Any, ours: Any, clinic: Any, clock: list[int]) -> None:
        self.client, self.ours, self.clinic, self.clock = app.test_client(), ours, clinic, clock

    def form(self, page: str, action: str) -> dict[str, str]:
        text = self.client.get(CHART + page).get_data(as_text=True)
        part = next(item for item in text.split("<form")[1:] if f'action="{CHART}{action}' in item)
        found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', part.partition("</form>")[0])
        return dict(found)

    def send(self, page: str, action: str, **typed: str) -> str:
        """The address of the page that follows."""
        answer = self.client.post(CHART + action, data={**self.form(page, action), **typed})
        assert answer.status_code == 303, answer.get_data(as_text=True)[:2000]
        return str(answer.headers["Location"]).removeprefix(CHART)

    def push(self) -> None:
        push(self.ours.sides, Tally())

    def writes(self) -> list[tuple[str, str, int]]:
        return list(self.clinic.writes()[self.before :])

    before = 0


@pytest.fixture
def desk_of(clinic: Any, ours: Any, make: Any) -> Iterator[Any]:
    opened = []

    def desk(**given: Any) -> Desk:
        clinic.put(make.patient())
        for item in (
            {
                "resourceType": "CarePlan",
                "id": "plan",
                "status": "active",
                "intent": "plan",
                "title": "Plan",
                "subject": {"reference": "Patient/p1"},
            },
            {
                "resourceType": "Task",
                "id": "t1",
                "status": "in-progress",
                "intent": "order",
                "code": {"text": "Call"},
                "for": {"reference": "Patient/p1"},
                "basedOn": [{"reference": "CarePlan/plan"}],
                "owner": {"reference": "Patient/p1"},
            },
        ):
            clinic.put(item)
        ours.sync()
        clock = [ours.sides.clock()]
        given = {"auth": "open", "validation": "base", "database_url": ours.database.url, **given}
        services = assembly.build(settings.load({}, ehr_url=clinic.base, **given))
        opened.append(services)
        services = dataclasses.replace(services, clock=lambda: clock[0])
        sides = dataclasses.replace(ours.sides, clock=lambda: clock[0])
        made = Desk(create_app(services), dataclasses.replace(ours, sides=sides), clinic, clock)
        made.before = len(clinic.writes())
        return made

    yield desk
    for services in opened:
        services.database.close()


def test_nothing_goes_out_before_the_delay_is_over_and_then_it_does(desk_of: Any) -> None:
    desk = desk_of()
    desk.send("/tasks/t1", "/tasks/t1/move", to="on-hold", reason="missing-information")
    desk.push()
    desk.clock[0] += DELAY - 1
    desk.push()
    assert desk.writes() == []
    desk.clock[0] += 1
    desk.push()
    assert [(method, path) for method, path, _ in desk.writes()] == [("PUT", "/fhir/Task/t1")]
    assert desk.clinic.get("Task/t1")["status"] == "on-hold"


def test_a_newer_change_through_the_api_does_not_carry_it_out_early(desk_of: Any) -> None:
    desk = desk_of()
    desk.send("/tasks/t1", "/tasks/t1/move", to="on-hold", reason="missing-information")
    desk.ours.edit("Task", "t1", priority="urgent")
    desk.push()
    assert desk.writes() == []
    desk.clock[0] += DELAY
    desk.push()
    assert len(desk.writes()) == 1


def test_what_is_undone_in_time_never_reaches_the_ehr(desk_of: Any) -> None:
    desk = desk_of()
    after = desk.send("/tasks/t1", "/tasks/t1/move", to="on-hold", reason="missing-information")
    assert "undo=Task/" in after
    assert ">Undo</button>" in desk.client.get(CHART + after).get_data(as_text=True)
    where = desk.send(after, "/undo")
    assert "said=undone" in where
    assert desk.ours.get("Task", "t1")["status"] == "in-progress"
    desk.clock[0] += DELAY
    desk.push()
    assert "on-hold" not in {item["status"] for item in desk.clinic.history("Task")["t1"]}
    assert desk.clinic.get("Task/t1")["status"] == "in-progress"


def test_a_documented_call_that_is_undone_is_never_sent_and_its_receipt_says_so(desk_of: Any) -> None:
    desk = desk_of()
    after = desk.send(
        "/contacts/new?task=none", "/contacts/new", task="", how="reached", said="Wrong patient", sender="Patient/p1"
    )
    step = re.search(r"undo=Communication/([\w-]+):1", after)
    assert step
    assert "said=undone" in desk.send(after, "/undo")
    desk.clock[0] += DELAY
    desk.push()
    assert desk.writes() == []
    assert desk.ours.get("Communication", step[1])["status"] == "entered-in-error"
    assert {(item.state, item.route) for item in desk.ours.receipts("Communication", step[1])} == {
        ("sent", "withdrawn")
    }
    assert "Taken back before it was sent" in desk.client.get(CHART + "/sync").get_data(as_text=True)


def test_what_has_gone_out_is_not_undone_and_is_corrected_there_too(desk_of: Any) -> None:
    desk = desk_of()
    after = desk.send(
        "/contacts/new?task=none", "/contacts/new", task="", how="reached", said="Wrong", sender="Patient/p1"
    )
    values = desk.form(after, "/undo")
    desk.clock[0] += DELAY
    desk.push()
    assert len(desk.writes()) == 1
    answer = desk.client.post(CHART + "/undo", data=values)
    assert "said=not_undone_sent" in answer.headers["Location"]
    assert ">Undo</button>" not in desk.client.get(CHART + after).get_data(as_text=True)
    call = re.search(r"undo=Communication/([\w-]+):1", after)[1]  # type: ignore[index]
    desk.send(f"/contacts/{call}/correct", f"/contacts/{call}/correct", act="never", why="Another patient")
    desk.clock[0] += DELAY
    desk.push()
    (there,) = desk.clinic.all("Communication")
    assert there["status"] == "entered-in-error"


def test_what_somebody_changed_since_is_not_undone(desk_of: Any) -> None:
    desk = desk_of()
    after = desk.send("/tasks/t1", "/tasks/t1/move", to="on-hold", reason="missing-information")
    values = desk.form(after, "/undo")
    desk.ours.edit("Task", "t1", priority="urgent")
    answer = desk.client.post(CHART + "/undo", data=values)
    assert "said=not_undone_newer" in answer.headers["Location"]
    assert desk.ours.get("Task", "t1")["status"] == "on-hold"


def test_the_delay_is_a_setting_and_none_at_all_sends_at_once_without_an_undo(desk_of: Any) -> None:
    desk = desk_of(outbound_delay=0)
    after = desk.send("/tasks/t1", "/tasks/t1/move", to="on-hold", reason="missing-information")
    assert ">Undo</button>" not in desk.client.get(CHART + after).get_data(as_text=True)
    desk.push()
    assert len(desk.writes()) == 1


def test_in_through_mode_a_write_waits_for_the_ehr_and_not_for_the_delay(desk_of: Any) -> None:
    desk = desk_of(write_mode="through")
    after = desk.send("/tasks/t1", "/tasks/t1/move", to="on-hold", reason="missing-information")
    assert desk.clinic.get("Task/t1")["status"] == "on-hold"
    assert ">Undo</button>" not in desk.client.get(CHART + after).get_data(as_text=True)


def test_a_sync_by_hand_sends_the_rest_at_once_and_waits_until_nothing_can_be_undone(desk_of: Any) -> None:
    desk = desk_of()
    desk.send("/tasks/t1", "/tasks/t1/move", to="on-hold", reason="missing-information")
    desk.ours.edit("CarePlan", "plan", title="Another title")
    waited: list[tuple[float, list[tuple[str, str, int]]]] = []

    def wait(seconds: float) -> None:
        waited.append((seconds, desk.writes()))
        desk.clock[0] += round(seconds * 1000)

    report = run_sync(desk.ours.sides, wait=wait)
    ((seconds, sent_before),) = waited
    assert seconds == DELAY / 1000
    assert [path for _, path, _ in sent_before] == ["/fhir/CarePlan/plan"]
    assert desk.clinic.get("Task/t1")["status"] == "on-hold"
    assert (report.agreed, report.undoable, report.waiting) == (True, 0, 0)


def test_what_is_undone_while_a_sync_by_hand_waits_never_reaches_the_ehr(desk_of: Any) -> None:
    desk = desk_of()
    after = desk.send("/tasks/t1", "/tasks/t1/move", to="on-hold", reason="missing-information")

    def wait(seconds: float) -> None:
        assert "said=undone" in desk.send(after, "/undo")
        desk.clock[0] += round(seconds * 1000)

    run_sync(desk.ours.sides, wait=wait)
    assert "on-hold" not in {item["status"] for item in desk.clinic.history("Task")["t1"]}


def test_a_sync_that_does_not_wait_says_what_can_still_be_undone(desk_of: Any) -> None:
    desk = desk_of(outbound_delay=3600)
    desk.send("/tasks/t1", "/tasks/t1/move", to="on-hold", reason="missing-information")
    waited: list[float] = []
    report = run_sync(desk.ours.sides, wait=waited.append)
    assert (waited, desk.writes()) == ([], [])
    assert (report.agreed, report.waiting, report.undoable) == (False, 1, 1)
    assert [text.startswith("Task/t1 can still be undone and is sent after 20") for text in report.reasons] == [True]
    assert "1 can still be undone and will be sent after that" in standing(report)


def test_a_sync_by_hand_tries_again_at_once_what_had_no_answer(desk_of: Any, door: Any, behind_door: Any) -> None:
    desk = desk_of(outbound_delay=0)
    desk.send("/tasks/t1", "/tasks/t1/move", to="on-hold", reason="missing-information")
    broken = dataclasses.replace(behind_door.sides, clock=lambda: desk.clock[0])
    door.fault = lambda method, _path: "503" if method == "PUT" else ""
    push(broken, Tally())
    assert [row.due > desk.clock[0] for row in desk.ours.waiting()] == [True]
    run_sync(desk.ours.sides)
    assert desk.clinic.get("Task/t1")["status"] == "on-hold"
