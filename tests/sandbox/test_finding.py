"""Search: each kind of parameter, its spellings, includes, and what is refused."""

from __future__ import annotations

import pytest


def task(id_, **more):
    return {"resourceType": "Task", "id": id_, "status": "requested", "intent": "order", **more}


@pytest.fixture
def clinic(ehr, clock):
    """Two patients with a plan, goals, tasks, a team and provenance, written a second apart."""
    written = [
        {"resourceType": "Patient", "id": "p1", "identifier": [{"system": "urn:mrn", "value": "1"}], "active": True},
        {"resourceType": "Patient", "id": "p2", "identifier": [{"system": "urn:mrn", "value": "2"}, {"value": "bare"}]},
        {"resourceType": "Practitioner", "id": "dr"},
        {"resourceType": "CareTeam", "id": "team", "status": "active", "subject": {"reference": "Patient/p1"},
         "participant": [{"member": {"reference": "Practitioner/dr"}}, {"member": {"reference": "Patient/p1"}}]},
        {"resourceType": "Goal", "id": "g1", "lifecycleStatus": "active", "subject": {"reference": "Patient/p1"},
         "achievementStatus": {"coding": [{"system": "urn:a", "code": "improving"}]}},
        {"resourceType": "CarePlan", "id": "plan", "status": "active", "intent": "plan",
         "subject": {"reference": "Patient/p1"}, "careTeam": [{"reference": "CareTeam/team"}],
         "goal": [{"reference": "Goal/g1"}, {"reference": "Goal/lost"}],
         "category": [{"coding": [{"system": "urn:c", "code": "assess-plan"}, {"code": "loose"}]}]},
        task("t1", **{"for": {"reference": "Patient/p1"}}, owner={"reference": "Practitioner/dr"},
             basedOn=[{"reference": "CarePlan/plan"}], code={"coding": [{"system": "urn:t", "code": "call"}]}),
        task("t2", **{"for": {"reference": "http://localhost/fhir/Patient/p1"}}, status="accepted",
             basedOn=[{"reference": "CarePlan/plan/_history/1"}]),
        task("t3", **{"for": {"reference": "Patient/p2"}}, status="accepted"),
        task("t4", **{"for": {"reference": "http://else.where/fhir/Patient/p1"}}, owner={"display": "nobody"}),
        {"resourceType": "Provenance", "id": "prov", "target": [{"reference": "Task/t1"}, {"reference": "Patient/p1"}]},
    ]  # fmt: skip
    for resource in written:
        assert ehr.put(resource).status_code == 201
        clock.now += 1000
    return ehr


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ("Task", "t1 t2 t3 t4"),
        ("Task?_id=t1", "t1"),
        ("Task?_id=t3,t1,none", "t1 t3"),
        ("Task?patient=p1", "t1 t2"),
        ("Task?patient=Patient/p1", "t1 t2"),
        ("Task?patient=http://localhost/fhir/Patient/p1", "t1 t2"),
        ("Task?patient=http://else.where/fhir/Patient/p1", "t4"),
        ("Task?subject:Patient=p2", "t3"),
        ("Task?subject:Group=p2", ""),
        ("Task?patient=p1,p2", "t1 t2 t3"),
        ("Task?patient=p1&patient=p2", ""),
        ("Task?patient=p1&status=accepted", "t2"),
        ("Task?status=accepted,requested&patient=p2", "t3"),
        ("Task?status=Accepted", ""),
        ("Task?status=http://hl7.org/fhir/task-status|accepted", "t2 t3"),
        ("Task?owner=Practitioner/dr", "t1"),
        ("Task?code=call", "t1"),
        ("Task?code=urn:t|call", "t1"),
        ("Task?code=urn:x|call", ""),
        ("Task?based-on=CarePlan/plan", "t1 t2"),
        ("CarePlan?category=assess-plan", "plan"),
        ("CarePlan?category=urn:c|assess-plan", "plan"),
        ("CarePlan?category=urn:c|", "plan"),
        ("CarePlan?category=|assess-plan", ""),
        ("CarePlan?category=|loose", "plan"),
        ("CarePlan?category=urn:c|loose", ""),
        ("CarePlan?care-team=CareTeam/team&goal=Goal/g1", "plan"),
        ("CarePlan?goal=lost", "plan"),
        ("Goal?lifecycle-status=active&achievement-status=improving", "g1"),
        ("Goal?subject=Patient/p1", "g1"),
        ("CareTeam?participant=dr", "team"),
        ("Patient?identifier=urn:mrn|2", "p2"),
        ("Patient?identifier=2", "p2"),
        ("Patient?identifier=|bare", "p2"),
        ("Patient?identifier=|2", ""),
        ("Patient?active=true", "p1"),
        ("Provenance?target=Task/t1", "prov"),
        ("Provenance?patient=p1", "prov"),
        ("Task?_lastUpdated=2026-11-02T12:00:06Z", "t1"),
        ("Task?_lastUpdated=eq2026-11-02", "t1 t2 t3 t4"),
        ("Task?_lastUpdated=2026", "t1 t2 t3 t4"),
        ("Task?_lastUpdated=2026-12", ""),
        ("Task?_lastUpdated=ge2026-11-02T12:00:07.000Z", "t2 t3 t4"),
        ("Task?_lastUpdated=ge2026-11-02T12:00:07.001Z", "t3 t4"),
        ("Task?_lastUpdated=ge2026-11-02T12:00:07.0001Z", "t3 t4"),
        ("Task?_lastUpdated=gt2026-11-02T12:00:07.000Z", "t3 t4"),
        ("Task?_lastUpdated=gt2026-11-02T12:00:06.999Z", "t2 t3 t4"),
        ("Task?_lastUpdated=lt2026-11-02T12:00:07.000Z", "t1"),
        ("Task?_lastUpdated=le2026-11-02T12:00:07.000Z", "t1 t2"),
        ("Task?_lastUpdated=ge2026-11-02T14:00:07%2B02:00", "t2 t3 t4"),
        ("Task?_lastUpdated=ge2026-11-02T12:00:07Z&_lastUpdated=lt2026-11-02T12:00:09Z", "t2 t3"),
        ("Task?_sort=_lastUpdated", "t1 t2 t3 t4"),
        ("Task?_sort=-_lastUpdated", "t4 t3 t2 t1"),
    ],
)  # fmt: skip
def test_search_finds_exactly(clinic, search, ids):
    assert clinic.found(search) == ids.split()
    type_, _, query = search.partition("?")
    posted = clinic("POST", f"{type_}/_search", query.encode(), Content_Type="application/x-www-form-urlencoded")
    assert [entry["resource"]["id"] for entry in posted.resource.get("entry", [])] == ids.split()
    assert posted.resource["total"] == len(ids.split())


def test_post_search_takes_parameters_of_url_and_body_together(clinic):
    posted = clinic(
        "POST", "Task/_search?patient=p1", b"status=accepted", Content_Type="application/x-www-form-urlencoded"
    )
    assert [entry["resource"]["id"] for entry in posted.resource["entry"]] == ["t2"]
    assert clinic("POST", "Task/_search", {"status": "accepted"}).status_code == 415


@pytest.mark.parametrize(
    ("search", "named"),
    [
        ("Task?nonsense=1", "nonsense"),
        ("Task?patient.name=x", "patient.name"),
        ("Task?status:not=accepted", ":not"),
        ("Task?owner:missing=true", ":missing"),
        ("Task?_has:Task:owner:_id=1", "_has"),
        ("Goal?status=active", "status"),
        ("Task?status=", "status"),
        ("Task?patient=Banana?x", "patient"),
        ("Task?identifier=a|b|c", "identifier"),
        ("Task?_lastUpdated=yesterday", "_lastUpdated"),
        ("Task?_lastUpdated=ne2026", "ne"),
        ("Task?_lastUpdated=2026-13", "_lastUpdated"),
        ("Task?_lastUpdated=ge2026-11-02T12:00:07+02:00", "%2B"),
        ("Task?_count=-1", "_count"),
        ("Task?_count=many", "_count"),
        ("Task?_sort=status", "_sort"),
        ("Task?_total=maybe", "_total"),
        ("Task?_summary=true", "_summary"),
        ("Task?_elements=status", "_elements"),
        ("Task?_include=Goal:subject", "_include"),
        ("Task?_include=Task:status", "_include"),
        ("Task?_include:iterate=Task:owner", "_include:iterate"),
        ("Task?_revinclude=Provenance", "_revinclude"),
        ("Task?_revinclude=Banana:target", "_revinclude"),
        ("Task?_page=nonsense", "page"),
        ("Task?_page=WzEsIngiLDNd", "page"),
    ],
)
def test_what_cannot_be_met_is_refused_by_name(clinic, search, named):
    answer = clinic("GET", search)
    assert answer.status_code == 400
    assert named in answer.resource["issue"][0]["details"]["text"]


def test_a_query_that_is_not_utf8_is_refused(clinic):
    assert clinic("GET", "Task?status=%FF").status_code == 400


def test_a_deleted_or_changed_resource_is_found_by_its_current_content_only(clinic):
    clinic("DELETE", "Task/t2")
    clinic.put(task("t1", **{"for": {"reference": "Patient/p2"}}))
    assert clinic.found("Task?patient=p1") == []
    assert clinic.found("Task?patient=p2") == ["t3", "t1"]
    assert clinic.found("Task?owner=dr") == []
    assert clinic.found("Task") == ["t3", "t4", "t1"]
    assert clinic("GET", "Task").resource["total"] == 3


def test_totals_are_given_unless_unwanted(clinic):
    assert clinic("GET", "Task?_count=1").resource["total"] == 4
    assert "total" not in clinic("GET", "Task?_count=1&_total=none").resource
    assert clinic("GET", "Task?_count=1&_total=accurate&status=accepted").resource["total"] == 2
    for search in ("Task?_summary=count", "Task?_count=0"):
        counted = clinic("GET", search).resource
        assert counted["total"] == 4
        assert "entry" not in counted
        assert [link["relation"] for link in counted["link"]] == ["self"]


def modes(answer):
    return [
        (f"{e['resource']['resourceType']}/{e['resource']['id']}", e["search"]["mode"])
        for e in answer.resource["entry"]
    ]


@pytest.mark.parametrize(
    ("search", "included"),
    [
        ("CarePlan?_include=CarePlan:care-team", "CareTeam/team"),
        ("CarePlan?_include=CarePlan:goal&_include=CarePlan:subject", "Goal/g1 Patient/p1"),
        ("CarePlan?_include=CarePlan:subject:Patient", "Patient/p1"),
        ("CarePlan?_include=CarePlan:subject:Group", ""),
        ("CarePlan?_include=*", "CareTeam/team Goal/g1 Patient/p1"),
        ("CarePlan?_include=CarePlan:*", "CareTeam/team Goal/g1 Patient/p1"),
        ("CarePlan?_revinclude=Task:based-on", "Task/t1 Task/t2"),
        ("CarePlan?_revinclude=Task:based-on&_include=CarePlan:goal", "Goal/g1 Task/t1 Task/t2"),
        ("Patient?_id=p1&_revinclude=Task:subject", "Task/t1 Task/t2"),
        ("Patient?_id=p1&_revinclude=Provenance:target", "Provenance/prov"),
        ("Task?_id=t2&_include=Task:patient", "Patient/p1"),
        ("Task?_id=t4&_include=Task:patient", ""),
    ],
)
def test_includes_bring_what_is_linked_and_mark_it(clinic, search, included):
    found = modes(clinic("GET", search))
    assert sorted(key for key, mode in found if mode == "include") == included.split()
    assert sum(mode == "match" for _, mode in found) == 1


def test_an_included_match_stays_one_match(clinic):
    clinic.put(task("t5", partOf=[{"reference": "Task/t1"}]))
    found = modes(clinic("GET", "Task?_include=Task:part-of&_revinclude=Task:part-of"))
    assert len(found) == len(set(found)) == 5
    assert {mode for _, mode in found} == {"match"}


def test_entries_have_the_address_they_can_be_read_at(clinic):
    (entry,) = clinic("GET", "Task?_id=t1").resource["entry"]
    assert entry["fullUrl"] == "http://localhost/fhir/Task/t1"
    assert clinic("GET", entry["fullUrl"].removeprefix("http://localhost")).resource == entry["resource"]


def test_elements_of_the_wrong_shape_are_stored_and_not_found(ehr):
    odd = {
        "resourceType": "Task",
        "id": "odd",
        "status": 5,
        "for": "Patient/p1",
        "code": {"coding": ["x", {"code": 1}]},
        "identifier": {"value": ["v"]},
        "owner": [{"reference": 7}],
        "basedOn": [[{"reference": "CarePlan/c"}]],
    }
    assert ehr.put(odd).status_code == 201
    assert ehr.found("Task?patient=p1") == []
    assert ehr.found("Task") == ["odd"]
