"""coordination/alerts: raised when the guide says so, once, and cleared when over (section 4.5)."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fhirplan.coordination.alerts import KINDS, alerts, flag_changes
from fhirplan.coordination.state import state
from fhirplan.coordination.world import MemoryWorld
from fhirplan.validation import Validator

DEVICE = "Device/fhirplan"
# What the scenarios say of each bundle, and what follows from the same rules besides.
WANTED = {
    "b01-hf-home-health": ["high-readmission-risk/risk-hf", "urgent-task-overdue/task-hh"],
    "b02-copd-housing": ["service-blocked/b02-t-house2"],
    "b03-hip-snf": ["urgent-task-overdue/b03-t-ack"],
    "b04-pregnancy-mco": [
        "goal-off-track/b04-g-visits",
        "no-recent-contact/b04-cp",
        "service-blocked/b04-t-doula",
        "service-blocked/b04-t-ride",
        "unable-to-reach/b04-t-reach",
        "urgent-task-overdue/b04-t-reach",
    ],
    "b05-workers-comp": [],
    "b06-hospice": [],
    "b07-peds-asthma": ["service-blocked/b07-t-home"],
    "b08-dual-ltc": ["goal-off-track/b08-g-safe", "service-blocked/b08-t-bed"],
    "b09-dialysis": ["service-blocked/b09-t-tx"],
    "b10-bh-sud": ["consent-expiring/b10-consent-p2", "urgent-task-overdue/b10-t-consent"],
    "b11-oncology": ["sync-conflict/b11-g-nausea"],
    "b12-stroke-readmit": ["high-readmission-risk/b12-risk", "readmitted/b12-enc-readmit"],
}


@pytest.fixture(scope="module")
def validator():
    return Validator.load(Path(__file__).parents[2] / "profiles")


def of(scenario, resources, conflicts=(), shift=timedelta(0)):
    world = MemoryWorld(resources)
    now, zone = datetime.fromisoformat(scenario["now"]) + shift, ZoneInfo(scenario["timeZone"])
    found = state(world, world.get(scenario["plan"]), now, zone)
    return world, found, alerts(world, found, now, zone, conflicts=conflicts), now


def conflicts_of(scenario):
    return ["Goal/b11-g-nausea"] if scenario["id"].startswith("b11") else []


def test_each_bundle_raises_its_alerts(scenario, resources):
    _, _, found, _ = of(scenario, resources, conflicts_of(scenario))
    assert [f"{item.code}/{item.item.partition('/')[2]}" for item in found] == WANTED[scenario["id"]]


def test_the_stored_flags_stand_and_the_rest_is_raised_once(scenario, resources):
    world, found, wanted, now = of(scenario, resources, conflicts_of(scenario))
    stored = list(world.of_patient(found.patient, "Flag"))
    first = flag_changes(found, wanted, stored, now, DEVICE)
    assert first.cleared == ()
    written = [{**flag, "id": f"new-{index}"} for index, flag in enumerate(first.raised)]
    again = flag_changes(found, wanted, [*stored, *written], now, DEVICE)
    assert (again.raised, again.cleared) == ((), ())
    values = [flag["identifier"][0]["value"] for flag in [*first.raised, *stored] if "identifier" in flag]
    assert len(values) == len(set(values))


def test_every_flag_raised_is_valid_and_so_is_every_one_cleared(scenario, resources, validator):
    _, found, wanted, now = of(scenario, resources, conflicts_of(scenario))
    raised = [{**flag, "id": f"new-{i}"} for i, flag in enumerate(flag_changes(found, wanted, [], now, DEVICE).raised)]
    assert len(raised) == len(WANTED[scenario["id"]])
    cleared = flag_changes(found, [], raised, now + timedelta(hours=1), DEVICE).cleared
    assert len(cleared) == len(raised)
    for flag in [*raised, *cleared]:
        assert [item for item in validator.validate(flag) if item.severity != "information"] == []


def test_a_flag_set_by_hand_is_never_cleared_and_not_doubled(bundles):
    scenario = {"now": "2026-10-05T09:00:00-04:00", "timeZone": "America/New_York", "plan": "CarePlan/b08-cp"}
    world, found, wanted, now = of(scenario, bundles["b08-dual-ltc"])
    stored = list(world.of_patient(found.patient, "Flag"))
    assert [item.code for item in wanted if item.code == "safety-concern"] == []
    assert flag_changes(found, wanted, stored, now, DEVICE).cleared == ()


def test_service_blocked_waits_48_hours(bundles):
    scenario = {"now": "2026-03-09T08:00:00-05:00", "timeZone": "America/Chicago", "plan": "CarePlan/cp-hf-1"}
    before = of(scenario, bundles["b01-hf-home-health"])[2]
    after = of(scenario, bundles["b01-hf-home-health"], shift=timedelta(hours=48))[2]
    assert "service-blocked" not in {item.code for item in before}
    assert "service-blocked" in {item.code for item in after}


def test_the_call_after_discharge_is_due_at_the_end_of_the_second_business_day(bundles):
    """Discharged on a Friday; the weekend and the change of the clocks lie between."""
    scenario = {"timeZone": "America/Chicago", "plan": "CarePlan/cp-hf-1"}
    codes = {}
    for now in ("2026-03-10T23:59:59-05:00", "2026-03-11T00:00:00-05:00"):
        codes[now] = {item.code for item in of({**scenario, "now": now}, bundles["b01-hf-home-health"])[2]}
    assert "overdue-post-discharge-contact" not in codes["2026-03-10T23:59:59-05:00"]
    assert "overdue-post-discharge-contact" in codes["2026-03-11T00:00:00-05:00"]


def communication(id_, when, outcome, based="Task/task-call48"):
    code = {"system": "http://fhirplan.dev/fhir/CodeSystem/cm-contact-outcome", "code": outcome}
    return {
        "resourceType": "Communication",
        "id": id_,
        "status": "completed" if outcome in ("reached", "left-message") else "not-done",
        "subject": {"reference": "Patient/pat-hf"},
        "basedOn": [{"reference": based}],
        "sent": when,
        "extension": [
            {
                "url": "http://fhirplan.dev/fhir/StructureDefinition/cm-contact-outcome",
                "valueCodeableConcept": {"coding": [code]},
            }
        ],
    }


@pytest.mark.parametrize(
    ("tried", "overdue"),
    [
        ([], True),
        ([("2026-03-09T10:00:00-05:00", "reached")], False),
        # The bundle has one attempt in the window; a second one clears the alert, one after the window does not.
        ([("2026-03-10T10:00:00-05:00", "no-answer")], False),
        ([("2026-03-11T07:00:00-05:00", "no-answer")], True),
    ],
)
def test_contact_or_two_attempts_in_the_window_clear_the_alert(bundles, tried, overdue):
    scenario = {"now": "2026-03-11T08:00:00-05:00", "timeZone": "America/Chicago", "plan": "CarePlan/cp-hf-1"}
    more = [communication(f"x{index}", *item) for index, item in enumerate(tried)]
    found = of(scenario, [*bundles["b01-hf-home-health"], *more])[2]
    assert ("overdue-post-discharge-contact" in {item.code for item in found}) == overdue


@pytest.mark.parametrize(("status", "overdue"), [("accepted", True), ("completed", False)])
def test_the_visit_is_overdue_until_it_is_completed(bundles, status, overdue):
    scenario = {"now": "2026-03-14T08:00:00-05:00", "timeZone": "America/Chicago", "plan": "CarePlan/cp-hf-1"}
    changed = [
        {**item, "status": status} if item["id"] == "task-visit7" else item for item in bundles["b01-hf-home-health"]
    ]
    assert ("overdue-follow-up-visit" in {item.code for item in of(scenario, changed)[2]}) == overdue


def test_a_plan_that_has_ended_calls_for_nothing_and_its_flags_are_cleared(bundles):
    scenario = {"now": "2026-04-20T10:00:00-05:00", "timeZone": "America/Chicago", "plan": "CarePlan/b04-cp"}
    ended = [
        {**item, "status": "completed"} if item["id"] == "b04-cp" else item for item in bundles["b04-pregnancy-mco"]
    ]
    world, found, wanted, now = of(scenario, ended)
    assert wanted == ()
    changes = flag_changes(found, wanted, world.of_patient(found.patient, "Flag"), now, DEVICE)
    assert [item["id"] for item in changes.cleared] == ["b04-flag-reach"]
    assert changes.cleared[0]["period"]["end"] == "2026-04-20T10:00:00-05:00"


def test_a_lead_who_has_left_raises_an_alert(bundles):
    scenario = {"now": "2026-06-10T09:00:00-04:00", "timeZone": "America/New_York", "plan": "CarePlan/b05-cp"}
    assert of(scenario, bundles["b05-workers-comp"])[2] == ()
    left = []
    for item in bundles["b05-workers-comp"]:
        if item["resourceType"] == "CareTeam":
            people = [{**one, "period": {"end": "2026-06-09"}} for one in item["participant"]]
            item = {**item, "participant": people}
        left.append(item)
    assert [item.code for item in of(scenario, left)[2]] == ["no-lead-case-manager"]


def test_an_active_need_about_safety_raises_an_alert(bundles):
    scenario = {"now": "2026-06-10T09:00:00-04:00", "timeZone": "America/New_York", "plan": "CarePlan/b05-cp"}
    domain = {"system": "http://fhirplan.dev/fhir/CodeSystem/cm-need-domain", "code": "safety-violence"}
    for clinical, wanted in (("active", ["safety-concern"]), ("resolved", [])):
        need = {
            "resourceType": "Condition",
            "id": "need",
            "subject": {"reference": "Patient/b05-pat"},
            "clinicalStatus": {"coding": [{"code": clinical}]},
            "category": [{"coding": [domain]}],
        }
        assert [item.code for item in of(scenario, [*bundles["b05-workers-comp"], need])[2]] == wanted


def test_every_alert_of_the_guide_is_known():

    system = Path(__file__).parents[2] / "profiles" / "codesystems" / "CodeSystem-cm-alert.json"
    said = {
        one["code"]: (one["display"], next(p.get("valueCode") for p in one["property"] if p["code"] == "flagCategory"))
        for one in json.loads(system.read_text())["concept"]
    }
    assert said == KINDS
