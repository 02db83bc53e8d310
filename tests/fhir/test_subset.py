"""Parts of a resource are left out as asked, never what must be there, and the resource says so."""

import json
from pathlib import Path

import pytest

from fhirplan.fhir import structure, subset
from fhirplan.fhir.codec import loads

FIXTURES = sorted((Path(__file__).parents[2] / "fixtures" / "bundles").rglob("*.json"))
RESOURCES = [entry["resource"] for path in FIXTURES for entry in loads(path.read_bytes())["entry"]]
GOAL = {
    "resourceType": "Goal",
    "id": "g1",
    "meta": {"versionId": "3", "tag": [{"code": "mine"}]},
    "text": {"status": "generated", "div": "<div/>"},
    "lifecycleStatus": "active",
    "_lifecycleStatus": {"id": "x"},
    "description": {"text": "Walk", "coding": [{"code": "1", "userSelected": True}]},
    "subject": {"reference": "Patient/p1"},
    "target": [{"dueDate": "2026-05-01", "detailString": "far"}],
    "startDate": "2026-01-01",
    "note": [{"text": "n"}],
}


def names(resource):
    return set(resource) - {"resourceType", "id", "meta"}


def test_elements_are_kept_by_name_with_choices_and_extensions():
    kept = subset.elements(GOAL, ("start", "note"))
    assert names(kept) == {"lifecycleStatus", "_lifecycleStatus", "description", "subject", "startDate", "note"}
    assert kept["meta"] == {"versionId": "3", "tag": [{"code": "mine"}, subset.SUBSETTED]}
    assert GOAL["meta"]["tag"] == [{"code": "mine"}]


def test_text_and_data_are_each_others_complement():
    assert "text" in subset.text(GOAL)
    assert "note" not in subset.text(GOAL)
    assert names(subset.data(GOAL)) == names(GOAL) - {"text"}


def test_a_summary_has_what_r4_marks():
    kept = subset.summary(GOAL)
    assert names(kept) == {"lifecycleStatus", "_lifecycleStatus", "description", "subject", "startDate"}
    patient = {
        "resourceType": "Patient",
        "contact": [{"name": {}}],
        "link": [{"other": {}, "type": "refer", "extension": []}],
    }
    assert subset.summary(patient)["link"] == [{"other": {}, "type": "refer"}]


def test_a_resource_without_meta_gets_one():
    assert subset.data({"resourceType": "Goal", "id": "g"})["meta"] == {"tag": [subset.SUBSETTED]}


@pytest.mark.parametrize("cut", [subset.summary, subset.text, lambda it: subset.elements(it, ())])
def test_what_must_be_there_is_never_left_out(cut):
    assert RESOURCES
    for resource in RESOURCES:
        kept = cut(resource)
        assert kept["resourceType"] == resource["resourceType"]
        for element in structure.definition(resource["resourceType"]).children[""]:
            for name, _ in element.json_names():
                if name in resource and (element.least or element.modifier):
                    assert name in kept, (resource["resourceType"], name)
        assert len(json.dumps(kept, default=str)) <= len(json.dumps(resource, default=str)) + 400
