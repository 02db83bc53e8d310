"""fixtures/invalid: each of the 25 invalid resources is answered with the one error that the guide gives."""

from pathlib import Path

import pytest

from fhirplan.fhir.codec import loads
from fhirplan.validation import Validator

HERE = Path(__file__).resolve().parents[2]
FOLDER = HERE / "fixtures" / "invalid"
EXPECTED = loads((FOLDER / "expected.json").read_bytes())["resources"]


@pytest.fixture(scope="module")
def validator():
    return Validator.load(HERE / "profiles")


def test_there_are_25_and_no_other_file():
    named = [one["file"] for one in EXPECTED]
    assert len(named) == len(set(named)) == 25
    assert {path.name for path in FOLDER.glob("x*.json")} == set(named)
    assert all(one["file"] == f"x{number:02}-{one['rule']}.json" for number, one in enumerate(EXPECTED, 1))


@pytest.mark.parametrize("one", EXPECTED, ids=lambda one: one["file"].removesuffix(".json"))
def test_the_only_error_is_the_one_expected(validator, one):
    issues = validator.validate(loads((FOLDER / one["file"]).read_bytes()))
    errors = [
        (issue.severity, issue.code, issue.expression, issue.rule)
        for issue in issues
        if issue.severity in ("error", "fatal")
    ]
    assert errors == [(one["severity"], one["code"], one["expression"], one["rule"])]
