"""Slices: by value, pattern, exists, type, profile and membership; open, closed, ordered; counted and checked."""

import pytest

SYSTEM = "http://example.org/kind"
BY_PATTERN = {"discriminator": [{"type": "pattern", "path": "$this"}], "rules": "open"}


def coding(code):
    return {"coding": [{"system": SYSTEM, "code": code}]}


@pytest.fixture
def sliced(profile, element):
    """A CarePlan profile whose category has the slices a (1..1) and b (0..1)."""

    def make(slicing=None, **a):
        return profile(
            "CarePlan",
            element("CarePlan.category", slicing=slicing or BY_PATTERN),
            element("CarePlan.category:a", min=1, max="1", patternCodeableConcept=coding("a"), **a),
            element("CarePlan.category:b", min=0, max="1", patternCodeableConcept=coding("b")),
        )

    return make


def check(validator, plan, one, errors, *codes):
    plan["category"] = [coding(code) for code in codes]
    return errors(validator.validate(plan, [one["url"]], policy="base"))


def test_slices_are_counted(with_definitions, sliced, plan, errors):
    one = sliced()
    validator = with_definitions(one)
    assert check(validator, plan, one, errors, "a", "b", "other") == []
    assert check(validator, plan, one, errors, "b") == [("cm-slice", "required", "CarePlan.category")]
    assert check(validator, plan, one, errors, "a", "a") == [("cm-slice", "structure", "CarePlan.category")]


def test_a_closed_slicing_takes_no_others(with_definitions, sliced, plan, errors):
    one = sliced({**BY_PATTERN, "rules": "closed"})
    found = check(with_definitions(one), plan, one, errors, "a", "other")
    assert found == [("cm-slice", "structure", "CarePlan.category[1]")]


def test_open_at_end_takes_others_at_the_end_only(with_definitions, sliced, plan, errors):
    one = sliced({**BY_PATTERN, "rules": "openAtEnd"})
    validator = with_definitions(one)
    assert check(validator, plan, one, errors, "a", "other") == []
    assert check(validator, plan, one, errors, "other", "a") == [("cm-slice", "structure", "CarePlan.category[1]")]


def test_an_ordered_slicing_keeps_its_order(with_definitions, sliced, plan, errors):
    one = sliced({**BY_PATTERN, "ordered": True})
    validator = with_definitions(one)
    assert check(validator, plan, one, errors, "a", "b") == []
    assert check(validator, plan, one, errors, "b", "a") == [("cm-slice", "structure", "CarePlan.category[1]")]


def test_a_slices_own_rules_hold_for_its_members_only(with_definitions, sliced, element, plan, errors):
    one = sliced()
    one["differential"]["element"].append(element("CarePlan.category:b.text", min=1))
    found = check(with_definitions(one), plan, one, errors, "a", "b")
    assert found == [("cm-card", "required", "CarePlan.category[1].text")]


def test_a_slice_that_has_only_a_binding_matches_by_membership(with_definitions, profile, element, plan, errors):
    url = "http://example.org/ValueSet/v"
    values = {
        "resourceType": "ValueSet",
        "url": url,
        "status": "active",
        "compose": {"include": [{"system": SYSTEM, "concept": [{"code": "a"}]}]},
    }
    one = profile(
        "CarePlan",
        element("CarePlan.category", slicing=BY_PATTERN),
        element("CarePlan.category:v", min=1, max="1", binding={"strength": "required", "valueSet": url}),
    )
    validator = with_definitions(values, one)
    assert check(validator, plan, one, errors, "a", "x") == []
    assert check(validator, plan, one, errors, "x") == [("cm-slice", "required", "CarePlan.category")]


def test_slices_by_value_below_the_element(with_definitions, profile, element, plan, errors):
    one = profile(
        "CarePlan",
        element(
            "CarePlan.category.coding",
            slicing={"discriminator": [{"type": "value", "path": "system"}], "rules": "open"},
        ),
        element("CarePlan.category.coding:mine", min=1, max="1"),
        element("CarePlan.category.coding:mine.system", min=1, fixedUri=SYSTEM),
    )
    validator = with_definitions(one)
    assert check(validator, plan, one, errors, "a") == []
    plan["category"] = [{"coding": [{"system": "http://example.org/other", "code": "a"}]}]
    found = errors(validator.validate(plan, [one["url"]], policy="base"))
    assert found == [("cm-slice", "required", "CarePlan.category[0].coding")]


def test_slices_by_what_exists(with_definitions, profile, element, plan, errors):
    one = profile(
        "CarePlan",
        element("CarePlan.note", slicing={"discriminator": [{"type": "exists", "path": "author"}], "rules": "open"}),
        element("CarePlan.note:signed", min=1, max="1"),
        element("CarePlan.note:signed.author[x]", min=1),
        element("CarePlan.note:unsigned", min=0, max="1"),
        element("CarePlan.note:unsigned.author[x]", max="0"),
    )
    validator = with_definitions(one)
    assert errors(validator.validate(plan, [one["url"]], policy="base")) == [("cm-slice", "required", "CarePlan.note")]
    plan["note"].append({"text": "Seen", "authorString": "Ana"})
    assert errors(validator.validate(plan, [one["url"]], policy="base")) == []


def test_slices_by_the_type_behind_a_reference(with_definitions, profile, element, plan, errors):
    target = [{"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Practitioner"]}]
    one = profile(
        "CarePlan",
        element(
            "CarePlan.contributor",
            slicing={"discriminator": [{"type": "type", "path": "resolve()"}], "rules": "open"},
        ),
        element("CarePlan.contributor:doctor", min=1, max="1", type=target),
    )
    validator = with_definitions(one)
    plan["contributor"] = [{"reference": "Patient/p"}]
    assert errors(validator.validate(plan, [one["url"]], policy="base")) == [
        ("cm-slice", "required", "CarePlan.contributor")
    ]
    plan["contributor"].append({"reference": "Practitioner/d"})
    assert errors(validator.validate(plan, [one["url"]], policy="base")) == []


def test_slices_by_the_profile_of_a_contained_resource(with_definitions, profile, element, plan, errors):
    named = profile("Goal", element("Goal.note", min=1), name="named")
    one = profile(
        "CarePlan",
        element(
            "CarePlan.goal", slicing={"discriminator": [{"type": "profile", "path": "resolve()"}], "rules": "open"}
        ),
        element("CarePlan.goal:named", min=1, max="1", type=[{"code": "Reference", "targetProfile": [named["url"]]}]),
        name="plan",
    )
    goal = {
        "resourceType": "Goal",
        "id": "g",
        "lifecycleStatus": "active",
        "description": {"text": "Walk"},
        "subject": {"reference": "Patient/p"},
    }
    plan.update(contained=[goal], goal=[{"reference": "#g"}])
    validator = with_definitions(named, one)
    assert ("cm-slice", "required", "CarePlan.goal") in errors(validator.validate(plan, [one["url"]], policy="base"))
    goal["note"] = [{"text": "x"}]
    assert errors(validator.validate(plan, [one["url"]], policy="base")) == []


def test_a_slice_of_a_slice(with_definitions, sliced, element, plan, errors):
    one = sliced()
    one["differential"]["element"].append(
        element("CarePlan.category:a/named", min=0, max="0", patternCodeableConcept={"text": "named"})
    )
    validator = with_definitions(one)
    plan["category"] = [{**coding("a"), "text": "other"}]
    assert errors(validator.validate(plan, [one["url"]], policy="base")) == []
    plan["category"] = [{**coding("a"), "text": "named"}]
    found = errors(validator.validate(plan, [one["url"]], policy="base"))
    assert ("cm-slice", "structure", "CarePlan.category") in found


def test_what_stands_in_a_target_that_is_not_here_is_not_held_against_it(
    with_definitions, profile, element, plan, errors
):
    one = profile(
        "CarePlan",
        element(
            "CarePlan.goal",
            slicing={"discriminator": [{"type": "value", "path": "resolve().lifecycleStatus"}], "rules": "open"},
        ),
        element(
            "CarePlan.goal:active",
            min=1,
            max="1",
            type=[{"code": "Reference", "targetProfile": ["http://example.org/StructureDefinition/active"]}],
        ),
        name="plan",
    )
    active = profile("Goal", element("Goal.lifecycleStatus", fixedCode="active"), name="active")
    validator = with_definitions(one, active)
    plan["goal"] = [{"reference": "Goal/elsewhere"}]
    assert errors(validator.validate(plan, [one["url"]], policy="base")) == []
    goal = {
        "resourceType": "Goal",
        "id": "g",
        "lifecycleStatus": "planned",
        "description": {"text": "Walk"},
        "subject": {"reference": "Patient/p"},
    }
    plan.update(contained=[goal], goal=[{"reference": "#g"}])
    assert ("cm-slice", "required", "CarePlan.goal") in errors(validator.validate(plan, [one["url"]], policy="base"))
    goal["lifecycleStatus"] = "active"
    assert errors(validator.validate(plan, [one["url"]], policy="base")) == []
