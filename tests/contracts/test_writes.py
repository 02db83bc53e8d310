"""Who wrote what is read alike on both databases: of a resource, of a patient's record, of everything."""

import pytest

from fhirplan.store import provenance, writes
from fhirplan.store.commit import Change, Origin, commit

NURSE = Origin(actor="Practitioner/nurse", request_id="r1", source="api", push=False)


@pytest.fixture
def written(database):
    """Seven writes of two patients' goals and of a Provenance, a second apart from 1,000,000 ms on."""
    goal = {"resourceType": "Goal", "subject": {"reference": "Patient/p1"}}
    told = {"resourceType": "Provenance", "target": [{"reference": "Goal/g1"}]}
    changes = [
        Change("create", "Patient", "p1", {"resourceType": "Patient"}),
        Change("create", "Goal", "g1", goal),
        Change("create", "Provenance", "own", told),
        Change("create", "Goal", "g2", {**goal, "subject": {"reference": "Patient/p2"}}),
        Change("update", "Goal", "g1", {**goal, "lifecycleStatus": "active"}),
        Change("delete", "Goal", "g1"),
    ]
    for number, change in enumerate(changes):
        with database.write() as tx:
            commit(tx, "default", [change], now=1_000_000 + number * 1000, origin=NURSE)
    with database.write() as tx:
        commit(tx, "other", [Change("create", "Goal", "g1", goal)], now=1_010_000, origin=NURSE)
    return database


def names(found):
    return [f"{item.type}/{item.id}/{item.version}" for item in found]


def test_all_are_read_both_ways_but_of_provenance_and_other_connections(written):
    with written.read() as tx:
        forwards = writes.along(tx, "default", after=None, count=10)
        assert names(forwards) == ["Patient/p1/1", "Goal/g1/1", "Goal/g2/1", "Goal/g1/2", "Goal/g1/3"]
        assert names(writes.along(tx, "default", after=None, count=10, backwards=True)) == names(forwards)[::-1]
        assert names(writes.along(tx, "default", after=forwards[1].number, count=2)) == names(forwards)[2:4]
        middle = forwards[3].number
        assert names(writes.along(tx, "default", after=middle, count=2, backwards=True)) == ["Goal/g2/1", "Goal/g1/1"]


def test_those_of_a_resource_and_of_a_patient(written):
    with written.read() as tx:
        of_goal = writes.of_resource(tx, "default", "Goal", "g1", after=None, count=10)
        assert names(of_goal) == ["Goal/g1/1", "Goal/g1/2", "Goal/g1/3"]
        assert [item.before for item in of_goal] == [0, 1, 1]
        of_patient = writes.of_patient(tx, "default", "p1", after=None, count=10)
        assert names(of_patient) == ["Patient/p1/1", "Goal/g1/1", "Goal/g1/2", "Goal/g1/3"]
        rest = writes.of_patient(tx, "default", "p1", after=of_patient[1].number, count=1)
        assert names(rest) == ["Goal/g1/2"]


def test_a_moment_is_found_among_them(written):
    with written.read() as tx:
        everything = [writes.along(tx, name, after=None, count=10) for name in ("default", "other")]
        for moment in (0, 1_000_000, 1_000_001, 1_003_000, 1_004_500, 1_010_000, 1_010_001):
            number = writes.first_at(tx, moment)
            assert all((item.number >= number) == (item.updated >= moment) for part in everything for item in part)


def test_a_deletion_tells_whose_record_it_was(written):
    with written.read() as tx:
        *_, deletion = writes.of_resource(tx, "default", "Goal", "g1", after=None, count=10)
        made = provenance.made(tx, "default", deletion).resource()
    assert made["activity"]["coding"][0]["code"] == "DELETE"
    assert made["extension"][0]["valueReference"] == {"reference": "Patient/p1"}
    assert made["entity"] == [{"role": "removal", "what": {"reference": "Goal/g1/_history/2"}}]
    assert made["agent"][0]["who"] == {"reference": "Practitioner/nurse"}
