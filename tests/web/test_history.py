"""History of one resource, of a type and of everything."""

import pytest

from fhirplan.store import versions

BASE = "http://127.0.0.1:8080/fhir"


def _told(api, path):
    bundle = api.get(path).get_json(force=True)
    assert bundle["type"] == "history", bundle
    return [
        (entry["request"]["method"], entry["request"]["url"], entry["response"]["status"])
        for entry in bundle.get("entry", [])
    ]


@pytest.fixture(params=["by resource", "along the versions"])
def way(request, monkeypatch):
    """Both ways of reading a history give the same."""
    if request.param == "along the versions":
        monkeypatch.setattr(versions, "FEW", 0)


@pytest.fixture
def story(api, goal, patient, way):
    api.put(patient)
    made = api.post(goal).get_json(force=True)["id"]
    api.put({**goal, "id": made, "lifecycleStatus": "planned"})
    api.put(goal)
    api.delete("Goal/g1")
    api.put(goal)
    return made


def test_a_type_lists_the_versions_of_all_its_resources_newest_first(api, story):
    assert _told(api, "Goal/_history") == [
        ("PUT", "Goal/g1", "201"),
        ("DELETE", "Goal/g1", "204"),
        ("PUT", "Goal/g1", "201"),
        ("PUT", f"Goal/{story}", "200"),
        ("POST", "Goal", "201"),
    ]
    assert _told(api, "Task/_history") == []


def test_the_system_lists_everything(api, story):
    told = _told(api, "_history")
    assert told[-1] == ("PUT", "Patient/p1", "201")
    assert len(told) == 6


@pytest.mark.parametrize("path", ["_history", "Goal/_history", "Goal/g1/_history"])
def test_pages_are_stable_while_versions_are_added(api, goal, way, path):
    for number in range(5):
        api.put({**goal, "description": {"text": str(number)}})
    seen, following = [], f"{path}?_count=2"
    while following:
        page = api.get(following).get_json(force=True)
        seen += [entry["resource"]["meta"]["versionId"] for entry in page["entry"]]
        api.put({**goal, "description": {"text": f"meanwhile {len(seen)}"}})
        links = {link["relation"]: link["url"] for link in page["link"]}
        following = links.get("next", "").removeprefix(f"{BASE}/")
    assert seen == ["5", "4", "3", "2", "1"]


@pytest.fixture
def clocked(configured, goal, way):
    """A Goal at 1000, 2000 and 3000 seconds, deleted at 4000."""
    from dataclasses import replace

    from fhirplan.web.app import create_app

    api = configured()
    now = [0]
    api.services = replace(api.services, clock=lambda: now[0])
    api.app = create_app(api.services)
    api.client = api.app.test_client()
    for number in (1, 2, 3):
        now[0] = number * 1_000_000
        assert api.put({**goal, "description": {"text": str(number)}}).status_code < 300
    now[0] = 4_000_000
    api.delete("Goal/g1")
    return api


def _instant(seconds):
    hours, rest = divmod(seconds, 3600)
    return f"1970-01-01T{hours:02}:{rest // 60:02}:{rest % 60:02}Z"


@pytest.mark.parametrize("path", ["_history", "Goal/_history", "Goal/g1/_history"])
def test_since_and_at_choose_by_time(clocked, path):
    def listed(query):
        page = clocked.get(f"{path}?{query}").get_json(force=True)
        return [entry["response"]["etag"][3] for entry in page.get("entry", [])]

    assert listed(f"_since={_instant(2000)}") == ["4", "3", "2"]
    assert listed(f"_since={_instant(2001)}") == ["4", "3"]
    assert listed(f"_at={_instant(999)}") == []
    assert listed(f"_at={_instant(1000)}") == ["1"]
    assert listed(f"_at={_instant(2500)}") == ["2"]
    assert listed("_at=1970-01-01") == ["4", "3", "2", "1"]
    assert listed(f"_at={_instant(5000)}") == ["4"]
    assert listed("_at=1970-01-01T01:30:00%2B01:00") == ["1"]


@pytest.mark.parametrize("query", ["_since=lately", "_at=then", "_count=-1", "_before=x", "colour=green"])
@pytest.mark.parametrize("path", ["_history", "Goal/_history"])
def test_a_history_that_makes_no_sense_is_refused(api, problem, path, query):
    problem(api.get(f"{path}?{query}"), 400, "invalid")


def test_a_history_may_be_asked_for_in_a_bundle(api, goal):
    api.put(goal)
    entries = [{"request": {"method": "GET", "url": url}} for url in ("_history", "Goal/_history")]
    for kind in ("batch", "transaction"):
        answer = api.bundle(kind, *entries).get_json(force=True)
        assert [entry["resource"]["type"] for entry in answer["entry"]] == ["history", "history"]
