"""fhirpy, a generic FHIR client, walks create, read, update, patch, search, paging and delete."""

import pytest

fhirpy = pytest.importorskip("fhirpy", reason="fhirpy is not installed; pip install fhirpy")


@pytest.fixture
def client(base):
    return fhirpy.SyncFHIRClient(base)


def test_it_creates_reads_updates_and_deletes(client):
    patient = client.resource("Patient", name=[{"family": "Quist", "given": ["Ana"]}])
    patient.save()
    assert patient.id
    read = client.reference("Patient", patient.id).to_resource()
    assert read["name"][0]["family"] == "Quist"
    read["birthDate"] = "1954-03-09"
    read.save()
    assert read["meta"]["versionId"] == "2"
    read.delete()
    with pytest.raises(fhirpy.base.exceptions.ResourceNotFound):
        client.reference("Patient", patient.id).to_resource()


def test_it_searches_and_follows_the_pages(client):
    for number in range(7):
        client.resource("Patient", identifier=[{"system": "urn:fhirpy", "value": str(number)}]).save()
    found = client.resources("Patient").search(identifier="urn:fhirpy|").limit(3)
    assert len(found.fetch()) == 3
    assert sorted(one["identifier"][0]["value"] for one in found.fetch_all()) == [str(number) for number in range(7)]
    counted = client.resources("Patient").search(identifier="urn:fhirpy|", _total="accurate").limit(1)
    assert counted.fetch_raw()["total"] == 7
    only = client.resources("Patient").search(identifier="urn:fhirpy|4").get()
    assert only["identifier"][0]["value"] == "4"


def test_it_updates_what_a_search_finds_and_is_told_what_is_wrong(client):
    found = client.resources("Patient").search(identifier="urn:fhirpy|once")

    def make(**more):
        return client.resource("Patient", identifier=[{"system": "urn:fhirpy", "value": "once"}], **more)

    first, created = found.update(make())
    again, created_again = found.update(make(active=True))
    assert (created, created_again) == (True, False)
    assert first["id"] == again["id"]
    with pytest.raises(fhirpy.base.exceptions.OperationOutcome):
        client.resource("Goal", lifecycleStatus="nope").save()
