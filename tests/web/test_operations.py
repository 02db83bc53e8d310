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
        *("Patient/p1", "ServiceRequest/s1", "CareTeam/t1", "Goal/g1", "CarePlan/c1", "Task/k1", "Task/k2"),
        *(f"Provenance/{item}" for item in _writes(story, "p1")),
    ]
    assert sorted(_names(bundle, "include")) == ["Organization/o1", "Practitioner/n1", "PractitionerRole/r1"]


def _writes(api, patient):
    """The ids of the Provenances of what was written in a patient's record, newest first."""
    bundle = api.get(f"Provenance?patient={patient}&_sort=-recorded").get_json(force=True)
    return [entry["resource"]["id"] for entry in bundle["entry"]]


def test_everything_of_all_patients_is_what_belongs_to_any(story, goal):
    story.put({"resourceType": "Location", "id": "l1", "name": "Ward"})
    story.put({**goal, "id": "g9", "subject": {"reference": "Group/g"}})
    alone = {name for one in ("p1", "p2") for name in _walk(story, f"Patient/{one}/$everything")}
    for count in ("", "?_count=3"):
        assert set(_walk(story, f"Patient/$everything{count}")) == alone
    assert "Goal/g9" not in alone
    goals = _walk(story, "Patient/$everything?_type=Goal&_since=2000-01-01")
    assert sorted(goals) == ["Goal/g1", "Goal/g2"]
    assert _walk(story, "Patient/$everything?_type=Goal&_since=2999-01-01") == []
    form = {"resourceType": "Parameters", "parameter": [{"name": "_type", "valueCode": "Goal"}]}
    assert sorted(_names(story.send("POST", "Patient/$everything", form).get_json(force=True))) == sorted(goals)


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
    assert len(seen) == len(set(seen))
    assert len([name for name in seen if not name.startswith("Provenance")]) == 7


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


@pytest.fixture
def dated(api, patient, goal):
    api.put(patient)
    api.put({"resourceType": "Practitioner", "id": "n1"})
    api.put({**goal, "id": "spring", "startDate": "2026-03-01", "target": [{"dueDate": "2026-05-31"}]})
    api.put({**goal, "id": "autumn", "startDate": "2026-09-01"})
    api.put({**goal, "id": "undated"})
    when = {"resourceType": "Observation", "status": "final", "code": {"text": "weight"}, "subject": goal["subject"]}
    for number in range(150):
        api.put({**when, "id": f"o{number}", "effectiveDateTime": f"2026-{4 + number // 50:02}-{1 + number % 28:02}"})
    plan = {"resourceType": "CarePlan", "id": "c1", "status": "active", "intent": "plan", "subject": goal["subject"]}
    api.put(
        {
            **plan,
            "period": {"start": "2026-01-01"},
            "goal": [_ref(f"Goal/{name}") for name in ("spring", "autumn", "undated")],
            "author": _ref("Practitioner/n1"),
        }
    )
    return api


def _walk(api, path):
    seen = []
    while path:
        page = api.get(path).get_json(force=True)
        seen += _names(page)
        links = {link["relation"]: link["url"] for link in page["link"]}
        path = links.get("next", "").removeprefix(f"{BASE}/")
    return seen


@pytest.mark.parametrize(
    ("query", "goals", "observations"),
    [
        ("start=2026-04-15&end=2026-04-20", {"spring", "undated"}, 12),
        ("start=2026-06", {"autumn", "undated"}, 50),
        ("end=2026-02", {"undated"}, 0),
        ("end=2026-04", {"spring", "undated"}, 50),
        ("start=2026-09-01&end=2026-09-01", {"autumn", "undated"}, 0),
    ],
)
def test_everything_is_narrowed_by_the_dates_of_care(dated, query, goals, observations):
    for count in ("", "&_count=7"):
        found = _walk(dated, f"Patient/p1/$everything?{query}{count}")
        assert {name for name in found if name.startswith("Goal/")} == {f"Goal/{name}" for name in goals}
        assert sum(name.startswith("Observation/") for name in found) == observations
        assert {"Patient/p1", "CarePlan/c1"} <= set(found)
    found = _walk(dated, f"CarePlan/c1/$everything?{query}")
    assert set(found) == {"CarePlan/c1", "Patient/p1", "Practitioner/n1", *(f"Goal/{name}" for name in goals)}


@pytest.mark.parametrize("count", [1, 2, 3, 6, 50])
def test_the_pages_of_a_plan_hold_each_resource_once_and_the_plan_first(dated, count):
    found = _walk(dated, f"CarePlan/c1/$everything?_count={count}")
    assert found[0] == "CarePlan/c1"
    assert sorted(found) == sorted(_names(dated.get("CarePlan/c1/$everything").get_json(force=True)))
    assert len(found) == 6


def test_a_plan_is_narrowed_by_type_and_time(dated):
    assert _walk(dated, "CarePlan/c1/$everything?_type=Goal&_type=Patient") == [
        *("Patient/p1", "Goal/spring", "Goal/autumn", "Goal/undated")
    ]
    assert _walk(dated, "CarePlan/c1/$everything?_since=2999-01-01") == []
    assert len(_walk(dated, "CarePlan/c1/$everything?_since=2000-01-01T00:00:00Z")) == 6


@pytest.mark.parametrize("query", ["start=soon", "end=2026-02-30", "start=2026-03&end=2026-02", "_page=x", "_count=0"])
@pytest.mark.parametrize("place", ["Patient/p1", "CarePlan/c1"])
def test_a_narrowing_that_makes_no_sense_is_refused(dated, problem, place, query):
    problem(dated.get(f"{place}/$everything?{query}"), 400, "invalid")


def test_what_r4_declares_of_everything_is_declared(api):
    made = api.get("OperationDefinition/Patient-everything").get_json(force=True)
    names = {item["name"]: (item["type"], item["max"]) for item in made["parameter"] if item["use"] == "in"}
    assert names == {
        "start": ("date", "1"),
        "end": ("date", "1"),
        "_since": ("instant", "1"),
        "_type": ("code", "*"),
        "_count": ("integer", "1"),
    }
