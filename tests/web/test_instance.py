"""Reading, writing and deleting one resource by its address."""

import json
from concurrent.futures import ThreadPoolExecutor

BASE = "http://127.0.0.1:8080/fhir"


def test_a_create_answers_with_the_resource_its_place_and_its_version(api, goal):
    response = api.post(goal)
    assert response.status_code == 201
    made = response.get_json(force=True)
    assert made["id"] != "g1"
    assert made["meta"]["versionId"] == "1"
    assert response.headers["Location"] == f"{BASE}/Goal/{made['id']}/_history/1"
    assert response.headers["ETag"] == 'W/"1"'
    assert response.headers["Last-Modified"].endswith("GMT")
    assert response.headers["Content-Type"] == "application/fhir+json; charset=utf-8"
    assert api.get(f"Goal/{made['id']}").get_json(force=True) == made


def test_digits_come_back_as_they_were_sent(api):
    text = (
        b'{"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "weight"},'
        b' "valueQuantity": {"value": 1.50}}'
    )
    assert api.send("PUT", "Observation/o1", text).status_code == 201
    assert b'"value":1.50' in api.get("Observation/o1").data


def test_a_put_creates_under_the_callers_id_and_then_updates(api, goal):
    assert api.put(goal).status_code == 201
    changed = api.put({**goal, "description": {"text": "Walk to the shop"}})
    assert changed.status_code == 200
    assert changed.headers["ETag"] == 'W/"2"'
    assert "Location" not in changed.headers
    assert api.get("Goal/g1").get_json(force=True)["description"]["text"] == "Walk to the shop"
    assert api.get("Goal/g1/_history/1").get_json(force=True)["description"]["text"] == "Walk to the corner"


def test_an_update_that_changes_nothing_makes_no_version(api, goal):
    api.put(goal)
    again = api.put({**goal, "meta": {"versionId": "77", "lastUpdated": "2001-01-01T00:00:00Z"}})
    assert again.status_code == 200
    assert again.headers["ETag"] == 'W/"1"'


def test_a_read_with_a_known_version_says_not_modified(api, goal):
    api.put(goal)
    response = api.get("Goal/g1", If_None_Match='W/"1"')
    assert response.status_code == 304
    assert response.data == b""
    assert response.headers["ETag"] == 'W/"1"'
    assert api.get("Goal/g1", If_None_Match='W/"2"').status_code == 200


def test_head_answers_as_get_without_the_body(api, goal):
    api.put(goal)
    full, bare = api.get("Goal/g1"), api.send("HEAD", "Goal/g1")
    assert bare.status_code == 200
    assert bare.data == b""
    assert bare.headers["ETag"] == full.headers["ETag"]
    assert bare.headers["Content-Length"] == full.headers["Content-Length"]


def test_a_deleted_resource_is_gone_and_its_versions_are_not(api, goal, problem):
    api.put(goal)
    response = api.delete("Goal/g1")
    assert response.status_code == 204
    assert response.data == b""
    assert "deleted" in problem(api.get("Goal/g1"), 410, "deleted")["details"]["text"]
    problem(api.get("Goal/g1/_history/2"), 410, "deleted")
    assert api.get("Goal/g1/_history/1").status_code == 200
    assert api.delete("Goal/g1").status_code == 204
    assert api.delete("Goal/never").status_code == 204


def test_a_deleted_resource_comes_back_as_a_new_version(api, goal):
    api.put(goal)
    api.delete("Goal/g1")
    back = api.put(goal)
    assert back.status_code == 201
    assert back.headers["ETag"] == 'W/"3"'
    assert back.headers["Location"] == f"{BASE}/Goal/g1/_history/3"


def test_what_was_never_here_is_not_found(api, goal, problem):
    problem(api.get("Goal/nobody"), 404, "not-found")
    problem(api.get("Goal/nobody/_history"), 404, "not-found")
    api.put(goal)
    problem(api.get("Goal/g1/_history/2"), 404, "not-found")
    problem(api.get("Goal/g1/_history/one"), 404, "not-found")


def test_a_stale_if_match_is_refused_and_names_the_current_version(api, goal, problem):
    api.put(goal)
    api.put({**goal, "description": {"text": "two"}})
    api.put({**goal, "description": {"text": "three"}})
    response = api.put({**goal, "description": {"text": "mine"}}, If_Match='W/"2"')
    issue = problem(response, 412, "conflict")
    assert response.headers["ETag"] == 'W/"3"'
    assert "current version is 3" in issue["details"]["text"]
    assert issue["expression"] == ["Goal"]
    assert issue["details"]["coding"][0]["code"] == "cm-x-30"
    assert api.get("Goal/g1").get_json(force=True)["description"]["text"] == "three"


def test_a_right_if_match_is_taken_in_each_spelling(api, goal):
    api.put(goal)
    for number, spelled in enumerate(('W/"1"', '"2"', "3", "*"), 2):
        response = api.put({**goal, "description": {"text": str(number)}}, If_Match=spelled)
        assert (response.status_code, response.headers["ETag"]) == (200, f'W/"{number}"')


def test_if_match_on_what_is_not_there_is_refused(api, goal, problem):
    problem(api.put(goal, If_Match="*"), 412, "conflict")
    api.put(goal)
    problem(api.delete("Goal/g1", If_Match='W/"9"'), 412, "conflict")
    assert api.delete("Goal/g1", If_Match='W/"1"').status_code == 204
    problem(api.put(goal, If_Match='W/"2"'), 412, "conflict")


def test_an_etag_that_is_none_is_refused(api, goal, problem):
    api.put(goal)
    problem(api.put(goal, If_Match="the newest, please"), 400, "invalid")


def test_of_parallel_updates_from_one_version_one_wins(api, goal):
    api.put(goal)

    def update(number):
        with api.app.test_client() as client:
            return client.put(
                "/fhir/Goal/g1",
                data=json.dumps({**goal, "description": {"text": f"edit {number}"}}),
                headers={"Content-Type": "application/fhir+json", "If-Match": 'W/"1"'},
            ).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(update, range(16)))
    assert statuses == [200] + [412] * 15
    assert api.get("Goal/g1").headers["ETag"] == 'W/"2"'


def test_a_conditional_create_makes_one_and_then_finds_it(api, patient):
    first = api.post(patient, If_None_Exist="identifier=urn:mrn|1")
    again = api.post(patient, If_None_Exist="identifier=urn:mrn|1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.get_json(force=True) == first.get_json(force=True)
    assert again.headers["ETag"] == 'W/"1"'


def test_parallel_conditional_creates_make_one_resource(api, patient):
    def create(_number):
        with api.app.test_client() as client:
            response = client.post(
                "/fhir/Patient",
                data=json.dumps(patient),
                headers={"Content-Type": "application/fhir+json", "If-None-Exist": "identifier=urn:mrn|1"},
            )
            return response.status_code, response.get_json(force=True)["id"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(12)))
    assert sorted(status for status, _ in answers) == [200] * 11 + [201]
    assert len({id_ for _, id_ in answers}) == 1


def test_a_conditional_create_that_matches_two_is_refused(api, patient, problem):
    api.post(patient)
    api.post(patient)
    problem(api.post(patient, If_None_Exist="identifier=urn:mrn|1"), 412, "multiple-matches")


def test_a_condition_that_would_match_everything_is_refused(api, patient, problem):
    problem(api.post(patient, If_None_Exist="_count=1"), 400, "invalid")
    problem(api.post(patient, If_None_Exist="nonsense=1"), 400, "invalid")


def test_prefer_decides_what_comes_back(api, goal):
    assert api.put(goal, Prefer="return=minimal").data == b""
    whole = api.put({**goal, "description": {"text": "b"}}, Prefer="handling=strict, return=representation")
    assert whole.get_json(force=True)["description"]["text"] == "b"
    said = api.put({**goal, "description": {"text": "c"}}, Prefer="return=OperationOutcome")
    assert said.get_json(force=True)["resourceType"] == "OperationOutcome"
    assert api.delete("Goal/g1", Prefer="return=OperationOutcome").status_code == 200


def test_references_to_our_own_base_are_kept_relative(api, goal):
    api.put({**goal, "subject": {"reference": f"{BASE}/Patient/p1"}})
    assert api.get("Goal/g1").get_json(force=True)["subject"] == {"reference": "Patient/p1"}


def test_history_lists_all_versions_newest_first(api, goal):
    api.put(goal)
    api.put({**goal, "description": {"text": "two"}})
    api.delete("Goal/g1")
    history = api.get("Goal/g1/_history").get_json(force=True)
    assert (history["type"], history["total"]) == ("history", 3)
    told = [(e["request"]["method"], e["response"]["status"], e["response"]["etag"]) for e in history["entry"]]
    assert told == [("DELETE", "204", 'W/"3"'), ("PUT", "200", 'W/"2"'), ("PUT", "201", 'W/"1"')]
    assert "resource" not in history["entry"][0]
    assert history["entry"][1]["resource"]["description"]["text"] == "two"
    assert history["entry"][1]["fullUrl"] == f"{BASE}/Goal/g1"


def test_history_is_paged_by_its_next_links(api, goal):
    for number in range(5):
        api.put({**goal, "description": {"text": str(number)}})
    seen, path = [], "Goal/g1/_history?_count=2"
    while path:
        page = api.get(path).get_json(force=True)
        seen += [entry["resource"]["meta"]["versionId"] for entry in page["entry"]]
        api.put({**goal, "description": {"text": f"meanwhile {len(seen)}"}})
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        path = following[0].removeprefix(f"{BASE}/") if following else ""
    assert seen == ["5", "4", "3", "2", "1"]


def test_history_since_a_moment(api, goal, problem):
    api.put(goal)
    assert api.get("Goal/g1/_history?_since=2000-01-01T00:00:00Z").get_json(force=True)["entry"]
    assert "entry" not in api.get("Goal/g1/_history?_since=2200-01-01").get_json(force=True)
    problem(api.get("Goal/g1/_history?_since=lately"), 400, "invalid")
    problem(api.get("Goal/g1/_history?_count=-1"), 400, "invalid")


DIV = "<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"


def test_part_of_a_resource_is_shown_where_a_read_asks_for_it(api, goal, problem):
    api.put({**goal, "note": [{"text": "long"}], "text": {"status": "generated", "div": DIV}})
    for place in ("Goal/g1", "Goal/g1/_history/1"):
        summary = api.get(f"{place}?_summary=true").get_json(force=True)
        assert "note" not in summary
        assert summary["meta"]["tag"][0]["code"] == "SUBSETTED"
        few = api.get(f"{place}?_elements=note").get_json(force=True)
        assert "note" in few
        assert "text" not in few
        assert {"lifecycleStatus", "description", "subject"} <= set(few)
        assert "text" not in api.get(f"{place}?_summary=data").get_json(force=True)
        assert api.get(f"{place}?_summary=false").get_json(force=True) == api.get(place).get_json(force=True)
        assert api.get(f"{place}?_summary=true").headers["ETag"] == 'W/"1"'
        for wrong in (
            "_summary=count",
            "_summary=maybe",
            "_elements=colour",
            "_elements=",
            "_summary=true&_summary=text",
        ):
            problem(api.get(f"{place}?{wrong}"), 400, "invalid")


def test_part_of_each_version_is_shown_where_a_history_asks_for_it(api, goal):
    api.put({**goal, "note": [{"text": "long"}]})
    for place in ("Goal/g1/_history", "Goal/_history", "_history"):
        [entry] = api.get(f"{place}?_summary=true").get_json(force=True)["entry"]
        assert "note" not in entry["resource"]
        [entry] = api.get(f"{place}?_elements=note").get_json(force=True)["entry"]
        assert "note" in entry["resource"]
