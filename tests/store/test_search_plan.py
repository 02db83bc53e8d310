"""How searches are carried out: along an index chosen by us, without reading or sorting a table."""

from urllib.parse import parse_qsl

import pytest

from fhirplan.catalog import CATALOG
from fhirplan.search.query import Limits, parse
from fhirplan.store.commit import Change
from fhirplan.store.search_sql import explain, search


@pytest.fixture
def stored(write, task):
    plan = {"resourceType": "CarePlan", "intent": "plan", "status": "active", "period": {"start": "2026-03-02"}}
    changes = []
    for number in range(60):
        patient = f"p{number % 6}"
        changes.append(
            Change("create", "Task", f"t{number}", task(patient, identifier=[{"system": "http://a", "value": "1"}]))
        )
        changes.append(
            Change("create", "CarePlan", f"c{number}", {**plan, "subject": {"reference": f"Patient/{patient}"}})
        )
    write(*changes)


def query(type, text, **limits):
    return parse(type, CATALOG[type].parameters, parse_qsl(text, keep_blank_values=True), limits=Limits(**limits))


MAIN = [
    ("CarePlan", "patient=Patient/p1&status=active", "c0 USING PRIMARY KEY (pid=? AND target_id=?"),
    ("CarePlan", "patient=p1&status=active,on-hold", "c0 USING PRIMARY KEY (pid=? AND target_id=?"),
    ("CarePlan", "status=active&patient=p1", "c1 USING PRIMARY KEY (pid=? AND target_id=?"),
    ("CarePlan", "patient=p1&date=ge2026-01-01", "c0 USING PRIMARY KEY (pid=? AND target_id=?"),
    ("Task", "owner=Practitioner/nurse&status=requested", "c0 USING PRIMARY KEY (pid=? AND target_id=?"),
    ("Task", "status=requested", "c0 USING PRIMARY KEY (pid=? AND code=?"),
    ("Task", "identifier=http://a|1&patient=p1", "c0 USING PRIMARY KEY (pid=? AND code=?"),
    ("Task", "_lastUpdated=ge2020-01-01", "ix_resource_updated (connection=? AND type=? AND updated>?"),
    ("Task", "_sort=-_lastUpdated", "ix_resource_updated (connection=? AND type=?"),
    ("Task", "status=requested&_sort=-_lastUpdated", "ix_resource_updated (connection=? AND type=?"),
    ("Task", "patient=p1&_lastUpdated=gt2020", "c0 USING PRIMARY KEY (pid=? AND target_id=?"),
    ("Task", "", "ix_resource_order (connection=? AND type=?"),
    ("Task", "_id=t1", "sqlite_autoindex_resource_1 (connection=? AND type=? AND id=?)"),
]


@pytest.mark.parametrize(("type", "text", "driver"), MAIN)
@pytest.mark.parametrize("later", [False, True])
def test_a_page_is_read_along_one_index(stored, database, type, text, driver, later):
    with database.read() as tx:
        asked = query(type, text, default_count=5)
        if later:
            cursor = search(tx, "default", asked).next_cursor
            if cursor is None:
                assert "_id" in text
                return
            asked = query(type, f"{text}&_page={cursor}", default_count=5)
        steps = explain(tx, "default", asked)
    assert any(driver in step for step in steps), steps
    # The inner select with its limit is read whole; it holds one page.
    assert [step for step in steps if "SCAN" in step and step != "SCAN driven"] == []
    assert [step for step in steps if "TEMP B-TREE" in step] == []


def test_one_statement_serves_all_values_of_a_shape(stored, database):
    from fhirplan.store.search_statements import search_statement

    with database.read() as tx:
        search(tx, "default", query("Task", "patient=p1&status=requested"))
        before = search_statement.cache_info().misses
        for number in range(20):
            search(tx, "default", query("Task", f"patient=p{number}&status=s{number}"))
        for number in range(5, 9):
            search(tx, "default", query("Task", "patient=p1&status=" + ",".join(f"s{n}" for n in range(number))))
    assert search_statement.cache_info().misses <= before + 1


def test_a_page_holds_what_was_asked_for_and_the_total_is_counted_on_request(stored, database):
    with database.read() as tx:
        first = search(tx, "default", query("Task", "patient=p1&_count=4"))
        counted = search(tx, "default", query("Task", "patient=p1&_count=4&_total=accurate"))
        only = search(tx, "default", query("Task", "patient=p1&_summary=count"))
        none = search(tx, "default", query("Task", "patient=p1&_count=0"))
    assert (len(first.versions), first.total) == (4, None)
    assert (len(counted.versions), counted.total) == (4, 10)
    assert (only.versions, only.total, only.next_cursor) == ([], 10, None)
    assert (none.versions, none.next_cursor) == ([], None)


def test_a_value_with_sql_in_it_finds_nothing_and_harms_nothing(stored, database, count):
    evil = "x'); DROP TABLE resource; --"
    for text in ("status", "identifier", "code", "_tag", "_id"):
        with database.read() as tx:
            pairs = [(text, evil)]
            assert search(tx, "default", parse("Task", CATALOG["Task"].parameters, pairs)).versions == []
    assert count("resource") == 120


def test_a_range_with_few_rows_drives_and_one_with_many_does_not(stored, database, monkeypatch):
    with database.read() as tx:
        few = explain(tx, "default", query("Task", "authored-on=2026-11-02"))
    monkeypatch.setattr("fhirplan.store.search_sql.FEW", 10)
    with database.read() as tx:
        many = explain(tx, "default", query("Task", "authored-on=2026-11-02"))
        assert len(search(tx, "default", query("Task", "authored-on=2026-11-02")).versions) == 50
    assert any("c0 USING INDEX ix_index_date_value" in step or "c0 USING PRIMARY KEY" in step for step in few)
    assert any("ix_resource_order" in step for step in many)
