"""web/chart/*: what a nurse does on the pages, as a browser without script sends it."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

BUNDLE = Path(__file__).resolve().parents[3] / "fixtures" / "bundles" / "b01-hf-home-health.json"
CHART = "/chart/patients/pat-hf"
NOW = int(datetime(2026, 3, 9, 13, 0, tzinfo=UTC).timestamp() * 1000)


def code_of(concept):
    return concept["coding"][0]["code"]


def test_a_call_that_reached_the_patient_finishes_its_task_in_one_save(nurse):
    values = nurse.fill("/contacts/new", "/contacts/new", how="reached", said="Weight is 81.6, no swelling.")
    assert values["task"] == "task-call48"
    nurse.send("/contacts/new", values)
    task = nurse.stored("Task/task-call48")
    assert task["status"] == "completed"
    results = {code_of(item["type"]): item for item in task["output"]}
    made = results["resulting-activity"]["valueReference"]["reference"]
    call = nurse.stored(made)
    assert call["status"] == "completed"
    assert call["payload"][0]["contentString"] == "Weight is 81.6, no swelling."
    assert {item["reference"] for item in call["basedOn"]} == {"Task/task-call48", "CarePlan/cp-hf-1"}
    assert call["sender"]["reference"] == "PractitionerRole/role-ncm"
    assert "The call is documented" in nurse.see("/contacts?said=call")


def test_no_answer_leaves_the_task_under_way_and_due_on_the_next_workday(nurse):
    values = nurse.fill("/contacts/new", "/contacts/new", how="no-answer", said="Rang eight times.")
    nurse.send("/contacts/new", values)
    task = nurse.stored("Task/task-call48")
    assert task["status"] == "in-progress"
    assert code_of(task["businessStatus"]) == "contact-attempted"
    assert task["restriction"]["period"]["end"].startswith("2026-03-10T23:59:59")
    assert "2 tries, not reached" in nurse.see("/tasks/task-call48")


def test_an_attempt_does_not_complete_the_task_and_says_so_beside_the_field(nurse):
    values = nurse.fill("/contacts/new", "/contacts/new", how="no-answer", said="Kept", next="done")
    text = nurse.send("/contacts/new", values, 422)
    assert text.count("An attempt does not complete this task.") == 2
    assert ">Kept</textarea>" in text
    assert nurse.stored("Task/task-call48")["status"] == "accepted"


@pytest.mark.parametrize(
    "forged", [{"topic": "gossip"}, {"recipient": "Patient/other"}, {"next": "whatever"}, {"how": "telepathy"}]
)
def test_a_call_with_a_choice_that_is_not_offered_is_refused_at_its_place_and_keeps_what_was_typed(nurse, forged):
    values = nurse.fill("/contacts/new", "/contacts/new", how="reached", said="Typed with care")
    text = nurse.send("/contacts/new", {**values, **forged}, 422)
    assert f'id="call-{next(iter(forged))}-wrong"' in text
    assert ">Typed with care</textarea>" in text
    assert nurse.stored("Task/task-call48")["status"] == "accepted"


@pytest.mark.parametrize(
    ("to", "forged"),
    [
        ("completed", {"outcome": "magic"}),
        ("on-hold", {"reason": "magic"}),
        ("on-hold", {"reason": "missing-information", "barrier": "Condition/elsewhere"}),
    ],
)
def test_a_move_with_a_choice_that_is_not_offered_is_refused_at_its_place(nurse, to, forged):
    values = nurse.fill("/tasks/task-call48", "/tasks/task-call48/move")
    text = nurse.send("/tasks/task-call48/move", {**values, "to": to, "note": "Typed with care", **forged}, 422)
    assert f'id="move-{list(forged)[-1]}-wrong"' in text
    assert "Choose one of the list." in text
    assert ">Typed with care</textarea>" in text
    assert nurse.stored("Task/task-call48")["status"] == "accepted"


def test_a_new_task_and_a_new_goal_name_only_what_is_there(nurse):
    task = nurse.fill("/tasks/new", "/tasks/new", kind="teach-self-care", title="Typed", due="2026-03-20")
    assert 'id="new-goal-wrong"' in nurse.send("/tasks/new", {**task, "goal": "Goal/elsewhere"}, 422)
    goal = nurse.fill("/goals/new", "/goals/new", words="Walk to church", due="2026-04-05")
    text = nurse.send("/goals/new", {**goal, "measure": "0000-0", "need": "Condition/elsewhere"}, 422)
    assert 'id="new-measure-wrong"' in text
    assert 'id="new-need-wrong"' in text
    assert "Walk to church" in text


def test_a_form_sent_twice_is_saved_once(nurse):
    values = nurse.fill("/contacts/new", "/contacts/new", how="left-message", said="Once")
    nurse.send("/contacts/new", values)
    nurse.send("/contacts/new", values)
    assert nurse.api.get("Communication?patient=pat-hf&_summary=count").get_json(force=True)["total"] == 5


def test_a_task_is_started_held_with_a_new_barrier_and_taken_up_again(nurse):
    values = nurse.fill("/tasks/task-call48", "/tasks/task-call48/move")
    nurse.send("/tasks/task-call48/move", {**values, "to": "in-progress"})
    assert nurse.stored("Task/task-call48")["executionPeriod"]["start"]
    values = nurse.fill("/tasks/task-call48", "/tasks/task-call48/move")
    held = {**values, "to": "on-hold", "reason": "missing-information", "new_barrier": "Phone cut off"}
    nurse.send("/tasks/task-call48/move", held)
    task = nurse.stored("Task/task-call48")
    blocker = next(item for item in task["extension"] if item["url"].endswith("cm-blocked-by"))
    barrier = nurse.stored(blocker["valueReference"]["reference"])
    assert barrier["code"]["text"] == "Phone cut off"
    assert "Blocked by: Phone cut off" in nurse.see("/tasks/task-call48")
    values = nurse.fill("/tasks/task-call48", "/tasks/task-call48/move")
    nurse.send("/tasks/task-call48/move", {**values, "to": "in-progress"})
    assert "statusReason" not in nurse.stored("Task/task-call48")


def test_a_hold_without_a_reason_is_refused_beside_its_field_and_keeps_the_note(nurse):
    values = nurse.fill("/tasks/task-hh", "/tasks/task-hh/move")
    text = nurse.send("/tasks/task-hh/move", {**values, "to": "on-hold", "note": "Waiting <for> the fax"}, 422)
    assert 'id="move-reason-wrong"' in text
    assert "Waiting &lt;for&gt; the fax" in text
    assert nurse.stored("Task/task-hh")["status"] == "accepted"


def test_what_the_rules_refuse_is_said_in_words(nurse):
    values = nurse.fill("/tasks/task-goalreview", "/tasks/task-goalreview/move")
    text = nurse.send("/tasks/task-goalreview/move", {**values, "to": "entered-nowhere"}, 422)
    assert "Not saved. Fix the points below." in text


def test_a_task_is_given_and_dated_and_an_older_page_is_told_what_changed(nurse):
    old = nurse.fill("/tasks/task-call48", "/tasks/task-call48/edit", due="2026-03-12", note="Mine")
    now = nurse.fill("/tasks/task-call48", "/tasks/task-call48/edit", due="2026-03-11")
    nurse.send("/tasks/task-call48/edit", now)
    assert nurse.stored("Task/task-call48")["restriction"]["period"]["end"].startswith("2026-03-11T23:59:59")
    text = nurse.send("/tasks/task-call48/edit", old, 412)
    assert "changed this while you were writing" in text
    assert ">Mine</textarea>" in text
    assert "12 Mar" in text
    etag = re.findall(r'name="etag" value="(\d+)"', text)
    again = {**old, "etag": etag[-1]}
    nurse.send("/tasks/task-call48/edit", again)
    assert nurse.stored("Task/task-call48")["restriction"]["period"]["end"].startswith("2026-03-12T23:59:59")


def test_a_new_task_a_new_goal_and_a_reading(nurse):
    values = nurse.fill("/tasks/new", "/tasks/new", kind="arrange-transport", due="tomorrow", owner="")
    nurse.send("/tasks/new", values)
    assert "Arrange transport" in nurse.see("/tasks")
    values = nurse.fill(
        "/goals/new",
        "/goals/new",
        words="I want to cook at Easter",
        domain="functional",
        due="5 Apr",
        measure="72514-3",
        high="3",
    )
    nurse.send("/goals/new", values)
    text = nurse.see("/goals")
    assert "I want to cook at Easter" in text
    values = nurse.fill("/goals/goal-weight", "/goals/goal-weight/reading", value="80,9")
    nurse.send("/goals/goal-weight/reading", values)
    assert "Last: 80.9" in nurse.see("/goals/goal-weight")
    found = nurse.api.get("Observation?patient=pat-hf&code=29463-7&_sort=-_lastUpdated&_count=1").get_json(force=True)
    assert found["entry"][0]["resource"]["valueQuantity"]["value"] == 80.9


def test_a_goal_without_a_date_or_a_subject_is_refused_with_each_field_named(nurse):
    values = nurse.fill("/goals/new", "/goals/new", words="Walk", due="someday")
    text = nurse.send("/goals/new", values, 422)
    assert 'id="new-due-wrong"' in text
    assert 'id="new-domain-wrong"' in text
    assert 'value="Walk"' in text


def test_a_goal_is_reviewed_and_closing_it_asks_what_was_achieved(nurse):
    values = nurse.fill(
        "/goals/goal-weight", "/goals/goal-weight/review", achievement="in-progress", lifecycle="completed"
    )
    text = nurse.send("/goals/goal-weight/review", values, 422)
    assert "A closed goal cannot still be in progress" in text
    values = nurse.fill(
        "/goals/goal-weight", "/goals/goal-weight/review", achievement="achieved", lifecycle="completed"
    )
    nurse.send("/goals/goal-weight/review", values)
    assert nurse.stored("Goal/goal-weight")["lifecycleStatus"] == "completed"


def test_the_stage_of_the_transition_moves(nurse):
    values = nurse.fill("/transition", "/tasks/task-transition/stage", stage="handoff-sent")
    nurse.send("/tasks/task-transition/stage", values)
    assert "Handoff sent, stage 6 of 10" in nurse.see("/transition")


def test_a_need_that_is_over_is_so(nurse):
    values = nurse.fill("/needs", "/needs/need-transport/resolve", note="Ana drives now")
    nurse.send("/needs/need-transport/resolve", values)
    assert code_of(nurse.stored("Condition/need-transport")["clinicalStatus"]) == "resolved"


def test_changes_are_listed_with_what_they_were_until_they_are_marked_as_seen(nurse):
    values = nurse.fill("/tasks/task-call48", "/tasks/task-call48/edit", priority="routine")
    nurse.send("/tasks/task-call48/edit", values)
    text = nurse.see("/changes")
    assert "priority: was urgent, now routine" in text
    values = nurse.fill("/changes", "/changes")
    nurse.send("/changes", values)
    assert "Nothing has changed since" in nurse.see("/changes")
    assert "priority: was urgent, now routine" in nurse.see("/changes?all=1")


def test_a_change_in_spanish_says_who_did_it_to_what(nurse):
    nurse.api.client.set_cookie("fhirplan_view", "es|light|America/Chicago|on", path="/chart")
    text = nurse.see("/changes?all=1")
    assert "· agregó · Tarea: <strong>" in text
    assert "Tarea agregó" not in text


def test_a_draft_comes_back_until_it_is_saved_or_discarded(nurse):
    values = nurse.fill("/contacts/new", "/contacts/new", said="Half a sent")
    nurse.send("/draft", values, 200)
    text = nurse.see("/contacts/new")
    assert ">Half a sent</textarea>" in text
    assert "Draft kept" in text
    values = nurse.fill("/contacts/new", "/contacts/new", how="reached", said="Half a sentence no more.")
    nurse.send("/contacts/new", values)
    assert "Half a sent" not in nurse.see("/contacts/new?task=task-call48")
    values = nurse.fill("/goals/new", "/goals/new", words="Unfinished")
    nurse.send("/draft", values, 200)
    assert 'value="Unfinished"' in nurse.see("/goals/new")
    nurse.send("/draft/discard", {**values, "back": f"{CHART}/goals/new"})
    assert 'value="Unfinished"' not in nurse.see("/goals/new")


@pytest.mark.parametrize("broken", [{"csrf": ""}, {"csrf": "00" * 32}, {"csrf": "zz"}])
def test_csrf_a_form_of_another_site_changes_nothing(nurse, broken):
    values = nurse.fill("/tasks/task-call48", "/tasks/task-call48/move")
    text = nurse.send("/tasks/task-call48/move", {**values, "to": "in-progress", **broken}, 403)
    assert "not sent from a page of this server" in text
    assert nurse.stored("Task/task-call48")["status"] == "accepted"


def test_a_form_that_the_browser_says_is_from_elsewhere_changes_nothing(nurse):
    values = nurse.fill("/tasks/task-call48", "/tasks/task-call48/move")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = nurse.api.client.post(
            f"{CHART}/tasks/task-call48/move", data={**values, "to": "ready"}, headers=headers
        )
        assert answer.status_code == 403


def test_the_plan_stands_as_it_was_on_another_day_and_cannot_be_changed_there(nurse):
    later = NOW + 3 * 86_400_000
    values = nurse.fill("/tasks/task-call48", "/tasks/task-call48/edit", priority="routine")
    nurse.api.app.view_functions  # noqa: B018 - the clock is the services', moved below
    nurse.send("/tasks/task-call48/edit", values)
    from dataclasses import replace

    from fhirplan.web.app import create_app

    services = replace(nurse.api.services, clock=lambda: later)
    client = create_app(services).test_client()
    text = client.get(f"{CHART}/tasks?as-of=2026-03-09").get_data(as_text=True)
    assert "nothing can be changed here" in text
    assert "/move" not in text
    assert client.get(f"{CHART}?as-of=2026-03-08").status_code == 404
    text = client.get(f"{CHART}/compare?from=2026-03-08&to=2026-03-12").get_data(as_text=True)
    assert "Call after discharge" in text or "task" in text.lower()


def test_the_leaflet_is_in_the_patients_language_and_plain(nurse):
    english = nurse.see("/print?lang=en")
    spanish = nurse.see("/print?lang=es")
    assert "What comes next" in english
    assert "Lo que sigue" in spanish
    assert 'lang="es"' in spanish
    for word in ("Task", "CarePlan", "FHIR", "cm-"):
        assert word not in re.sub(r"<[^>]*>", "", english)
    assert json.loads(BUNDLE.read_text(encoding="utf-8"))


def test_a_template_is_shown_before_it_is_applied_and_once_applied_adds_nothing_more(nurse):
    assert "cm-copd-discharge" in nurse.see("/templates")
    text = nurse.see("/templates/cm-copd-discharge?start=2026-03-06")
    assert "Nothing is saved yet" in text
    before = nurse.api.get("Task?patient=pat-hf&_summary=count").get_json(force=True)["total"]
    leave = re.search(r'name="leave" value="([^"]+)"', text)[1]
    values = nurse.fill("/templates/cm-copd-discharge?start=2026-03-06", "/templates/cm-copd-discharge")
    values.pop("leave", None)
    nurse.send("/templates/cm-copd-discharge", {**values, "leave": leave})
    after = nurse.api.get("Task?patient=pat-hf&_summary=count").get_json(force=True)["total"]
    assert after > before
    again = nurse.see("/templates/cm-copd-discharge?start=2026-03-06")
    assert re.findall(r'name="leave" value="([^"]+)"', again) == [leave]
    assert "This is no day" in nurse.see("/templates/cm-copd-discharge?start=whenever")
    nurse.see("/templates/none", 404)


def test_the_owner_of_each_task_is_chosen_before_a_template_is_applied(nurse):
    text = nurse.see("/templates/cm-copd-discharge?start=2026-03-06")
    offered = re.search(r'<select name="owner-inhaler".*?</select>', text)[0]
    assert "selected" not in offered
    assert "tasks without an owner" in text
    values = nurse.fill("/templates/cm-copd-discharge?start=2026-03-06", "/templates/cm-copd-discharge")
    values.pop("leave", None)
    whom = re.search(r'value="(PractitionerRole/[^"]+)"', offered)[1]
    nurse.send("/templates/cm-copd-discharge", {**values, "owner-inhaler": whom, "owner-actionplan": ""})
    found = nurse.api.get("Task?patient=pat-hf&_count=100").get_json(force=True)["entry"]
    made = {str(item["resource"].get("instantiatesUri", "")).rpartition("#")[2]: item["resource"] for item in found}
    assert made["inhaler"]["owner"]["reference"] == whom
    assert "owner" not in made["actionplan"]
    assert made["post-discharge-call"]["owner"]["reference"] == values["owner-post-discharge-call"]
