"""XML in and out, as exact as JSON, for every interaction."""

import json

import pytest

from fhirplan.fhir.codec import loads
from fhirplan.fhir.xml import from_xml, to_xml

XML = "application/fhir+xml"


def _sent(api, method, path, resource, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.send(method, path, to_xml(resource), {"Content-Type": XML, "Accept": XML, **named})


def _read(response):
    assert response.headers["Content-Type"] == "application/fhir+xml; charset=utf-8"
    return from_xml(response.data)


def test_what_comes_as_xml_is_stored_and_read_as_either(api):
    text = (
        '{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"w"},"valueQuantity":{"value":1.50}}'
    )
    response = _sent(api, "PUT", "Observation/o1", loads(text))
    assert response.status_code == 201
    assert b'<value value="1.50"/>' in response.data
    assert b'"value":1.50' in api.get("Observation/o1").data
    assert _read(api.get("Observation/o1", Accept=XML)) == loads(api.get("Observation/o1").data)


@pytest.mark.parametrize("asked", [{"Accept": XML}, {"path": "?_format=xml"}, {"path": f"?_format={XML}"}])
def test_xml_is_asked_for_by_accept_or_format(api, goal, asked):
    api.put(goal)
    headers = {name: value for name, value in asked.items() if name != "path"}
    response = api.get(f"Goal/g1{asked.get('path', '')}", **headers)
    assert _read(response)["id"] == "g1"


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("application/fhir+xml;q=0.5, application/fhir+json", "json"),
        ("application/fhir+json;q=0.5, application/fhir+xml", "xml"),
        ("*/*;q=0.1, application/fhir+xml", "xml"),
        ("application/fhir+xml;q=0, */*", "json"),
        ("text/html, application/xml", "xml"),
    ],
)
def test_the_format_that_is_liked_best_is_written(api, goal, accept, language):
    api.put(goal)
    assert language in api.get("Goal/g1", Accept=accept).headers["Content-Type"]


def test_every_answer_can_be_xml(api, goal, patient):
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
            for one in (goal, patient)
        ],
    }
    answer = _read(_sent(api, "POST", "", bundle, Prefer="return=representation"))
    assert [entry["resource"]["id"] for entry in answer["entry"]] == ["g1", "p1"]
    for path in ("Goal?_id=g1", "Goal/g1/_history", "_history", "metadata", "Goal/g1/_history/1", "Goal/g1/$meta"):
        response = api.get(path, Accept=XML)
        assert response.status_code == 200, path
        assert _read(response) == loads(api.get(path).data)
    for path in ("OperationDefinition", "SearchParameter"):
        assert _read(api.get(path, Accept=XML))["type"] == "searchset"
    assert _read(_sent(api, "POST", "Goal/$validate", goal))["resourceType"] == "OperationOutcome"
    assert _read(api.get("Patient/p1/$everything", Accept=XML))["resourceType"] == "Bundle"


def test_refusals_are_xml_too(api, goal):
    refused = api.get("Goal/nobody", Accept=XML)
    assert refused.status_code == 404
    assert _read(refused)["issue"][0]["code"] == "not-found"
    assert _read(api.get("Banana/b?_format=xml"))["resourceType"] == "OperationOutcome"
    assert _read(_sent(api, "PUT", "Goal/g1", {**goal, "lifecycleStatus": "nope"}))["issue"][0]["expression"] == [
        "Goal.lifecycleStatus"
    ]


def test_xml_that_is_wrong_is_placed_by_line(api):
    for body, status in (
        (b"<Goal xmlns='http://hl7.org/fhir'>\n<id value='g1'/>", 400),
        (b"<Goal xmlns='http://hl7.org/fhir'>\n<colour value='x'/></Goal>", 422),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><Goal xmlns='http://hl7.org/fhir'/>", 400),
        (b"", 400),
    ):
        response = api.send("PUT", "Goal/g1", body, {"Content-Type": XML})
        assert response.status_code == status, response.get_data(as_text=True)
        assert json.loads(response.data)["resourceType"] == "OperationOutcome"
    assert api.get("Goal/g1").status_code == 404


def test_fhirpath_patch_may_be_xml(api, goal):
    api.put(goal)
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Goal.lifecycleStatus"},
        {"name": "value", "valueCode": "on-hold"},
    ]
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    assert _read(_sent(api, "PATCH", "Goal/g1", parameters))["lifecycleStatus"] == "on-hold"


@pytest.fixture
def unsayable(api, goal):
    """A stored resource with a character that JSON has and XML has not."""
    written = {**goal, "note": [{"text": "a\u000bb"}]}
    if api.put(written).status_code != 201:
        # The validator refuses it, as R4 does; it may have been imported all the same.
        from fhirplan.store.commit import Change, Origin, commit

        with api.services.database.write() as tx:
            origin = Origin("ehr", "r", "ehr", push=False)
            commit(tx, "default", [Change("create", "Goal", "g1", written)], now=1, origin=origin)
    return written


@pytest.mark.parametrize("path", ["Goal/g1", "Goal?_id=g1", "Goal/g1/_history", "_history"])
def test_what_xml_cannot_say_is_not_acceptable_and_json_is_named(api, unsayable, path):
    response = api.get(path, Accept=XML)
    assert response.status_code == 406
    text = _read(response)["issue"][0]["details"]["text"]
    assert "note[0].text" in text
    assert "application/fhir+json" in text
    assert api.get(path).status_code == 200


def test_a_write_that_xml_cannot_show_stands_and_says_so(api, unsayable):
    operations = [{"op": "replace", "path": "/lifecycleStatus", "value": "planned"}]
    headers = {"Content-Type": "application/json-patch+json", "Accept": XML}
    response = api.send("PATCH", "Goal/g1", operations, headers)
    assert response.status_code in (200, 422)
    assert _read(response)["resourceType"] == "OperationOutcome"


def test_pretty_xml_is_indented(api, goal):
    api.put(goal)
    assert b'\n  <id value="g1"/>' in api.get("Goal/g1?_format=xml&_pretty=true").data


def test_head_of_xml_has_the_length_of_its_body(api, goal):
    api.put(goal)
    full = api.get("Goal/g1", Accept=XML)
    bare = api.send("HEAD", "Goal/g1", headers={"Accept": XML})
    assert bare.headers["Content-Length"] == full.headers["Content-Length"] == str(len(full.data))
