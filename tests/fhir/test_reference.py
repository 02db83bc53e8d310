"""fhir/reference: where a reference points, and rewriting it at the border."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.fhir.reference import Reference, parse, rewrite, target_type, walk

ids = st.from_regex(r"[A-Za-z0-9\-.]{1,64}", fullmatch=True)


@given(ids, ids)
def test_what_is_spelled_is_what_is_read(id_, version):
    assert parse(f"Patient/{id_}") == Reference("Patient", id_)
    assert parse(f"http://ehr.example/fhir/Goal/{id_}/_history/{version}") == Reference(
        "Goal", id_, "http://ehr.example/fhir", version
    )


@pytest.mark.parametrize(
    "text", ["#x", "urn:uuid:1", "Patient?identifier=a|b", "Patient/", "patient/1", "", None, 7, "Patient/a b"]
)
def test_what_is_no_literal_reference_is_none(text):
    assert parse(text) is None


def test_the_target_type_comes_from_the_url_before_the_type_element():
    assert target_type({"reference": "Patient/1", "type": "Group"}) == "Patient"
    assert target_type({"type": "Group", "identifier": {"value": "1"}}) == "Group"
    assert target_type({"display": "Dr Lee"}) == ""


def test_each_reference_is_found_with_its_place():
    plan = {
        "resourceType": "CarePlan",
        "subject": {"reference": "Patient/1"},
        "activity": [{"reference": {"reference": "Task/2"}}, {"reference": {"reference": "Task/3"}}],
    }
    assert {(path, item["reference"]) for path, item in walk(plan)} == {
        ("CarePlan.subject", "Patient/1"),
        ("CarePlan.activity[0].reference", "Task/2"),
        ("CarePlan.activity[1].reference", "Task/3"),
    }


def test_rewriting_changes_only_what_is_named_and_not_the_original():
    goal = {"resourceType": "Goal", "subject": {"reference": "Patient/1"}, "note": [{"text": "Patient/1"}]}
    made = rewrite(goal, {"Patient/1": "Patient/9"}.get)
    assert made["subject"] == {"reference": "Patient/9"}
    assert made["note"] == [{"text": "Patient/1"}]
    assert goal["subject"] == {"reference": "Patient/1"}


@given(ids)
def test_rewriting_there_and_back_is_nothing(id_):
    plan = {"resourceType": "CarePlan", "subject": {"reference": "Patient/1"}, "goal": [{"reference": "Goal/2"}]}
    there = rewrite(plan, {"Patient/1": f"Patient/{id_}"}.get)
    assert rewrite(there, {f"Patient/{id_}": "Patient/1"}.get) == plan
