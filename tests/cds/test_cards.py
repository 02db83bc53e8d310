"""What the cards say, for the sample bundles at their fixed clocks."""

import copy
import json
from pathlib import Path

import pytest

from fhirplan.coordination.disclosure import sensitive
from fhirplan.store import versions
from fhirplan.store.commit import Change
from fhirplan.validation import Validator

FILE = Path(__file__).resolve().parents[2] / "fixtures" / "scenarios.json"
SCENARIOS = [item["id"] for item in json.loads(FILE.read_text(encoding="utf-8"))["scenarios"]]
HF = "b01-hf-home-health"
SUD = "b10-bh-sud"
DISCHARGE = {"context": {"encounterId": "enc-hf-ip"}}


def stored(there, type_, id_):
    with there.services.database.read() as tx:
        return copy.deepcopy(versions.current(tx, "default", type_, id_).resource())


def said(cards, words):
    return [card for card in cards if words in card["summary"]]


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != SUD])
def test_opening_a_chart_tells_what_the_coordination_state_says(ehr, scenarios, scenario):
    cards = ehr(scenario).cards("care-plan")
    state = scenarios[scenario]["expected"]
    late = [*said(cards, "Overdue: "), *said(cards, "tasks are overdue")]
    assert bool(late) == bool(state["overdueTasks"])
    assert bool(said(cards, "acknowledged")) == bool(state["unacknowledgedChanges"])


def test_the_gravest_card_comes_first_and_leads_into_the_chart(ehr):
    cards = ehr().cards("care-plan")
    order = [card["indicator"] for card in cards]
    assert order == sorted(order, key=["critical", "warning", "info"].index)
    assert cards[0]["detail"].startswith("- ")
    assert cards[0]["links"][0]["url"] == "http://127.0.0.1:8080/auth/launch"


def test_substance_use_records_are_in_no_card(ehr):
    there = ehr()
    held = stored(there, "Task", "task-hh")
    held["code"]["text"] = "Very Private Matter"
    there.write(Change("update", "Task", "task-hh", held))
    assert "Very Private Matter" in str(there.cards("care-plan"))
    held["meta"]["security"] = [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SUD"}]
    there.write(Change("update", "Task", "task-hh", held))
    assert "Very Private Matter" not in str(there.cards("care-plan"))


def test_the_labelled_tasks_of_a_sample_are_not_named(ehr, resources):
    labelled = [item["code"]["text"] for item in resources(SUD) if item["resourceType"] == "Task" and sensitive(item)]
    assert labelled
    shown = str(ehr(SUD).cards("care-plan"))
    assert [text for text in labelled if text in shown] == []


def test_a_plan_that_is_labelled_itself_has_no_cards_at_all(ehr):
    there = ehr()
    plan = stored(there, "CarePlan", "cp-hf-1")
    plan["meta"]["security"] = [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SUD"}]
    there.write(Change("update", "CarePlan", "cp-hf-1", plan))
    assert there.cards("care-plan") == []


def test_a_patient_who_is_not_known_has_no_cards(ehr):
    assert ehr().cards("care-plan", context={"patientId": "somebody-else"}) == []


def named(resources, type_, words=""):
    found = [item for item in resources(HF) if item["resourceType"] == type_ and words in str(item.get("code"))]
    assert found or type_ == "Appointment"
    return [f"{type_}/{item['id']}" for item in found]


def test_a_discharge_without_a_call_and_a_visit_offers_tasks_that_hold_the_profile(ehr, resources):
    without = [*named(resources, "Task", "post-discharge"), *named(resources, "Appointment")]
    cards = ehr(without=without).cards("care-plan-discharge", **DISCHARGE)
    offered = [card for card in cards if card.get("suggestions")]
    assert sorted(card["summary"].partition(" is planned")[0] for card in offered) == [
        "No follow-up call",
        "No follow-up visit",
    ]
    validator = Validator.load()
    for card in offered:
        made = copy.deepcopy(card["suggestions"][0]["actions"][0]["resource"])
        assert made["for"] == {"reference": "Patient/pat-hf"}
        assert made["encounter"] == {"reference": "Encounter/enc-hf-ip"}
        assert made["basedOn"] == [{"reference": "CarePlan/cp-hf-1"}]
        assert [issue.text for issue in validator.validate(made) if issue.is_error] == []


def test_a_discharge_with_both_planned_offers_none(ehr):
    appointment = {
        "resourceType": "Appointment",
        "id": "soon",
        "status": "booked",
        "start": "2026-03-12T10:00:00-05:00",
        "end": "2026-03-12T10:30:00-05:00",
        "participant": [{"actor": {"reference": "Patient/pat-hf"}, "status": "accepted"}],
    }
    cards = ehr(also=[appointment]).cards("care-plan-discharge", **DISCHARGE)
    assert [card["summary"] for card in cards if card.get("suggestions")] == []


def test_who_goes_to_a_nursing_facility_needs_no_call_from_us(ehr, resources):
    system = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
    sent = {
        "resourceType": "Encounter",
        "id": "enc-hf-ip",
        "status": "in-progress",
        "class": {"code": "IMP"},
        "hospitalization": {"dischargeDisposition": {"coding": [{"system": system, "code": "snf"}]}},
    }
    there = ehr(without=named(resources, "Task", "post-discharge"))
    assert said(there.cards("care-plan-discharge", prefetch={"encounter": sent}, **DISCHARGE), "follow-up") == []
    other = {**sent, "id": "another"}
    assert said(there.cards("care-plan-discharge", prefetch={"encounter": other}, **DISCHARGE), "follow-up")


def test_what_is_not_arranged_is_said_before_somebody_goes_home(ehr):
    assert said(ehr().cards("care-plan-discharge", **DISCHARGE), "rranged")


def test_an_order_that_the_plan_has_already_is_pointed_out_once(ehr, resources):
    wanted = next(
        item
        for item in resources(HF)
        if item["resourceType"] == "ServiceRequest" and item["status"] in ("active", "on-hold")
    )
    draft = {"resourceType": "ServiceRequest", "id": "draft-1", "status": "draft", "code": wanted["code"]}
    other = {"resourceType": "ServiceRequest", "id": "draft-2", "status": "draft", "code": {"text": "Something else"}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": draft}, {"resource": other}]}
    there = ehr()
    assert len(there.cards("care-plan-orders", context={"draftOrders": bundle})) == 1
    bundle["entry"] = [{"resource": {**draft, "id": wanted["id"]}}]
    assert there.cards("care-plan-orders", context={"draftOrders": bundle}) == []


def test_words_of_a_record_are_no_markup_in_a_card(ehr):
    there = ehr()
    late = stored(there, "Task", "task-hh")
    late["code"]["text"] = "![x](http://evil.example) <script> **now**"
    there.write(Change("update", "Task", "task-hh", late))
    detail = "".join(card.get("detail", "") for card in there.cards("care-plan"))
    assert "\\!\\[x\\]\\(http" in detail
    assert "<" not in detail.replace("\\<", "")
