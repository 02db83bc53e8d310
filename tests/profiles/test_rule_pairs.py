"""Every pair of fixtures/profiles goes through the validator: one resource has no error, the other breaks its rule."""

import re
from pathlib import Path

import pytest

from fhirplan.fhir.codec import loads
from fhirplan.validation import Validator

HERE = Path(__file__).resolve().parents[2]
FOLDER = HERE / "fixtures" / "profiles"
RULES = loads((FOLDER / "index.json").read_bytes())["rules"]
BASE = sorted(
    path.relative_to(FOLDER) for path in FOLDER.glob("*/f*.json") if path.name in ("fixture.json", "full.json")
)


@pytest.fixture(scope="module")
def validator():
    return Validator.load(HERE / "profiles")


def _name(one):
    return one["fail"].removesuffix(".fail.json")


def _plain(expression):
    return re.sub(r"\[\d+\]", "", expression)


def _errors(issues):
    return [issue for issue in issues if issue.severity in ("error", "fatal")]


def _said(issues):
    return [(issue.rule, issue.expression, issue.text) for issue in issues]


@pytest.mark.parametrize("name", BASE, ids=str)
def test_a_base_fixture_is_valid(validator, name):
    assert _said(_errors(validator.validate(loads((FOLDER / name).read_bytes())))) == []


@pytest.mark.parametrize("one", RULES, ids=_name)
def test_the_passing_resource_keeps_its_rule_and_has_no_error(validator, one):
    issues = validator.validate(loads((FOLDER / one["pass"]).read_bytes()), profiles=(one["profile"],))
    assert _said(_errors(issues)) == []
    assert one["kind"] != "invariant" or one["rule"] not in {issue.rule for issue in issues}


@pytest.mark.parametrize("one", RULES, ids=_name)
def test_the_failing_resource_breaks_its_rule_and_no_other(validator, one):
    issues = validator.validate(loads((FOLDER / one["fail"]).read_bytes()), profiles=(one["profile"],))
    rule = one.get("answeredBy", one["rule"])
    found = [issue for issue in issues if issue.rule == rule and issue.severity == one["severity"]]
    places = {_plain(issue.expression) for issue in found}
    assert one["expression"] in places, _said(issues)
    assert len(places) == 1 or rule in one.get("mayAlso", ())
    assert {issue.code for issue in found if _plain(issue.expression) == one["expression"]} == {one["code"]}
    others = {issue.rule for issue in _errors(issues)} - {rule}
    assert others <= set(one.get("mayAlso", ())), _said(_errors(issues))
