"""Indexes are made anew in batches, while others write."""

from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from fhirplan.catalog import CATALOG, ResourceSpec, SearchParameter
from fhirplan.errors import InvalidSearch
from fhirplan.search.query import parse
from fhirplan.store import reindex as reindexing
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.reindex import pending, reindex
from fhirplan.store.search.searching import search

TASK = CATALOG["Task"]
NEW = SearchParameter("note-author", "reference", "Task.note.author")


def declared(*search_parameters):
    spec = ResourceSpec("Task", search=search_parameters, patient=TASK.patient)
    return {"Task": spec}


ORIGIN = Origin("a", "b", "api", push=False)
WIDER = declared(*TASK.search, NEW)


@pytest.fixture
def found(database):
    def do(text, catalog=CATALOG):
        spec = catalog["Task"]
        with database.read() as tx:
            query = parse("Task", spec.parameters, parse_qsl(text))
            return [item.id for item in search(tx, "default", query, spec=spec).versions]

    return do


@pytest.fixture
def tasks(write, task):
    write(
        *(
            Change(
                "create",
                "Task",
                f"t{n}",
                task(note=[{"authorReference": {"reference": "Practitioner/a"}, "text": "x"}]),
            )
            for n in range(10)
        )
    )


def test_a_new_parameter_is_refused_until_its_index_is_made(tasks, database, found):
    with pytest.raises(InvalidSearch) as refused:
        found("note-author=Practitioner/a", WIDER)
    assert "fhirplan reindex" in refused.value.text
    assert pending(database, "default", catalog=WIDER) == (("Task", "note-author"),)
    assert reindex(database, "default", catalog=WIDER, batch=3) == 10
    assert len(found("note-author=Practitioner/a", WIDER)) == 10
    assert pending(database, "default", catalog=WIDER) == ()


def test_a_changed_declaration_is_refused_until_its_index_is_made(tasks, database, found, count):
    by_intent = replace(TASK.parameter("status"), expression="Task.intent")
    changed = declared(*(by_intent if item.code == "status" else item for item in TASK.search))
    assert len(found("status=requested")) == 10
    with database.write() as tx:
        commit(
            tx,
            "default",
            [Change("create", "Task", "new", {"resourceType": "Task", "intent": "plan"})],
            now=1,
            origin=ORIGIN,
            catalog=changed,
        )
    with pytest.raises(InvalidSearch):
        found("status=order", changed)
    reindex(database, "default", catalog=changed)
    assert len(found("status=order", changed)) == 10
    assert found("status=plan", changed) == ["new"]
    assert found("status=requested", changed) == []
    assert count("search_param", "state <> 'active'") == 0
    assert count("index_token", "pid NOT IN (SELECT pid FROM search_param)") == 0


def test_everything_can_be_made_anew_with_the_same_result(tasks, database, found, count):
    tables = ("index_token", "index_reference", "index_date")
    before = [count(table) for table in tables]
    with database.write() as tx:
        tx._driver.execute("DELETE FROM index_token")
    seen = []
    assert (
        reindex(database, "default", everything=True, batch=4, progress=lambda done, all: seen.append((done, all)))
        == 10
    )
    assert seen == [(4, 10), (8, 10), (10, 10)]
    assert [count(table) for table in tables] == before
    assert len(found("status=requested")) == 10


def test_nothing_to_do_does_nothing(tasks, database):
    assert reindex(database, "default") == 0


def test_what_is_written_meanwhile_is_indexed_too(tasks, database, found, task):
    note = [{"authorReference": {"reference": "Practitioner/a"}, "text": "x"}]
    changes = iter(
        [
            Change("create", "Task", "late", task(note=note)),
            Change("update", "Task", "t0", task()),
            Change("delete", "Task", "t9"),
        ]
    )

    def meanwhile(_done, _all):
        change = next(changes, None)
        if change is not None:
            with database.write() as tx:
                commit(tx, "default", [change], now=2, origin=ORIGIN, catalog=WIDER)

    reindex(database, "default", catalog=WIDER, batch=3, progress=meanwhile)
    assert found("note-author=Practitioner/a", WIDER) == [*(f"t{n}" for n in range(1, 9)), "late"]
    assert next(changes, None) is None
    assert reindexing.pending(database, "default", catalog=WIDER) == ()
