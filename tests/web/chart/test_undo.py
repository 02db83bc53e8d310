"""web/chart/undo: what a nurse takes back and corrects; the machines are obeyed and nothing is ever removed."""

import re

from tests.web.chart.test_writes import code_of


def made(where):
    """The ids of what a save wrote, by type."""
    found = re.search(r"undo=([^&#]+)", where)
    return dict(step.partition(":")[0].split("/") for step in found[1].split(",")) if found else {}


def call(nurse, **typed):
    values = nurse.fill("/contacts/new", "/contacts/new", how="reached", said="Weight 81.6", minutes="5")
    return nurse.send("/contacts/new", {**values, **typed})


def undo(nurse, where):
    return nurse.send("/undo", nurse.fill(where, "/undo"))


def test_a_call_is_undone_with_the_task_that_it_finished(nurse):
    before = nurse.stored("Task/task-call48")
    where = call(nurse)
    assert "said=undone" in undo(nurse, where)
    task = nurse.stored("Task/task-call48")
    # From completed the machine leads back to in-progress only (guide 3.1).
    assert task["status"] == "in-progress"
    assert "output" not in task
    assert task["restriction"] == before["restriction"]
    assert nurse.stored(f"Communication/{made(where)['Communication']}")["status"] == "entered-in-error"
    assert "Weight 81.6" not in nurse.see("/contacts")
    assert nurse.stored("Task/task-call48/_history")["total"] == 3


def test_an_edit_is_undone_as_it_was(nurse):
    before = nurse.stored("Task/task-call48")
    values = nurse.fill("/tasks/task-call48", "/tasks/task-call48/edit", due="2026-03-12", priority="routine")
    undo(nurse, nurse.send("/tasks/task-call48/edit", values))
    after = nurse.stored("Task/task-call48")
    for item in (before, after):
        item.pop("meta")
        item.pop("lastModified")
    assert after == before


def test_a_new_goal_a_reading_and_a_task_that_are_undone_are_marked_as_mistakes(nurse):
    values = nurse.fill("/goals/new", "/goals/new", words="Walk", domain="functional", due="2026-04-01")
    where = nurse.send("/goals/new", values)
    undo(nurse, where)
    goal = made(where)["Goal"]
    assert nurse.stored(f"Goal/{goal}")["lifecycleStatus"] == "entered-in-error"
    assert f"Goal/{goal}" not in str(nurse.stored("CarePlan/cp-hf-1")["goal"])
    values = nurse.fill("/tasks/new", "/tasks/new", kind="contact-patient", due="2026-03-20")
    where = nurse.send("/tasks/new", values)
    undo(nurse, where)
    assert nurse.stored(f"Task/{made(where)['Task']}")["status"] == "entered-in-error"


def test_what_no_legal_move_leads_back_from_is_not_offered_to_be_undone(nurse):
    values = nurse.fill("/tasks/task-call48", "/tasks/task-call48/move")
    where = nurse.send("/tasks/task-call48/move", {**values, "to": "cancelled", "reason": "ineligible"})
    assert "undo=" not in where
    assert ">Undo</button>" not in nurse.see(where)


def test_undo_is_offered_for_ten_minutes_and_never_by_a_made_up_address(nurse):
    where = call(nurse)
    assert ">Undo</button>" in nurse.see(where)
    for steps in ("Task/task-call48:1", "Task/task-call48:9", "Task/none:1", "x", "Task/task-call48:1,", ""):
        assert ">Undo</button>" not in nurse.see(f"/tasks?undo={steps}")
    values = nurse.fill(where, "/undo")
    assert "said=not_undone_newer" in nurse.send("/undo", {**values, "undo": "Task/task-call48:1"})
    assert "said=not_undone_newer" in nurse.send("/undo", {**values, "undo": "nonsense"})
    assert nurse.stored("Task/task-call48")["status"] == "completed"


def test_undo_leads_back_to_no_page_but_ours(nurse):
    values = {**nurse.fill(call(nurse), "/undo"), "back": "//evil.example/x"}
    assert nurse.send("/undo", values).startswith("/chart/patients/pat-hf?")


def test_a_documented_call_is_corrected_and_keeps_its_task_done(nurse):
    wrong = made(call(nurse))["Communication"]
    page = f"/contacts/{wrong}/correct"
    values = nurse.fill(page, page, said="Weight 81.9")
    assert (values["how"], values["minutes"], values["medium"]) == ("reached", "5", "PHONE")
    nurse.send(page, values)
    assert nurse.stored(f"Communication/{wrong}")["status"] == "entered-in-error"
    task = nurse.stored("Task/task-call48")
    assert task["status"] == "completed"
    result = {code_of(item["type"]): item for item in task["output"]}["resulting-activity"]
    right = nurse.stored(result["valueReference"]["reference"])
    assert right["id"] != wrong
    assert right["payload"][0]["contentString"] == "Weight 81.9"
    assert {item["reference"] for item in right["basedOn"]} == {"Task/task-call48", "CarePlan/cp-hf-1"}
    assert "marked as entered by mistake" in nurse.see(page)


def test_a_call_corrected_to_an_attempt_takes_its_task_up_again(nurse):
    wrong = made(call(nurse))["Communication"]
    page = f"/contacts/{wrong}/correct"
    nurse.send(page, nurse.fill(page, page, how="no-answer"))
    task = nurse.stored("Task/task-call48")
    assert task["status"] == "in-progress"
    assert wrong not in str(task.get("output"))
    assert "end" not in task["executionPeriod"]


def test_a_call_that_never_was_needs_a_reason_and_takes_its_task_up_again(nurse):
    wrong = made(call(nurse))["Communication"]
    page = f"/contacts/{wrong}/correct"
    values = nurse.fill(page, page, form=1, act="never")
    assert "Say what was wrong." in nurse.send(page, {**values, "why": " "}, 422)
    nurse.send(page, {**values, "why": "It was her neighbour"})
    found = nurse.stored(f"Communication/{wrong}")
    assert found["status"] == "entered-in-error"
    assert found["note"][-1]["text"] == "It was her neighbour"
    assert nurse.stored("Task/task-call48")["status"] == "in-progress"


def test_a_correction_of_what_changed_meanwhile_is_stale_and_keeps_what_was_typed(nurse):
    wrong = made(call(nurse))["Communication"]
    page = f"/contacts/{wrong}/correct"
    values = nurse.fill(page, page, said="Typed for a while")
    stored = nurse.stored(f"Communication/{wrong}")
    assert nurse.api.put({**stored, "note": [{"text": "Else"}]}).status_code == 200
    text = nurse.send(page, values, 412)
    assert "Typed for a while</textarea>" in text


def test_a_completed_task_is_taken_up_again_or_marked_as_a_mistake(nurse):
    call(nurse)
    page = "/tasks/task-call48/correct"
    assert "Correct this entry" in nurse.see("/tasks/task-call48")
    values = nurse.fill(page, page)
    assert "Say what was wrong." in nurse.send(page, {**values, "act": "reopen"}, 422)
    nurse.send(page, {**values, "act": "reopen", "why": "Another patient's call"})
    task = nurse.stored("Task/task-call48")
    assert (task["status"], task["note"][-1]["text"]) == ("in-progress", "Another patient's call")
    nurse.send(page, {**nurse.fill(page, page), "act": "mistake", "why": "Not hers"})
    assert nurse.stored("Task/task-call48")["status"] == "entered-in-error"
    assert "marked as entered by mistake" in nurse.see(page)


def test_a_wrong_measurement_is_replaced_by_the_right_one(nurse):
    goal = "/goals/goal-weight"
    values = nurse.fill(goal, f"{goal}/reading", value="826")
    wrong = made(nurse.send(f"{goal}/reading", values))["Observation"]
    page = f"{goal}/readings/{wrong}"
    assert page in nurse.see(goal)
    values = nurse.fill(page, page)
    nurse.send(page, values, 422)
    where = nurse.send(page, {**values, "value": "82.6", "why": "Comma forgotten"})
    assert nurse.stored(f"Observation/{wrong}")["status"] == "entered-in-error"
    right = nurse.stored(f"Observation/{next(one for kind, one in _all(where) if one != wrong)}")
    assert right["valueQuantity"]["value"] == 82.6
    text = nurse.see(goal)
    assert "82.6" in text
    assert "826" not in text


def _all(where):
    return [step.partition(":")[0].split("/") for step in re.search(r"undo=([^&#]+)", where)[1].split(",")]
