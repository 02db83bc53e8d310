"""$explain: how a search was understood, how it is read, and why a resource is found by it or not."""

import pytest


def explained(api, query, method="GET", **more):
    answer = api.send(method, f"Goal/$explain?{query}", **more)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    made = answer.get_json(force=True)
    assert made["resourceType"] == "Parameters"
    found = {"plan": [item["valueString"] for item in made["parameter"] if item["name"] == "plan"]}
    for item in made["parameter"]:
        if "part" in item:
            found[item["name"]] = item["part"]
    return found


def said(parts, name):
    return [next(part[key] for key in part if key.startswith("value")) for part in parts if part["name"] == name]


def verdicts(found):
    listed = [item["part"] for item in found["match"] if item["name"] == "criterion"]
    return [(said(parts, "asks")[0], said(parts, "fulfilled")[0]) for parts in listed]


@pytest.fixture
def filled(api, patient, goal):
    api.put(patient)
    api.put({**goal, "startDate": "2026-03-01"})
    api.put({**goal, "id": "g2", "lifecycleStatus": "completed"})
    return api


def test_it_says_how_a_search_was_understood(filled):
    query = (
        "patient=p1&lifecycle-status:not=completed&start-date=ge2026-02&_sort=-start-date&_count=7&_total=accurate"
        "&_include=Goal:patient&_revinclude=Provenance:target&_content=walk"
    )
    query = explained(filled, query)["query"]
    assert said(query, "type") == ["Goal"]
    assert said(query, "criterion") == [
        "patient: is Patient/p1",
        "lifecycle-status: none that is completed of any system",
        "start-date: is within or ends after 2026-02-01T00:00:00.000Z up to 2026-03-01T00:00:00.000Z",
        "_content: has the words walk",
    ]
    assert said(query, "order") == ["by start-date, descending"]
    assert said(query, "count") == [7]
    assert said(query, "total") == ["accurate"]
    assert said(query, "adds") == [
        "what a Goal refers to by patient",
        "each Provenance that refers to a match by target",
    ]


def test_it_shows_the_plan_of_the_database_which_uses_an_index(filled):
    plan = explained(filled, "patient=p1&lifecycle-status=active")["plan"]
    assert plan
    assert any("INDEX" in step or "PRIMARY KEY" in step for step in plan), plan


@pytest.mark.parametrize(
    ("query", "matches", "fulfilled"),
    [
        ("patient=p1&lifecycle-status=active", True, [True, True]),
        ("patient=p1&lifecycle-status=completed", False, [True, False]),
        ("patient=p2&lifecycle-status=completed", False, [False, False]),
        ("start-date:missing=true", False, [False]),
        ("_id=g1", True, [True]),
        ("_lastUpdated=lt2020", False, [False]),
        ("patient.identifier=urn:mrn|1", True, [True]),
        ("patient.identifier=urn:mrn|2", False, [False]),
        ("_has:CarePlan:goal:status=active", False, [False]),
        ("_filter=lifecycle-status eq active or start-date lt 2020", True, [True]),
        ("_content=corner&_text=corner", False, [True, False]),
        ("", True, []),
    ],
)
def test_it_says_why_a_resource_matches_or_not_as_the_search_does(filled, query, matches, fulfilled):
    found = explained(filled, f"{query}&resource=Goal/g1")
    assert said(found["match"], "matches") == [matches]
    assert [yes for _, yes in verdicts(found)] == fulfilled
    listed = filled.get(f"Goal?{query}").get_json(force=True).get("entry", [])
    assert matches == any(item["resource"]["id"] == "g1" for item in listed)


def test_it_shows_the_values_that_the_resource_is_found_by(filled):
    found = explained(filled, "lifecycle-status=x&_id=g1&start-date=2020&resource=Goal/g1")
    has = [text for item in found["match"] if item["name"] == "criterion" for text in said(item["part"], "has")]
    assert has == [
        "lifecycle-status: http://hl7.org/fhir/goal-status|active",
        "_id: g1",
        "start-date: 2026-03-01T00:00:00.000Z up to 2026-03-02T00:00:00.000Z",
    ]


def test_it_takes_a_form_and_passes_over_what_it_is_told_to(filled):
    form = {"Content-Type": "application/x-www-form-urlencoded", "Prefer": "handling=lenient"}
    found = explained(filled, "patient=p1", "POST", body="lifecycle-status=active&colour=red", headers=form)
    assert len(said(found["query"], "criterion")) == 2
    assert "colour" in said(found["query"], "ignored")[0]


def test_it_explains_a_search_of_what_is_made(filled):
    [made] = filled.get("Provenance?target=Goal/g1").get_json(force=True)["entry"]
    place = f"Provenance/{made['resource']['id']}"
    answer = filled.get(f"Provenance/$explain?target:Goal.lifecycle-status=active&resource={place}")
    parts = next(item["part"] for item in answer.get_json(force=True)["parameter"] if item["name"] == "match")
    assert said(parts, "matches") == [True]


def test_what_is_wrong_is_refused_as_the_search_refuses_it(filled, problem):
    issue = problem(filled.get("Goal/$explain?colour=red"), 400, "invalid")
    assert "colour" in issue["details"]["text"]
    problem(filled.get("Goal/$explain?resource=Patient/p1"), 400, "invalid")
    problem(filled.get("Goal/$explain?resource=Goal/g1&resource=Goal/g2"), 400, "invalid")
    problem(filled.get("Goal/$explain?resource=Goal/none"), 404, "not-found")
    problem(filled.get("Goal/g1/$explain"), 404, "not-supported")
    problem(filled.delete("Goal/$explain"), 405, "not-supported")


def test_no_token_opens_it(configured, problem):
    problem(configured(auth="smart").get("Goal/$explain?patient=p1"), 401, "login")


def test_it_is_claimed_with_its_definition(api):
    statement = api.get("metadata").get_json(force=True)
    goal = next(item for item in statement["rest"][0]["resource"] if item["type"] == "Goal")
    claimed = next(item for item in goal["operation"] if item["name"] == "explain")
    definition = api.get(f"OperationDefinition/{claimed['definition'].rpartition('/')[2]}").get_json(force=True)
    assert (definition["type"], definition["instance"], definition["affectsState"]) == (True, False, False)
    paths = api.get("openapi.json").get_json(force=True)["paths"]
    assert "/Goal/$explain" in paths
    assert "/Goal/{id}/$explain" not in paths
