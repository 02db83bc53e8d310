"""The Epic persona, fact by fact."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from fhirplan.sandbox.faults import Faults, rules
from fhirplan.sandbox.personas import PERSONAS
from fhirplan.sandbox.personas.epic import CAP

SUBJECT = {"subject": {"reference": "Patient/p"}}
ASSESS = [{"coding": [{"code": "assess-plan"}]}]
PLAN = {"resourceType": "CarePlan", "id": "c", "status": "active", "category": ASSESS, **SUBJECT}
TASK = {"resourceType": "Task", "id": "t", "status": "requested", "for": {"reference": "Patient/p"}}
BY_PATIENT = "CarePlan?patient=p&category=assess-plan"


@pytest.fixture
def epic(playing):
    return playing("epic")


def codes(issues):
    return [coding["code"] for issue in issues for coding in issue.get("details", {}).get("coding", [])]


def refused(answer, status=400):
    assert answer.status_code == status
    return codes(answer.resource["issue"])


def test_task_updated_never_created(epic):
    epic.load(TASK)
    assert epic.found("Task?patient=p") == ["t"]
    assert epic("POST", "Task", {**TASK, "id": "u"}).status_code == 405
    assert epic.put({**TASK, "status": "completed"}).status_code == 200
    assert epic.put({**TASK, "id": "never"}).status_code == 404
    assert epic("GET", "Task/t").resource["status"] == "completed"


@pytest.mark.parametrize("type_", [
    "Communication", "ServiceRequest", "DocumentReference", "QuestionnaireResponse", "Observation", "Condition",
])  # fmt: skip
def test_other_writes(epic, type_):
    made = epic("POST", type_, {"resourceType": type_, **SUBJECT})
    assert made.status_code == 201
    assert epic("GET", made.headers["Location"].split("/fhir/")[1].split("/_history")[0]).status_code == 200
    assert epic.put({"resourceType": type_, "id": "new-1"}).status_code == 405


def test_no_last_updated(epic):
    epic.load(PLAN, {"resourceType": "Patient", "id": "p"})
    for search in (BY_PATIENT, "Patient?"):
        ids, issues = epic.page(f"{search}&_lastUpdated=ge2099")
        assert len(ids) == 1
        assert codes(issues) == ["4122"]


def test_category_required(epic):
    assert refused(epic("GET", "CarePlan?patient=p")) == ["4111"]
    assert epic("GET", BY_PATIENT).status_code == 200


def test_plans_share_one_endpoint(epic):
    epic.load(PLAN, {**PLAN, "id": "oncology", "category": [{"coding": [{"code": "736378000"}]}]})
    assert epic.found(BY_PATIENT) == ["c"]
    assert epic.found("CarePlan?patient=p&category=736378000") == ["oncology"]


def test_patient_or_subject(epic):
    assert epic("GET", "Goal?patient=p").status_code == epic("GET", "Goal?subject=Patient/p").status_code == 200
    assert epic("GET", "Goal?patient=p&subject=Patient/p").status_code == 400
    assert refused(epic("GET", "CareTeam")) == ["4111"]
    assert refused(epic("GET", "Task?status=requested")) == ["59108"]
    assert refused(epic("GET", "Goal?lifecycle-status=active")) == ["59108"]


def test_id_alone(epic):
    epic.load(PLAN)
    assert epic.page("CarePlan?_id=c&patient=nobody&category=other&nonsense=1") == (["c"], [])


def test_unknown_parameter_warns(epic):
    epic.load(PLAN, {"resourceType": "Goal", "id": "g", **SUBJECT})
    ids, issues = epic.page(f"{BY_PATIENT}&nonsense=1")
    assert (ids, codes(issues), issues[0]["severity"]) == (["c"], ["4122"], "warning")
    ids, issues = epic.page("Goal?patient=p&nonsense=1")
    assert (ids, codes(issues)) == (["g"], ["59100"])


def test_required_parameter_missing(epic):
    answer = epic("GET", "Goal")
    assert refused(answer) == ["59108"]
    assert answer.resource["issue"][0]["severity"] == "fatal"
    assert refused(epic("GET", "CarePlan?category=assess-plan")) == ["4111"]


@pytest.mark.parametrize("count", [2, 3, 50])
def test_result_cap(playing, count):
    epic = playing(replace(PERSONAS["epic"], cap=5))
    epic.load(*({**PLAN, "id": f"c{n}"} for n in range(8)))
    ids, said, path = [], [], f"{BY_PATIENT}&_count={count}"
    while path:
        more, issues = epic.page(path)
        ids, said = ids + more, said + codes(issues)
        links = {link["relation"]: link["url"] for link in epic("GET", path).resource["link"]}
        path = links.get("next", "").removeprefix("http://localhost")
    assert ids == [f"c{n}" for n in range(5)]
    assert said == ["4127"]


def test_the_cap_of_the_persona_itself(epic):
    epic.load(*({"resourceType": "Goal", "id": f"g{n}", **SUBJECT} for n in range(CAP + 1)))
    ids, issues = epic.page(f"Goal?patient=p&_count={CAP + 50}")
    assert (len(ids), codes(issues)) == (CAP, ["59133"])


def test_a_result_of_the_caps_size_is_whole(playing):
    epic = playing(replace(PERSONAS["epic"], cap=5))
    epic.load(*({"resourceType": "Goal", "id": f"g{n}", **SUBJECT} for n in range(5)))
    assert epic.page("Goal?patient=p") == ([f"g{n}" for n in range(5)], [])
    epic.load({"resourceType": "Goal", "id": "g5", **SUBJECT})
    ids, issues = epic.page("Goal?patient=p")
    assert (len(ids), codes(issues)) == (5, ["59133"])


def test_expired_session(playing):
    epic = playing("epic", faults=Faults(rules([{"fault": "expired-page", "nth": 2}])))
    epic.load(*({**PLAN, "id": f"c{n}"} for n in range(6)))
    first = epic("GET", f"{BY_PATIENT}&_count=2").resource
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    assert "sessionID=" in following
    path = following.removeprefix("http://localhost")
    assert epic("GET", path).status_code == 200
    assert refused(epic("GET", path)) == ["4113"]
    assert refused(epic("GET", f"{BY_PATIENT}&sessionID=nonsense")) == ["4113"]


@pytest.mark.parametrize("code", ["4130", "4131", "4134"])
def test_break_the_glass(playing, code):
    assert code in PERSONAS["epic"].codes["break-the-glass"]
    script = [
        {"fault": "outcome", "match": "GET CarePlan", "code": code},
        {"fault": "outcome", "status": 403, "code": code},
    ]
    epic = playing("epic", faults=Faults(rules(script)))
    epic.load(PLAN)
    ids, issues = epic.page(BY_PATIENT)
    assert (ids, codes(issues)) == (["c"], [code])
    assert refused(epic("GET", "CarePlan/c"), 403) == [code]


def test_try_again_tomorrow(playing):
    faults = Faults(rules([{"fault": "outcome", "status": 403, "code": "4135", "severity": "fatal", "times": 1}]))
    epic = playing("epic", faults=faults)
    epic.load(PLAN)
    assert PERSONAS["epic"].codes["tomorrow"] == ("4135",)
    assert refused(epic("GET", "CarePlan/c"), 403) == ["4135"]
    assert epic("GET", "CarePlan/c").status_code == 200


def test_duplicate_create(epic):
    body = {"resourceType": "Communication", "status": "completed", "payload": [{"contentString": "x"}], **SUBJECT}
    assert epic("POST", "Communication", body).status_code == 201
    assert refused(epic("POST", "Communication", {**body, "id": "other"})) == ["59141"]
    assert epic("POST", "Communication", {**body, "subject": {"reference": "Patient/q"}}).status_code == 201
    assert epic("POST", "Communication", {**body, "status": "in-progress"}).status_code == 201
    bare = {"resourceType": "Observation", "status": "final"}
    assert [epic("POST", "Observation", bare).status_code for _ in range(2)] == [201, 400]


def test_no_throttling(epic):
    epic.load(TASK)
    answers = [epic("GET", "Task/t") for _ in itertools.repeat(None, 200)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any("Retry-After" in answer.headers for answer in answers)


def test_longitudinal_team(epic):
    team = {"resourceType": "CareTeam", "id": "long", "status": "active", **SUBJECT}
    epic.load(
        team,
        {**team, "id": "inactive", "status": "inactive"},
        {**team, "id": "stay", "encounter": {"reference": "Encounter/e"}},
    )
    assert epic.page("CareTeam?patient=p") == (["long"], [])
    assert epic.page("CareTeam?patient=p&status=inactive") == ([], [])
    assert epic("GET", "CareTeam/inactive").status_code == 200


def test_post_search_form_only(epic):
    epic.load(PLAN, {**PLAN, "id": "d", "status": "revoked"})
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    answer = epic("POST", "CarePlan/_search?status=revoked&patient=nobody", b"patient=p&category=assess-plan", **form)
    assert [entry["resource"]["id"] for entry in answer.resource["entry"]] == ["c", "d"]
    assert refused(epic("POST", f"CarePlan/_search{BY_PATIENT[8:]}", b"", **form)) == ["4111"]


def test_includes(epic):
    epic.load(
        {**PLAN, "goal": [{"reference": "Goal/g"}]},
        {"resourceType": "Goal", "id": "g", **SUBJECT},
        {"resourceType": "Provenance", "id": "v", "target": [{"reference": "CarePlan/c"}]},
    )

    def brought(search):
        entries = epic("GET", f"{BY_PATIENT}&{search}").resource["entry"]
        return [entry["resource"]["resourceType"] for entry in entries]

    assert brought("_include=*") == ["CarePlan", "Goal"]
    assert brought("_include=CarePlan:goal") == ["CarePlan", "OperationOutcome"]
    assert brought("_revinclude=Provenance:target") == ["CarePlan", "Provenance"]
    assert brought("_revinclude=CarePlan:goal") == ["CarePlan", "OperationOutcome"]


def test_if_match_not_verified(epic):
    epic.load(TASK)
    assert epic.put({**TASK, "status": "accepted"}).headers["ETag"] == 'W/"2"'
    assert epic.put({**TASK, "status": "rejected"}, If_Match='W/"1"').status_code == 200


def test_one_category(playing):
    older, newer = playing("epic-older"), playing("epic")
    older.load(PLAN)
    for search in (f"{BY_PATIENT}&category=other", f"{BY_PATIENT},other"):
        assert older("GET", search).status_code == 400
        assert newer("GET", search).status_code == 200
    assert older.found(BY_PATIENT) == ["c"]


def test_sites_differ():
    assert PERSONAS["epic-older"].types != PERSONAS["epic"].types
    assert PERSONAS["epic-older"].software == PERSONAS["epic"].software


def test_tokens(authorized):
    """v1 and v2 scopes, each echoed as it was asked for; see test_auth for the rest."""
    ehr, token = authorized("epic")
    assert token("system/CarePlan.read")["scope"] == "system/CarePlan.read"
    assert token("system/CarePlan.rs")["scope"] == "system/CarePlan.rs"
    assert token("system/CarePlan.cruds system/Task.cruds")["scope"] == "system/CarePlan.rs system/Task.rus"
    said = ehr("GET", ".well-known/smart-configuration").resource
    assert "RS384" in said["token_endpoint_auth_signing_alg_values_supported"]
    assert {"permission-v1", "permission-v2"} <= set(said["capabilities"])
