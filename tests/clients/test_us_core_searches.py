"""The searches that US Core 6.1 to 9.0 require or recommend for our core types, and our own combinations.

Of each search there is one resource that it must find, and for each of its parameters one that differs in that
parameter only, which it must not find.
"""

import json

import pytest

from fhirplan import assembly, settings
from fhirplan.catalog.us_core import SEARCHES
from fhirplan.web.app import create_app

CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/careplan-category"
SNOMED = "http://snomed.info/sct"


def to(place):
    return {"reference": place}


def coded(system, code):
    return {"coding": [{"system": system, "code": code}]}


def ranged(*texts):
    """The same date asked by each comparison that US Core demands."""
    return texts


# Of each type a resource; below, per parameter, the values that must find it and what makes it one that is not found
# (an empty list: without the element).
HITS = {
    "CarePlan": {
        "status": "active",
        "intent": "plan",
        "subject": to("Patient/p1"),
        "category": [coded(CATEGORY, "assess-plan")],
        "period": {"start": "2026-03-02", "end": "2026-06-30"},
    },
    "CareTeam": {
        "status": "active",
        "subject": to("Patient/p1"),
        "participant": [{"role": [coded(SNOMED, "768820003")], "member": to("Practitioner/n1")}],
    },
    "Goal": {
        "lifecycleStatus": "active",
        "subject": to("Patient/p1"),
        "description": coded(SNOMED, "1078229009"),
        "target": [{"dueDate": "2026-05-01"}],
    },
    "ServiceRequest": {
        "status": "active",
        "intent": "order",
        "subject": to("Patient/p1"),
        "category": [coded(SNOMED, "410606002")],
        "code": coded(SNOMED, "385763009"),
        "authoredOn": "2026-03-05",
    },
    "Task": {
        "status": "requested",
        "intent": "order",
        "for": to("Patient/p1"),
        "code": coded(SNOMED, "736353004"),
        "owner": to("Practitioner/n1"),
        "basedOn": [to("CarePlan/plan")],
        "restriction": {"period": {"start": "2026-03-10", "end": "2026-03-20"}},
    },
}
PATIENT = (("p1", "Patient/p1"), {"subject": to("Patient/p2")})
LAST_UPDATED = (("ge2020-01-01", "lt2999-01-01"), None)
PARAMETERS = {
    "CarePlan": {
        "patient": PATIENT,
        "category": ((f"{CATEGORY}|assess-plan", "assess-plan"), {"category": [coded(CATEGORY, "other")]}),
        "status": (("active", "draft,active"), {"status": "revoked"}),
        "date": (
            ranged("2026-04", "ge2026-06-01", "gt2026-06-29", "le2026-03-02"),
            {"period": []},
        ),
    },
    "CareTeam": {
        "patient": PATIENT,
        "status": (("active", "proposed,active"), {"status": "inactive"}),
        "role": ((f"{SNOMED}|768820003", "768820003"), {"participant": [{"role": [coded(SNOMED, "1")]}]}),
    },
    "Goal": {
        "patient": PATIENT,
        "target-date": (
            ranged("2026-05-01", "ge2026-05-01", "gt2026-04-30", "lt2026-05-02", "le2026-05-01"),
            {"target": []},
        ),
        "description": ((f"{SNOMED}|1078229009", "1078229009"), {"description": {"text": "Something else"}}),
        "lifecycle-status": (("active", "planned,active"), {"lifecycleStatus": "completed"}),
    },
    "ServiceRequest": {
        "patient": PATIENT,
        "_id": (("hit",), None),
        "category": ((f"{SNOMED}|410606002",), {"category": []}),
        "code": ((f"{SNOMED}|385763009", f"x|y,{SNOMED}|385763009"), {"code": coded(SNOMED, "1")}),
        "authored": (ranged("2026-03-05", "ge2026-03-05", "lt2026-03-06"), {"authoredOn": []}),
        "status": (("active", "draft,active"), {"status": "revoked"}),
    },
    "Task": {
        "patient": (PATIENT[0], {"for": to("Patient/p2")}),
        "status": (("requested", "accepted,requested"), {"status": "draft"}),
        "code": ((f"{SNOMED}|736353004",), {"code": coded(SNOMED, "1")}),
        "owner": (("Practitioner/n1",), {"owner": to("Practitioner/n2")}),
        "based-on": (("CarePlan/plan",), {"basedOn": []}),
        "due": (
            ranged("2026-03-15", "ge2026-03-20", "le2026-03-10"),
            {"restriction": []},
        ),
        "_lastUpdated": LAST_UPDATED,
    },
}


def without_empty(resource):
    return {name: value for name, value in resource.items() if value != []}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    path = tmp_path_factory.mktemp("searches") / "fhirplan.db"
    chosen = {"auth": "open", "validation": "base", "database_url": f"sqlite:///{path}"}
    services = assembly.build(settings.load({}, **chosen))
    services.database.migrate()
    made = create_app(services).test_client()

    def put(type, id, content):
        resource = {"resourceType": type, "id": id, **without_empty(content)}
        headers = {"Content-Type": "application/fhir+json"}
        answer = made.put(f"/fhir/{type}/{id}", data=json.dumps(resource), headers=headers)
        assert answer.status_code == 201, answer.get_data(as_text=True)

    for patient in ("p1", "p2"):
        put("Patient", patient, {})
    put("Practitioner", "n1", {"name": [{"family": "Nurse"}]})
    put("PractitionerRole", "role1", {"practitioner": to("Practitioner/n1")})
    for type, hit in HITS.items():
        put(type, "hit", hit)
        for code, (_, change) in PARAMETERS[type].items():
            if change is not None:
                put(type, f"not-{code}", {**hit, **change})
        put(
            "Provenance",
            f"of-{type.lower()}",
            {
                "target": [to(f"{type}/hit")],
                "recorded": "2026-03-01T10:00:00Z",
                "agent": [{"who": to("Practitioner/n1")}],
            },
        )
    yield made
    services.database.close()


def found(client, type, given):
    answer = client.get(f"/fhir/{type}", query_string=given)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    listed = answer.get_json(force=True).get("entry", [])
    return {(item["resource"]["resourceType"], item["resource"]["id"], item["search"]["mode"]) for item in listed}


def others(type, codes):
    """Those that differ in none of the parameters asked for."""
    kept = [code for code, (_, change) in PARAMETERS[type].items() if change is not None and code not in codes]
    return {(type, f"not-{code}", "match") for code in kept}


@pytest.mark.parametrize(("expectation", "type", "names"), SEARCHES, ids=lambda value: value.replace(" ", "+"))
def test_a_search_finds_what_has_all_its_values_and_nothing_else(client, expectation, type, names):
    codes = names.split()
    expected = {(type, "hit", "match")} if "_id" in codes else {(type, "hit", "match")} | others(type, codes)
    most = max(len(PARAMETERS[type][code][0]) for code in codes)
    for turn in range(most):
        values = [(code, given[turn % len(given)]) for code in codes for given in [PARAMETERS[type][code][0]]]
        assert found(client, type, values) == expected, values


@pytest.mark.parametrize("type", sorted(HITS))
def test_the_provenance_of_what_is_found_comes_with_it(client, type):
    given = [("_id", "hit"), ("_revinclude", "Provenance:target")]
    listed = found(client, type, given)
    made = {item for item in listed if item[1].startswith("write.")}
    assert {(kind, mode) for kind, _, mode in made} == {("Provenance", "include")}
    assert listed - made == {(type, "hit", "match"), ("Provenance", f"of-{type.lower()}", "include")}


@pytest.mark.parametrize(
    ("type", "given", "included"),
    [
        ("CareTeam", [("_id", "hit"), ("_include", "CareTeam:participant")], ("Practitioner", "n1", "include")),
        (
            "CareTeam",
            [("_id", "hit"), ("_include", "CareTeam:participant:Practitioner")],
            ("Practitioner", "n1", "include"),
        ),
        (
            "PractitionerRole",
            [("practitioner", "n1"), ("_include", "PractitionerRole:practitioner")],
            ("Practitioner", "n1", "include"),
        ),
    ],
)
def test_the_includes_of_us_core(client, type, given, included):
    assert included in found(client, type, given)


def test_a_search_by_post_finds_the_same(client):
    answer = client.post(
        "/fhir/CarePlan/_search", data={"patient": "Patient/p1", "category": "assess-plan", "_id": "hit"}
    )
    assert [item["resource"]["id"] for item in answer.get_json(force=True)["entry"]] == ["hit"]
