"""Profiles: what a differential says is checked, and nothing else."""

import pytest

SYSTEM = "http://example.org/kind"


def coding(code, system=SYSTEM):
    return {"coding": [{"system": system, "code": code}]}


def found(validator, resource, one, errors):
    return errors(validator.validate(resource, [one["url"]], policy="base"))


CASES = [
    ({"max": "0"}, "CarePlan.note", ("cm-card", "structure", "CarePlan.note")),
    ({"min": 2}, "CarePlan.category", ("cm-card", "required", "CarePlan.category")),
    ({"min": 1}, "CarePlan.title", ("cm-card", "required", "CarePlan.title")),
    ({"fixedCode": "order"}, "CarePlan.intent", ("cm-fixed", "value", "CarePlan.intent")),
    ({"patternCodeableConcept": coding("b")}, "CarePlan.category", ("cm-fixed", "value", "CarePlan.category[0]")),
    ({"maxLength": 1}, "CarePlan.note.text", ("cm-value", "too-long", "CarePlan.note[0].text")),
    (
        {"type": [{"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Group"]}]},
        "CarePlan.subject",
        ("cm-ref", "structure", "CarePlan.subject"),
    ),
]


@pytest.mark.parametrize(("said", "path", "expected"), CASES)
def test_a_rule_of_a_differential_is_kept(with_definitions, profile, element, plan, errors, said, path, expected):
    one = profile("CarePlan", element(path, **said))
    assert found(with_definitions(one), plan, one, errors) == [expected]


def test_a_profile_that_adds_nothing_finds_nothing(with_definitions, profile, plan, errors):
    one = profile("CarePlan")
    assert found(with_definitions(one), plan, one, errors) == []


def test_a_profile_on_a_profile_keeps_both_rules(with_definitions, profile, element, plan, errors):
    first = profile("CarePlan", element("CarePlan.title", min=1), name="first")
    second = profile("CarePlan", element("CarePlan.note", max="0"), name="second", base=first["url"])
    places = {place for _, _, place in found(with_definitions(first, second), plan, second, errors)}
    assert places == {"CarePlan.title", "CarePlan.note"}


def test_a_profile_for_another_type_is_an_error(with_definitions, profile, plan, errors):
    one = profile("Goal")
    assert found(with_definitions(one), plan, one, errors) == [("cm-profile", "structure", "CarePlan")]


def test_content_references_lead_into_the_shared_part(with_definitions, profile, element, errors):
    one = profile("Questionnaire", element("Questionnaire.item.item.text", min=1))
    response = {
        "resourceType": "Questionnaire",
        "status": "draft",
        "item": [{"linkId": "1", "type": "group", "item": [{"linkId": "1.1", "type": "string"}]}],
    }
    assert found(with_definitions(one), response, one, errors) == [
        ("cm-card", "required", "Questionnaire.item[0].item[0].text")
    ]


def test_a_choice_named_by_its_type(with_definitions, profile, element, errors):
    one = profile("Goal", element("Goal.startDate", min=1))
    goal = {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "Walk"},
        "subject": {"reference": "Patient/p"},
        "startCodeableConcept": {"text": "soon"},
    }
    validator = with_definitions(one)
    assert "Goal.start" in {place for _, _, place in found(validator, goal, one, errors)}
    del goal["startCodeableConcept"]
    goal["startDate"] = "2026-03-02"
    assert found(validator, goal, one, errors) == []


def test_required_extensible_and_preferred_bindings(with_definitions, profile, element, plan):
    url = "http://example.org/ValueSet/v"
    values = {
        "resourceType": "ValueSet",
        "url": url,
        "status": "active",
        "compose": {"include": [{"system": SYSTEM, "concept": [{"code": "b"}]}]},
    }
    severities = {}
    for strength in ("required", "extensible", "preferred"):
        one = profile(
            "CarePlan", element("CarePlan.category", binding={"strength": strength, "valueSet": url}), name=strength
        )
        issues = with_definitions(values, one).validate(plan, [one["url"]], policy="base")
        severities[strength] = [(issue.severity, issue.expression) for issue in issues]
    assert severities == {
        "required": [("error", "CarePlan.category[0]")],
        "extensible": [("warning", "CarePlan.category[0]")],
        "preferred": [("information", "CarePlan.category[0]")],
    }


def test_codes_that_are_not_here_are_not_verified_and_not_wrong(with_definitions, profile, element, plan):
    url = "http://example.org/ValueSet/v"
    values = {
        "resourceType": "ValueSet",
        "url": url,
        "status": "active",
        "compose": {"include": [{"system": "http://snomed.info/sct"}]},
    }
    plan["category"] = [coding("734163000", "http://snomed.info/sct")]
    one = profile("CarePlan", element("CarePlan.category", binding={"strength": "required", "valueSet": url}))
    (issue,) = with_definitions(values, one).validate(plan, [one["url"]], policy="base")
    assert (issue.severity, issue.code) == ("information", "not-supported")


def test_an_invariant_of_a_profile_is_told_where_it_says(with_definitions, profile, plan):
    one = profile("CarePlan")
    one["differential"]["element"][0]["constraint"] = [
        {
            "key": "x-1",
            "severity": "error",
            "human": "A plan has a title.",
            "expression": "title.exists()",
            "extension": [
                {
                    "url": "http://fhirplan.dev/fhir/StructureDefinition/cm-reported-at",
                    "valueString": "CarePlan.title",
                }
            ],
        }
    ]
    (issue,) = with_definitions(one).validate(plan, [one["url"]], policy="base")
    assert (issue.rule, issue.code, issue.expression, issue.text) == (
        "x-1",
        "invariant",
        "CarePlan.title",
        "A plan has a title.",
    )


def test_policies(ours, plan):
    assert not any(issue.is_error for issue in ours.validate(plan, policy="base"))
    assert not any(issue.is_error for issue in ours.validate(plan, policy="declared"))
    assert "cm-slice" in {issue.rule for issue in ours.validate(plan, policy="case-management")}
    plan["meta"] = {"profile": ["http://fhirplan.dev/fhir/StructureDefinition/case-management-careplan"]}
    assert "cm-slice" in {issue.rule for issue in ours.validate(plan, policy="declared")}


def test_the_profile_that_fits_is_suggested(with_definitions, profile, element, plan):
    fits = profile("CarePlan", element("CarePlan.note", min=1), name="fits")
    not_so = profile("CarePlan", element("CarePlan.title", min=1), name="not-so")
    issues = with_definitions(not_so, fits).validate(plan, policy="declared", suggest=True)
    assert [issue.profile for issue in issues if issue.severity == "information"] == [fits["url"]]


def test_r4s_own_profiles_are_known(plain, errors):
    weight = {
        "resourceType": "Observation",
        "status": "final",
        "category": [
            {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
                ]
            }
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-03-02",
        "valueQuantity": {"value": 81, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }
    url = "http://hl7.org/fhir/StructureDefinition/bodyweight"
    assert errors(plain.validate(weight, [url], policy="base")) == []
    del weight["effectiveDateTime"]
    assert ("cm-card", "required", "Observation.effective") in errors(plain.validate(weight, [url], policy="base"))
