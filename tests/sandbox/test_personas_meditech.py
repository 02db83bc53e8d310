"""The MEDITECH Greenfield persona, fact by fact."""

from __future__ import annotations

import pytest

SUBJECT = {"subject": {"reference": "Patient/p"}}
GOAL = {"resourceType": "Goal", "id": "g", "lifecycleStatus": "active", **SUBJECT}


@pytest.fixture
def meditech(playing):
    return playing("meditech")


def test_task_read_by_id(meditech):
    meditech.load({"resourceType": "Task", "id": "t"})
    assert meditech("GET", "Task/t").status_code == 200
    for method, path in (("GET", "Task"), ("GET", "Task?_id=t"), ("PUT", "Task/t"), ("POST", "Task")):
        answer = meditech(method, path, {"resourceType": "Task", "id": "t"})
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET" if "/" in path else "")


def test_other_writes(meditech):
    for type_ in meditech.persona.types:
        expected = 201 if type_ in ("Communication", "QuestionnaireResponse") else 405
        assert meditech("POST", type_, {"resourceType": type_}).status_code == expected
        assert meditech.put({"resourceType": type_, "id": "new-1"}).status_code == 405


def test_no_last_updated(meditech):
    meditech.load(GOAL)
    assert meditech.page("Goal?patient=p&_lastUpdated=ge2099") == (["g"], [])


def test_paging_parameter(meditech):
    meditech.load(*({**GOAL, "id": f"g{n}"} for n in range(5)))
    first = meditech("GET", "Goal?patient=p&_count=2").resource
    assert "&continue=" in next(link["url"] for link in first["link"] if link["relation"] == "next")
    assert meditech.found("Goal?patient=p&_count=2") == [f"g{n}" for n in range(5)]


def test_goal_needs_patient(meditech):
    meditech.load(GOAL)
    for search in ("Goal", "Goal?lifecycle-status=active", "Goal?subject=Patient/p"):
        assert meditech("GET", search).status_code == 400
    assert meditech.found("Goal?patient=p") == meditech.found("Goal?_id=g") == ["g"]
