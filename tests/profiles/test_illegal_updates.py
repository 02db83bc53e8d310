"""fixtures/illegal-updates: ten requests that only a state or cross-resource rule can refuse."""

from pathlib import Path

import pytest

from fhirplan.fhir.codec import loads
from fhirplan.validation import Validator

HERE = Path(__file__).resolve().parents[2]
CASES = [loads(path.read_bytes()) for path in sorted((HERE / "fixtures" / "illegal-updates").glob("*.json"))]
RULES = {
    one["code"]
    for one in loads((HERE / "profiles" / "codesystems" / "CodeSystem-cm-rule.json").read_bytes())["concept"]
}
ISSUE_TYPES = loads((HERE / "profiles" / "valuesets" / "ValueSet-issue-type.json").read_bytes())


@pytest.fixture(scope="module")
def validator():
    return Validator.load(HERE / "profiles")


def _id(case):
    return case["id"]


def test_there_are_ten():
    assert [case["id"] for case in CASES] == [f"u{number:02}" for number in range(1, 11)]


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_the_expected_answer_is_a_known_rule_and_code(case):
    expected = case["expected"]
    (include,) = ISSUE_TYPES["compose"]["include"]
    assert expected["rule"] in RULES
    assert expected["code"] in {concept["code"] for concept in include["concept"]}
    assert expected["status"] in (403, 412, 422)
    assert expected["expression"].partition(".")[0] == case["request"]["body"]["resourceType"]


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_the_request_asks_for_a_change_of_what_is_stored(case):
    request, body = case["request"], case["request"]["body"]
    stored = {f"{one['resourceType']}/{one['id']}": one for one in case["stored"]}
    if request["method"] == "POST":
        assert request["url"] == body["resourceType"]
        assert "id" not in body
    else:
        assert request["url"] == f"{body['resourceType']}/{body['id']}"
        assert stored[request["url"]] != body


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_every_reference_inside_a_case_leads_to_a_stored_resource(case):
    stored = {f"{one['resourceType']}/{one['id']}" for one in case["stored"]}
    assert set(_references([case["stored"], case["request"]["body"]])) <= stored


def _references(value):
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_each_resource_on_its_own_is_valid(validator, case):
    for resource in [*case["stored"], case["request"]["body"]]:
        errors = [
            (resource["resourceType"], issue.rule, issue.expression, issue.text)
            for issue in validator.validate(resource)
            if issue.severity in ("error", "fatal")
        ]
        assert errors == []
