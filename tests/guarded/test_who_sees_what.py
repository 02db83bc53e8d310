"""Tokens at every route: what is open to them, what is as if it were not there, what they may write."""

import pytest

from fhirplan.store import parameters

PATIENT = "patient/*.cruds"


def code(answer):
    return answer.get_json(force=True)["issue"][0]["code"]


def text(answer):
    return answer.get_data(as_text=True)


@pytest.fixture
def a(two_patients):
    return two_patients.caller(PATIENT, patient="a")


def test_without_a_token_only_what_is_public_is_shown(two_patients):
    client = two_patients.client
    assert client.get("/fhir/metadata").status_code == 200
    for path in ("Patient/a", "Patient", "_history", "Patient/a/$everything", "AuditEvent", ""):
        answer = client.get(f"/fhir/{path}".rstrip("/"))
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="fhirplan"'
        assert code(answer) == "login"


@pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "Bearer x, Bearer y", "bearer\t", "Bearer é"])
def test_a_header_that_cannot_be_read_is_a_bad_request(guarded, header):
    answer = guarded.client.get("/fhir/Patient", headers={"Authorization": header})
    assert answer.status_code == 400
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="fhirplan", error="invalid_request"'


@pytest.mark.parametrize("header", ["Basic eDp5", "Bearer nonsense", "Bearer eyJ.eyJ.x", "Digest x"])
def test_what_is_no_token_of_an_issuer_is_refused(guarded, header):
    answer = guarded.client.get("/fhir/Patient", headers={"Authorization": header})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_token_in_the_query_is_not_taken(two_patients):
    good = two_patients.token("system/*.rs")
    assert two_patients.client.get(f"/fhir/Patient?access_token={good}").status_code == 401


def test_a_missing_scope_is_named(two_patients):
    caller = two_patients.caller("patient/Goal.rs", patient="a")
    answer = caller.get("Task/ta")
    assert answer.status_code == 403
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="fhirplan", error="insufficient_scope", scope="patient/Task.r"'
    )
    assert "patient/Task.r" in text(answer)


def test_a_revoked_grant_and_an_expired_token_open_nothing(two_patients):
    caller = two_patients.caller("system/*.rs", gid="g1")
    assert caller.get("Patient/a").status_code == 200
    two_patients.revoked.add("g1")
    assert caller.get("Patient/a").status_code == 401
    late = two_patients.caller("system/*.rs", exp=1)
    assert code(late.get("Patient/a")) == "expired"


def test_a_token_for_another_audience_or_issuer_is_refused(two_patients):
    assert two_patients.caller("system/*.rs", aud="https://other/fhir").get("Patient").status_code == 401
    assert two_patients.caller("system/*.rs", iss="https://other").get("Patient").status_code == 401


@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("patient/*.cruds", {}),
        ("user/*.cruds", {}),
        ("user/*.cruds", {"fhirUser": "Device/x"}),
        ("user/*.cruds", {"fhirUser": "https://elsewhere/fhir/Practitioner/both"}),
        ("openid fhirUser launch", {"fhirUser": "Practitioner/both"}),
        ("system/patient.rs system/Patient.sr", {}),
        ("system/Patient.rs?nonsense=1", {}),
        ("", {}),
    ],
)
def test_a_token_that_says_nothing_usable_opens_nothing(two_patients, scope, claims):
    caller = two_patients.caller(scope, **claims)
    assert caller.get("Patient/a").status_code in (403, 404)
    answer = caller.get("Patient")
    assert answer.status_code == 403 or "entry" not in answer.get_json(force=True)


def test_a_patient_reads_what_is_theirs_and_nothing_else(a):
    for path in ("Patient/a", "Goal/ga", "Task/ta", "CarePlan/pa", "Practitioner/both", "PractitionerRole/role"):
        assert a.get(path).status_code == 200, path
    assert a.get("Practitioner/in-role").status_code == 200
    assert a.get("Organization/o").status_code == 200
    for path in ("Patient/b", "Goal/gb", "Task/tb", "CarePlan/pb", "Practitioner/only-b"):
        hidden, absent = a.get(path), a.get(f"{path}0")
        assert hidden.status_code == 404, path
        assert text(hidden).replace(path.partition("/")[2], "") == text(absent).replace(
            path.partition("/")[2] + "0", ""
        )


def test_a_search_is_as_if_nothing_else_were_stored(a):
    assert a.found("Goal") == ["Goal/ga"]
    assert a.found("Goal?_id=ga,gb") == ["Goal/ga"]
    assert a.found("Patient") == ["Patient/a"]
    assert sorted(a.found("Practitioner")) == ["Practitioner/both", "Practitioner/in-role"]
    assert a.found("Goal?patient=b") == []
    assert a.get("Goal?_summary=count").get_json(force=True)["total"] == 1
    assert a.get("Task?_total=estimate").get_json(force=True)["total"] == 1
    assert a.found("Patient/b/Goal") == []
    assert a.found("Patient/a/Goal") == ["Goal/ga"]
    assert sorted(a.found("?_type=Goal,Task")) == ["Goal/ga", "Task/ta"]


def test_includes_stay_inside(a):
    assert sorted(a.found("CarePlan?_include=CarePlan:goal")) == ["CarePlan/pa", "Goal/ga"]
    found = a.found("Practitioner?_revinclude=Task:owner&_revinclude=Task:requester&_id=both")
    assert sorted(found) == ["Practitioner/both", "Task/ta"]
    assert "Task/tb" not in a.found("Practitioner?_revinclude=*")
    found = a.found("CarePlan?_include=*&_include:iterate=*&_revinclude=*&_revinclude:iterate=*")
    assert not {"Goal/gb", "CarePlan/pb", "Task/tb", "Patient/b", "Practitioner/only-b"} & set(found)


def test_chains_and_has_do_not_see_further(a):
    assert a.found("CarePlan?goal.patient=b") == []
    assert a.found("CarePlan?goal.lifecycle-status=active") == ["CarePlan/pa"]
    assert a.found("Practitioner?_has:Task:requester:patient=b") == []
    assert a.found("CarePlan?goal._id=gb") == []


def test_everything_and_history_stay_inside(a, two_patients):
    assert a.get("Patient/b/$everything").status_code == 404
    found = set(a.found("Patient/a/$everything"))
    assert {"Patient/a", "Goal/ga", "Task/ta", "CarePlan/pa"} <= found
    assert not {"Goal/gb", "Practitioner/only-b"} & found
    assert "Goal/gb" not in a.found("CarePlan/pa/$everything")
    for path in ("_history", "Goal/_history", "Goal/ga/_history", "Practitioner/_history"):
        assert not {"Goal/gb", "Task/tb", "Patient/b", "Practitioner/only-b"} & set(a.found(path)), path
    assert a.get("Goal/gb/_history").status_code == 404
    assert a.get("Goal/gb/_history/1").status_code == 404
    assert a.get("Goal/gb/$meta").status_code == 404
    root = two_patients.root
    assert root.delete("Goal/gb").status_code == 204
    assert a.get("Goal/gb").status_code == 404
    assert a.get("Goal/gb/_history").status_code == 404
    assert root.delete("Goal/ga").status_code == 204
    assert a.get("Goal/ga").status_code == 410
    assert "Goal/gb" not in a.found("Goal/_history")
    assert "Goal/ga" in a.found("Goal/_history")


def test_a_batch_is_judged_entry_by_entry(a):
    answer = a.bundle(
        "batch",
        {"request": {"method": "GET", "url": "Goal/ga"}},
        {"request": {"method": "GET", "url": "Goal/gb"}},
        {"request": {"method": "GET", "url": "Goal?patient=b"}},
    ).get_json(force=True)
    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["200", "404", "200"]
    assert "entry" not in answer["entry"][2]["resource"]
    refused = a.bundle(
        "transaction",
        {"request": {"method": "PUT", "url": "Goal/ga"}, "resource": ours("ga", "a", "new")},
        {"request": {"method": "PUT", "url": "Goal/gb"}, "resource": ours("gb", "a", "new")},
    )
    assert refused.status_code == 404
    assert a.get("Goal/ga").get_json(force=True)["description"]["text"] == "Goal ga"


def ours(id_, patient, words):
    made = {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": words},
        "subject": {"reference": f"Patient/{patient}"},
    }
    return made | ({"id": id_} if id_ else {})


def test_a_patient_writes_only_into_their_own_record(a, two_patients):
    assert a.post(ours("", "a", "walk")).status_code == 201
    assert a.post(ours("", "b", "walk")).status_code == 403
    assert a.put(ours("ga", "a", "run")).status_code == 200
    assert a.put(ours("ga", "b", "run")).status_code == 403
    assert a.put(ours("gb", "a", "mine now")).status_code == 404
    assert a.put(ours("new", "a", "mine")).status_code == 404
    assert text(a.put(ours("gb", "a", "x"))).replace("gb", "") == text(a.put(ours("gz", "a", "x"))).replace("gz", "")
    assert (
        a.patch("Goal/ga", [{"op": "replace", "path": "/subject/reference", "value": "Patient/b"}]).status_code == 403
    )
    assert a.patch("Goal/gb", [{"op": "test", "path": "/id", "value": "gb"}]).status_code == 404
    assert a.delete("Goal/gb").status_code == 204
    assert two_patients.root.get("Goal/gb").status_code == 200
    assert a.delete("Goal?patient=b").status_code == 204
    assert two_patients.root.get("Goal/gb").status_code == 200
    moved = {**ours("", "a", "x"), "expressedBy": {"reference": "Patient/b"}}
    assert a.post(moved).status_code == 201
    other = {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/a"},
        "activity": [{"detail": {"status": "scheduled", "performer": [{"reference": "Patient/b"}]}}],
    }
    assert a.post(other).status_code == 403
    assert a.put({"resourceType": "Practitioner", "id": "both"}).status_code in (403, 404)
    assert a.put({"resourceType": "Patient", "id": "b"}).status_code == 404
    stale = a.send("PUT", "Goal/gb", ours("gb", "a", "x"), {"If-Match": 'W/"7"'})
    assert stale.status_code == 404


def test_a_conditional_create_finds_nothing_of_others(a, two_patients):
    identified = {**ours("gi", "b", "x"), "identifier": [{"system": "urn:x", "value": "1"}]}
    two_patients.load(identified)
    mine = {**ours("", "a", "x"), "identifier": [{"system": "urn:x", "value": "1"}]}
    assert a.post(mine, If_None_Exist="identifier=urn:x|1").status_code == 201
    only_create = two_patients.caller("patient/Goal.c", patient="a")
    assert only_create.post(mine, If_None_Exist="identifier=urn:x|1").status_code == 403


def test_who_may_write_only_is_not_shown_what_was_written(two_patients):
    blind = two_patients.caller("patient/Goal.u", patient="a")
    answer = blind.patch("Goal/ga", [{"op": "replace", "path": "/lifecycleStatus", "value": "completed"}])
    assert answer.status_code == 200
    assert text(answer) == ""


def test_conditions_of_a_scope_limit_reads_searches_and_writes(two_patients):
    caller = two_patients.caller("patient/Task.cruds?status=ready", patient="a")
    assert caller.found("Task") == ["Task/ta"]
    done = {"op": "replace", "path": "/status", "value": "completed"}
    assert caller.patch("Task/ta", [done]).status_code == 403
    assert two_patients.root.patch("Task/ta", [done]).status_code == 200
    assert caller.found("Task") == []
    assert caller.get("Task/ta").status_code == 404
    assert caller.get("Task/ta/_history/1").status_code == 404
    assert caller.found("Task/_history") == []
    assert caller.get("Task?_summary=count").get_json(force=True)["total"] == 0


@pytest.mark.parametrize("condition", ["nonsense=x", "due=soon", "_tag:nonsense=x"])
def test_a_condition_that_cannot_be_searched_opens_nothing(two_patients, condition):
    caller = two_patients.caller(f"patient/Task.cruds?{condition}", patient="a")
    assert caller.get("Task/ta").status_code in (400, 403, 404)
    for path in ("Task", "Task/_history", "Patient?_revinclude=Task:patient"):
        assert b'"ta"' not in caller.get(path).data
    assert caller.patch("Task/ta", [{"op": "replace", "path": "/status", "value": "completed"}]).status_code >= 400


def test_a_condition_whose_index_is_not_made_yet_opens_nothing_more(two_patients):
    caller = two_patients.caller("patient/Task.cruds?status=completed", patient="a")
    with two_patients.services.database.write() as tx:
        tx._driver.execute("UPDATE search_param SET state = 'building' WHERE type = 'Task' AND code = 'status'")
        parameters.changed(tx)
    assert caller.get("Task/ta").status_code in (400, 403, 404)
    for path in ("Task", "Task/_history"):
        assert b'"ta"' not in caller.get(path).data


def test_two_scopes_do_not_lend_each_other_their_conditions(two_patients):
    caller = two_patients.caller(
        "patient/Goal.rs user/Goal.rs?lifecycle-status=completed", patient="a", fhirUser="Practitioner/both"
    )
    assert caller.found("Goal") == ["Goal/ga"]
    two_patients.root.patch("Goal/gb", [{"op": "replace", "path": "/lifecycleStatus", "value": "completed"}])
    assert sorted(caller.found("Goal")) == ["Goal/ga", "Goal/gb"]


def test_a_related_person_sees_whom_they_are_related_to(two_patients):
    two_patients.load({"resourceType": "RelatedPerson", "id": "mum", "patient": {"reference": "Patient/a"}})
    caller = two_patients.caller("user/*.rs", fhirUser="RelatedPerson/mum")
    assert caller.found("Goal") == ["Goal/ga"]
    assert two_patients.caller("user/*.rs", fhirUser="Patient/b").found("Goal") == ["Goal/gb"]
    assert sorted(two_patients.caller("user/*.rs", fhirUser="Practitioner/both").found("Goal")) == [
        "Goal/ga",
        "Goal/gb",
    ]


def test_a_cursor_belongs_to_its_owner(two_patients):
    first = two_patients.root.get("Goal?_count=1").get_json(force=True)
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    path = following.partition("/fhir/")[2]
    assert two_patients.root.get(path).status_code == 200
    assert two_patients.caller("system/Goal.rs", client_id="other").get(path).status_code == 400


def test_provenance_is_seen_with_what_it_is_about(two_patients):
    def about(id_, *targets):
        return {
            "resourceType": "Provenance",
            "id": id_,
            "target": [{"reference": target} for target in targets],
            "recorded": "2026-03-09T08:00:00Z",
            "agent": [{"who": {"reference": "Practitioner/both"}}],
        }

    two_patients.load(
        about("one", "Goal/ga"),
        about("other", "Goal/gb"),
        about("mixed", "Goal/ga", "Goal/gb"),
        about("p", "Patient/a"),
    )
    caller = two_patients.caller(PATIENT, patient="a")
    found = caller.found("Provenance?_count=3")
    assert sorted(name for name in found if "/write." not in name) == ["Provenance/one", "Provenance/p"]
    written = {caller.get(name).get_json(force=True)["target"][0]["reference"] for name in found if "/write." in name}
    assert {name.partition("/_history")[0] for name in written} == {
        *("Patient/a", "Goal/ga", "Task/ta", "CarePlan/pa"),
    }
    others = [name for name in two_patients.root.found("Provenance?target=Goal/gb") if "/write." in name]
    assert len(others) == 1
    assert caller.get(others[0]).status_code == 404
    assert caller.get(f"{others[0]}/_history/1").status_code == 404
    assert caller.found(f"Provenance?_id={others[0].partition('/')[2]}") == []
    assert caller.found("Provenance?target=Goal/gb") == []
    assert caller.get("Provenance?_summary=count").get_json(force=True)["total"] == len(found)
    assert "Provenance/mixed" not in caller.found("Goal?_revinclude=Provenance:target")
    assert "Provenance/one" in caller.found("Goal?_revinclude=Provenance:target")


def test_audit_events_are_for_scopes_that_name_them(two_patients):
    two_patients.services.accesses.keep()
    assert two_patients.caller("system/*.cruds").get("AuditEvent").status_code == 403
    auditor = two_patients.caller("system/AuditEvent.rs")
    assert auditor.get("AuditEvent").get_json(force=True)["entry"]
    own = two_patients.caller("patient/AuditEvent.rs", patient="a")
    entries = own.get("AuditEvent").get_json(force=True)["entry"]
    assert entries
    assert "Patient/b" not in str(entries)
    assert "Goal/gb" not in str(entries)
    hidden = auditor.get("AuditEvent?patient=b").get_json(force=True)["entry"][0]["resource"]["id"]
    assert own.get(f"AuditEvent/{hidden}").status_code == 404
    assert "entry" not in own.get("AuditEvent?patient=b").get_json(force=True)


def test_validate_does_not_tell_what_is_there(a):
    assert "can be deleted" in text(a.send("POST", "Goal/ga/$validate?mode=delete"))
    assert "There is no" in text(a.send("POST", "Goal/gb/$validate?mode=delete"))
    assert a.send("POST", "Goal/gb/$validate?mode=profile").status_code == 404


def test_the_audit_names_the_address_that_called_the_proxy(configured):
    server = configured(trusted_proxies=("127.0.0.1",))
    server.root.put({"resourceType": "Patient", "id": "p"})
    server.root.get("Patient/p", X_Forwarded_For="198.51.100.1, 192.0.2.7")
    server.services.accesses.keep()
    events = [entry["resource"] for entry in server.root.get("AuditEvent?patient=p").get_json(force=True)["entry"]]
    [read] = [event for event in events if event["action"] == "R"]
    assert read["agent"][0]["network"]["address"] == "192.0.2.7"
