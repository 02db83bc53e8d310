"""Search over HTTP beyond the plain conditions: includes, order, what is shown, what is passed over."""

import json

import pytest

from fhirplan.errors import InvalidSearch
from fhirplan.interactions.search import search_compartment, search_system
from fhirplan.interactions.values import Interaction

BASE = "http://127.0.0.1:8080/fhir"


@pytest.fixture
def story(api, goal, patient):
    """A plan with two goals and a team, two tasks of it, and the provenance of one."""
    api.put({**patient, "name": [{"family": "Quist", "given": ["Ana"]}]})
    for number in range(2):
        api.put({**goal, "id": f"g{number}"})
    api.put({"resourceType": "CareTeam", "id": "team", "subject": {"reference": "Patient/p1"}})
    plan = {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/p1"},
        "goal": [{"reference": "Goal/g0"}, {"reference": "Goal/g1"}],
        "careTeam": [{"reference": "CareTeam/team"}],
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Home after failure</div>'},
    }
    api.put(plan)
    for number, day in enumerate(("2026-04-02", "2026-04-01")):
        task = {
            "resourceType": "Task",
            "id": f"t{number}",
            "status": "requested",
            "intent": "order",
            "for": {"reference": "Patient/p1"},
            "basedOn": [{"reference": "CarePlan/plan"}],
            "restriction": {"period": {"start": day, "end": day}},
            "description": "Call the pharmacy",
        }
        api.put(task)
    del task["restriction"]
    api.put({**task, "id": "undated", "partOf": [{"reference": "Task/undated"}]})
    return api


def entries(response):
    assert response.status_code == 200, response.get_data(as_text=True)
    return [
        (entry["search"]["mode"], entry["resource"].get("id", ""))
        for entry in response.get_json(force=True).get("entry", [])
    ]


def modes(found):
    return {mode: sorted(id_ for kind, id_ in found if kind == mode) for mode, _ in found}


@pytest.mark.parametrize(
    ("query", "matches", "included"),
    [
        ("CarePlan?patient=p1&_include=CarePlan:goal&_include=CarePlan:care-team", ["plan"], ["g0", "g1", "team"]),
        ("CarePlan?patient=p1&_include=*", ["plan"], ["g0", "g1", "p1", "team"]),
        ("CarePlan?patient=p1&_include=CarePlan:*", ["plan"], ["g0", "g1", "p1", "team"]),
        ("CarePlan?patient=p1&_include=CarePlan:subject:Patient", ["plan"], ["p1"]),
        ("CarePlan?patient=p1&_include=CarePlan:subject:Group", ["plan"], []),
        ("CarePlan?patient=p1&_revinclude=Task:based-on", ["plan"], ["t0", "t1", "undated"]),
        ("Task?_id=t0&_include=Task:based-on&_include:iterate=CarePlan:goal", ["t0"], ["g0", "g1", "plan"]),
        (
            "Goal?_id=g0&_revinclude=CarePlan:goal&_revinclude:iterate=Task:based-on",
            ["g0"],
            ["plan", "t0", "t1", "undated"],
        ),
        ("Task?_include=Task:part-of&_include:iterate=Task:part-of", ["t0", "t1", "undated"], []),
    ],
)
def test_what_belongs_to_the_matches_comes_after_them(story, query, matches, included):
    found = entries(story.get(query))
    assert modes(found).get("match", []) == matches
    assert modes(found).get("include", []) == included
    assert [mode for mode, _ in found] == ["match"] * len(matches) + ["include"] * len(included)


def test_includes_are_cut_at_a_limit_that_is_said(configured, goal, patient):
    api = configured(max_included=3)
    api.put(patient)
    for number in range(9):
        api.put({**goal, "id": f"g{number}"})
    bundle = api.get("Patient?_id=p1&_revinclude=Goal:patient").get_json(force=True)
    assert [entry["search"]["mode"] for entry in bundle["entry"]] == ["match", *["include"] * 3, "outcome"]
    assert "3" in bundle["entry"][-1]["resource"]["issue"][0]["details"]["text"]


def test_stored_text_is_sent_as_it_is_also_when_included(story):
    body = story.get("CarePlan?_include=CarePlan:goal").get_data()
    assert story.get("Goal/g0").get_data() in body
    assert story.get("CarePlan/plan").get_data() in body


@pytest.mark.parametrize(
    ("sort", "ids"),
    [
        ("restriction", None),
        ("due", ["t1", "t0", "undated"]),
        ("-due", ["t0", "t1", "undated"]),
        ("-_id", ["undated", "t1", "t0"]),
        ("status,-_id", ["undated", "t1", "t0"]),
        ("due,_id", ["t1", "t0", "undated"]),
    ],
)
def test_the_order_is_any_parameters_and_pages_keep_it(story, sort, ids):
    if ids is None:
        assert story.get(f"Task?_sort={sort}").status_code == 400
        return
    found, path = [], f"Task?_sort={sort}&_count=1"
    while path:
        page = story.get(path).get_json(force=True)
        found += [entry["resource"]["id"] for entry in page["entry"]]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        path = following[0].removeprefix(f"{BASE}/") if following else ""
    assert found == ids


def test_elements_shows_what_was_named_and_what_must_not_be_left_out(story):
    [entry] = story.get("CarePlan?_elements=goal").get_json(force=True)["entry"]
    resource = entry["resource"]
    assert set(resource) == {"resourceType", "id", "meta", "status", "intent", "subject", "goal"}
    assert resource["meta"]["tag"][-1]["code"] == "SUBSETTED"


@pytest.mark.parametrize(
    ("summary", "there", "away"),
    [("true", "goal", "text"), ("text", "text", "goal"), ("data", "goal", "text"), ("false", "text", "")],
)
def test_a_summary_leaves_out_what_it_says(story, summary, there, away):
    if summary == "true":
        there, away = "status", "activity"
    [entry] = story.get(f"CarePlan?_summary={summary}").get_json(force=True)["entry"]
    assert there in entry["resource"]
    assert away not in entry["resource"]
    assert ("tag" in entry["resource"]["meta"]) is (summary != "false")


@pytest.mark.parametrize("total", ["accurate", "estimate"])
def test_totals_are_of_matches_only(story, total):
    bundle = story.get(f"CarePlan?_include=*&_total={total}").get_json(force=True)
    assert bundle["total"] == 1


def test_what_is_not_known_is_refused_unless_leniency_is_preferred(story, problem):
    query = "Task?patient=p1&colour=green&status:loud=x&_sort=due"
    assert "colour" in problem(story.get(query), 400, "invalid")["details"]["text"]
    bundle = story.get(query, Prefer='return=minimal; handling="lenient"').get_json(force=True)
    assert [entry["search"]["mode"] for entry in bundle["entry"]] == ["match"] * 3 + ["outcome"]
    said = json.dumps(bundle["entry"][-1]["resource"])
    assert "colour" in said
    assert "loud" in said
    assert bundle["link"][0]["url"] == f"{BASE}/Task?patient=p1&_sort=due"
    problem(story.get("Task?authored-on=yesterday", Prefer="handling=lenient"), 400, "invalid")


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("patient.name=quist", ["t0", "t1", "undated"]),
        ("patient.name:exact=quist", []),
        ("subject:Patient.identifier=urn:mrn|1&due=2026-04-01", ["t1"]),
        ("based-on:CarePlan.goal=g1&_id=t0", ["t0"]),
        ("due:missing=true", ["undated"]),
        ("status:not=requested", []),
        ("_filter=due lt 2026-04-02 and not (status eq draft)", ["t1"]),
        ("_content=PHARMACY call&_id=t0", ["t0"]),
    ],
)
def test_chains_modifiers_filters_and_words(story, query, ids):
    assert sorted(id_ for _, id_ in entries(story.get(f"Task?{query}"))) == ids


def test_has_lists_and_value_sets(story):
    story.put(
        {
            "resourceType": "List",
            "id": "l1",
            "status": "current",
            "mode": "working",
            "entry": [{"item": {"reference": "Goal/g1"}}],
        }
    )
    assert entries(story.get("Goal?_list=l1")) == [("match", "g1")]
    assert entries(story.get("Patient?_has:Task:patient:due=2026-04-01")) == [("match", "p1")]
    assert entries(story.get("CarePlan?_text=failure")) == [("match", "plan")]
    value_set = "http://hl7.org/fhir/ValueSet/request-status"
    assert entries(story.get(f"CarePlan?status:in={value_set}")) == [("match", "plan")]
    assert entries(story.get(f"CarePlan?status:not-in={value_set}")) == []


def test_a_post_search_takes_all_that_a_get_takes(story):
    response = story.send(
        "POST",
        "CarePlan/_search",
        "patient.name=Quist&_include=CarePlan:goal&_elements=goal",
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert modes(entries(response)) == {"match": ["plan"], "include": ["g0", "g1"]}


EVIL = "x'); DROP TABLE resource; --"


def _ask(api, name, text):
    return api.client.get("/fhir/Task", query_string={name: text})


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("status", ",".join(str(n) for n in range(1000)), 413),
        (".".join(["part-of"] * 113) + ".status", "x", 413),
        ("_has:Task:part-of:" * 113 + "status", "x", 413),
        ("_filter", "not (" * 113 + "status eq x" + ")" * 113, 413),
        ("_filter", " or ".join(["status eq x"] * 1000), 413),
        ("_filter", "(" * 100_000, 413),
        ("_sort", ",".join(["due"] * 1000), 400),
        ("_count", "1000000000", 200),
        ("_count", "1e9", 400),
        ("_count", "9" * 400, 400),
        ("_include:iterate", "Task:part-of", 200),
        ("_elements", ",".join(["status"] * 1000), 200),
        ("_page", "a" * 10_000, 400),
        ("_text", "<" * 5000, 400),
        ("_content", "a", 200),
        ("code:text", "(a+)+$" * 30, 200),
        ("code:in", EVIL, 400),
        ("_list", EVIL, 400),
        ("_id", EVIL, 200),
        ("patient.name", EVIL, 200),
        ("_sort", EVIL, 400),
        ("_include", EVIL, 400),
        ("_filter", f'status eq "{EVIL}"', 200),
        ("_filter", EVIL, 400),
        (EVIL, "x", 400),
        ("due", "ge" + "9" * 400, 400),
    ],
)
def test_bad_input_is_bounded_and_answered(story, name, text, status):
    response = _ask(story, name, text)
    assert response.status_code == status, response.get_data(as_text=True)[:300]
    if status >= 400:
        assert response.get_json(force=True)["issue"][0]["details"]["text"]


def test_a_pattern_in_a_text_is_only_a_text(story):
    for text in ("%", "_", "(a+)+$", ".*", "[a-z]"):
        assert entries(story.client.get("/fhir/Patient", query_string={"name:contains": text})) == []
    assert entries(story.get("Patient?name:contains=uis")) == [("match", "p1")]


def test_many_includes_of_everything_end(story):
    query = "&".join(["_include:iterate=*", "_revinclude:iterate=*"])
    found = modes(entries(story.get(f"Task?_id=t0&{query}")))
    written = [name for name in found["include"] if name.startswith("write.")]
    assert found["match"] == ["t0"]
    assert sorted(set(found["include"]) - set(written)) == ["g0", "g1", "p1", "plan", "t1", "team", "undated"]
    # One for each of the eight was written, and none comes twice.
    assert len(written) == len(set(written)) == 8
    beside = modes(entries(story.get("Patient?_id=p1&_revinclude=*")))["include"]
    named = sorted(name for name in beside if not name.startswith("write."))
    assert named == ["g0", "g1", "plan", "t0", "t1", "team", "undated"]
    assert len(beside) == 15


def answered(api, interact, **asked):
    interaction = Interaction("search-type", BASE, **asked)
    with api.services.database.read() as tx:
        reply = interact(api.services, tx, interaction)
    assert reply.status == 200
    return json.loads(reply.body)


def test_what_belongs_to_a_patient_is_searched_below_it(story):
    for type, ids in (("Task", ["t0", "t1", "undated"]), ("CarePlan", ["plan"]), ("Goal", ["g0", "g1"])):
        bundle = answered(story, search_compartment, type=type, id="p1")
        assert sorted(entry["resource"]["id"] for entry in bundle["entry"]) == ids
        assert bundle["link"][0]["url"] == f"{BASE}/Patient/p1/{type}"
        assert "entry" not in answered(story, search_compartment, type=type, id="p2")


def test_a_plan_is_in_the_compartment_of_its_performer_too(story):
    plan = story.get("CarePlan/plan").get_json(force=True)
    detail = {"status": "scheduled", "performer": [{"reference": "Patient/p2"}]}
    story.put({**plan, "activity": [{"detail": detail}]})
    for patient in ("p1", "p2"):
        bundle = answered(story, search_compartment, type="CarePlan", id=patient)
        assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["plan"]


def test_pages_of_a_compartment_are_its_own(story):
    page = answered(story, search_compartment, type="Goal", id="p1", parameters=(("_count", "1"),))
    [cursor] = [link["url"].partition("_page=")[2] for link in page["link"] if link["relation"] == "next"]
    given = (("_count", "1"), ("_page", cursor))
    following = answered(story, search_compartment, type="Goal", id="p1", parameters=given)
    assert following["entry"][0]["resource"]["id"] != page["entry"][0]["resource"]["id"]
    with pytest.raises(InvalidSearch):
        answered(story, search_compartment, type="Goal", id="p2", parameters=given)


def test_several_types_are_searched_at_once(story):
    seen, cursor = [], ""
    while True:
        given = (("_type", "Goal,Task"), ("_count", "2"), ("_sort", "_id"), *([("_page", cursor)] if cursor else []))
        page = answered(story, search_system, parameters=given)
        seen += [entry["resource"]["id"] for entry in page["entry"]]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        if not following:
            break
        cursor = following[0].partition("_page=")[2]
    assert seen == ["g0", "g1", "t0", "t1", "undated"]
    counted = answered(story, search_system, parameters=(("_total", "accurate"), ("_count", "0")))
    # Eight resources, and who wrote each.
    assert counted["total"] == 16
    for given in ((("_type", "Banana"),), (("_type", "Goal,Task"), ("due", "2026"))):
        with pytest.raises(InvalidSearch):
            answered(story, search_system, parameters=given)


def test_all_that_belongs_to_a_patient_is_searched_at_once(story, problem):
    everything = ["g0", "g1", "plan", "t0", "t1", "team", "undated"]

    def own(answer):
        bundle = answer.get_json(force=True)
        return sorted(
            entry["resource"]["id"] for entry in bundle["entry"] if entry["resource"]["resourceType"] != "Provenance"
        )

    assert own(story.get("Patient/p1/*")) == everything
    assert own(story.get("Patient/p1/*?_type=Task,Goal")) == ["g0", "g1", "t0", "t1", "undated"]
    assert own(story.get("Patient/p1/*?_id=t0,g1")) == ["g1", "t0"]
    assert "entry" not in story.get("Patient/p2/*").get_json(force=True)
    problem(story.get("Patient/p1/*?_type=Practitioner"), 400, "invalid")
    problem(story.get("Patient/p1/*?due=2026"), 400, "invalid")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for path, ids in (("Patient/p1/_search", ["g0", "t0"]), ("Patient/p1/*/_search", ["g0", "t0"])):
        assert own(story.send("POST", path, "_id=t0,g0", form)) == ids
    assert own(story.send("POST", "Patient/p1/Task/_search", "_id=t0,g0", form)) == ["t0"]
    seen, path = [], "Patient/p1/*?_count=3"
    while path:
        page = story.get(path).get_json(force=True)
        seen += [entry["resource"]["id"] for entry in page["entry"]]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        path = following[0].removeprefix(f"{BASE}/") if following else ""
    assert len(seen) == len(set(seen)) == 15
    cursor = story.get("Patient/p1/*?_count=3").get_json(force=True)["link"][-1]["url"].partition("?")[2]
    problem(story.get(f"Patient/p2/*?{cursor}"), 400, "invalid")


def test_what_belongs_to_a_patient_in_two_ways_is_counted_once(api, patient):
    api.put(patient)
    team = {
        "resourceType": "CareTeam",
        "id": "t1",
        "subject": {"reference": "Patient/p1"},
        "participant": [{"member": {"reference": "Patient/p1"}}],
    }
    assert api.put(team).status_code == 201
    assert api.get("Patient/p1/CareTeam?_total=accurate").get_json(force=True)["total"] == 1
