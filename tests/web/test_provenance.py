"""Each write has a Provenance: read, searched, included, paged, beside those that others store."""

import itertools

import pytest

from fhirplan.fhir.dates import span
from fhirplan.store.commit import Change, Origin, commit


@pytest.fixture
def ticking(api):
    """A clock that goes on by a second with each look at it."""
    ticks = itertools.count(1_773_000_000_000, 1000)
    object.__setattr__(api.services, "clock", lambda: next(ticks))
    return api


def found(api, query, status=200):
    answer = api.get(query)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return [item["resource"] for item in answer.get_json(force=True).get("entry", [])]


def targets(listed):
    return [item["target"][0]["reference"] for item in listed]


def test_a_create_an_update_and_a_delete_each_have_one(api, patient, goal):
    api.put(patient)
    api.put(goal)
    api.put({**goal, "lifecycleStatus": "completed"})
    api.delete("Goal/g1")
    made = found(api, "Provenance?target=Goal/g1")
    assert targets(made) == [f"Goal/g1/_history/{number}" for number in (1, 2, 3)]
    assert [item["activity"]["coding"][0]["code"] for item in made] == ["UPDATE", "UPDATE", "DELETE"]
    assert [item.get("entity", [{}])[0].get("role") for item in made] == [None, "revision", "removal"]
    assert made[1]["entity"][0]["what"]["reference"] == "Goal/g1/_history/1"
    assert {item["agent"][0]["who"]["display"] for item in made} == {"anybody"}
    assert {item["extension"][0]["valueReference"]["reference"] for item in made} == {"Patient/p1"}
    for item in made:
        version = item["target"][0]["reference"]
        if item["activity"]["coding"][0]["code"] != "DELETE":
            assert api.get(version).get_json(force=True)["meta"]["lastUpdated"] == item["recorded"]


def test_it_is_valid_r4(api, patient, goal):
    api.put(patient)
    api.put(goal)
    api.delete("Goal/g1")
    for item in found(api, "Provenance"):
        wrong = [issue for issue in api.services.validator.validate(item, [], policy="declared") if issue.is_error]
        assert not wrong, wrong


def test_it_is_read_with_its_only_version(api, problem, goal):
    api.put(goal)
    [made] = found(api, "Provenance?target=Goal/g1")
    place = f"Provenance/{made['id']}"
    answer = api.get(place)
    assert answer.get_json(force=True) == made
    assert answer.headers["ETag"] == 'W/"1"'
    assert api.get(f"{place}/_history/1").get_json(force=True) == made
    history = api.get(f"{place}/_history").get_json(force=True)
    assert [item["resource"] for item in history["entry"]] == [made]
    assert api.get(f"{place}/$meta").status_code == 200
    assert api.get(place, If_None_Match='W/"1"').status_code == 304
    problem(api.get(f"{place}/_history/2"), 404, "not-found")
    problem(api.get("Provenance/write.999999"), 404, "not-found")


def test_nobody_can_change_it(api, problem, goal):
    api.put(goal)
    [made] = found(api, "Provenance?target=Goal/g1")
    place = f"Provenance/{made['id']}"
    patch = [{"op": "remove", "path": "/activity"}]
    sent = {"Content-Type": "application/json-patch+json"}
    entry = {"request": {"method": "DELETE", "url": place}}
    for answer in (
        api.put(made),
        api.delete(place),
        api.send("PATCH", place, patch, sent),
        api.send("POST", f"{place}/$meta-add", {"resourceType": "Parameters", "parameter": []}),
        api.bundle("transaction", entry),
    ):
        problem(answer, 405, "not-supported")
    assert found(api, f"Provenance?_id={made['id']}") == [made]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("patient=Patient/p1", 3),
        ("patient=p1&target=Goal/g1", 2),
        ("patient=Patient/nobody", 0),
        ("target=Goal/g1,Patient/p1", 3),
        ("target:Goal=g1", 2),
        ("target=g1", 2),
        ("recorded=ge2020", 3),
        ("recorded=lt2020", 0),
        ("_lastUpdated=ge2020", 3),
        ("entity=Goal/g1", 1),
        ("agent:identifier=http://fhirplan.dev/fhir/sid/actor|anybody", 3),
        ("agent-type=author", 3),
        ("agent-type=custodian", 0),
        ("agent-role:missing=true", 3),
        ("signature-type=x", 0),
        ("when=2026", 0),
        ("target:Goal.lifecycle-status=completed", 2),
        ("target:Goal.lifecycle-status=active", 0),
        ("patient.identifier=urn:mrn|1", 3),
        ("_filter=target eq Goal/g1 and recorded ge 2020", 2),
        ("_content=UPDATE", 3),
    ],
)
def test_it_is_found_by_each_parameter(api, patient, goal, query, count):
    api.put(patient)
    api.put(goal)
    api.put({**goal, "lifecycleStatus": "completed"})
    assert len(found(api, f"Provenance?{query}")) == count
    counted = api.get(f"Provenance?{query}&_summary=count").get_json(force=True)
    assert counted["total"] == count


def test_it_comes_beside_what_is_stored_in_pages_that_repeat_and_lose_nothing(ticking, patient, goal):
    api = ticking
    own = []
    for number in range(5):
        api.put({**goal, "id": f"g{number}"})
        stored = api.post(
            {
                "resourceType": "Provenance",
                "target": [{"reference": f"Goal/g{number}"}],
                "recorded": f"2026-03-08T20:00:{number:02}Z",
                "agent": [{"who": {"display": "Nurse"}}],
            }
        )
        assert stored.status_code == 201, stored.get_data(as_text=True)
        own.append(stored.get_json(force=True)["id"])
    for order in ("", "&_sort=recorded", "&_sort=-recorded", "&_sort=_lastUpdated", "&_sort=-_lastUpdated"):
        whole = found(api, f"Provenance?_count=100{order}")
        assert len(whole) == 10, order
        name = "recorded" if "recorded" in order else "lastUpdated"
        times = [span(item.get(name) or item["meta"][name]).low for item in whole]
        if order:
            assert times == sorted(times, reverse="-" in order)
        walked, link = [], f"Provenance?_count=3{order}"
        while link:
            answer = api.get(link).get_json(force=True)
            walked += [item["resource"]["id"] for item in answer["entry"]]
            link = next((one["url"].partition("/fhir/")[2] for one in answer["link"] if one["relation"] == "next"), "")
        assert walked == [item["id"] for item in whole], order
    assert found(api, "Provenance?target=Goal/g1")[0]["id"] == own[1]


def test_a_tampered_page_is_refused(api, problem, goal):
    for number in range(3):
        api.put({**goal, "id": f"g{number}"})
    link = next(
        one["url"].partition("_page=")[2]
        for one in api.get("Provenance?_count=1").get_json(force=True)["link"]
        if one["relation"] == "next"
    )
    for page in (link[:-2], link + "A", "AAAA", "x" * 4000):
        problem(api.get(f"Provenance?_count=1&_page={page}"), 400, "invalid")
    problem(api.get(f"Provenance?_count=1&target=Goal/g1&_page={link}"), 400, "invalid")


def test_revinclude_brings_it_with_what_it_is_about(api, patient, goal):
    api.put(patient)
    api.put(goal)
    api.put({**goal, "lifecycleStatus": "completed"})
    listed = found(api, "Goal?patient=p1&_revinclude=Provenance:target")
    assert [item["resourceType"] for item in listed] == ["Goal", "Provenance", "Provenance"]
    assert sorted(targets(listed[1:])) == ["Goal/g1/_history/1", "Goal/g1/_history/2"]
    assert len(found(api, "Patient?_id=p1&_revinclude=Provenance:patient")) == 4
    both = found(api, "Patient?_id=p1&_revinclude=Goal:patient&_revinclude:iterate=Provenance:target")
    assert [item["resourceType"] for item in both] == ["Patient", "Goal", "Provenance", "Provenance", "Provenance"]


def test_include_brings_what_it_is_about(api, patient, goal):
    api.put(patient)
    api.put(goal)
    listed = found(api, "Provenance?target=Goal/g1&_include=Provenance:target&_include=Provenance:patient")
    assert [item["resourceType"] for item in listed] == ["Provenance", "Patient", "Goal"]
    listed = found(api, "Provenance?target=Goal/g1&_include=*")
    assert {item["resourceType"] for item in listed} == {"Provenance", "Patient", "Goal"}


def test_it_is_in_the_patients_compartment(api, patient, goal):
    api.put(patient)
    api.put(goal)
    api.put({**goal, "id": "g2", "subject": {"reference": "Patient/p2"}})
    assert len(found(api, "Patient/p1/Provenance")) == 2


def test_what_a_transaction_writes_has_one_each_and_what_fails_has_none(api, patient, goal):
    entries = [{"resource": one, "request": {"method": "POST", "url": one["resourceType"]}} for one in (patient, goal)]
    assert api.bundle("transaction", *entries).status_code == 200
    assert len(found(api, "Provenance")) == 2
    entries.append({"request": {"method": "GET", "url": "Goal/none"}})
    assert api.bundle("transaction", *entries).status_code == 404
    assert len(found(api, "Provenance")) == 2


def test_connections_do_not_see_each_others(configured, goal):
    api = configured(connections={"other": {}})
    api.put(goal)
    api.send("PUT", "Goal/g1", goal, base="/other/fhir")
    assert len(found(api, "Provenance?target=Goal/g1")) == 1
    [made] = found(api, "Provenance")
    assert api.send("GET", f"Provenance/{made['id']}", base="/other/fhir").status_code == 404


def test_another_order_and_a_search_that_looks_at_too_much_are_refused(api, problem, goal, monkeypatch):
    api.put(goal)
    issue = problem(api.get("Provenance?_sort=agent"), 400, "invalid")
    assert "recorded" in issue["details"]["text"]
    problem(api.get("?_sort=_id"), 400, "invalid")
    monkeypatch.setattr("fhirplan.interactions.provenance.made.MOST_READ", 3)
    for number in range(4):
        api.put({**goal, "id": f"g{number}"})
    issue = problem(api.get("Provenance?agent-type=custodian"), 413, "too-costly")
    assert "target" in issue["details"]["text"]
    # Whom nobody is, and what none can have, is known without a look at them.
    for query in ("Provenance?agent=Practitioner/x", "Provenance?_tag=x", "Goal?_has:Provenance:target:location=l1"):
        assert found(api, query) == []
    assert api.get("Provenance?_summary=count").get_json(force=True)["total"] == 4


def ids(listed):
    return [item["id"] for item in listed]


@pytest.fixture
def written(api, patient, goal):
    """Two goals, the first changed once, and a Provenance that somebody stored about the second."""
    api.put(patient)
    api.put(goal)
    api.put({**goal, "id": "g2"})
    api.put({**goal, "lifecycleStatus": "completed"})
    api.put(
        {
            "resourceType": "Provenance",
            "id": "own",
            "target": [{"reference": "Goal/g2"}],
            "recorded": "2026-03-08T20:00:00Z",
            "agent": [{"type": {"text": "nurse", "coding": [{"code": "own"}]}, "who": {"display": "Nurse"}}],
        }
    )
    return api


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Goal?_has:Provenance:target:agent-type=author", ["g1", "g2"]),
        ("Goal?_has:Provenance:target:agent-type=own", ["g2"]),
        ("Goal?_has:Provenance:target:agent-type=own,author", ["g1", "g2"]),
        ("Goal?_has:Provenance:target:entity=Goal/g1", ["g1"]),
        ("Goal?_has:Provenance:target:recorded=lt2020", []),
        ("Goal?_has:Provenance:target:agent-type=author&lifecycle-status=completed", ["g1"]),
        ("Patient?_has:Provenance:patient:agent-type=author", ["p1"]),
        ("Goal?patient._has:Provenance:patient:agent-type=author", ["g1", "g2"]),
        ("Patient?_has:Goal:patient:_has:Provenance:target:entity=Goal/g1", ["p1"]),
        ("Patient?_has:Goal:patient:_has:Provenance:target:entity=Goal/g2", []),
    ],
)
def test_has_finds_what_was_written_and_what_is_stored(written, query, expected):
    assert sorted(ids(found(written, query))) == expected


def test_several_types_are_searched_with_it(written):
    together = found(written, "?_type=Goal,Provenance&_count=100")
    kinds = [item["resourceType"] for item in together]
    assert kinds == ["Goal", "Goal", *["Provenance"] * 5]
    walked, link = [], "?_type=Goal,Provenance&_count=2"
    while link:
        answer = written.get(link).get_json(force=True)
        walked += [item["resource"]["id"] for item in answer["entry"]]
        link = next((one["url"].partition("/fhir")[2] for one in answer["link"] if one["relation"] == "next"), "")
    assert walked == ids(together)
    assert len(found(written, "?_lastUpdated=ge2020&_count=100")) == 8
    newest = found(written, "?_sort=-_lastUpdated&_type=Goal,Provenance")
    times = [item["meta"]["lastUpdated"] for item in newest]
    assert times == sorted(times, reverse=True)
    assert ids(found(written, "?_id=g1")) == ["g1"]
    assert ids(found(written, "?_tag=none")) == []


def test_its_type_has_a_history_of_what_is_stored_and_what_is_made(ticking, goal):
    api = ticking
    for number in range(3):
        api.put({**goal, "id": f"g{number}"})
    api.put(
        {
            "resourceType": "Provenance",
            "id": "own",
            "target": [{"reference": "Goal/g1"}],
            "recorded": "2026-03-08T20:00:00Z",
            "agent": [{"who": {"display": "Nurse"}}],
        }
    )
    api.delete("Provenance/own")
    whole = api.get("Provenance/_history").get_json(force=True)["entry"]
    assert [item["request"]["method"] for item in whole] == ["DELETE", "PUT", "POST", "POST", "POST"]
    assert targets(item["resource"] for item in whole[2:]) == [f"Goal/g{n}/_history/1" for n in (2, 1, 0)]
    walked, link = [], "Provenance/_history?_count=2"
    while link:
        answer = api.get(link).get_json(force=True)
        walked += answer["entry"]
        link = next((one["url"].partition("/fhir/")[2] for one in answer["link"] if one["relation"] == "next"), "")
    assert walked == whole
    since = whole[3]["response"]["lastModified"]
    assert len(api.get(f"Provenance/_history?_since={since}").get_json(force=True)["entry"]) == 4
    assert "entry" not in api.get("Provenance/_history?_at=2001").get_json(force=True)


def test_those_of_an_agent_come_with_who_they_are_of(api, goal):
    with api.services.database.write() as tx:
        for number, actor in enumerate(("Practitioner/n1", "Practitioner/n2", "Practitioner/n1")):
            made = {**goal, "id": f"g{number}"}
            origin = Origin(actor, "r", "api", push=False)
            commit(tx, "default", [Change("create", "Goal", made["id"], made)], now=1, origin=origin)
    for one in ("n1", "n2"):
        api.put({"resourceType": "Practitioner", "id": one})
    listed = found(api, "Practitioner?_id=n1&_revinclude=Provenance:agent")
    assert targets(listed[1:]) == ["Goal/g2/_history/1", "Goal/g0/_history/1"]
    assert targets(found(api, "Provenance?agent=Practitioner/n1")) == ["Goal/g0/_history/1", "Goal/g2/_history/1"]
    assert targets(found(api, "Provenance?agent=n2")) == ["Goal/g1/_history/1"]
    assert sorted(ids(found(api, "Goal?_has:Provenance:target:agent=Practitioner/n1"))) == ["g0", "g2"]
