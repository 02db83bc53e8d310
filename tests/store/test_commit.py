"""Committing changes: versions, index rows, outbox and audit together."""

from contextlib import suppress

import pytest

from fhirplan.catalog import CATALOG
from fhirplan.errors import Gone, NotFound, NotSupported, VersionMismatch
from fhirplan.fhir.codec import loads
from fhirplan.store import versions
from fhirplan.store.commit import Change, Origin, commit, lane

FROM_EHR = Origin("ehr", "pull-1", "ehr", push=False)
TABLES = ("version", "outbox", "audit", "index_token", "index_reference", "index_date")


@pytest.fixture
def rows(database):
    """All index rows of a resource, with the parameter's code in place of its number."""

    def read(id):
        found = set()
        with database.read() as tx:
            for table in ("token", "reference", "uri", "date", "string", "number", "quantity"):
                cursor = tx._driver.execute(
                    f"SELECT s.code AS parameter, i.* FROM index_{table} i JOIN search_param s USING (pid) "
                    "JOIN resource r USING (rid) WHERE r.id = ?",
                    (id,),
                )
                names = [item[0] for item in cursor.description]
                keep = [place for place, name in enumerate(names) if name not in ("pid", "rid", "sid")]
                found |= {tuple(row[place] for place in keep) for row in cursor}
        return found

    return read


def current(database, id, type="Task"):
    with database.read() as tx:
        return versions.current(tx, "default", type, id)


def test_a_create_is_version_1_stamped_and_stored_as_text(create, database, task):
    made = create(task(), "t1", now=1_763_750_940_123)
    assert (made.version, made.method, made.updated) == (1, "create", 1_763_750_940_123)
    assert made.body.startswith(
        b'{"resourceType":"Task","id":"t1","meta":{"versionId":"1","lastUpdated":"2025-11-21T18:49:00.123Z"}'
    )
    assert current(database, "t1") == made


def test_digits_are_stored_as_they_were_sent(write, database):
    sent = loads('{"resourceType":"Observation","status":"final","valueQuantity":{"value":1.50,"unit":"kg"}}')
    write(Change("create", "Observation", "o1", sent))
    assert b'"value":1.50,' in current(database, "o1", "Observation").body


def test_each_write_leaves_one_outbox_row_and_one_audit_row(create, write, task, database):
    create(task(), "t1")
    write(Change("update", "Task", "t1", task(status="accepted"), 1))
    write(Change("delete", "Task", "t1", None, 2))
    with database.read() as tx:
        sent = tx._driver.execute("SELECT version, method, lane, state, due FROM outbox ORDER BY oid").fetchall()
        kept = tx._driver.execute(
            "SELECT action, type, id, version, actor, request_id FROM audit ORDER BY aid"
        ).fetchall()
    when = 1_700_000_000_000
    assert sent == [
        (n, method, "Patient/p1", "waiting", when) for n, method in ((1, "create"), (2, "update"), (3, "delete"))
    ]
    assert kept == [
        (action, "Task", "t1", n, "Practitioner/nurse", "request-1") for n, action in ((1, "C"), (2, "U"), (3, "D"))
    ]


def test_what_came_from_the_ehr_is_not_sent_back(create, count, task):
    create(task(), "t1", origin=FROM_EHR)
    assert count("outbox") == 0
    assert count("audit") == 1


def test_all_is_undone_when_the_transaction_fails(database, task, count):
    with suppress(ZeroDivisionError), database.write() as tx:
        commit(tx, "default", [Change("create", "Task", "t1", task())], now=1, origin=FROM_EHR)
        raise ZeroDivisionError
    assert [count(table) for table in ("resource", *TABLES)] == [0] * 7
    assert count("search_param") == 0


def test_a_failed_first_write_does_not_mislead_the_next(database, create, task, rows):
    with suppress(ZeroDivisionError), database.write() as tx:
        commit(tx, "default", [Change("create", "Task", "t1", task())], now=1, origin=FROM_EHR)
        raise ZeroDivisionError
    create(task(), "t2")
    assert ("status", "requested") in rows("t2")


def test_an_update_moves_only_the_rows_that_differ(create, write, task, rows):
    create(task(), "t1")
    before = rows("t1")
    write(Change("update", "Task", "t1", task(status="accepted"), 1))
    assert before - rows("t1") == {("status", "requested")}
    assert rows("t1") - before == {("status", "accepted")}


def test_a_deletion_leaves_history_and_no_index_rows(create, write, database, task, rows):
    create(task(), "t1")
    gone = write(Change("delete", "Task", "t1", None, 1))[0]
    assert gone.deleted
    assert (gone.version, gone.body) == (2, None)
    assert rows("t1") == set()
    with database.read() as tx:
        assert [item.version for item in versions.history(tx, "default", "Task", "t1", count=10)] == [2, 1]
        assert [item.version for item in versions.history(tx, "default", "Task", "t1", before=2, count=10)] == [1]
        assert versions.at(tx, "default", "Task", "t1", 1).resource()["status"] == "requested"
        assert versions.at(tx, "default", "Task", "t1", 3) is None


def test_a_create_after_a_deletion_is_the_version_after_it(create, write, task, rows):
    create(task(), "t1")
    write(Change("delete", "Task", "t1"))
    assert create(task(), "t1").version == 3
    assert ("status", "requested") in rows("t1")


def test_an_update_that_changes_nothing_writes_nothing(create, write, task, count):
    made = create(task(), "t1")
    before = [count(table) for table in TABLES]
    same = dict(reversed(task().items()), id="other", meta={"versionId": "7", "lastUpdated": "2020-01-01T00:00:00Z"})
    assert write(Change("update", "Task", "t1", same, 1)) == [made]
    assert [count(table) for table in TABLES] == before


@pytest.mark.parametrize(("old", "new"), [("1.0", "1.00"), ("1", "true"), ("1", "1.0")])
def test_a_change_of_digits_or_of_kind_is_a_change(write, old, new):
    text = '{"resourceType":"Observation","status":"final","valueQuantity":{"value":%s}}'
    write(Change("create", "Observation", "o1", loads(text % old)))
    assert write(Change("update", "Observation", "o1", loads(text % new)))[0].version == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda task: Change("update", "Task", "t1", task, 1),
        lambda task: Change("update", "Task", "t1", task, 0),
        lambda task: Change("update", "Task", "t1", task, 3),
        lambda task: Change("delete", "Task", "t1", None, 1),
        lambda task: Change("create", "Task", "t1", task),
        lambda task: Change("update", "Task", "new", task, 1),
    ],
)
def test_a_stale_expectation_is_a_version_mismatch(create, write, task, change, count):
    create(task(), "t1")
    write(Change("update", "Task", "t1", task(status="accepted")))
    before = count("version")
    with pytest.raises(VersionMismatch):
        write(change(task(status="rejected")))
    assert count("version") == before


def test_expecting_nothing_makes_one_resource(write, task):
    assert write(Change("update", "Task", "t1", task(), 0))[0].version == 1


def test_deleting_what_is_not_there_says_which(create, write, task):
    with pytest.raises(NotFound):
        write(Change("delete", "Task", "t1"))
    create(task(), "t1")
    write(Change("delete", "Task", "t1"))
    with pytest.raises(Gone):
        write(Change("delete", "Task", "t1"))


def test_one_bad_change_undoes_the_others(write, task, count):
    with pytest.raises(NotFound):
        write(Change("create", "Task", "t1", task()), Change("delete", "Task", "t2"))
    assert count("resource") == 0


def test_changes_of_one_resource_follow_each_other(write, task, rows):
    made = write(
        Change("create", "Task", "t1", task()),
        Change("create", "Task", "t2", task("p2")),
        Change("update", "Task", "t1", task(status="accepted"), 1),
        Change("delete", "Task", "t2", None, 1),
    )
    assert [(item.id, item.version) for item in made] == [("t1", 1), ("t2", 1), ("t1", 2), ("t2", 2)]
    assert ("status", "accepted") in rows("t1")
    assert ("status", "requested") not in rows("t1")
    assert rows("t2") == set()


def test_time_never_runs_backwards_within_a_resource(create, write, task):
    create(task(), "t1", now=2000)
    assert write(Change("update", "Task", "t1", task(status="accepted")), now=1000)[0].updated == 2000


def test_connections_are_apart(database, task):
    with database.write() as tx:
        for connection in ("default", "other"):
            commit(tx, connection, [Change("create", "Task", "t1", task())], now=1, origin=FROM_EHR)
    with database.read() as tx:
        found = [versions.current(tx, connection, "Task", "t1") for connection in ("default", "other", "third")]
    assert found[0].rid != found[1].rid
    assert found[2] is None


def test_a_type_that_is_not_served_is_refused(write):
    with pytest.raises(NotSupported, match="not-supported"):
        write(Change("create", "Banana", "b1", {"resourceType": "Banana"}))


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({"resourceType": "Patient"}, "Patient/x"),
        ({"resourceType": "Task", "for": {"reference": "Patient/p/_history/3"}}, "Patient/p"),
        ({"resourceType": "Task", "for": {"reference": "http://here/fhir/Patient/p"}}, "Patient/p"),
        ({"resourceType": "Task", "for": {"reference": "http://elsewhere/Patient/p"}}, ""),
        ({"resourceType": "Task", "for": {"reference": "Group/g"}}, ""),
        ({"resourceType": "Task", "for": "Patient/p"}, ""),
        (
            {
                "resourceType": "Appointment",
                "participant": [{"actor": {"reference": "Location/l"}}, {"actor": {"reference": "Patient/p"}}],
            },
            "Patient/p",
        ),
        ({"resourceType": "Location"}, ""),
    ],
)
def test_the_lane_is_the_patient(resource, expected):
    assert lane(CATALOG[resource["resourceType"]], "x", resource, "http://here/fhir") == expected
