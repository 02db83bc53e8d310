"""R4's own structure: each kind of damage is told at its exact place, and a sound resource gets no error."""

import pytest

ONE = "http://hl7.org/fhir/StructureDefinition/CarePlan"


def changed(plan, **members):
    plan.update(members)
    return {key: value for key, value in plan.items() if value is not ...}


def test_a_sound_resource_has_no_issue(plain, plan):
    assert plain.validate(plan, policy="base") == ()


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ({"status": ...}, ("cm-card", "required", "CarePlan.status")),
        ({"status": "nope"}, ("cm-binding", "code-invalid", "CarePlan.status")),
        ({"status": "active "}, ("cm-value", "value", "CarePlan.status")),
        ({"status": ["active"]}, ("cm-type", "structure", "CarePlan.status")),
        ({"status": {"a": 1}}, ("cm-type", "value", "CarePlan.status")),
        ({"status": None}, ("cm-type", "structure", "CarePlan.status")),
        ({"caseManager": {"a": 1}}, ("cm-type", "structure", "CarePlan.caseManager")),
        ({"id": "x" * 65}, ("cm-value", "value", "CarePlan.id")),
        ({"category": []}, ("cm-type", "structure", "CarePlan.category")),
        ({"category": [{}]}, ("ele-1", "structure", "CarePlan.category[0]")),
        ({"category": [None]}, ("cm-type", "structure", "CarePlan.category[0]")),
        ({"category": {"text": "A"}}, ("cm-type", "structure", "CarePlan.category")),
        ({"category": [{"text": 5}]}, ("cm-type", "value", "CarePlan.category[0].text")),
        ({"instantiatesUri": ["urn:a", None]}, ("cm-type", "structure", "CarePlan.instantiatesUri[1]")),
        ({"period": {"start": "2026-02-30"}}, ("cm-value", "value", "CarePlan.period.start")),
        ({"period": {"start": "2026-03-02T10:00:00"}}, ("cm-value", "value", "CarePlan.period.start")),
        ({"period": {"start": "2026-03-02", "end": "2026-03-01"}}, ("per-1", "invariant", "CarePlan.period")),
        ({"period": {"start": "2026-03-02", "end": "2026-03-02T10:00:00Z"}}, ("per-1", "invariant", "CarePlan.period")),
        ({"subject": {"reference": "Banana/1"}}, ("cm-ref", "value", "CarePlan.subject.reference")),
        ({"subject": {"reference": "Goal/1"}}, ("cm-ref", "structure", "CarePlan.subject")),
        ({"subject": {"reference": "Patient/a b"}}, ("cm-ref", "value", "CarePlan.subject.reference")),
        ({"subject": {"reference": "#gone"}}, ("ref-1", "not-found", "CarePlan.subject.reference")),
        ({"_status": "x"}, ("cm-type", "structure", "CarePlan.status")),
        ({"meta": {"lastUpdated": "2026-03-02"}}, ("cm-value", "value", "CarePlan.meta.lastUpdated")),
        ({"meta": {"profile": ["not a uri"]}}, ("cm-value", "value", "CarePlan.meta.profile[0]")),
        (
            {"extension": [{"url": "http://example.org/x"}]},
            ("ext-1", "invariant", "CarePlan.extension[0]"),
        ),
        (
            {"extension": [{"url": "http://example.org/x", "valueCode": "a", "valueString": "b"}]},
            ("cm-card", "structure", "CarePlan.extension[0]"),
        ),
        (
            {"modifierExtension": [{"url": "http://example.org/x", "valueCode": "a"}]},
            ("cm-extension", "extension", "CarePlan.modifierExtension[0]"),
        ),
        (
            {"activity": [{"detail": {"status": "scheduled", "Kind": "Task"}}]},
            ("cm-type", "structure", "CarePlan.activity[0].detail.Kind"),
        ),
        (
            {"activity": [{"reference": {"reference": "Task/1"}, "detail": {"status": "scheduled"}}]},
            ("cpl-3", "invariant", "CarePlan.activity[0]"),
        ),
    ],
)
def test_damage_is_told_at_its_place(plain, plan, errors, damage, expected):
    assert expected in errors(plain.validate(changed(plan, **damage), policy="base"))


def test_two_forms_of_a_choice_are_one_too_many(plain, errors):
    goal = {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "Walk"},
        "subject": {"reference": "Patient/p"},
        "startDate": "2026-03-02",
        "startCodeableConcept": {"text": "on admission"},
    }
    assert ("cm-card", "structure", "Goal.start") in errors(plain.validate(goal, policy="base"))


def test_a_primitive_may_have_only_extensions(plain, plan, errors):
    del plan["status"]
    plan["_status"] = {"extension": [{"url": "http://example.org/why", "valueCode": "unknown"}]}
    assert errors(plain.validate(plan, policy="base")) == []


def test_null_in_a_list_is_right_beside_an_extension(plain, plan, errors):
    plan["instantiatesUri"] = [None, "urn:a"]
    plan["_instantiatesUri"] = [{"extension": [{"url": "http://example.org/why", "valueCode": "unknown"}]}, None]
    assert errors(plain.validate(plan, policy="base")) == []


def test_an_element_id_stands_once(plain, plan, errors):
    plan["period"]["id"] = plan["subject"]["id"] = "same"
    found = errors(plain.validate(plan, policy="base"))
    assert {place for rule, _, place in found if rule == "cm-id"} == {"CarePlan.period", "CarePlan.subject"}


def test_contained_resources_are_checked_and_must_be_referred_to(plain, plan, errors):
    plan["contained"] = [{"resourceType": "Goal", "id": "g1", "lifecycleStatus": "nope"}]
    found = errors(plain.validate(plan, policy="base"))
    assert ("dom-3", "invariant", "CarePlan.contained[0]") in found
    assert ("cm-binding", "code-invalid", "CarePlan.contained[0].lifecycleStatus") in found
    plan["goal"] = [{"reference": "#g1"}]
    assert "dom-3" not in {rule for rule, _, _ in errors(plain.validate(plan, policy="base"))}


def test_all_problems_come_in_one_pass(plain, plan, errors):
    plan.update(status="nope", subject={"reference": "Goal/1"}, foo=1, period={"start": "2026-13-01"})
    assert len(errors(plain.validate(plan, policy="base"))) == 4


def test_invariants_wait_for_what_is_required(plain, plan, errors):
    plan["activity"] = [{"reference": {"reference": "Task/1"}, "detail": {"status": "scheduled"}}]
    del plan["status"]
    assert errors(plain.validate(plan, policy="base")) == [("cm-card", "required", "CarePlan.status")]


def test_a_finding_names_the_profile_that_holds_the_rule(plain, plan):
    del plan["status"]
    (issue,) = plain.validate(plan, policy="base")
    assert issue.profile == ONE
    assert "status" in issue.text


def test_certain_repairs_are_suggested(plain, plan):
    plan.update(status="Active", period={"start": "2026/3/2"}, note={"text": "x"})
    patches = [step for issue in plain.validate(plan, policy="base") for step in issue.patch]
    assert {"op": "replace", "path": "/status", "value": "active"} in patches
    assert {"op": "replace", "path": "/period/start", "value": "2026-03-02"} in patches
    assert {"op": "replace", "path": "/note", "value": [{"text": "x"}]} in patches


@pytest.mark.parametrize(
    ("type_", "wrong"),
    [("Patient", False), ("Medication", True), ("Banana", True), ("http://example.org/Model", False)],
)
def test_the_type_of_a_reference_is_one_and_that_of_what_it_points_to(plain, plan, errors, type_, wrong):
    plan["subject"] = {"reference": "Patient/p", "type": type_}
    assert bool(errors(plain.validate(plan, policy="base"))) is wrong
