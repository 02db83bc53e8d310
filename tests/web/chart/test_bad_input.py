"""web/chart/*: what the pages show where the record is broken, incomplete or strange; each page still answers."""

import json
from pathlib import Path

import pytest

CM = "http://fhirplan.dev/fhir/CodeSystem/"
TABS = (
    "",
    "/tasks",
    "/tasks?view=board",
    "/goals",
    "/needs",
    "/team",
    "/contacts",
    "/changes",
    "/sync",
    "/transition",
    "/print",
)


def plan(**more):
    return {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "title": "Plan",
        "subject": {"reference": "Patient/p"},
        "period": {"start": "2026-01-01"},
        **more,
    }


def task(id_="t", **more):
    return {
        "resourceType": "Task",
        "id": id_,
        "status": "requested",
        "intent": "order",
        "code": {"text": f"Task {id_}"},
        "for": {"reference": "Patient/p"},
        "basedOn": [{"reference": "CarePlan/plan"}],
        **more,
    }


@pytest.fixture
def chart(api):
    """Stores resources beside a patient and gives the text of a page."""

    def make(*resources, patient=None):
        everything = [{"resourceType": "Patient", "id": "p", "name": [{"text": "Ana"}], **(patient or {})}, *resources]
        for item in everything:
            assert api.put(item).status_code in (200, 201), api.put(item).get_data(as_text=True)

        def see(path="", status=200):
            answer = api.client.get(f"/chart/patients/p{path}")
            assert answer.status_code == status, path
            return answer.get_data(as_text=True)

        for tab in TABS:
            see(tab)
        return see

    return make


def test_a_plan_with_a_missing_goal_says_that_it_is_missing(chart):
    see = chart(plan(goal=[{"reference": "Goal/gone"}], careTeam=[{"reference": "CareTeam/gone"}]))
    assert "1 goal of this plan is not here" in see()
    assert "The care team of this plan is not here" in see()


def test_a_task_whose_owner_was_deleted_is_shown_and_told(chart, api):
    api.put({"resourceType": "Practitioner", "id": "n", "name": [{"text": "Nora"}]})
    see = chart(plan(), task(owner={"reference": "Practitioner/n"}))
    assert "Nora" in see("/tasks")
    api.delete("Practitioner/n")
    text = see()
    assert "Task t" in text
    assert "1 task belongs to somebody who is not recorded here" in text


def test_a_goal_of_text_alone_has_no_plot_and_no_form_for_readings(chart):
    goal = {
        "resourceType": "Goal",
        "id": "g",
        "lifecycleStatus": "active",
        "description": {"text": "Feel less alone"},
        "subject": {"reference": "Patient/p"},
    }
    see = chart(plan(goal=[{"reference": "Goal/g"}]), goal)
    text = see("/goals/g")
    assert "Feel less alone" in text
    assert 'class="plot"' not in text
    assert "/reading" not in text


def test_dates_without_a_day_are_shown_with_the_precision_they_have(chart):
    goal = {
        "resourceType": "Goal",
        "id": "g",
        "lifecycleStatus": "active",
        "description": {"text": "Walk"},
        "subject": {"reference": "Patient/p"},
        "startDate": "2026",
        "target": [{"dueDate": "2027-03"}],
    }
    see = chart(
        plan(goal=[{"reference": "Goal/g"}], period={"start": "2026-01"}),
        goal,
        task(restriction={"period": {"end": "2027"}}),
        {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p"}, "onsetDateTime": "2025"},
        patient={"birthDate": "1950"},
    )
    assert "since Jan 2026" in see()
    assert "due" in see("/goals/g")


def test_a_plan_of_400_tasks_is_shown_and_its_overview_stays_small(chart):
    see = chart(plan(), *(task(f"t{number}", restriction={"period": {"end": "2026-01-01"}}) for number in range(400)))
    text = see()
    assert "400 open tasks" in text
    assert len(text) < 100_000
    assert see("/tasks").count('<li class="task') == 400


@pytest.mark.parametrize("name", ["سارة العلي", "O'Neil-D'Arcy", "<b>Bold</b> & Co", "李小龍"])
def test_any_name_is_shown_as_it_is_written(chart, name):
    from markupsafe import escape

    see = chart(plan(), patient={"name": [{"text": name}]})
    assert f"<h1>{escape(name)}</h1>" in see()
    assert str(escape(name)) in see("/print")


def test_narrative_script_and_texts_of_a_record_never_become_markup(chart):
    script = "<script>alert(1)</script>"
    see = chart(
        plan(title=script, text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}),
        task(description=script, note=[{"text": script}], code={"text": script}),
        {
            "resourceType": "Communication",
            "id": "c",
            "status": "completed",
            "subject": {"reference": "Patient/p"},
            "payload": [{"contentString": script}],
        },
    )
    for path in (*TABS, "/tasks/t", "/contacts/new", "/compare?from=2020-01-01"):
        assert "<script>alert" not in see(path), path


def test_a_clock_an_hour_ahead_elsewhere_is_no_harm(chart, api):
    from datetime import UTC, datetime, timedelta

    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
    see = chart(
        plan(),
        task(authoredOn=ahead, lastModified=ahead),
        {
            "resourceType": "Communication",
            "id": "c",
            "status": "completed",
            "subject": {"reference": "Patient/p"},
            "sent": ahead,
        },
    )
    assert "Task t" in see("/tasks")
    assert see("/contacts")


def test_when_the_ehr_is_down_the_page_says_what_waits_for_it(configured):
    api = configured(ehr_url="http://127.0.0.1:9/fhir", ehr_label="Epic")
    for item in ({"resourceType": "Patient", "id": "p"}, plan(), task()):
        assert api.put(item).status_code == 201
    text = api.client.get("/chart/patients/p").get_data(as_text=True)
    assert "Kept here; waiting for Epic" in text
    assert "items not yet in step with Epic" in text
    assert api.client.get("/chart/patients/p/sync").status_code == 200


def test_nonsense_in_an_address_is_no_error_of_ours(chart):
    see = chart(plan(), task())
    for path in (
        "?plan=%00",
        "?as-of=yesterday",
        "/tasks?state=odd&owner='",
        "/compare?from=2026-02-31&to=x",
        "/print?lang=xx",
    ):
        see(path)
    for path in ("/tasks/none", "/goals/none"):
        see(path, 404)
    assert "Nothing is stored" in see("?as-of=1999-01-01", 404)


def test_references_that_lead_in_a_circle_or_nowhere_are_no_harm(chart):
    see = chart(
        plan(author={"reference": "Practitioner/none"}, addresses=[{"reference": "Condition/none"}]),
        task("a", partOf=[{"reference": "Task/b"}]),
        task("b", partOf=[{"reference": "Task/a"}], owner={"display": "The neighbor"}),
    )
    assert "The neighbor" in see("/tasks")


def test_every_sample_patient_has_every_page(api):
    bundles = Path(__file__).resolve().parents[3] / "fixtures" / "bundles"
    for path in sorted(bundles.glob("*.json")):
        text = path.read_text(encoding="utf-8")
        assert api.send("POST", "", text).status_code == 200
        patient = next(
            item["resource"]["id"]
            for item in json.loads(text)["entry"]
            if item["resource"]["resourceType"] == "Patient"
        )
        for tab in TABS:
            for language in ("en", "es"):
                answer = api.client.get(f"/chart/patients/{patient}{tab}", headers={"Accept-Language": language})
                assert answer.status_code == 200, (path.name, tab)
