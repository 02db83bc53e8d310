"""The Oracle Health Millennium persona, fact by fact."""

from __future__ import annotations

import pytest

SUBJECT = {"subject": {"reference": "Patient/p"}}
ASSESS = [{"coding": [{"system": "s", "code": "assess-plan"}]}]
PLAN = {"resourceType": "CarePlan", "id": "c", "status": "active", "category": ASSESS, **SUBJECT}
BY_PATIENT = "CarePlan?patient=p&category=assess-plan"
NOTE = {"resourceType": "Communication", "id": "n", "status": "in-progress", **SUBJECT}
PATCH = "application/json-patch+json"


@pytest.fixture
def oracle(playing):
    return playing("oracle")


@pytest.mark.parametrize(("type_", "create", "update"), [
    ("DocumentReference", 201, 200), ("Communication", 201, 200), ("Condition", 201, 200), ("Observation", 201, 200),
    ("QuestionnaireResponse", 405, 200), ("Basic", 201, 405), ("Provenance", 201, 405), ("ServiceRequest", 405, 405),
])  # fmt: skip
def test_other_writes(oracle, type_, create, update):
    oracle.load({"resourceType": type_, "id": "x"})
    assert oracle("POST", type_, {"resourceType": type_}).status_code == create
    assert oracle.put({"resourceType": type_, "id": "x"}).status_code == update


def test_no_last_updated(oracle):
    for search in (f"{BY_PATIENT}&", "Goal?patient=p&", "CareTeam?patient=p&", "Patient?"):
        assert oracle("GET", f"{search}_lastUpdated=ge2020").status_code == 400


def test_category_required(oracle):
    oracle.load(PLAN)
    assert oracle("GET", "CarePlan?patient=p").status_code == 400
    assert oracle("GET", "CarePlan?patient=p&category=other").status_code == 400
    assert oracle("GET", "CarePlan?patient=p&category=assess-plan,other").status_code == 400
    assert oracle.found("CarePlan?patient=p&category=s|assess-plan") == ["c"]
    assert oracle.found("CarePlan?_id=c") == ["c"]


def test_patient_required(oracle):
    for search in ("CarePlan?category=assess-plan", "Goal", "CareTeam"):
        assert oracle("GET", search).status_code == 400
    assert oracle("GET", "Goal?_id=x").status_code == 200


def test_date_pair(oracle):
    oracle.load(
        {**PLAN, "id": "spring", "period": {"start": "2026-03-01", "end": "2026-05-31"}},
        {**PLAN, "id": "open", "period": {"start": "2026-10-01"}},
        {**PLAN, "id": "undated"},
    )
    assert oracle.found(f"{BY_PATIENT}&date=ge2026-05-01&date=le2026-06-30") == ["spring"]
    assert oracle.found(f"{BY_PATIENT}&date=ge2026-06-01&date=le2026-12-31") == ["open"]
    for bad in ("date=ge2026-05-01", "date=2026-05-01", "date=ge2026&date=ge2027", "date=gt2026&date=lt2027"):
        assert oracle("GET", f"{BY_PATIENT}&{bad}").status_code == 400


def test_no_activity(oracle):
    activity = [{"detail": {"description": "Call <daily>"}}, {"reference": {"display": "Home visit"}}]
    text = {"status": "additional", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Plan</p></div>'}
    oracle.load({**PLAN, "activity": activity, "text": text}, {**PLAN, "id": "bare", "activity": activity})
    plans = [
        oracle("GET", "CarePlan/c").resource,
        *(e["resource"] for e in oracle("GET", BY_PATIENT).resource["entry"]),
    ]
    told = "<ul><li>Call &lt;daily&gt;</li><li>Home visit</li></ul></div>"
    assert [plan["id"] for plan in plans] == ["c", "c", "bare"]
    assert all("activity" not in plan and plan["text"]["div"].endswith(told) for plan in plans)
    assert plans[0]["text"] == {"status": "additional", "div": text["div"].replace("</div>", told)}
    assert plans[2]["text"]["status"] == "generated"


def test_team_needs_encounter_scope(authorized):
    oracle, token = authorized("oracle")
    oracle.load({"resourceType": "CareTeam", "id": "ct", **SUBJECT})
    alone = token("system/CareTeam.read")["access_token"]
    both = token("system/CareTeam.read system/Encounter.read")["access_token"]
    for path in ("CareTeam/ct", "CareTeam?patient=p"):
        denied = oracle("GET", path, Authorization=f"Bearer {alone}")
        assert denied.status_code == 403
        assert "system/Encounter.r" in denied.headers["WWW-Authenticate"]
        assert oracle("GET", path, Authorization=f"Bearer {both}").status_code == 200


def test_no_lifecycle_status(oracle):
    assert oracle("GET", "Goal?patient=p&lifecycle-status=active").status_code == 400
    assert oracle("GET", "Goal?patient=p").status_code == 200


def test_repeated_on_next_page(oracle):
    oracle.load(*({**PLAN, "id": f"c{n}"} for n in range(5)))
    assert oracle.found(f"{BY_PATIENT}&_count=2") == ["c0", "c1", "c1", "c2", "c3", "c3", "c4"]


@pytest.mark.parametrize("body", [
    {**NOTE, "modifierExtension": [{"url": "http://x", "valueBoolean": True}]},
    {**NOTE, "payload": [{"contentString": "x", "modifierExtension": [{"url": "http://x", "valueBoolean": True}]}]},
])  # fmt: skip
def test_unknown_modifier_extension(oracle, body):
    oracle.load(NOTE)
    assert oracle("POST", "Communication", body).status_code == 422
    assert oracle.put(body).status_code == 422
    assert oracle.put({**NOTE, "extension": [{"url": "http://x", "valueBoolean": True}]}).status_code == 200


def test_silent_406(oracle):
    for accept in ("application/fhir+xml", "text/html"):
        answer = oracle("GET", "metadata", Accept=accept)
        assert (answer.status_code, answer.get_data()) == (406, b"")
    assert oracle("GET", "metadata", Accept="application/fhir+json").status_code == 200


def test_listed_patch(oracle):
    oracle.load(NOTE)
    test = {"op": "test", "path": "/status", "value": "in-progress"}
    change = {"op": "replace", "path": "/status", "value": "completed"}

    def patch(*operations, kind=PATCH):
        return oracle("PATCH", "Communication/n", list(operations), Content_Type=kind)

    assert patch(change).status_code == 422
    assert patch(test, {"op": "add", "path": "/note", "value": []}).status_code == 422
    assert patch({**test, "value": "completed"}, change).status_code == 422
    assert patch(test, change, kind="application/fhir+json").status_code == 415
    assert patch(test, change).resource["status"] == "completed"
    assert oracle("PATCH", "Observation/n", [test], Content_Type=PATCH).status_code == 405


def test_no_includes(oracle):
    for search in ("_include=*", "_include=CarePlan:goal", "_revinclude=Provenance:target"):
        assert oracle("GET", f"{BY_PATIENT}&{search}").status_code == 400


def test_stale_update_409(oracle):
    oracle.load(NOTE)
    assert oracle.put(NOTE, If_Match='W/"1"').status_code == 200
    stale = oracle.put(NOTE, If_Match='W/"1"')
    assert (stale.status_code, stale.resource["issue"][0]["code"]) == (409, "conflict")
    assert oracle("PATCH", "Communication/n", [{"op": "test", "path": "/status", "value": "in-progress"}],
                  Content_Type=PATCH, If_Match='W/"1"').status_code == 409  # fmt: skip
    assert oracle.put(NOTE).status_code == 200
    assert oracle.put({**NOTE, "id": "never"}).status_code == 404


def test_tenant_in_path(authorized):
    oracle, _ = authorized("oracle")
    said = oracle("GET", ".well-known/smart-configuration").resource
    assert "/tenants/" in said["token_endpoint"]
    assert said["token_endpoint"] in str(oracle("GET", "metadata").resource["rest"][0]["security"])


def test_unknown_parameter_refused(oracle):
    assert oracle("GET", f"{BY_PATIENT}&nonsense=1").status_code == 400
