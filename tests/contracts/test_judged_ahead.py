"""What is judged before the writer's turn counts only while nothing that it was judged by has changed."""

import json
from dataclasses import replace

import pytest

from fhirplan import assembly
from fhirplan.access.decide import ANYBODY
from fhirplan.interactions import written
from fhirplan.interactions.perform import perform
from fhirplan.interactions.values import Interaction
from fhirplan.settings import Settings

BASE = "http://here/fhir"


def task(id_, status="in-progress", **more):
    return {
        "resourceType": "Task",
        "id": id_,
        "status": status,
        "intent": "order",
        "description": "Call",
        "authoredOn": "2026-03-02T09:00:00Z",
        **more,
    }


def part_of(id_):
    return {"partOf": [{"reference": f"Task/{id_}"}]}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return assembly.build(Settings(data_dir=tmp_path_factory.mktemp("data"), auth="open", validation="declared"))


@pytest.fixture
def services(built, database):
    return replace(built, database=database, accesses=None)


@pytest.fixture
def ask(services):
    def do(kind, body, **more):
        more = {"type": body["resourceType"], "id": body.get("id", ""), **more}
        text = json.dumps(body).encode()
        return perform(services, Interaction(kind, BASE, body=text, actor=ANYBODY, request_id="r", **more))

    return do


@pytest.fixture
def put(ask):
    return lambda body, **more: ask("update", body, **more)


@pytest.fixture
def meanwhile(monkeypatch):
    """Has something done after an interaction has been judged and before its turn to write has come."""

    def do(where, act):
        module = f"fhirplan.interactions.{where}.prepared"

        def first(*given):
            made = written.prepared(*given)
            monkeypatch.setattr(module, written.prepared)
            act()
            return made

        monkeypatch.setattr(module, first)

    return do


def transaction(*resources):
    entries = [
        {"resource": item, "request": {"method": "PUT", "url": f"{item['resourceType']}/{item['id']}"}}
        for item in resources
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def rules(reply):
    return {issue.rule for issue in reply.issues if issue.is_error}


def test_a_resource_that_was_read_has_changed(put, meanwhile):
    put(task("parent"))
    meanwhile("update", lambda: put(task("parent", "completed")))
    reply = put(task("part", **part_of("parent")))
    assert (reply.status, rules(reply)) == (422, {"cm-x-21"})


def test_a_list_that_was_read_has_grown(put, meanwhile):
    put(task("parent"))
    meanwhile("update", lambda: put(task("part", **part_of("parent"))))
    reply = put(task("parent", "completed"))
    assert (reply.status, rules(reply)) == (422, {"cm-x-21"})


def test_what_was_missing_is_there_by_now(put, meanwhile):
    meanwhile("update", lambda: put(task("parent")))
    assert put(task("part", **part_of("parent"))).status == 201


def test_what_was_there_is_deleted_by_now(ask, put, meanwhile):
    put(task("parent"))
    meanwhile("update", lambda: ask("delete", {"resourceType": "Task", "id": "parent"}))
    reply = put(task("part", **part_of("parent")))
    assert (reply.status, rules(reply)) == (422, {"cm-x-02"})


def test_the_same_goes_for_a_create_and_a_transaction(ask, put, meanwhile):
    put(task("parent"))
    child = task("", **part_of("parent"))
    del child["id"]
    meanwhile("create", lambda: put(task("parent", "completed")))
    reply = ask("create", child, id="")
    assert (reply.status, rules(reply)) == (422, {"cm-x-21"})
    put(task("second"))
    meanwhile("bundles.transaction", lambda: put(task("second", "completed")))
    reply = ask("bundle", transaction(task("other"), task("part", **part_of("second"))), type="")
    assert (reply.status, rules(reply)) == (422, {"cm-x-21"})
    assert put(task("other")).version == 1


def test_an_update_of_what_was_updated_meanwhile_leaves_no_row_of_it_in_the_index(put, meanwhile, database):
    put(task("one", "requested", priority="routine"))
    meanwhile("update", lambda: put(task("one", "accepted", priority="urgent")))
    assert put(task("one", "in-progress", priority="asap")).version == 3
    with database.read() as tx:
        rows = tx._driver.execute(
            "SELECT t.code FROM index_token t JOIN search_param p ON p.pid = t.pid "
            "WHERE p.type = 'Task' AND p.code IN ('priority', 'status')"
        ).fetchall()
    assert sorted(row[0] for row in rows) == ["asap", "in-progress"]


def test_what_nobody_touched_is_not_judged_again(put, meanwhile, database, monkeypatch):
    if database.dialect != "sqlite":
        pytest.skip("PostgreSQL judges within the transaction, since its writers do not wait for each other")
    put(task("parent"))
    put(task("other"))

    def never(*_given, **_more):
        raise AssertionError("judged under the writer's lock")

    def act():
        put(task("other", "completed"))
        monkeypatch.setattr(written, "ruled", never)

    meanwhile("update", act)
    assert put(task("part", **part_of("parent"))).status == 201
