"""Transactions and batches."""

import pytest

BASE = "http://127.0.0.1:8080/fhir"
NEW_PATIENT = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
NEW_GOAL = "urn:uuid:1c3151bd-1cbf-4d64-b04d-cd9187a4c6e1"


def _entry(method, url, resource=None, full_url="", **request):
    entry = {"request": {"method": method, "url": url, **request}}
    if resource:
        entry["resource"] = resource
    if full_url:
        entry["fullUrl"] = full_url
    return entry


@pytest.fixture
def plan():
    return {
        "resourceType": "CarePlan",
        "status": "draft",
        "intent": "plan",
        "subject": {"reference": NEW_PATIENT},
        "goal": [{"reference": NEW_GOAL}],
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{NEW_GOAL}">goal</a></div>',
        },
    }


def test_a_transaction_links_its_entries_and_answers_in_their_order(api, patient, goal, plan):
    response = api.bundle(
        "transaction",
        _entry("POST", "CarePlan", plan),
        _entry("POST", "Goal", {**goal, "subject": {"reference": NEW_PATIENT}}, NEW_GOAL),
        _entry("POST", "Patient", patient, NEW_PATIENT),
    )
    assert response.status_code == 200, response.get_data(as_text=True)
    answer = response.get_json(force=True)
    assert answer["type"] == "transaction-response"
    assert [entry["response"]["status"] for entry in answer["entry"]] == ["201 Created"] * 3
    places = [entry["response"]["location"].split("/_history")[0] for entry in answer["entry"]]
    assert [place.split("/")[0] for place in places] == ["CarePlan", "Goal", "Patient"]
    stored = api.get(places[0]).get_json(force=True)
    assert stored["subject"] == {"reference": places[2]}
    assert stored["goal"] == [{"reference": places[1]}]
    assert f'href="{places[1]}"' in stored["text"]["div"]
    assert api.get(places[1]).get_json(force=True)["subject"] == {"reference": places[2]}


def test_an_identifier_that_looks_like_a_full_url_is_left_alone(api, patient, goal):
    identifier = {"system": "urn:ietf:rfc:3986", "value": NEW_PATIENT}
    api.bundle(
        "transaction",
        _entry("PUT", "Patient/p1", {**patient, "identifier": [identifier]}, NEW_PATIENT),
        _entry("PUT", "Goal/g1", {**goal, "subject": {"reference": NEW_PATIENT}}),
    )
    assert api.get("Patient/p1").get_json(force=True)["identifier"] == [identifier]
    assert api.get("Goal/g1").get_json(force=True)["subject"] == {"reference": "Patient/p1"}


def test_relative_references_follow_the_server_of_their_full_url(api, patient, goal):
    answer = api.bundle(
        "transaction",
        _entry("POST", "Patient", patient, "http://ehr.test/fhir/Patient/p1"),
        _entry("PUT", "Goal/g1", goal, "http://ehr.test/fhir/Goal/g1"),
    ).get_json(force=True)
    place = answer["entry"][0]["response"]["location"].split("/_history")[0]
    assert place != "Patient/p1"
    assert api.get("Goal/g1").get_json(force=True)["subject"] == {"reference": place}


def test_one_bad_entry_changes_nothing_and_is_named(api, patient, goal, problem):
    response = api.bundle(
        "transaction",
        _entry("PUT", "Patient/p1", patient),
        _entry("PUT", "Goal/g1", goal),
        _entry("DELETE", "Goal/old"),
        _entry("PUT", "Goal/g2", {**goal, "id": "g2", "lifecycleStatus": "nope"}),
    )
    issue = problem(response, 422, "code-invalid")
    assert issue["expression"] == ["Bundle.entry[3].resource.lifecycleStatus"]
    assert api.get("Patient/p1").status_code == 404
    assert api.get("Goal/g1").status_code == 404


@pytest.mark.parametrize(
    ("entry", "status", "expression"),
    [
        (_entry("PUT", "Goal/g9", {"resourceType": "Goal", "id": "g8"}), 400, "Bundle.entry[1].resource.id"),
        (_entry("PUT", "Goal/g9", {"resourceType": "Task", "id": "g9"}), 400, "Bundle.entry[1].resource.resourceType"),
        (_entry("PUT", "Goal/g9"), 400, "Bundle.entry[1].resource"),
        (_entry("GET", "Goal/g9"), 404, "Bundle.entry[1]"),
        (_entry("BREW", "Goal/g9", {"resourceType": "Goal"}), 404, "Bundle.entry[1].request.method"),
        (_entry("PATCH", "Goal/g9", {"resourceType": "Goal"}), 404, "Bundle.entry[1]"),
        (_entry("DELETE", "Goal?colour=green"), 400, "Bundle.entry[1]"),
        (_entry("POST", "Banana", {"resourceType": "Banana"}), 404, "Bundle.entry[1]"),
        (_entry("GET", "Goal?colour=green"), 400, "Bundle.entry[1]"),
        ({"resource": {"resourceType": "Goal"}}, 400, "Bundle.entry[1].request"),
        ("nonsense", 400, "Bundle.entry[1].request"),
        (_entry("PUT", "Patient/p1", {"resourceType": "Patient", "id": "p1"}), 400, "Bundle.entry[1].request.url"),
        (_entry("PUT", "Goal/g9?x=1", {"resourceType": "Goal", "id": "g9"}), 400, "Bundle.entry[1].request"),
    ],
)
def test_whatever_is_wrong_with_an_entry_its_place_is_told(api, patient, entry, status, expression):
    response = api.bundle("transaction", _entry("PUT", "Patient/p1", patient), entry)
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.get_json(force=True)["issue"][0]["expression"][0].startswith(expression)
    assert api.get("Patient/p1").status_code == 404


def test_a_stale_entry_stops_the_transaction(api, patient, goal, problem):
    api.put(goal)
    response = api.bundle(
        "transaction",
        _entry("PUT", "Patient/p1", patient),
        _entry("PUT", "Goal/g1", {**goal, "description": {"text": "b"}}, ifMatch='W/"7"'),
    )
    assert problem(response, 412, "conflict")["expression"] == ["Bundle.entry[1].resource"]
    assert api.get("Patient/p1").status_code == 404


def test_entries_are_processed_in_the_order_of_the_specification(api, patient, goal):
    api.put(goal)
    answer = api.bundle(
        "transaction",
        _entry("GET", "Patient/p1"),
        _entry("PUT", "Patient/p1", patient),
        _entry("GET", "Goal?_id=g1"),
        _entry("DELETE", "Goal/g1"),
    ).get_json(force=True)
    read, put, search, delete = answer["entry"]
    assert read["resource"]["id"] == "p1"
    assert put["response"]["status"] == "201 Created"
    assert "entry" not in search["resource"]
    assert delete["response"]["status"] == "204 No Content"


def test_if_none_exist_finds_what_is_here_and_links_to_it(api, patient, goal):
    api.put(patient)
    bundle = (
        _entry("POST", "Patient", patient, NEW_PATIENT, ifNoneExist="identifier=urn:mrn|1"),
        _entry("POST", "Goal", {**goal, "subject": {"reference": NEW_PATIENT}}),
    )
    answer = api.bundle("transaction", *bundle).get_json(force=True)
    assert answer["entry"][0]["response"]["status"] == "200 OK"
    made = answer["entry"][1]["response"]["location"].split("/_history")[0]
    assert api.get(made).get_json(force=True)["subject"] == {"reference": "Patient/p1"}


@pytest.mark.parametrize("where", ["stored", "in the bundle"])
def test_a_conditional_reference_becomes_the_one_it_finds(api, patient, goal, where):
    entries = [_entry("PUT", "Goal/g1", {**goal, "subject": {"reference": "Patient?identifier=urn:mrn|1"}})]
    if where == "stored":
        api.put(patient)
    else:
        entries.append(_entry("PUT", "Patient/p1", patient))
    response = api.bundle("transaction", *entries)
    assert response.status_code == 200, response.get_data(as_text=True)
    assert api.get("Goal/g1").get_json(force=True)["subject"] == {"reference": "Patient/p1"}


def test_a_conditional_create_does_not_find_what_the_bundle_deletes(api, patient):
    api.put(patient)
    answer = api.bundle(
        "transaction",
        _entry("POST", "Patient", patient, ifNoneExist="identifier=urn:mrn|1"),
        _entry("DELETE", "Patient/p1"),
    ).get_json(force=True)
    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["201", "204"]


def test_one_condition_stands_once_in_a_transaction(api, patient, problem):
    entry = _entry("POST", "Patient", patient, ifNoneExist="identifier=urn:mrn|1")
    issue = problem(api.bundle("transaction", entry, entry), 400, "invalid")
    assert issue["expression"] == ["Bundle.entry[1].request.ifNoneExist"]


def test_a_conditional_reference_must_find_exactly_one(api, patient, goal, problem):
    entry = _entry("PUT", "Goal/g1", {**goal, "subject": {"reference": "Patient?identifier=urn:mrn|1"}})
    assert problem(api.bundle("transaction", entry), 422, "not-found")["expression"] == ["Bundle.entry[0]"]
    api.put(patient)
    api.put({**patient, "id": "p2"})
    assert problem(api.bundle("transaction", entry), 412, "multiple-matches")["expression"] == ["Bundle.entry[0]"]
    one_leaves = api.bundle("transaction", entry, _entry("DELETE", "Patient/p2"))
    assert one_leaves.status_code == 200, one_leaves.get_data(as_text=True)


def test_a_urn_that_no_entry_carries_is_refused(api, goal, problem):
    response = api.bundle("transaction", _entry("PUT", "Goal/g1", {**goal, "subject": {"reference": NEW_PATIENT}}))
    assert problem(response, 422, "not-found")["expression"] == ["Bundle.entry[0].resource.subject"]


def test_a_transaction_may_bring_back_what_it_wrote(api, patient):
    entry = _entry("PUT", "Patient/p1", patient)
    assert "resource" not in api.bundle("transaction", entry).get_json(force=True)["entry"][0]
    whole = api.bundle("transaction", entry, Prefer="return=representation").get_json(force=True)["entry"][0]
    assert (whole["resource"]["id"], whole["fullUrl"]) == ("p1", f"{BASE}/Patient/p1")
    told = api.bundle("transaction", entry, Prefer="return=OperationOutcome").get_json(force=True)["entry"][0]
    assert told["response"]["outcome"]["resourceType"] == "OperationOutcome"


def test_each_entry_of_a_batch_stands_alone(api, patient, goal):
    answer = api.bundle(
        "batch",
        _entry("GET", "Patient/p1"),
        _entry("PUT", "Patient/p1", patient),
        _entry("PUT", "Goal/g1", {**goal, "lifecycleStatus": "nope"}),
        _entry("PUT", "Goal/g2", {**goal, "id": "g2", "subject": {"reference": NEW_PATIENT}}),
        _entry("GET", "metadata"),
        "nonsense",
        _entry("GET", "openapi.json"),
        _entry("POST", "Patient/_search?_id=p1"),
        _entry("POST", "Goal"),
        _entry("HEAD", "Patient/p1"),
    )
    assert answer.status_code == 200
    bundle = answer.get_json(force=True)
    assert bundle["type"] == "batch-response"
    statuses = [entry["response"]["status"][:3] for entry in bundle["entry"]]
    assert statuses == ["200", "201", "422", "422", "200", "400", "404", "200", "400", "200"]
    assert bundle["entry"][7]["resource"]["type"] == "searchset"
    assert "resource" not in bundle["entry"][9]
    assert bundle["entry"][4]["resource"]["resourceType"] == "CapabilityStatement"
    assert bundle["entry"][0]["resource"]["id"] == "p1"
    outcome = bundle["entry"][2]["response"]["outcome"]
    assert outcome["issue"][0]["expression"] == ["Goal.lifecycleStatus"]
    assert api.get("Goal/g1").status_code == 404


def test_a_conditional_reference_outside_of_a_transaction_is_refused(api, goal, problem):
    pointing = {**goal, "subject": {"reference": "Patient?identifier=urn:mrn|1"}}
    assert problem(api.put(pointing), 422, "not-supported")["expression"] == ["Goal.subject"]
    [entry] = api.bundle("batch", _entry("PUT", "Goal/g1", pointing)).get_json(force=True)["entry"]
    assert entry["response"]["status"] == "422 Unprocessable Entity"


def test_an_empty_transaction_is_answered_with_an_empty_response(api):
    answer = api.bundle("transaction").get_json(force=True)
    assert answer == {"resourceType": "Bundle", "type": "transaction-response"}


def test_only_bundles_of_two_types_are_taken_at_the_base(api, goal, problem):
    problem(api.send("POST", "", goal), 400, "invalid")
    problem(api.bundle("collection"), 400, "invalid")
    problem(api.send("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": {}}), 400, "invalid")


def test_too_many_entries_are_refused(configured, patient, problem):
    api = configured(max_bundle_entries=2)
    entries = [_entry("PUT", f"Patient/p{n}", {**patient, "id": f"p{n}"}) for n in range(3)]
    assert "2" in problem(api.bundle("transaction", *entries), 413, "too-costly")["details"]["text"]
    assert api.bundle("batch", *entries[:2]).status_code == 200
