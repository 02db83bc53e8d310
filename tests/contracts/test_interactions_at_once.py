"""Requests at the same moment: one makes the resource, one wins an update, others go on, on both databases."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from fhirplan import assembly
from fhirplan.access.decide import ANYBODY
from fhirplan.interactions.create import create
from fhirplan.interactions.perform import perform
from fhirplan.interactions.values import Interaction
from fhirplan.settings import Settings
from fhirplan.store import versions

CALLERS = 6
BASE = "http://here/fhir"


def goal(value, text="Walk"):
    return {
        "resourceType": "Goal",
        "identifier": [{"system": "http://a", "value": value}],
        "lifecycleStatus": "active",
        "description": {"text": text},
        "subject": {"reference": "Patient/p1"},
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return assembly.build(Settings(data_dir=tmp_path_factory.mktemp("data"), auth="open", validation="base"))


@pytest.fixture
def services(built, database):
    return replace(built, database=database, accesses=None)


def asking(kind, body, **more):
    text = json.dumps(body).encode()
    return Interaction(
        kind, BASE, "default", more.pop("type", "Goal"), body=text, actor=ANYBODY, request_id="r", **more
    )


@pytest.fixture
def together(services):
    """What became of requests that all begin at once."""

    def do(asked):
        ready = threading.Barrier(len(asked))

        def call(item):
            ready.wait(20)
            return perform(services, item)

        with ThreadPoolExecutor(len(asked)) as pool:
            return list(pool.map(call, asked))

    return do


def stored(database, type="Goal"):
    with database.read() as tx:
        return tx._driver.execute(f"SELECT count(*) FROM resource WHERE type = '{type}'").fetchone()[0]


def test_of_conditional_creates_at_once_one_creates(database, services, together):
    spellings = ["identifier=http://a|1", "identifier=http%3A%2F%2Fa%7C1"]
    asked = [asking("create", goal("1"), if_none_exist=spellings[n % 2]) for n in range(CALLERS)]
    for _ in range(3):
        replies = together(asked)
        assert len({reply.id for reply in replies}) == 1
    assert stored(database) == 1
    assert perform(services, asked[0]).status == 200


def test_of_conditional_updates_at_once_one_creates(database, together):
    asked = [asking("update", goal("1", str(n)), parameters=(("identifier", "http://a|1"),)) for n in range(CALLERS)]
    replies = together(asked)
    assert sorted(reply.status for reply in replies) == [*[200] * (CALLERS - 1), 201]
    assert stored(database) == 1
    assert sorted(reply.version for reply in replies) == list(range(1, CALLERS + 1))


def test_transactions_with_the_same_conditions_in_other_orders_do_not_wait_in_a_circle(database, together):
    def bundle(values):
        entries = [
            {
                "resource": goal(value),
                "request": {"method": "POST", "url": "Goal", "ifNoneExist": f"identifier=http://a|{value}"},
            }
            for value in values
        ]
        return asking("bundle", {"resourceType": "Bundle", "type": "transaction", "entry": entries}, type="")

    replies = together([bundle(["1", "2", "3"] if n % 2 else ["3", "2", "1"]) for n in range(CALLERS)])
    assert [reply.status for reply in replies] == [200] * CALLERS, [reply.issues for reply in replies]
    assert stored(database) == 3


def test_of_updates_with_one_if_match_one_is_made_and_the_rest_are_412(database, services, together):
    first = perform(services, asking("create", goal("1")))
    asked = [
        asking("update", {**goal("1", str(n)), "id": first.id}, id=first.id, if_match='W/"1"') for n in range(CALLERS)
    ]
    replies = together(asked)
    assert sorted(reply.status for reply in replies) == [200, *[412] * (CALLERS - 1)]
    with database.read() as tx:
        assert [item.version for item in versions.history(tx, "default", "Goal", first.id, count=9)] == [2, 1]


def test_other_writers_go_on_while_one_looks_whether_there_is_one(database, services, monkeypatch):
    """On SQLite writers take turns; PostgreSQL must not make them."""
    if database.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    perform(services, asking("create", goal("0")))
    looking, go_on = threading.Event(), threading.Event()

    def slowly(services, tx, interaction, type_, text):
        looking.set()
        assert go_on.wait(30)
        return []

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr("fhirplan.interactions.create.matches", slowly)
        waiting = pool.submit(create, services, asking("create", goal("1"), if_none_exist="identifier=http://a|1"))
        assert looking.wait(20)
        monkeypatch.undo()
        assert perform(services, asking("create", goal("2"))).status == 201
        other = asking("create", goal("3"), if_none_exist="identifier=http://a|3")
        assert perform(services, other).status == 201
        assert not waiting.done()
        go_on.set()
        assert waiting.result(30).status == 201


def test_history_is_complete_after_many_at_once(database, services, together):
    first = perform(services, asking("create", goal("1")))
    for turn in range(3):
        asked = [asking("update", {**goal("1", f"{turn}-{n}"), "id": first.id}, id=first.id) for n in range(CALLERS)]
        assert {reply.status for reply in together(asked)} == {200}
    with database.read() as tx:
        kept = versions.history(tx, "default", "Goal", first.id, count=99)
    assert [item.version for item in kept] == list(range(3 * CALLERS + 1, 0, -1))
    assert len({item.resource()["description"]["text"] for item in kept}) == 3 * CALLERS + 1
