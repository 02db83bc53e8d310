"""/metrics: who may read it, and that its figures are those of the database."""

import re

import pytest

from fhirplan.store.sync import activity, circuits, conflicts, notices, outbox, refusals
from fhirplan.store.sync.activity import Activity
from fhirplan.store.sync.circuits import Circuit

EHR = {"ehr_url": "http://127.0.0.1:9/fhir"}


def samples(text):
    found = re.findall(r"^(fhirplan_\w+)(\{[^}]*\})? (\S+)$", text, re.MULTILINE)
    return {name + labels: float(value) for name, labels, value in found}


@pytest.fixture
def with_ehr(configured):
    return configured(**EHR)


def test_every_line_is_of_the_text_format(with_ehr):
    answer = with_ehr.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    line = re.compile(
        r"# HELP fhirplan_\w+ [^\n]+|# TYPE fhirplan_\w+ (gauge|counter|histogram)|"
        r'fhirplan_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? -?[0-9.e+]+'
    )
    assert answer.text.endswith("\n")
    for text in answer.text.splitlines():
        assert line.fullmatch(text), text


def test_its_figures_are_those_of_the_database(with_ehr):
    services = with_ehr.services
    goal = {"resourceType": "Goal", "id": "g1", "lifecycleStatus": "active", "description": {"text": "x"}}
    assert with_ehr.put({**goal, "subject": {"reference": "Patient/p1"}}).status_code == 201
    now = services.clock()
    with services.database.write() as tx:
        activity.add(tx, "default", Activity(5, 1, pulled=now - 10_000))
        activity.add(tx, "default", Activity(2, 0))
        notices.put(tx, "default", [("Goal", "g1"), ("", "")], now - 3_000)
        refusals.note(tx, "default", refusals.Refusal("Goal", "resource", "77", 1, "No."))
        conflicts.record(
            tx, "default", "Goal", "g2", base=None, local=None, remote=None, ehr_version="", paths=(), now=now
        )
    found = samples(with_ehr.client.get("/metrics").text)
    here = '{connection="default"}'
    assert found["fhirplan_up"] == 1
    assert found['fhirplan_outbox_entries{connection="default",state="waiting"}'] == 1
    assert found[f"fhirplan_ehr_calls_total{here}"] == 7
    assert found[f"fhirplan_ehr_errors_total{here}"] == 1
    assert found[f"fhirplan_conflicts_open{here}"] == 1
    assert found[f"fhirplan_ehr_untold{here}"] == 1
    assert found[f"fhirplan_ehr_circuit_open{here}"] == 0
    assert found[f"fhirplan_notices_waiting{here}"] == 2
    assert 10 <= found[f"fhirplan_pull_lag_seconds{here}"] < 60
    assert 3 <= found[f"fhirplan_notices_oldest_seconds{here}"] < 60
    assert 0 <= found[f"fhirplan_outbox_oldest_seconds{here}"] < 60
    with services.database.write() as tx:
        (row,) = outbox.listed(tx, "default")
        outbox.park(tx, row.oid)
    found = samples(with_ehr.client.get("/metrics").text)
    assert found['fhirplan_outbox_entries{connection="default",state="parked"}'] == 1
    assert found[f"fhirplan_outbox_oldest_seconds{here}"] == 0


def test_an_ehr_that_is_left_alone_shows(with_ehr):
    services = with_ehr.services
    with services.database.write() as tx:
        circuits.put(tx, Circuit("default", failures=7, until=services.clock() + 60_000))
    found = samples(with_ehr.client.get("/metrics").text)
    assert found['fhirplan_ehr_circuit_open{connection="default"}'] == 1
    assert found['fhirplan_ehr_failures_in_row{connection="default"}'] == 7


def test_it_names_no_patient(with_ehr):
    patient = {"resourceType": "Patient", "id": "very-secret", "name": [{"family": "Quist"}]}
    assert with_ehr.put(patient).status_code == 201
    text = with_ehr.client.get("/metrics").text
    assert "very-secret" not in text
    assert "Quist" not in text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_a_caller_by_way_of_a_proxy_is_refused_without_the_token(header, with_ehr):
    assert with_ehr.client.get("/metrics", headers={header: "127.0.0.1"}).status_code in (401, 403)


def test_a_caller_from_elsewhere_is_refused_without_the_token(configured):
    api = configured(**EHR, auth="smart")
    elsewhere = {"REMOTE_ADDR": "10.0.0.7"}
    assert api.client.get("/metrics", environ_overrides=elsewhere).status_code == 401
    assert api.client.get("/metrics").status_code == 200


def test_with_a_token_in_the_settings_everybody_needs_it(configured):
    api = configured(**EHR, auth="smart", metrics_token="a-token-for-prometheus")
    elsewhere = {"REMOTE_ADDR": "10.0.0.7"}
    right = {"Authorization": "Bearer a-token-for-prometheus"}
    assert api.client.get("/metrics").status_code == 401
    assert api.client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert api.client.get("/metrics", headers=right, environ_overrides=elsewhere).status_code == 200


def test_a_server_without_an_ehr_tells_that_it_is_up(api):
    assert samples(api.client.get("/metrics").text) == {"fhirplan_up": 1}
