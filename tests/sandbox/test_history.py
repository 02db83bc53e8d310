"""History of one resource, of a type and of everything."""

from __future__ import annotations

import pytest


def task(id_, status="requested"):
    return {"resourceType": "Task", "id": id_, "status": status}


@pytest.fixture
def past(ehr, clock):
    for step in (
        lambda: ehr.put(task("t1")),
        lambda: ehr.put(task("t1", "accepted")),
        lambda: ehr("POST", "Task", {"resourceType": "Task"}),
        lambda: ehr("DELETE", "Task/t1"),
        lambda: ehr.put({"resourceType": "Goal", "id": "g1"}),
        lambda: ehr.put(task("t1", "completed")),
    ):
        assert step().status_code < 300
        clock.now += 1000
    return ehr


def told(answer):
    return [
        (e["request"]["method"], e["request"]["url"], e["response"]["status"], e["response"]["etag"], "resource" in e)
        for e in answer.resource.get("entry", [])
    ]


def test_the_history_of_a_resource_is_newest_first_with_its_deletion(past):
    answer = past("GET", "Task/t1/_history")
    assert told(answer) == [
        ("PUT", "Task/t1", "201", 'W/"4"', True),
        ("DELETE", "Task/t1", "204", 'W/"3"', False),
        ("PUT", "Task/t1", "200", 'W/"2"', True),
        ("PUT", "Task/t1", "201", 'W/"1"', True),
    ]
    assert (answer.resource["type"], answer.resource["total"]) == ("history", 4)
    assert answer.resource["entry"][0]["response"]["lastModified"] == "2026-11-02T12:00:05.000Z"
    assert answer.resource["entry"][2]["resource"]["status"] == "accepted"
    assert answer.resource["entry"][1]["fullUrl"] == "http://localhost/fhir/Task/t1"


def test_the_history_of_a_type_and_of_all(past):
    assert [url for _, url, *_ in told(past("GET", "Task/_history"))] == ["Task/t1"] * 2 + ["Task"] + ["Task/t1"] * 2
    assert [url for _, url, *_ in told(past("GET", "_history"))][:2] == ["Task/t1", "Goal/g1"]
    assert past("GET", "_history").resource["total"] == 6


def test_since_is_at_or_after(past):
    assert past("GET", "Task/_history?_since=2026-11-02T12:00:03Z").resource["total"] == 2
    assert past("GET", "Task/_history?_since=2026-11-02T12:00:03.001Z").resource["total"] == 1
    assert past("GET", "Task/_history?_since=2027-01-01T00:00:00Z").resource["total"] == 0


def test_pages_of_a_history_are_of_one_moment(past):
    first = past("GET", "_history?_count=4")
    assert len(told(first)) == 4
    (path,) = [link["url"] for link in first.resource["link"] if link["relation"] == "next"]
    past.put(task("t9"))
    rest = past("GET", path.removeprefix("http://localhost"))
    assert [url for _, url, *_ in told(rest)] == ["Task/t1", "Task/t1"]
    assert rest.resource["total"] == 6
    assert [link["relation"] for link in rest.resource["link"]] == ["self"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("Task/never/_history", 404),
        ("Banana/_history", 404),
        ("Task/_history?_since=soon", 400),
        ("Task/_history?_at=2026", 400),
        ("Task/_history?_count=x", 400),
    ],
)
def test_what_has_no_history_is_refused(past, path, status):
    assert past("GET", path).status_code == status
