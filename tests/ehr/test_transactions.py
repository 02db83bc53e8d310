"""Transaction Bundles as they are sent, their answers as servers give them, and the entry that a refusal names."""

from __future__ import annotations

import pytest

from fhirplan.ehr.transactions import Part, blamed, bundle, written
from fhirplan.errors import EhrUnavailable

NEW = Part({"resourceType": "Goal"}, "urn:uuid:1", if_none_exist="identifier=s|g1")
OLD = Part({"resourceType": "Task", "id": "t1"}, "http://ehr.example.org/Task/t1", if_match="3")


def refusal(**issue):
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid", **issue}]}


def response(*entries):
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": list(entries)}


def test_creates_are_conditional_and_updates_name_their_version():
    made = bundle([NEW, OLD])
    assert made["type"] == "transaction"
    assert [entry["request"] for entry in made["entry"]] == [
        {"method": "POST", "url": "Goal", "ifNoneExist": "identifier=s|g1"},
        {"method": "PUT", "url": "Task/t1", "ifMatch": 'W/"3"'},
    ]
    assert [entry["fullUrl"] for entry in made["entry"]] == ["urn:uuid:1", "http://ehr.example.org/Task/t1"]


def test_an_answer_with_resources_says_what_became_of_each():
    goal = {"resourceType": "Goal", "id": "e1", "meta": {"versionId": "1", "lastUpdated": "2026-01-01T00:00:00Z"}}
    task = {"resourceType": "Task", "id": "t1", "meta": {"versionId": "4"}}
    made = written(
        response(
            {"resource": goal, "response": {"status": "201 Created"}},
            {"resource": task, "response": {"status": "200 OK"}},
        ),
        [NEW, OLD],
    )
    assert [(item.id, item.version, item.resource, item.existed) for item in made] == [
        ("e1", "1", goal, False),
        ("t1", "4", task, False),
    ]


def test_an_answer_without_resources_is_read_by_location_and_etag():
    made = written(
        response(
            {"response": {"status": "201", "location": "https://ehr.example.org/fhir/Goal/e1/_history/7"}},
            {"response": {"status": "200", "etag": 'W/"4"'}},
        ),
        [NEW, OLD],
    )
    assert [(item.id, item.version) for item in made] == [("e1", "7"), ("t1", "4")]


def test_a_conditional_create_that_found_its_resource_is_known():
    (made,) = written(response({"response": {"status": "200", "location": "Goal/e1/_history/1"}}), [NEW])
    assert made.existed


def test_an_entry_that_did_not_take_effect_is_told_apart():
    made = written(response({"response": {"status": "422"}}, {"response": {"status": "200"}}), [NEW, OLD])
    assert made[0] is None
    assert made[1].id == "t1"


@pytest.mark.parametrize(
    "answer",
    [
        response(),
        {"resourceType": "Bundle"},
        response({"response": {"status": "201"}}, {"response": {"status": "200"}}),
        response(
            {"response": {"status": "201", "location": "Task/e1"}},
            {"response": {"status": "200"}},
        ),
        response(
            {"response": {"status": "201", "location": "Goal/e1"}},
            {"resource": {"resourceType": "Task", "id": "other"}, "response": {"status": "200"}},
        ),
    ],
)
def test_an_answer_that_does_not_fit_leaves_the_outcome_unknown(answer):
    with pytest.raises(EhrUnavailable) as raised:
        written(answer, [NEW, OLD])
    assert raised.value.outcome_unknown


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"expression": ["Bundle.entry[1].resource.status"]}, 1),
        ({"location": ["Bundle.entry[0]"]}, 0),
        ({"diagnostics": "HAPI-0528: Failed to process transaction entry at index 1: no"}, 1),
        ({"details": {"text": "Bundle.entry[1] (PUT Task/t1): changed"}}, 1),
        ({"diagnostics": "Invalid reference in urn:uuid:1"}, 0),
        ({"diagnostics": "The resource is not valid."}, None),
        ({"diagnostics": "entry[0] and entry[1] contradict each other"}, None),
        ({"expression": ["Bundle.entry[7]"]}, None),
    ],
)
def test_the_entry_that_is_blamed_is_found_however_it_is_named(said, place):
    assert blamed(refusal(**said), [NEW, OLD]) == place


def test_a_warning_blames_nobody():
    assert blamed(refusal(severity="warning", expression=["Bundle.entry[0]"]), [NEW, OLD]) is None
    assert blamed(None, [NEW, OLD]) is None
