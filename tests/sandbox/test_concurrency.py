"""Several clients at once: conditions hold, and nobody sees half a transaction."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.resources import Store

THREADS = 12


@pytest.fixture(params=["memory", "file"])
def app(request, tmp_path):
    store = Store(tmp_path / "ehr.db" if request.param == "file" else None)
    yield create_app(store)
    store.close()


def at_once(app, *asked):
    """The statuses of requests that all start together, each a (method, path, body, headers)."""
    ready = threading.Barrier(len(asked))

    def ask(request):
        method, path, body, headers = request
        client = app.test_client()
        ready.wait()
        return client.open(f"/fhir/{path}", method=method, json=body, headers=headers).status_code

    with ThreadPoolExecutor(len(asked)) as pool:
        return Counter(pool.map(ask, asked))


def test_parallel_conditional_creates_make_one_resource(app):
    named = {"resourceType": "Task", "identifier": [{"system": "urn:s", "value": "v"}]}
    asked = ("POST", "Task", named, {"If-None-Exist": "identifier=urn:s|v"})
    assert at_once(app, *[asked] * THREADS) == {201: 1, 200: THREADS - 1}
    assert app.test_client().get("/fhir/Task").json["total"] == 1


def test_of_parallel_updates_with_one_if_match_one_is_taken(app):
    app.test_client().put("/fhir/Task/t1", json={"resourceType": "Task", "id": "t1"})
    asked = [
        ("PUT", "Task/t1", {"resourceType": "Task", "id": "t1", "description": str(n)}, {"If-Match": 'W/"1"'})
        for n in range(THREADS)
    ]
    assert at_once(app, *asked) == {200: 1, 412: THREADS - 1}
    assert app.test_client().get("/fhir/Task/t1/_history").json["total"] == 2


def test_parallel_conditional_updates_make_one_resource(app):
    named = {"resourceType": "Task", "identifier": [{"value": "v"}]}
    assert at_once(app, *[("PUT", "Task?identifier=v", named, {})] * THREADS) == {201: 1, 200: THREADS - 1}
    assert app.test_client().get("/fhir/Task").json["total"] == 1


def test_versions_of_parallel_updates_have_no_gap(app):
    task = {"resourceType": "Task", "id": "t1"}
    assert at_once(app, *[("PUT", "Task/t1", task, {})] * THREADS) == {201: 1, 200: THREADS - 1}
    versions = [e["response"]["etag"] for e in app.test_client().get("/fhir/Task/t1/_history").json["entry"]]
    assert versions == [f'W/"{n}"' for n in range(THREADS, 0, -1)]


def test_a_reader_sees_a_transaction_whole_or_not_at_all(app):
    def bundle(state):
        return {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {
                    "resource": {"resourceType": "Task", "id": f"t{n}", "status": state},
                    "request": {"method": "PUT", "url": f"Task/t{n}"},
                }
                for n in range(20)
            ],
        }

    writer, reader, done = app.test_client(), app.test_client(), threading.Event()
    writer.post("/fhir", json=bundle("s0"))

    def write():
        for number in range(1, 30):
            writer.post("/fhir", json=bundle(f"s{number}"))
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    looks = 0
    while not done.is_set() or looks < 5:
        found = [e["resource"]["status"] for e in reader.get("/fhir/Task?_count=50").json["entry"]]
        assert len(found) == 20
        assert len(set(found)) == 1
        looks += 1
    thread.join()
