"""PATCH: JSON Patch and FHIRPath Patch, alone, by condition, and in Bundles."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

JSON_PATCH = "application/json-patch+json"


def _patch(api, path, operations, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.send("PATCH", path, operations, {"Content-Type": JSON_PATCH, **named})


def _status(value):
    return [{"op": "replace", "path": "/lifecycleStatus", "value": value}]


def _fhirpath(kind, path, **more):
    parts = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    parts += [{"name": name, **value} for name, value in more.items()]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


def test_a_json_patch_makes_a_version_that_differs_in_what_it_says(api, goal):
    before = api.put({**goal, "note": [{"text": "a"}]}).get_json(force=True)
    response = _patch(api, "Goal/g1", [*_status("on-hold"), {"op": "test", "path": "/note/0/text", "value": "a"}])
    assert (response.status_code, response.headers["ETag"]) == (200, 'W/"2"')
    after = response.get_json(force=True)
    assert after == {**before, "lifecycleStatus": "on-hold", "meta": after["meta"]}


def test_a_fhirpath_patch_does_the_same(api, goal):
    api.put(goal)
    operations = _fhirpath("replace", "Goal.lifecycleStatus", value={"valueCode": "on-hold"})
    assert api.send("PATCH", "Goal/g1", operations).get_json(force=True)["lifecycleStatus"] == "on-hold"
    failing = _fhirpath("test", "Goal.lifecycleStatus", value={"valueCode": "active"})
    assert api.send("PATCH", "Goal/g1", failing).status_code == 422
    assert api.get("Goal/g1").headers["ETag"] == 'W/"2"'


def test_a_patch_keeps_the_digits_it_does_not_touch(api):
    text = (
        b'{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"w"},"valueQuantity":{"value":1.50}}'
    )
    api.send("PUT", "Observation/o1", text)
    assert _patch(api, "Observation/o1", [{"op": "replace", "path": "/status", "value": "amended"}]).status_code == 200
    assert b'"value":1.50' in api.get("Observation/o1").data


def test_a_test_that_fails_changes_nothing(api, goal, problem):
    api.put(goal)
    operations = [{"op": "test", "path": "/lifecycleStatus", "value": "planned"}, *_status("on-hold")]
    issue = problem(_patch(api, "Goal/g1", operations), 422, "conflict")
    assert "Goal.lifecycleStatus" in issue["details"]["text"] or issue["expression"]
    assert api.get("Goal/g1").headers["ETag"] == 'W/"1"'


def test_what_a_patch_makes_is_validated_before_it_is_kept(api, goal, problem):
    api.put(goal)
    issue = problem(_patch(api, "Goal/g1", _status("nope")), 422, "code-invalid")
    assert issue["expression"] == ["Goal.lifecycleStatus"]
    problem(_patch(api, "Goal/g1", [{"op": "replace", "path": "/id", "value": "g2"}]), 422, "invalid")
    assert api.get("Goal/g1").headers["ETag"] == 'W/"1"'


def test_a_patch_is_applied_to_the_version_that_if_match_names(api, goal, problem):
    api.put(goal)
    api.put({**goal, "lifecycleStatus": "planned"})
    response = _patch(api, "Goal/g1", _status("on-hold"), If_Match='W/"1"')
    problem(response, 412, "conflict")
    assert response.headers["ETag"] == 'W/"2"'
    assert _patch(api, "Goal/g1", _status("on-hold"), If_Match='W/"2"').status_code == 200


def test_of_parallel_patches_none_is_lost(api, goal):
    api.put({**goal, "note": [{"text": "first"}]})

    def add(number):
        operations = [{"op": "add", "path": "/note/-", "value": {"text": f"note {number}"}}]
        with api.app.test_client() as client:
            for _ in range(20):
                response = client.patch(
                    "/fhir/Goal/g1", data=json.dumps(operations), headers={"Content-Type": JSON_PATCH}
                )
                if response.status_code != 412:
                    return response.status_code
        return 412

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(add, range(12))) == {200}
    notes = api.get("Goal/g1").get_json(force=True)["note"]
    assert sorted(note["text"] for note in notes) == sorted(["first", *(f"note {number}" for number in range(12))])


def test_a_patch_that_changes_nothing_makes_no_version(api, goal):
    api.put(goal)
    response = _patch(api, "Goal/g1", _status("active"))
    assert (response.status_code, response.headers["ETag"]) == (200, 'W/"1"')


def test_what_is_not_there_cannot_be_patched(api, goal, problem):
    problem(_patch(api, "Goal/g1", _status("planned")), 404, "not-found")
    api.put(goal)
    api.delete("Goal/g1")
    problem(_patch(api, "Goal/g1", _status("planned")), 410, "deleted")


@pytest.mark.parametrize("body", ["", "7", "{}", '[{"op": "brew"}]', "[7]", '{"resourceType": "Goal"}'])
def test_what_is_no_patch_is_refused(api, goal, body):
    api.put(goal)
    assert _patch(api, "Goal/g1", body).status_code == 400
    assert api.get("Goal/g1").headers["ETag"] == 'W/"1"'


def test_another_kind_of_patch_is_told_which_are_taken(api, goal, problem):
    api.put(goal)
    issue = problem(
        api.send("PATCH", "Goal/g1", "x", {"Content-Type": "application/xml-patch+xml"}), 415, "not-supported"
    )
    assert JSON_PATCH in issue["details"]["text"]


def test_a_conditional_patch_needs_exactly_one_match(api, patient, problem):
    operations = [{"op": "add", "path": "/active", "value": True}]
    problem(_patch(api, "Patient?identifier=urn:mrn|1", operations), 404, "not-found")
    api.put(patient)
    assert _patch(api, "Patient?identifier=urn:mrn|1", operations).get_json(force=True)["active"] is True
    api.put({**patient, "id": "p2"})
    problem(_patch(api, "Patient?identifier=urn:mrn|1", operations), 412, "multiple-matches")
    problem(_patch(api, "Patient", operations), 400, "invalid")


def _entry(url, resource, **request):
    return {"resource": resource, "request": {"method": "PATCH", "url": url, **request}}


def _binary(operations):
    data = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"resourceType": "Binary", "contentType": JSON_PATCH, "data": data}


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_an_entry_may_be_a_patch(api, goal, patient, kind):
    api.put(goal)
    api.put(patient)
    fhirpath = _fhirpath("add", "Patient", name={"valueString": "active"}, value={"valueBoolean": True})
    answer = api.bundle(
        kind,
        _entry("Goal/g1", _binary(_status("on-hold")), ifMatch='W/"1"'),
        _entry("Patient?identifier=urn:mrn|1", fhirpath),
    ).get_json(force=True)
    assert [entry["response"]["status"] for entry in answer["entry"]] == ["200 OK", "200 OK"], answer
    assert api.get("Goal/g1").get_json(force=True)["lifecycleStatus"] == "on-hold"
    assert api.get("Patient/p1").get_json(force=True)["active"] is True


def test_a_patch_in_a_transaction_may_refer_to_what_the_transaction_makes(api, goal, patient):
    urn = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    api.put(goal)
    operations = [{"op": "replace", "path": "/subject/reference", "value": urn}]
    create = {"fullUrl": urn, "resource": patient, "request": {"method": "POST", "url": "Patient"}}
    answer = api.bundle("transaction", _entry("Goal/g1", _binary(operations)), create).get_json(force=True)
    made = answer["entry"][1]["response"]["location"].split("/_history")[0]
    assert api.get("Goal/g1").get_json(force=True)["subject"] == {"reference": made}


@pytest.mark.parametrize(
    "binary",
    [
        {"resourceType": "Binary", "contentType": "text/plain", "data": "W10="},
        {"resourceType": "Binary", "contentType": JSON_PATCH, "data": "!"},
        {"resourceType": "Binary", "contentType": JSON_PATCH, "data": "e30="},
        _binary(_status("nope")),
        _binary([{"op": "test", "path": "/lifecycleStatus", "value": "x"}]),
    ],
)
def test_a_patch_that_fails_stops_its_transaction(api, goal, patient, binary):
    api.put(goal)
    put = {"resource": patient, "request": {"method": "PUT", "url": "Patient/p1"}}
    response = api.bundle("transaction", put, _entry("Goal/g1", binary))
    assert response.status_code in (400, 422)
    assert response.get_json(force=True)["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
    assert api.get("Patient/p1").status_code == 404
