"""fhirclient, the SMART client for Python, walks create, read, update, search, paging and delete."""

import pytest

client = pytest.importorskip("fhirclient.client", reason="fhirclient is not installed; pip install fhirclient")
patients = pytest.importorskip("fhirclient.models.patient")
goals = pytest.importorskip("fhirclient.models.goal")
server_errors = pytest.importorskip("fhirclient.server")


@pytest.fixture
def server(base):
    return client.FHIRClient(settings={"app_id": "fhirplan-tests", "api_base": base}).server


def _goal(subject):
    return {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "Walk to the corner"},
        "subject": {"reference": subject},
    }


def test_it_creates_reads_updates_and_deletes(server):
    goal = goals.Goal(_goal("Patient/p1"))
    made = goal.create(server)
    read = goals.Goal.read(made["id"], server)
    assert read.description.text == "Walk to the corner"
    read.lifecycleStatus = "completed"
    assert read.update(server)["meta"]["versionId"] == "2"
    read.delete()
    with pytest.raises(server_errors.FHIRNotFoundException):
        goals.Goal.read("nobody-here", server)


def test_it_searches_and_follows_the_pages(server):
    for _ in range(5):
        goals.Goal(_goal("Patient/paged")).create(server)
    search = goals.Goal.where(struct={"subject": "Patient/paged", "_count": "2"})
    assert len(next(search.perform_iter(server)).entry) == 2
    found = list(search.perform_resources_iter(server))
    assert len(found) == len({one.id for one in found}) == 5


def test_it_reads_what_the_server_is(server):
    statement = server.capabilityStatement
    assert statement.fhirVersion == "4.0.1"
    assert {one.type for one in statement.rest[0].resource} >= {"CarePlan", "Goal", "Task", "CareTeam"}
