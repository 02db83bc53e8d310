"""Findings come with what stops a write first, and nothing is said that a profile already settles."""

import pytest

SET = "http://hl7.org/fhir/ValueSet/condition-category"
CONDITION = {
    "resourceType": "Condition",
    "id": "c1",
    "clinicalStatus": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
    },
    "subject": {"reference": "Patient/p1"},
    "category": [{"coding": [{"system": "http://example.org/kind", "code": "need"}]}],
}
DOM_6 = ("warning", "dom-6", "Condition")


def _said(issues):
    return [(one.severity, one.rule, one.expression) for one in issues]


def test_errors_come_first_then_places_and_the_missing_narrative_last(plain):
    broken = {**CONDITION, "onsetDateTime": "nope", "subject": {"reference": "Group x"}, "abatementString": 1}
    said = _said(plain.validate(broken, policy="base"))
    assert said[-1] == DOM_6
    severities = [severity for severity, _, _ in said]
    assert severities == sorted(severities, key=["error", "warning", "information"].index) or said[-1] == DOM_6
    errors = [where for severity, _, where in said if severity == "error"]
    assert len(errors) > 2
    assert errors == sorted(errors)
    assert ("warning", "cm-binding", "Condition.category[0]") in said


def test_the_tenth_entry_comes_after_the_second(plain):
    entries = [{"system": "http://example.org/x", "value": str(n), "use": "bad"} for n in range(12)]
    patient = {"resourceType": "Patient", "identifier": entries}
    places = [one.expression for one in plain.validate(patient, policy="base") if one.is_error]
    assert places == [f"Patient.identifier[{n}].use" for n in range(12)]


@pytest.fixture
def narrowed(with_definitions, profile, element):
    def check(resource, *elements):
        one = profile("Condition", *elements)
        found = with_definitions(one).validate(resource, [one["url"]], policy="base")
        return [said for said in _said(found) if said != DOM_6]

    return check


def test_a_code_that_a_slice_of_the_profile_asks_for_is_not_held_against_r4s_recommendation(narrowed, element):
    slicing = {"discriminator": [{"type": "pattern", "path": "$this"}], "rules": "open"}
    wanted = {"coding": [{"system": "http://example.org/kind", "code": "need"}]}
    elements = (
        element("Condition.category", slicing=slicing),
        element("Condition.category:need", patternCodeableConcept=wanted),
    )
    assert narrowed(CONDITION, *elements) == []
    other = {"coding": [{"system": "http://example.org/kind", "code": "other"}]}
    beside = {**CONDITION, "category": [*CONDITION["category"], other]}
    assert narrowed(beside, *elements) == [("warning", "cm-binding", "Condition.category[1]")]


def test_a_pattern_of_the_profile_speaks_for_r4s_recommendation(narrowed, element):
    wanted = {"coding": [{"system": "http://example.org/kind", "code": "need"}]}
    assert narrowed(CONDITION, element("Condition.category", patternCodeableConcept=wanted)) == []


def test_a_binding_of_the_profile_speaks_in_r4s_place(narrowed, element):
    binding = {"strength": "extensible", "valueSet": "http://hl7.org/fhir/ValueSet/condition-ver-status"}
    assert narrowed(CONDITION, element("Condition.category", binding=binding)) == [
        ("warning", "cm-binding", "Condition.category[0]")
    ]


def test_a_binding_that_says_nothing_does_not_silence_r4s(narrowed, element):
    binding = {"strength": "example", "valueSet": "http://example.org/ValueSet/any"}
    assert narrowed(CONDITION, element("Condition.category", binding=binding)) == [
        ("warning", "cm-binding", "Condition.category[0]")
    ]


def test_a_required_binding_of_r4_is_never_weakened(narrowed, element):
    odd = {"coding": [{"system": "http://example.org/kind", "code": "need"}]}
    resource = {**CONDITION, "clinicalStatus": odd}
    said = narrowed(resource, element("Condition.clinicalStatus", patternCodeableConcept=odd))
    assert ("error", "cm-binding", "Condition.clinicalStatus") in said
