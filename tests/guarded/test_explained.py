"""Which rule allowed or hid what, in words for whoever runs the server, by route."""

import json

import pytest

from fhirplan.errors import MalformedRequest
from fhirplan.interactions.operations.access_explained import Request, access_explained
from fhirplan.interactions.perform import READS
from fhirplan.store import audit
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.sync import conflicts
from tests.guarded.conftest import Caller, goal

SUD = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SUD"}


def told(server, caller, url, method="GET", body=None):
    sent = json.dumps(body).encode() if body else b""
    request = Request(method, url, f"Bearer {caller.token}" if caller else "", sent)
    return "\n".join(access_explained(server.services, request, READS))


def stored(server, resource):
    """Written past the rules, as an import is."""
    with server.services.database.write() as tx:
        origin = Origin("t", "t", "api", push=False)
        change = Change("update", resource["resourceType"], resource["id"], resource)
        commit(tx, "default", [change], now=server.services.clock(), origin=origin)


@pytest.fixture
def a(two_patients):
    return two_patients.caller("patient/Goal.rs patient/CarePlan.rs", patient="a")


def test_a_read(two_patients, a):
    text = told(two_patients, a, "/fhir/Goal/ga")
    assert "patient/Goal.rs speaks of it" in text
    assert "Goal/ga: seen" in text
    assert "Goal/gb: hidden by the limits of the scopes" in told(two_patients, a, "/fhir/Goal/gb")
    assert "nothing is stored there" in told(two_patients, a, "/fhir/Goal/gz")
    assert "refused: You may not read Task" in told(two_patients, a, "/fhir/Task/ta")
    assert "refused:" in told(two_patients, None, "/fhir/Task/ta")
    assert "the token is not accepted" in told(two_patients, Caller(None, "forged"), "/fhir/Goal/ga")


def test_a_search_and_its_includes(two_patients, a):
    text = told(two_patients, a, "/fhir/CarePlan?_include=CarePlan:goal")
    assert "CarePlan/pa: seen" in text
    assert "CarePlan/pb: hidden by the limits of the scopes" in text
    assert "Goal/ga: seen (included)" in text
    assert "Goal/gb: hidden by the limits of the scopes (included)" in text
    text = told(two_patients, a, "/fhir/Patient/b/Goal")
    assert "Goal/gb: hidden by the limits of the scopes" in text
    assert "it is refused to anybody" in told(two_patients, a, "/fhir/Goal?nothing=such")


def test_a_history(two_patients, a):
    two_patients.load(goal("ga", "a", lifecycleStatus="completed"))
    held = two_patients.caller("patient/Goal.rs?lifecycle-status=completed", patient="a")
    text = told(two_patients, held, "/fhir/Goal/ga/_history")
    assert "Goal/ga/_history/2: seen" in text
    assert "Goal/ga/_history/1: hidden as it was then" in text
    assert "Goal/ga/_history/1: hidden as it was then" in told(two_patients, held, "/fhir/Goal/ga/_history/1")
    assert "Goal/gb/_history/1: hidden by the limits" in told(two_patients, a, "/fhir/Goal/_history")


def test_everything(two_patients):
    only_goals = two_patients.caller("patient/Patient.r patient/Goal.rs", patient="a")
    text = told(two_patients, only_goals, "/fhir/Patient/a/$everything")
    assert "Patient/a: seen" in text
    assert "Goal/ga: seen" in text
    assert "Task/ta: hidden by the limits of the scopes" in text


def test_receipts_and_conflicts(two_patients, a):
    assert "Goal/ga: seen" in told(two_patients, a, "/fhir/Goal/ga/$receipts")
    assert "Goal/gb: hidden" in told(two_patients, a, "/fhir/Goal/gb/$receipts")
    assert "refused: You may not read Task" in told(two_patients, a, "/fhir/Task/ta/$receipts")
    with two_patients.services.database.write() as tx:
        made = {"base": None, "local": goal("gb", "b"), "remote": goal("gb", "b"), "ehr_version": "3"}
        conflicts.record(tx, "default", "Goal", "gb", **made, paths=("Goal.description",), now=0)
    assert "Goal/gb: hidden, as it takes a right (r) to all" in told(two_patients, a, "/fhir/$conflicts")
    every = two_patients.caller("system/Goal.rs")
    assert "conflict 1: Goal/gb: seen" in told(two_patients, every, "/fhir/$conflicts")
    assert "right (u) to all" in told(two_patients, every, "/fhir/$conflicts/1", "POST")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"this is no JSON", "This is not JSON"),
        (b"[]", "this is an array"),
        (b'{"entry": []}', "resourceType is missing"),
        (b'{"resourceType": "Goal"}', "The body is a Goal"),
    ],
)
@pytest.mark.parametrize("somebody", [True, False])
def test_a_body_that_is_no_bundle_is_refused_whoever_asks(two_patients, a, sent, said, somebody):
    request = Request("POST", "/fhir", f"Bearer {a.token}" if somebody else "", sent)
    with pytest.raises(MalformedRequest) as refused:
        list(access_explained(two_patients.services, request, READS))
    assert said in refused.value.text


def test_each_entry_of_a_batch(two_patients, a):
    entries = [
        {"request": {"method": "GET", "url": "Goal/ga"}},
        {"request": {"method": "GET", "url": "Goal/gb"}},
        {"request": {"method": "DELETE", "url": "Goal/ga"}},
        {"request": {"method": "GET", "url": "Banana/1"}},
    ]
    body = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    lines = told(two_patients, a, "/fhir", "POST", body).split("\n")
    assert "entry 0: Goal/ga: seen" in lines
    assert "entry 1: Goal/gb: hidden by the limits of the scopes" in lines
    assert any(line.startswith("entry 2: refused: You may not delete Goal") for line in lines)
    assert any(line.startswith("entry 3: ") and "Banana" in line for line in lines)
    assert two_patients.root.get("Goal/ga").status_code == 200


def test_labels_consents_and_emergencies(two_patients):
    nurse = two_patients.caller("user/*.rs user/Patient.r", fhirUser="Practitioner/both")
    stored(two_patients, goal("ga", "a", meta={"security": [SUD]}))
    text = told(two_patients, nurse, "/fhir/Goal?patient=a")
    assert "Goal/ga: hidden by a consent or a label: the label SUD" in text
    consent = {
        "resourceType": "Consent",
        "id": "k",
        "status": "active",
        "patient": {"reference": "Patient/b"},
        "provision": {"type": "deny", "actor": [{"reference": {"reference": "Practitioner/both"}}]},
    }
    stored(two_patients, consent)
    text = told(two_patients, nurse, "/fhir/Goal/gb")
    assert "Consent/k of Patient/b forbids and concerns this reader" in text
    assert "Goal/gb: hidden by a consent or a label: Consent/k, which forbids it" in text
    answer = nurse.send("POST", "Patient/a/$break-glass?reason=found+unconscious")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    text = told(two_patients, nurse, "/fhir/Goal/ga")
    assert "declared an emergency for Patient/a" in text
    assert "Goal/ga: seen" in text


# Over HTTP, for administrators


def ask(caller, url, **more):
    given = [{"name": "url", "valueUri": url}, *({"name": k, "valueString": v} for k, v in more.items())]
    return caller.send("POST", "$explain", {"resourceType": "Parameters", "parameter": given})


def test_only_administrators_are_told(configured):
    server = configured(administrators=["client ops", "Practitioner/chief"])
    server.load({"resourceType": "Patient", "id": "a", "name": [{"text": "A"}]}, goal("ga", "a"))
    for caller in (
        server.root,
        server.caller("user/*.cruds", client_id="app", fhirUser="Practitioner/other"),
        server.caller("system/*.cruds", client_id="Practitioner/chief"),
    ):
        answer = ask(caller, "/fhir/Goal")
        assert answer.status_code == 403
        assert "administrators" in answer.get_data(as_text=True)
        assert caller.get("Goal/$explain").status_code == 403
    assert ask(Caller(server.client, "x"), "/fhir/Goal").status_code == 401
    for caller in (
        server.caller("system/Goal.rs", client_id="ops"),
        server.caller("user/Goal.rs", client_id="app", fhirUser="Practitioner/chief"),
    ):
        assert caller.get("Goal/$explain?lifecycle-status=active").status_code == 200
        answer = ask(caller, "/fhir/Goal?patient=a", token=server.token("patient/Goal.rs", patient="b"))
        assert answer.status_code == 200, answer.get_data(as_text=True)
        rules = [item["valueString"] for item in answer.get_json(force=True)["parameter"]]
        assert "Goal/ga: hidden by the limits of the scopes" in rules


def test_an_administrator_sees_no_resource_by_it_that_their_scopes_hide(configured):
    server = configured(administrators=["client ops"])
    server.load({"resourceType": "Patient", "id": "a", "name": [{"text": "A"}]}, goal("ga", "a"))
    ops = server.caller("system/Task.rs", client_id="ops")
    assert ops.get("Goal/$explain?resource=Goal/ga").status_code == 404
    text = ask(ops, "/fhir/Goal", token=server.token("patient/Goal.rs", patient="a")).get_data(as_text=True)
    assert "Goal/ga: seen" in text
    assert "Goal ga" not in text


def test_the_token_that_is_explained_stands_in_no_audit_and_in_no_answer(configured):
    server = configured(administrators=["client ops"])
    ops, token = server.caller("system/*.rs", client_id="ops"), server.token("patient/Goal.rs", patient="b")
    assert token not in ask(ops, "/fhir/Goal", token=token).get_data(as_text=True)
    assert ops.send("POST", f"$explain?url=/fhir/Goal&token={token}").status_code == 400
    server.services.accesses.keep()
    with server.services.database.read() as tx:
        kept = audit.found(tx, "default", before=2**62, count=100)
    explained = [item for item in kept if item.kind == "access-explain"]
    assert [(item.outcome, item.client) for item in explained] == [("invalid", "ops"), ("success", "ops")]
    assert not any(item.query for item in explained)
