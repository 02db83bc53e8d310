"""Transactions and batches: order, references, atomicity, and which entry is to blame."""

from __future__ import annotations

import pytest

PATIENT = "urn:uuid:11111111-1111-4111-8111-111111111111"
PLAN = "urn:uuid:22222222-2222-4222-8222-222222222222"


def entry(method, url, resource=None, full_url=None, **request):
    made = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    if full_url:
        made["fullUrl"] = full_url
    return made


def bundle(*entries, kind="transaction"):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def task(id_=None, **more):
    return {"resourceType": "Task", **({"id": id_} if id_ else {}), "status": "requested", **more}


def patient(value):
    return {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": value}]}


def statuses(answer):
    assert answer.status_code == 200, answer.resource
    return [item["response"]["status"] for item in answer.resource["entry"]]


def test_placeholders_become_the_real_addresses_in_both_directions(ehr):
    plan = {
        "resourceType": "CarePlan",
        "subject": {"reference": PATIENT},
        "activity": [{"reference": {"reference": "Task/t1"}}],
    }
    person = {**patient("1"), "link": [{"other": {"reference": PATIENT}}]}
    answer = ehr(
        "POST",
        "",
        bundle(
            entry("PUT", "Task/t1", task("t1", basedOn=[{"reference": PLAN}], **{"for": {"reference": PATIENT}})),
            entry("POST", "CarePlan", plan, PLAN),
            entry("POST", "Patient", person, PATIENT),
        ),
    )
    assert answer.resource["type"] == "transaction-response"
    assert statuses(answer) == ["201 Created"] * 3
    places = [item["response"]["location"] for item in answer.resource["entry"]]
    assert places[0] == "http://localhost/fhir/Task/t1/_history/1"
    plan_key, patient_key = ("/".join(place.split("/")[4:6]) for place in places[1:])
    stored = ehr("GET", "Task/t1").resource
    assert (stored["basedOn"], stored["for"]) == ([{"reference": plan_key}], {"reference": patient_key})
    assert ehr("GET", plan_key).resource["subject"] == {"reference": patient_key}
    assert ehr("GET", patient_key).resource["link"] == [{"other": {"reference": patient_key}}]
    assert ehr.found(f"Task?patient={patient_key}&based-on={plan_key}") == ["t1"]
    said = answer.resource["entry"][0]["response"]
    assert (said["etag"], said["lastModified"]) == ('W/"1"', "2026-11-02T12:00:00.000Z")


def test_a_foreign_full_url_is_a_placeholder_too(ehr):
    foreign = "http://else.where/fhir/Patient/7"
    ehr(
        "POST",
        "",
        bundle(
            entry("POST", "Patient", patient("1"), foreign),
            entry("PUT", "Task/a", task("a", **{"for": {"reference": "Patient/7"}})),
            entry("PUT", "Task/b", task("b", **{"for": {"reference": foreign}})),
            entry("PUT", "Goal/g", {"resourceType": "Goal", "id": "g"}, "http://else.where/fhir/Goal/g"),
            entry("PUT", "Task/c", task("c", focus={"reference": "http://else.where/fhir/Goal/g"})),
        ),
    )
    assert ehr.found("Task?patient=new-1") == ["a", "b"]
    assert ehr("GET", "Task/c").resource["focus"] == {"reference": "Goal/g"}


def test_deletes_come_first_and_reads_last(ehr):
    ehr.put(task("old", identifier=[{"value": "x"}]))
    answer = ehr(
        "POST",
        "",
        bundle(
            entry("GET", "Task?identifier=x"),
            entry("GET", "Task/t2/_history"),
            entry("PUT", "Task/t2", task("t2")),
            entry("POST", "Task", task(identifier=[{"value": "x"}]), ifNoneExist="identifier=x"),
            entry("DELETE", "Task/old"),
        ),
    )
    assert statuses(answer) == ["200 OK", "200 OK", "201 Created", "201 Created", "204 No Content"]
    searched, past = (item["resource"] for item in answer.resource["entry"][:2])
    assert [found["resource"]["id"] for found in searched["entry"]] == ["new-1"]
    assert past["total"] == 1
    assert ehr("GET", "Task/old").status_code == 410


def test_conditional_references_find_old_and_new_resources(ehr):
    ehr("POST", "Patient", patient("old"))
    answer = ehr(
        "POST",
        "",
        bundle(
            entry("PUT", "Task/t1", task("t1", **{"for": {"reference": "Patient?identifier=urn:mrn|old"}})),
            entry("PUT", "Task/t2", task("t2", **{"for": {"reference": "Patient?identifier=urn:mrn|new"}})),
            entry("POST", "Patient", patient("new")),
        ),
        Prefer="return=representation",
    )
    assert answer.resource["entry"][0]["resource"]["for"] == {"reference": "Patient/new-1"}
    assert ehr("GET", "Task/t2").resource["for"] == {"reference": "Patient/new-2"}
    assert ehr.found("Task?patient=new-2") == ["t2"]


def test_if_none_exist_in_a_transaction_makes_one_and_links_to_it(ehr):
    def send(id_):
        other = PATIENT.replace("1", "3")
        return ehr(
            "POST",
            "",
            bundle(
                entry("POST", "Patient", patient("1"), PATIENT, ifNoneExist="identifier=urn:mrn|1"),
                entry("POST", "Patient", patient("1"), other, ifNoneExist="identifier=urn:mrn|1"),
                entry("PUT", f"Task/{id_}", task(id_, **{"for": {"reference": PATIENT}}, owner={"reference": other})),
            ),
        )

    assert statuses(send("t1")) == ["201 Created", "200 OK", "201 Created"]
    assert statuses(send("t2")) == ["200 OK", "200 OK", "201 Created"]
    assert ehr.store.counts() == {"Patient": 1, "Task": 2}
    assert ehr.found("Task?patient=new-1&owner=Patient/new-1") == ["t1", "t2"]


def test_a_conditional_update_in_a_transaction_finds_its_resource(ehr):
    ehr("POST", "Patient", patient("1"))
    answer = ehr(
        "POST",
        "",
        bundle(
            entry("PUT", "Patient?identifier=urn:mrn|1", {**patient("1"), "active": True}, PATIENT),
            entry("PUT", "Patient?identifier=urn:mrn|2", patient("2")),
            entry("POST", "Task", task(**{"for": {"reference": PATIENT}})),
        ),
    )
    assert statuses(answer) == ["200 OK", "201 Created", "201 Created"]
    assert ehr.found("Patient?active=true") == ["new-1"]
    assert len(ehr.found("Task?patient=new-1")) == 1


@pytest.mark.parametrize(
    ("bad", "status", "said"),
    [
        (entry("PUT", "Task/x", {"resourceType": "Goal", "id": "x"}), 422, "Goal"),
        (entry("PUT", "Task/x", task("y")), 400, "'y'"),
        (entry("PUT", "Task/x", task("x"), ifMatch='W/"4"'), 412, "If-Match"),
        (entry("PUT", "Task/x"), 400, "empty"),
        (entry("POST", "Banana", {"resourceType": "Banana"}), 404, "Banana"),
        (entry("POST", "Task", task(focus={"reference": PLAN})), 422, "fullUrl"),
        (entry("POST", "Task", task(focus={"reference": "Patient?identifier=none"})), 412, "finds nothing"),
        (entry("POST", "Task", task(), ifNoneExist="nonsense=1"), 400, "nonsense"),
        (entry("POST", "Task/_search"), 404, "POST"),
        (entry("PATCH", "Task/x", task("x")), 404, "PATCH"),
        (entry("GET", "http://else.where/fhir/Task"), 404, "relative"),
        (entry("GET", "Task/none"), 404, "none"),
        (entry("DELETE", "Task?status=requested"), 405, "DELETE"),
        (entry("PUT", "Task/first", task("first")), 422, "entry[0]"),
        (entry("DELETE", "Task/first"), 422, "first"),
        ({"resource": task()}, 422, "request"),
        ({"request": {"method": "PUT", "url": 5}}, 422, "url"),
        (entry("PUT", "Task/x", {"id": "x"}), 422, "resourceType"),
        ("no object", 422, "request"),
    ],
)
def test_a_transaction_with_one_bad_entry_changes_nothing_and_names_it(ehr, bad, status, said):
    answer = ehr("POST", "", bundle(entry("PUT", "Task/first", task("first")), entry("POST", "Task", task()), bad))
    assert answer.status_code == status
    (issue,) = answer.resource["issue"]
    assert said in issue["details"]["text"]
    place = issue["expression"][0]
    twice = said in ("entry[0]", "first")
    assert place.startswith("Bundle.entry[2]") or (twice and place.startswith("Bundle.entry["))
    assert issue["details"]["text"].startswith("Bundle.entry[")
    assert ehr.store.counts() == {}
    assert ehr("GET", "_history").resource["total"] == 0


def test_the_place_of_a_fault_is_a_path_from_the_bundle(ehr):
    wrong_id = ehr("POST", "", bundle(entry("PUT", "Task/x", task("y"))))
    assert wrong_id.resource["issue"][0]["expression"] == ["Bundle.entry[0].resource.id"]
    no_request = ehr("POST", "", bundle({"resource": task()}))
    assert no_request.resource["issue"][0]["expression"] == ["Bundle.entry[0].request"]


def test_a_batch_does_what_it_can(ehr):
    answer = ehr(
        "POST",
        "",
        bundle(
            entry("PUT", "Task/t1", task("t1")),
            entry("PUT", "Task/t2", {"resourceType": "Goal", "id": "t2"}),
            entry("GET", "Task/t1"),
            entry("DELETE", "Task/t1"),
            entry("GET", "Task/t1"),
            {"resource": task()},
            entry("POST", "Task", task(identifier=[{"value": "x"}]), ifNoneExist="identifier=x"),
            kind="batch",
        ),
    )
    assert answer.resource["type"] == "batch-response"
    assert [status[:3] for status in statuses(answer)] == ["201", "422", "200", "204", "410", "422", "201"]
    entries = answer.resource["entry"]
    assert entries[1]["response"]["outcome"]["issue"][0]["severity"] == "error"
    assert entries[2]["resource"]["id"] == "t1"
    assert "resource" not in entries[0]


def test_prefer_representation_brings_the_resources_back(ehr):
    sent = bundle(entry("POST", "Task", task()), entry("PUT", "Task/t1", task("t1")))
    answer = ehr("POST", "", sent, Prefer="return=representation")
    assert [item["resource"]["id"] for item in answer.resource["entry"]] == ["new-1", "t1"]


@pytest.mark.parametrize(
    "sent",
    [
        {"resourceType": "Bundle", "type": "collection"},
        {"resourceType": "Bundle"},
        {"resourceType": "Task", "type": "transaction"},
        {"resourceType": "Bundle", "type": "batch", "entry": {}},
    ],
)
def test_what_is_no_transaction_or_batch_is_refused(ehr, sent):
    assert ehr("POST", "", sent).status_code == 422


def test_an_empty_transaction_has_an_empty_answer(ehr):
    answer = ehr("POST", "", {"resourceType": "Bundle", "type": "transaction"})
    assert (answer.status_code, answer.resource) == (200, {"resourceType": "Bundle", "type": "transaction-response"})
    assert ehr("POST", "/fhir/", {"resourceType": "Bundle", "type": "batch"}).status_code == 200


def test_decimals_survive_a_transaction(ehr):
    text = (
        b'{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Observation","id":"o",'
        b'"valueQuantity":{"value":1.50}},"request":{"method":"PUT","url":"Observation/o"}}]}'
    )
    assert ehr("POST", "", text).status_code == 200
    assert b'"value":1.50' in ehr("GET", "Observation/o").get_data()
