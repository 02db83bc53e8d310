"""How searches are carried out: along an index chosen by us, without reading or sorting a table."""

from urllib.parse import parse_qsl

import pytest

from fhirplan.catalog import CATALOG
from fhirplan.errors import TooCostly
from fhirplan.search.context import Limits
from fhirplan.search.query import parse
from fhirplan.store.commit import Change
from fhirplan.store.search.searching import explain, search


@pytest.fixture
def many(monkeypatch):
    """What more than ten resources have in common counts as what many have."""
    monkeypatch.setattr("fhirplan.store.search.plan.FEW_EQUAL", 10)


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
    ("Task", "identifier=http://a|", "c0 USING COVERING INDEX ix_index_token_system (pid=? AND sid=?"),
    ("Task", "patient=p1&identifier=http://a|", "c0 USING PRIMARY KEY (pid=? AND target_id=?"),
    ("Task", "_lastUpdated=ge2020-01-01", "ix_resource_updated (connection=? AND type=? AND updated>?"),
    ("Task", "_sort=-_lastUpdated", "ix_resource_updated (connection=? AND type=?"),
    ("Task", "status=requested&_sort=-_lastUpdated", "ix_resource_updated (connection=? AND type=?"),
    ("Task", "patient=p1&_lastUpdated=gt2020", "c0 USING PRIMARY KEY (pid=? AND target_id=?"),
    ("Task", "", "ix_resource_order (connection=? AND type=?"),
    ("Task", "_id=t1", "sqlite_autoindex_resource_1 (connection=? AND type=? AND id=?)"),
]


@pytest.mark.parametrize(("type", "text", "driver"), MAIN)
@pytest.mark.parametrize("later", [False, True])
def test_a_page_is_read_along_one_index(stored, many, database, type, text, driver, later):
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
    from fhirplan.store.search.statements import search_statement

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
    assert (none.versions, none.total, none.next_cursor) == ([], 10, None)


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
    monkeypatch.setattr("fhirplan.store.search.plan.FEW", 10)
    with database.read() as tx:
        many = explain(tx, "default", query("Task", "authored-on=2026-11-02"))
        assert len(search(tx, "default", query("Task", "authored-on=2026-11-02")).versions) == 50
    assert any("c0 USING COVERING INDEX ix_index_date_value (pid=? AND low<?)" in step for step in few), few
    assert any("ix_resource_order" in step for step in many)


def steps_of(database, type, text):
    with database.read() as tx:
        pairs = parse_qsl(text, keep_blank_values=True)
        asked = parse(type, CATALOG[type].parameters, pairs, types=CATALOG)
        return explain(tx, "default", asked)


@pytest.fixture
def related(write, task):
    """150 patients of 60 names with a task each, each of which is part of the one before."""
    changes = []
    for number in range(150):
        name = [{"family": f"Fam{number % 60}"}]
        changes.append(
            Change("create", "Patient", f"p{number}", {"resourceType": "Patient", "name": name, "gender": "female"})
        )
        before = [{"reference": f"Task/t{number - 1}"}]
        changes.append(Change("create", "Task", f"t{number}", task(f"p{number}", partOf=before, priority="routine")))
    write(*changes)


@pytest.mark.parametrize(
    ("type", "text", "driver"),
    [
        # Few at the other end: looked up first, and read by.
        ("Task", "patient.name=fam1&patient.gender=female", "c0 USING PRIMARY KEY (pid=? AND target_id=?"),
        ("Patient", "_has:Task:patient:_id=t3", "sqlite_autoindex_resource_1 (connection=? AND type=? AND id=?)"),
        # Many: each candidate's reference is followed, and no more than its own.
        ("Task", "patient.gender=female", "c1 USING COVERING INDEX ix_index_reference_rid (rid=? AND pid=?)"),
        (
            "Task",
            "patient.gender=female",
            "t1 USING INDEX sqlite_autoindex_resource_1 (connection=? AND type=? AND id=?)",
        ),
        ("Task", "part-of.part-of.status=requested", "t2 USING INDEX sqlite_autoindex_resource_1 (connection=?"),
        ("Patient", "_has:Task:patient:status=requested", "c1 USING PRIMARY KEY (pid=? AND target_id=?"),
        # Asked of each candidate by its number.
        ("Task", "patient=p1&owner:missing=true", "c1reference USING COVERING INDEX ix_index_reference_rid (rid=?"),
        ("Task", "status:not=draft", "c0 USING COVERING INDEX ix_index_token_rid (rid=? AND pid=? AND code=?)"),
        (
            "Task",
            "_filter=status eq requested or owner eq Practitioner/x",
            "c1 USING PRIMARY KEY (pid=? AND target_id=?",
        ),
        # In the order of an index.
        ("Task", "_sort=-priority", "c0 USING PRIMARY KEY (pid=?)"),
        ("Task", "_sort=status", "c0 USING PRIMARY KEY (pid=?)"),
        ("Task", "_sort=-due", "c0 USING COVERING INDEX ix_index_date_value (pid=?)"),
        ("Task", "status=requested&_sort=due", "c1 USING COVERING INDEX ix_index_date_value (pid=?)"),
        ("Patient", "name:exact=Fam1", "c0 USING PRIMARY KEY (pid=? AND value=?)"),
    ],
)
def test_nothing_is_scanned_and_nothing_sorted(related, many, database, type, text, driver):
    steps = steps_of(database, type, text)
    assert any(driver in step for step in steps), steps
    assert [step for step in steps if "SCAN" in step and step != "SCAN driven"] == []
    assert [step for step in steps if "TEMP B-TREE" in step] == []


def test_a_value_that_few_have_is_looked_up_and_sorted_rather_than_searched_for_in_the_order(related, database):
    steps = steps_of(database, "Task", "status=requested&_sort=due")
    assert any("c0 USING PRIMARY KEY (pid=? AND code=?" in step for step in steps), steps
    assert any("TEMP B-TREE FOR ORDER BY" in step for step in steps)


def test_few_candidates_are_sorted_and_many_are_not(related, database):
    few = steps_of(database, "Task", "patient=p1&_sort=due")
    assert any("c0 USING PRIMARY KEY (pid=? AND target_id=?" in step for step in few)
    assert any("TEMP B-TREE FOR ORDER BY" in step for step in few)


def test_the_beginning_of_a_text_is_looked_up_by_the_text(related, database):
    steps = steps_of(database, "Patient", "name=fam1")
    assert any(
        "c0 USING COVERING INDEX ix_index_string_value (pid=? AND value>? AND value<?)" in item for item in steps
    )


def test_an_estimate_is_exact_for_few_and_near_for_many(write, task, database, monkeypatch):
    write(*(Change("create", "Task", f"t{number}", task()) for number in range(300)))
    with database.read() as tx:
        assert search(tx, "default", query("Task", "patient=p1&_total=estimate")).total == 300
        monkeypatch.setattr("fhirplan.store.search.searching.COUNTED", 100)
        assert 280 <= search(tx, "default", query("Task", "patient=p1&_total=estimate")).total <= 320
        assert 280 <= search(tx, "default", query("Task", "_total=estimate&_sort=due")).total <= 320


def test_words_are_looked_for_in_so_many_resources_and_no_more(write, task, database, monkeypatch):
    write(*(Change("create", "Task", f"t{number}", task(description=f"word{number % 4}")) for number in range(12)))
    monkeypatch.setattr("fhirplan.store.search.searching._AT_ONCE", 3)
    monkeypatch.setattr("fhirplan.store.search.searching.MOST_READ", 9)
    with database.read() as tx:
        assert [item.id for item in search(tx, "default", query("Task", "_content=word1&_count=1")).versions] == ["t1"]
        with pytest.raises(TooCostly) as refused:
            search(tx, "default", query("Task", "_content=word1&_count=5"))
    assert "9" in refused.value.text
