"""chart/care_plan_page: what the page says of a patient, from plain resources."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from fhirplan.chart.care_plan_page import World, build
from fhirplan.chart.words import words
from fhirplan.errors import Issue

CM = "http://fhirplan.dev/fhir/CodeSystem/"
PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "name": [{"use": "old", "text": "Old Name"}, {"use": "official", "given": ["Rosa"], "family": "O'Neil"}],
    "birthDate": "1954-06-04",
    "telecom": [{"system": "phone", "value": "312-555-0142"}],
}
PLAN = {
    "resourceType": "CarePlan",
    "id": "cp",
    "status": "active",
    "title": "Heart failure",
    "period": {"start": "2026-03-02"},
    "author": {"reference": "PractitionerRole/r"},
    "goal": [{"reference": "Goal/g"}],
    "careTeam": [{"reference": "CareTeam/ct"}],
}
WEIGHT = {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]}


def task(id_, status="accepted", end="2026-03-08T15:00:00-05:00", **more):
    return {
        "resourceType": "Task",
        "id": id_,
        "status": status,
        "description": f"Do {id_}",
        "basedOn": [{"reference": "CarePlan/cp"}],
        "owner": {"reference": "PractitionerRole/r"},
        "restriction": {"period": {"end": end}},
        **more,
    }


def world(*resources, sync=None):
    known = {f"{item['resourceType']}/{item['id']}": item for item in resources}
    now = datetime(2026, 3, 9, 13, 0, tzinfo=UTC)
    return World(known, sync or {}, now, ZoneInfo("America/Chicago"), words("en"), "Epic")


PEOPLE = (
    {
        "resourceType": "PractitionerRole",
        "id": "r",
        "practitioner": {"reference": "Practitioner/n"},
        "telecom": [{"system": "phone", "value": "312-555-0199"}],
    },
    {"resourceType": "Practitioner", "id": "n", "name": [{"text": "Nora Quist, RN"}]},
)


def test_the_gravest_overdue_task_comes_first_and_is_the_sentence():
    page = build(
        PATIENT,
        world(
            PLAN,
            *PEOPLE,
            task("later", end="2026-03-20"),
            task("old", end="2026-03-01"),
            task("grave", priority="urgent"),
        ),
    )
    assert [row.id for row in page.now] == ["grave", "old", "later"]
    assert page.urgent.sentence == "Do grave: overdue since Sun 8 Mar, 3:00 pm."
    assert page.urgent.tone == "danger"
    assert page.urgent.more == "1 more task needs you."


def test_when_nothing_is_late_the_page_says_so():
    page = build(PATIENT, world(PLAN, *PEOPLE, task("later", end="2026-03-20")))
    assert (page.urgent.sentence, page.urgent.tone) == ("Nothing is overdue.", "ok")


def test_people_are_called_by_name_through_their_role():
    team = {
        "resourceType": "CareTeam",
        "id": "ct",
        "participant": [
            {"role": [{"text": "Family doctor"}], "member": {"display": "Dr Osei"}, "period": {"end": "2026-01-01"}},
            {
                "role": [{"coding": [{"system": f"{CM}cm-care-team-role", "code": "case-manager", "display": "Lead"}]}],
                "member": {"reference": "PractitionerRole/r"},
            },
        ],
    }
    page = build(PATIENT, world(PLAN, *PEOPLE, team, task("one")))
    assert page.header.name == "Rosa O'Neil"
    assert page.header.age == "71 years"
    assert page.plan.lead == "Nora Quist, RN"
    assert page.now[0].owner == "Nora Quist, RN"
    assert [(one.name, one.lead, one.phone) for one in page.team] == [
        ("Nora Quist, RN", True, "312-555-0199"),
        ("Dr Osei", False, ""),
    ]


def test_a_goal_shows_its_target_and_newest_reading_with_the_digits_recorded():
    from decimal import Decimal

    goal = {
        "resourceType": "Goal",
        "id": "g",
        "lifecycleStatus": "active",
        "description": {"text": "Weight at or under 81 kg"},
        "target": [
            {
                "measure": WEIGHT,
                "detailQuantity": {"comparator": "<=", "value": Decimal("81.0"), "unit": "kg"},
                "dueDate": "2026-04-05",
            }
        ],
    }
    readings = [
        {
            "resourceType": "Observation",
            "id": f"o{day}",
            "code": WEIGHT,
            "effectiveDateTime": f"2026-03-0{day}T07:10:00-06:00",
            "valueQuantity": {"value": Decimal(value), "unit": "kg"},
        }
        for day, value in ((6, "84.2"), (7, "82.60"))
    ]
    page = build(PATIENT, world(PLAN, goal, *readings))
    assert page.goals[0].target == "Target: Body weight ≤\u00a081.0\u00a0kg"
    assert page.goals[0].last == "Last: 82.60\u00a0kg, Sat 7 Mar, 7:10 am"


def test_each_item_says_whether_the_ehr_has_it():
    page = build(
        PATIENT,
        world(
            PLAN,
            *PEOPLE,
            task("one"),
            task("two"),
            sync={"CarePlan/cp": "ok", "Task/one": "waiting", "Task/two": "conflict"},
        ),
    )
    assert page.plan.sync.text == "In step with Epic"
    assert {row.id: row.sync.text for row in page.now} == {
        "one": "Kept here; waiting for Epic",
        "two": "Changed on both sides",
    }
    assert page.sync.text == "2 items not yet in step with Epic"


def test_a_patient_without_a_plan_and_a_plan_with_holes_still_make_a_page():
    assert build(PATIENT, world()).plan is None
    bare = {"resourceType": "CarePlan", "id": "cp", "status": "odd", "goal": [{"reference": "Goal/missing"}]}
    page = build(
        {"resourceType": "Patient", "id": "p"}, world(bare, {**task("t"), "owner": {"reference": "Practitioner/gone"}})
    )
    assert page.header.name == "p"
    assert page.plan.status == "odd"
    assert page.now[0].owner == "Practitioner"
    assert page.goals == ()


def test_the_plan_that_is_asked_for_is_shown_and_the_others_are_named():
    other = {**PLAN, "id": "old", "status": "completed", "title": "Earlier"}
    assert build(PATIENT, world(PLAN, other)).plan.id == "cp"
    page = build(PATIENT, world(PLAN, other), "old")
    assert page.plan.id == "old"
    assert [plan.id for plan in page.other_plans] == ["cp"]


def test_a_task_that_nobody_has_taken_is_said_before_one_that_waits():
    free = {**task("free", end="2026-03-20"), "owner": None}
    held = task("held", "on-hold", end="2026-03-20")
    page = build(PATIENT, world(PLAN, *PEOPLE, free, held))
    assert (page.urgent.sentence, page.urgent.tone) == ("Nothing is overdue, but nobody has taken: Do free.", "warn")
    page = build(PATIENT, world(PLAN, *PEOPLE, held))
    assert (page.urgent.sentence, page.urgent.tone) == (
        "Nothing is overdue; 1 task waits for somebody: Do held.",
        "wait",
    )


def test_what_was_found_in_the_ehrs_copies_is_shown_errors_first_without_mere_notes():
    found = {
        "Task/t": (Issue("information", "informational", "A note."), Issue("warning", "invariant", "Better so.")),
        "CarePlan/cp": (Issue("error", "required", "No author.", rule="cm-cp-11"),),
    }
    made = replace(world(PLAN, *PEOPLE, task("t")), findings=found)
    assert [(line.what, line.text, line.detail) for line in build(PATIENT, made).findings] == [
        ("Heart failure", "An active plan needs somebody who answers for it.", ""),
        ("Do t", "The record does not hold together (invariant). Details for support are below.", "Better so."),
    ]


def test_a_sentence_ends_with_one_full_stop_in_spanish_too():
    made = replace(world(PLAN, *PEOPLE, task("t", end="2026-03-08T15:00:00-05:00")), words=words("es"))
    assert build(PATIENT, made).urgent.sentence == "Do t: con retraso desde el domingo 8 mar, 3:00 p. m."


def test_alerts_of_one_kind_say_which_task_each_is_about():
    def flag(id_, code, *details):
        return {
            "resourceType": "Flag",
            "id": id_,
            "status": "active",
            "code": {"coding": [{"system": CM + "cm-alert", "code": code}], "text": code},
            "period": {"start": "2026-03-08"},
            "extension": [
                {"url": "http://hl7.org/fhir/StructureDefinition/flag-detail", "valueReference": {"reference": detail}}
                for detail in details
            ],
        }

    page = build(
        "Patient/p",
        world(
            PATIENT,
            PLAN,
            task("call"),
            flag("f1", "late", "CarePlan/cp", "Task/call"),
            flag("f2", "late", "CarePlan/cp", "Task/of-somebody-else"),
            flag("f3", "risk"),
        ),
    )
    assert [alert.text for alert in page.alerts] == ["late: Do call", "late, since 8 Mar", "risk, since 8 Mar"]
