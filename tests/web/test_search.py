"""Search over HTTP: what is found, how it is paged, what is refused."""

import pytest

BASE = "http://127.0.0.1:8080/fhir"


@pytest.fixture
def goals(api, goal, patient):
    api.put(patient)
    for number in range(7):
        status = "active" if number % 2 == 0 else "planned"
        api.put({**goal, "id": f"g{number}", "lifecycleStatus": status})
    api.put({**goal, "id": "other", "subject": {"reference": "Patient/p2"}})
    return api


def _ids(bundle):
    return [entry["resource"]["id"] for entry in bundle.get("entry", [])]


def test_a_search_answers_with_a_searchset(goals):
    response = goals.get("Goal?patient=Patient/p1&lifecycle-status=active")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/fhir+json; charset=utf-8"
    bundle = response.get_json(force=True)
    assert bundle["type"] == "searchset"
    assert sorted(_ids(bundle)) == ["g0", "g2", "g4", "g6"]
    entry = bundle["entry"][0]
    assert entry["fullUrl"] == f"{BASE}/Goal/{entry['resource']['id']}"
    assert entry["search"] == {"mode": "match"}
    assert bundle["link"][0]["relation"] == "self"


def test_what_is_found_is_what_a_read_gives(goals):
    found = goals.get("Goal?_id=g1").get_json(force=True)["entry"][0]["resource"]
    assert found == goals.get("Goal/g1").get_json(force=True)


def test_a_search_that_finds_nothing_has_no_entries(goals):
    bundle = goals.get("Goal?_id=nobody").get_json(force=True)
    assert "entry" not in bundle
    assert bundle["type"] == "searchset"


def test_deleted_and_changed_resources_are_found_as_they_are_now(goals, goal):
    goals.delete("Goal/g0")
    goals.put({**goal, "id": "g2", "lifecycleStatus": "on-hold"})
    assert sorted(_ids(goals.get("Goal?patient=p1&lifecycle-status=active").get_json(force=True))) == ["g4", "g6"]
    assert _ids(goals.get("Goal?lifecycle-status=on-hold").get_json(force=True)) == ["g2"]


def test_pages_follow_their_next_links_and_miss_and_repeat_nothing(goals, goal):
    seen, path, pages = [], "Goal?patient=p1&_count=3", 0
    while path:
        page = goals.get(path).get_json(force=True)
        seen += _ids(page)
        pages += 1
        if pages == 1:
            goals.put({**goal, "id": "g1", "description": {"text": "changed meanwhile"}})
            goals.put({**goal, "id": "new"})
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        assert len(following) <= 1
        path = following[0].removeprefix(f"{BASE}/") if following else ""
    assert len(seen) == len(set(seen))
    assert {f"g{number}" for number in range(7)} <= set(seen)
    assert pages >= 3


def test_a_tampered_page_link_is_refused(goals, problem):
    page = goals.get("Goal?patient=p1&_count=3").get_json(force=True)
    [following] = [link["url"] for link in page["link"] if link["relation"] == "next"]
    path = following.removeprefix(f"{BASE}/")
    problem(goals.get(path[:-3] + ("AAA" if not path.endswith("AAA") else "BBB")), 400, "invalid")


def test_a_search_may_come_as_a_form(goals):
    response = goals.send(
        "POST",
        "Goal/_search?_count=10",
        "patient=Patient/p1&lifecycle-status=planned",
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert sorted(_ids(response.get_json(force=True))) == ["g1", "g3", "g5"]


def test_a_form_of_another_kind_is_refused(goals, problem):
    problem(goals.send("POST", "Goal/_search", "{}", {"Content-Type": "application/json"}), 415, "not-supported")


def test_a_huge_count_gets_as_much_as_the_server_gives(configured, goal):
    api = configured(max_count=2)
    for number in range(3):
        api.put({**goal, "id": f"g{number}"})
    bundle = api.get("Goal?_count=1000000000").get_json(force=True)
    assert len(bundle["entry"]) == 2


@pytest.mark.parametrize(
    "query", ["colour=green", "lifecycle-status:sounds-like=x", "_lastUpdated=yesterday", "_count=many", "patient="]
)
def test_a_search_that_makes_no_sense_is_refused(goals, query):
    response = goals.get(f"Goal?{query}")
    assert response.status_code == 400, response.get_data(as_text=True)
    issue = response.get_json(force=True)["issue"][0]
    assert query.split("=")[0].split(":")[0] in issue["details"]["text"]


def test_head_of_a_search_has_no_body(goals):
    assert goals.send("HEAD", "Goal?patient=p1").status_code == 200
