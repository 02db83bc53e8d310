"""$everything, $as-of, $meta, $meta-add and $meta-delete."""

import pytest

BASE = "http://127.0.0.1:8080/fhir"
TASK = {"resourceType": "Task", "status": "requested", "intent": "order"}


def _ref(text):
    return {"reference": text}


@pytest.fixture
def story(api, patient, goal):
    """A patient with a plan, and another patient with a goal."""
    for resource in (
        {"resourceType": "Organization", "id": "o1", "name": "Home health"},
        {"resourceType": "Practitioner", "id": "n1"},
        {
            "resourceType": "PractitionerRole",
            "id": "r1",
            "practitioner": _ref("Practitioner/n1"),
            "organization": _ref("Organization/o1"),
        },
        {**patient, "managingOrganization": _ref("Organization/o1")},
        {**patient, "id": "p2"},
        goal,
        {**goal, "id": "g2", "subject": _ref("Patient/p2")},
        {
            "resourceType": "CareTeam",
            "id": "t1",
            "subject": _ref("Patient/p1"),
            "participant": [{"member": _ref("PractitionerRole/r1")}],
        },
        {
            "resourceType": "CarePlan",
            "id": "c1",
            "status": "active",
            "intent": "plan",
            "subject": _ref("Patient/p1"),
            "goal": [_ref("Goal/g1")],
            "careTeam": [_ref("CareTeam/t1")],
            "activity": [{"reference": _ref("Task/k1")}],
        },
        {**TASK, "id": "k1", "for": _ref("Patient/p1"), "owner": _ref("PractitionerRole/r1")},
        {**TASK, "id": "k2", "for": _ref("Patient/p1"), "basedOn": [_ref("CarePlan/c1")]},
        {**TASK, "id": "k3", "for": _ref("Patient/p2")},
        {
            "resourceType": "ServiceRequest",
            "id": "s1",
            "status": "active",
            "intent": "order",
            "subject": _ref("Patient/p1"),
            "basedOn": [_ref("CarePlan/c1")],
        },
    ):
        assert api.put(resource).status_code == 201, api.put(resource).get_data(as_text=True)
    return api


def _names(bundle, mode=None):
    return [
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for entry in bundle.get("entry", [])
        if mode in (None, entry["search"]["mode"])
    ]


def test_everything_of_a_patient_is_the_compartment_the_tasks_and_the_people(story):
    bundle = story.get("Patient/p1/$everything").get_json(force=True)
    assert _names(bundle, "match") == [
        *("Patient/p1", "ServiceRequest/s1", "CareTeam/t1", "Goal/g1", "CarePlan/c1", "Task/k1", "Task/k2")
    ]
    assert sorted(_names(bundle, "include")) == ["Organization/o1", "Practitioner/n1", "PractitionerRole/r1"]


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_its_pages_hold_each_resource_once(story, goal, count):
    seen, path = [], f"Patient/p1/$everything?_count={count}"
    while path:
        page = story.get(path).get_json(force=True)
        found = _names(page, "match")
        assert len(found) <= count
        seen += found
        links = {link["relation"]: link["url"] for link in page["link"]}
        path = links.get("next", "").removeprefix(f"{BASE}/")
        story.put({**goal, "description": {"text": f"changed {len(seen)}"}})
    assert len(seen) == len(set(seen)) == 7


def test_it_is_narrowed_by_type_and_time(story):
    assert _names(story.get("Patient/p1/$everything?_type=Goal,Task").get_json(force=True)) == [
        "Goal/g1",
        "Task/k1",
        "Task/k2",
    ]
    assert _names(story.get("Patient/p1/$everything?_since=2999-01-01").get_json(force=True)) == []
    body = {"resourceType": "Parameters", "parameter": [{"name": "_type", "valueCode": "Goal"}]}
    assert _names(story.send("POST", "Patient/p1/$everything", body).get_json(force=True)) == ["Goal/g1"]


@pytest.mark.parametrize(
    "query",
    [
        "_type=Banana",
        "_count=0",
        "_count=x",
        "_since=then",
        "_page=x",
        "_page=Banana.1",
        "colour=green",
        "_count=1&_count=2",
    ],
)
def test_what_makes_no_sense_is_refused(story, problem, query):
    problem(story.get(f"Patient/p1/$everything?{query}"), 400, "invalid")


def test_everything_of_whom_is_not_there_is_not_found(story, problem):
    problem(story.get("Patient/nobody/$everything"), 404, "not-found")
    story.delete("Patient/p1")
    problem(story.get("Patient/p1/$everything"), 410, "deleted")
    problem(story.get("Goal/g1/$everything"), 404, "not-supported")


def test_everything_of_a_plan_is_what_it_consists_of_and_refers_to(story):
    bundle = story.get("CarePlan/c1/$everything").get_json(force=True)
    assert _names(bundle, "match") == ["CarePlan/c1"]
    assert sorted(_names(bundle, "include")) == [
        *("CareTeam/t1", "Goal/g1", "Organization/o1", "Patient/p1", "Practitioner/n1", "PractitionerRole/r1"),
        *("ServiceRequest/s1", "Task/k1", "Task/k2"),
    ]


def test_a_plan_too_large_to_be_shown_at_once_is_refused(configured, goal, problem):
    api = configured(max_count=3)
    goals = [{**goal, "id": f"g{number}"} for number in range(4)]
    for one in goals:
        api.put(one)
    plan = {"resourceType": "CarePlan", "id": "c1", "status": "active", "intent": "plan", "subject": _ref("Patient/p1")}
    api.put({**plan, "goal": [_ref(f"Goal/{one['id']}") for one in goals]})
    problem(api.get("CarePlan/c1/$everything"), 413, "too-costly")


@pytest.fixture
def clocked(story):
    from dataclasses import replace

    from fhirplan.web.app import create_app

    now = [int(4e12)]
    story.services = replace(story.services, clock=lambda: now[0])
    story.client = create_app(story.services).test_client()
    return story, now


def test_a_plan_is_shown_as_it_stood(clocked, goal):
    api, now = clocked
    before = "2096-10-02T07:06:39Z"
    api.put({**goal, "lifecycleStatus": "on-hold"})
    api.delete("Task/k1")
    now[0] += 1000
    api.put({**goal, "lifecycleStatus": "completed"})
    then = api.get(f"CarePlan/c1/$as-of?instant={before}").get_json(force=True)
    assert sorted(_names(then)) == ["CarePlan/c1", "CareTeam/t1", "Goal/g1", "ServiceRequest/s1", "Task/k1", "Task/k2"]
    status = {entry["resource"]["id"]: entry["resource"].get("lifecycleStatus") for entry in then["entry"]}
    assert status["g1"] == "active"
    between = api.get("CarePlan/c1/$as-of?instant=2096-10-02T07:06:40Z").get_json(force=True)
    status = {entry["resource"]["id"]: entry["resource"].get("lifecycleStatus") for entry in between["entry"]}
    assert status["g1"] == "on-hold"
    assert "k1" not in status
    assert api.get("CarePlan/c1/$as-of?instant=2000-01-01").status_code == 404


@pytest.mark.parametrize("query", ["", "?instant=then", "?instant=2026-01-01&colour=green"])
def test_a_moment_that_is_none_is_refused(story, problem, query):
    problem(story.get(f"CarePlan/c1/$as-of{query}"), 400, "invalid")


def _meta(**meta):
    return {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}


def test_tags_are_added_once_and_removed(api, goal):
    api.put(goal)
    tag = {"system": "urn:x", "code": "y", "display": "Y"}
    added = api.send("POST", "Goal/g1/$meta-add", _meta(tag=[tag], profile=["http://x/p"]))
    assert added.status_code == 200, added.get_data(as_text=True)
    told = added.get_json(force=True)["parameter"][0]["valueMeta"]
    assert (told["tag"], told["profile"], told["versionId"]) == ([tag], ["http://x/p"], "2")
    again = api.send("POST", "Goal/g1/$meta-add", _meta(tag=[{"system": "urn:x", "code": "y"}]))
    assert again.headers["ETag"] == 'W/"2"'
    assert api.get("Goal?_tag=urn:x|y").get_json(force=True)["entry"]
    removed = api.send("POST", "Goal/g1/$meta-delete", _meta(tag=[{"system": "urn:x", "code": "y"}]))
    assert "tag" not in removed.get_json(force=True)["parameter"][0]["valueMeta"]
    assert api.get("Goal/g1/$meta").get_json(force=True)["parameter"][0]["valueMeta"]["profile"] == ["http://x/p"]
    assert "entry" not in api.get("Goal?_tag=urn:x|y").get_json(force=True)


@pytest.mark.parametrize(
    "body", [{}, {"resourceType": "Parameters"}, _meta(versionId="7"), _meta(tag="x"), {"resourceType": "Goal"}, "["]
)
def test_a_meta_that_makes_no_sense_is_refused(api, goal, body):
    api.put(goal)
    assert api.send("POST", "Goal/g1/$meta-add", body).status_code == 400
    assert api.get("Goal/g1").headers["ETag"] == 'W/"1"'


def test_a_change_of_meta_minds_if_match_and_validity(api, goal, problem):
    api.put(goal)
    headers = {"If-Match": 'W/"9"', "Content-Type": "application/fhir+json"}
    problem(api.send("POST", "Goal/g1/$meta-add", _meta(tag=[{"code": "y"}]), headers), 412, "conflict")
    assert api.send("POST", "Goal/g1/$meta-add", _meta(tag=[{"colour": "y"}])).status_code == 422
    problem(api.send("POST", "Goal/g9/$meta-add", _meta(tag=[{"code": "y"}])), 404, "not-found")
    problem(api.send("GET", "Goal/g1/$meta-add"), 405, "not-supported")
