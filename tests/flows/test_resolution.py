"""A decision about a conflict: who took it and what came of it is kept, and only what they changed is judged."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fhirplan import assembly, settings
from fhirplan.errors import InvalidResource, Issue, NotPermitted
from fhirplan.store import versions
from fhirplan.store.sync import conflicts
from fhirplan.sync.resolve import Edited, Fields, resolve

NURSE = "Practitioner/nurse-7"
OTHER = "Practitioner/other"


def no_due_date(resource: dict[str, Any]) -> tuple[Issue, ...]:
    """A rule of ours: a goal has a due date."""
    if resource["resourceType"] != "Goal" or resource.get("target"):
        return ()
    return (Issue("error", "invariant", "A goal has a due date.", "Goal.target", rule="cm-gl-3"),)


def too_long(resource: dict[str, Any]) -> tuple[Issue, ...]:
    text = resource.get("description", {}).get("text", "")
    return (Issue("error", "invariant", "Shorter words.", "Goal.description"),) if len(text) > 20 else ()


@pytest.fixture
def torn(clinic: Any, ours: Any, make: Any) -> Any:
    """Our side with one conflict about a goal without a due date, which our API would refuse and the EHR's is not."""
    judged = dataclasses.replace(ours.sides, judge=lambda resource: (*no_due_date(resource), *too_long(resource)))
    ours = type(ours)(judged)
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    clinic.put(make.goal(text="The clinic's words"))
    ours.edit("Goal", "g1", description={"text": "Our words"})
    ours.sync()
    assert len(ours.conflicts()) == 1
    return ours


def decided(ours: Any, cid: int) -> conflicts.Collision:
    with ours.database.read() as tx:
        found = conflicts.get(tx, "default", cid)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("decision", "how", "text"),
    [
        ("ours", "ours", "Our words"),
        ("theirs", "theirs", "The clinic's words"),
        (Fields({"Goal.description": "theirs"}), "fields", "The clinic's words"),
        ("edited", "edited", "Both words"),
    ],
)
def test_who_decided_how_and_what_came_of_it_is_kept(
    decision: Any, how: str, text: str, torn: Any, clinic: Any, make: Any
) -> None:
    (known,) = torn.conflicts()
    resolve(torn.sides, known.cid, Edited(make.goal(text=text)) if decision == "edited" else decision, actor=NURSE)
    after = decided(torn, known.cid)
    assert (after.state, after.resolved_by, after.decision) == ("resolved", NURSE, how)
    with torn.database.read() as tx:
        current = versions.current(tx, "default", "Goal", "g1")
        assert current is not None
        row = tx._driver.execute(
            "SELECT actor, request_id FROM version WHERE rid = ? AND version = ?", (current.rid, after.decided_version)
        ).fetchone()
    assert after.decided_version == current.version
    if how != "ours":
        assert tuple(row) == (NURSE, f"conflict-{known.cid}")
    assert torn.sync().agreed
    assert clinic.get("Goal/g1")["description"]["text"] == text
    (told,) = clinic.all("Provenance")
    assert told["target"] == [{"reference": "Goal/g1"}]
    assert told["agent"][0]["who"]["display"] == NURSE
    assert told["activity"]["text"].endswith(how)


def test_a_rule_that_both_copies_break_already_is_no_reason_to_refuse_a_decision(torn: Any, clinic: Any) -> None:
    (known,) = torn.conflicts()
    resolve(torn.sides, known.cid, Fields({"Goal.description": "ours"}), actor=NURSE)
    assert torn.sync().agreed
    assert clinic.get("Goal/g1")["description"]["text"] == "Our words"


def test_what_the_person_wrote_is_judged_as_any_other_write(torn: Any, make: Any) -> None:
    (known,) = torn.conflicts()
    with pytest.raises(InvalidResource) as refused:
        resolve(torn.sides, known.cid, Edited(make.goal(text="Words without end and aim")), actor=NURSE)
    assert [issue.expression for issue in refused.value.issues] == ["Goal.description"]
    assert [item.cid for item in torn.conflicts()] == [known.cid]
    assert torn.get("Goal", "g1")["description"]["text"] == "Our words"


def test_a_resolution_may_mend_what_both_copies_break(torn: Any, clinic: Any, make: Any) -> None:
    (known,) = torn.conflicts()
    resolve(torn.sides, known.cid, Edited(make.goal(text="Mended", target=[{"dueDate": "2027-01-31"}])), actor=NURSE)
    assert torn.sync().agreed
    assert clinic.get("Goal/g1")["target"] == [{"dueDate": "2027-01-31"}]


@pytest.fixture
def disputed(clinic: Any, ours: Any, make: Any) -> Any:
    """Our side, under the coordination rules, with a conflict about a task of the nurse's that we began and the EHR
    put on hold."""
    services = assembly.build(settings.load({}, auth="open", database_url=ours.database.url))
    ours = type(ours)(dataclasses.replace(ours.sides, rules=services.rules))
    given = make.task(
        status="accepted", owner={"reference": NURSE}, requester={"reference": NURSE}, code={"text": "Arrange a ride"}
    )
    for name in ("nurse-7", "other"):
        clinic.put({"resourceType": "Practitioner", "id": name})
    clinic.put(make.patient())
    clinic.put(given)
    ours.sync()
    clinic.put({**given, "status": "on-hold", "statusReason": {"text": "No driver"}})
    ours.edit("Task", "t1", status="in-progress", executionPeriod={"start": "2026-03-01T08:00:00Z"})
    ours.sync()
    yield ours
    services.database.close()


def a_move_to(ours: Any, status: str) -> Edited:
    return Edited({**ours.get("Task", "t1"), "status": status, "statusReason": {"text": "Not needed"}})


def test_a_person_moves_no_task_by_settling_a_conflict_that_is_not_theirs_to_move(disputed: Any) -> None:
    (known,) = disputed.conflicts()
    with pytest.raises(NotPermitted) as refused:
        resolve(disputed.sides, known.cid, a_move_to(disputed, "cancelled"), actor=OTHER, person=OTHER)
    assert [issue.rule for issue in refused.value.issues] == ["cm-sm-task-who"]
    assert decided(disputed, known.cid).state == "open"
    assert disputed.get("Task", "t1")["status"] == "in-progress"
    resolve(disputed.sides, known.cid, a_move_to(disputed, "cancelled"), actor=NURSE, person=NURSE)
    assert disputed.get("Task", "t1")["status"] == "cancelled"


@pytest.mark.parametrize(
    ("decision", "status"),
    [
        ("theirs", "on-hold"),
        ("ours", "in-progress"),
        (Fields({"Task.status": "theirs"}), "on-hold"),
        (Fields({"Task.status": "ours"}), "in-progress"),
    ],
)
def test_the_status_of_either_copy_may_be_chosen_by_whoever_settles_it(
    disputed: Any, decision: Any, status: str
) -> None:
    (known,) = disputed.conflicts()
    resolve(disputed.sides, known.cid, decision, actor=OTHER, person=OTHER)
    assert disputed.get("Task", "t1")["status"] == status


def test_a_program_that_settles_a_conflict_is_not_held_to_it(disputed: Any) -> None:
    (known,) = disputed.conflicts()
    resolve(disputed.sides, known.cid, a_move_to(disputed, "cancelled"), actor="client hub")
    assert disputed.get("Task", "t1")["status"] == "cancelled"
