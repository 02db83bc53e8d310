"""Plain searches share a statement, whatever their values, and find what they would find without."""

from urllib.parse import parse_qsl

import pytest

from fhirplan.catalog import CATALOG
from fhirplan.search.query import parse
from fhirplan.store.commit import Change
from fhirplan.store.reindex import reindex
from fhirplan.store.search import searching
from fhirplan.store.search.plan import branches, plan
from fhirplan.store.search.prepared import prepared
from fhirplan.store.search.statements import search_statement


@pytest.fixture
def stored(write, task):
    write(*(Change("create", "Task", f"t{n}", task(f"p{n % 3}", ("requested", "ready")[n % 2])) for n in range(24)))


def query(text, **more):
    return parse("Task", CATALOG["Task"].parameters, parse_qsl(text), types=CATALOG, **more)


def ids(database, asked):
    with database.read() as tx:
        return [item.id for item in searching.search(tx, "default", asked).versions]


PLAIN = [
    "patient=p1&status=requested",
    "patient=Patient/p2&status=ready",
    "status=ready&owner=Practitioner/nurse",
    "code=http://snomed.info/sct|736353004&patient=p0",
    "patient=p1&authored-on=ge2026-01-01",
    "patient=p9",
]


@pytest.mark.parametrize("text", PLAIN)
@pytest.mark.parametrize("again", [False, True])
def test_it_is_the_statement_that_is_made_each_time(stored, database, text, again):
    with database.read() as tx:
        asked = query(text)
        for _ in range(1 + again):
            statement, params = prepared(tx, "default", asked, CATALOG)
        [(shape, given)] = branches(plan(tx, "default", asked, CATALOG), "versions")
    assert statement is search_statement(shape)
    assert params == given


@pytest.mark.parametrize(
    "text",
    [
        "",
        "patient=p1,p2",
        "status:not=ready",
        "patient.name=x",
        "_id=t1",
        "_lastUpdated=gt2020",
        "due=ge2020",
        "patient=p1&_sort=due",
        "owner:missing=true",
        "patient=p1&_content=x",
        "code=http://nobody.example|x",
    ],
)
def test_what_is_not_plain_is_planned_by_itself(stored, database, text):
    with database.read() as tx:
        assert prepared(tx, "default", query(text), CATALOG) is None


def test_other_values_find_their_own_and_pages_go_on(stored, database):
    for number in range(3):
        for place, status in enumerate(("requested", "ready")):
            expected = [f"t{n}" for n in range(24) if n % 3 == number and n % 2 == place]
            text, walked = f"patient=p{number}&status={status}&_count=3", []
            more = ""
            while more is not None:
                with database.read() as tx:
                    found = searching.search(tx, "default", query(text + more))
                walked += [item.id for item in found.versions]
                more = f"&_page={found.next_cursor}" if found.next_cursor else None
            assert walked == expected


def test_a_rebuild_in_between_is_noticed(stored, database):
    before = ids(database, query(PLAIN[0]))
    reindex(database, "default", everything=True)
    assert before
    assert ids(database, query(PLAIN[0])) == before


def test_what_was_not_stored_before_is_found(database, create, task):
    assert ids(database, query("patient=p1")) == []
    create(task("p1"), "t1")
    assert ids(database, query("patient=p1")) == ["t1"]
