"""$apply, $extract, $as-of, receipts, conflicts and notices with a token for one patient: nothing of another shows.

Each request about what is somebody else's is answered as the same request about what is not there at all.
"""

import json

import pytest

from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.sync import conflicts, links, receipts
from fhirplan.store.sync.receipts import Receipt
from tests.guarded.conftest import goal, plan, task

HEART = "PlanDefinition/cm-heart-failure-discharge"
ASSESSMENT = "http://fhirplan.dev/fhir/Questionnaire/cm-assessment|1.0.0"
LEAD = {
    "resourceType": "PractitionerRole",
    "id": "lead",
    "active": True,
    "practitioner": {"reference": "Practitioner/n"},
    "organization": {"reference": "Organization/o"},
}
ALL = "patient/*.cruds"


def encounter(id_, patient, **more):
    return {
        "resourceType": "Encounter",
        "id": id_,
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": f"Patient/{patient}"},
        "period": {"start": "2031-07-06T06:40:00-06:00", "end": "2031-07-09T10:00:00-06:00"},
        **more,
    }


def team(id_, patient, **more):
    member = {"member": {"reference": "PractitionerRole/lead"}}
    subject = {"reference": f"Patient/{patient}"}
    made = {"resourceType": "CareTeam", "id": id_, "status": "active", "subject": subject, "participant": [member]}
    return {**made, **more}


def response(id_, patient, **more):
    answer = {"system": "http://fhirplan.dev/fhir/CodeSystem/cm-assessment-answer", "code": "medical"}
    items = [{"linkId": "6", "item": [{"linkId": "6.3", "answer": [{"valueCoding": answer}]}]}]
    made = {"resourceType": "QuestionnaireResponse", "id": id_, "questionnaire": ASSESSMENT, "status": "in-progress"}
    made |= {"subject": {"reference": f"Patient/{patient}"}, "author": {"reference": "PractitionerRole/lead"}}
    return {**made, "authored": "2026-03-02T08:30:00-06:00", "item": items, **more}


@pytest.fixture
def server(configured):
    """Patients a and b, each with a plan, a stay, a team and an assessment; the EHR is never called."""
    made = configured(ehr_url="http://127.0.0.1:1/fhir", ehr_notify_secret="a secret of sixteen letters")
    made.load(
        *({"resourceType": "Patient", "id": id_, "name": [{"family": id_}]} for id_ in "ab"),
        {"resourceType": "Organization", "id": "o", "name": "Clinic"},
        {"resourceType": "Practitioner", "id": "n", "name": [{"family": "Quist"}]},
        LEAD,
        *(encounter(f"stay-{id_}", id_) for id_ in "ab"),
        *(team(f"team-{id_}", id_) for id_ in "ab"),
        *(goal(f"g{id_}", id_) for id_ in "ab"),
        *(plan(f"p{id_}", id_, goal=[{"reference": f"Goal/g{id_}"}]) for id_ in "ab"),
        *(task(f"t{id_}", id_, basedOn=[{"reference": f"CarePlan/p{id_}"}]) for id_ in "ab"),
        *(response(f"q{id_}", id_) for id_ in "ab"),
    )
    return made


@pytest.fixture
def a(server):
    return server.caller(ALL, patient="a", fhirUser="PractitionerRole/lead")


def parameters(**given):
    listed = [{"name": name, "valueString": text} for name, text in given.items()]
    return {"resourceType": "Parameters", "parameter": listed}


def apply(caller, **given):
    return caller.send("POST", f"{HEART}/$apply", parameters(**{"subject": "Patient/a", **given}))


def same(one, other, *names):
    """Asserts that two answers differ in nothing but the names that were asked for."""
    assert one.status_code == other.status_code, (one.get_data(as_text=True), other.get_data(as_text=True))
    first, second = one.get_data(as_text=True), other.get_data(as_text=True)
    for name in names:
        first, second = first.replace(name, "X"), second.replace(name, "X")
    assert first == second
    said = [{n: v for n, v in answer.headers if n not in ("X-Request-Id", "Date")} for answer in (one, other)]
    said = [{n: v for n, v in item.items() if n != "Content-Length"} for item in said]
    assert said[0] == said[1]


def test_a_template_is_applied_to_ones_own_patient(server, a):
    answer = apply(a, practitioner="PractitionerRole/lead")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert answer.get_json(force=True)["subject"] == {"reference": "Patient/a"}
    assert answer.get_json(force=True)["encounter"] == {"reference": "Encounter/stay-a"}


def test_a_template_is_not_applied_to_another_patient_and_nothing_says_whether_there_is_one(server, a):
    lead = {"practitioner": "PractitionerRole/lead"}
    for dry in ("true", "false"):
        other = apply(a, subject="Patient/b", dryRun=dry, **lead)
        same(other, apply(a, subject="Patient/zz", dryRun=dry, **lead), "Patient/b", "Patient/zz")
        assert other.status_code == 403


def test_a_scope_that_applying_lacks_is_named(server):
    answer = apply(server.caller("patient/Patient.rs", patient="a"), practitioner="PractitionerRole/lead")
    assert answer.status_code == 403
    assert 'error="insufficient_scope", scope="patient/Encounter.rs"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("name", "theirs"), [("encounter", "Encounter/stay-b"), ("plan", "CarePlan/pb"), ("careTeam", "CareTeam/team-b")]
)
def test_what_belongs_to_another_patient_is_not_taken_into_a_template(server, a, name, theirs):
    """Its dates and its lead would come out of it."""
    type_ = theirs.partition("/")[0]
    given = {"practitioner": "PractitionerRole/lead", "dryRun": "true"}
    absent = apply(a, **given, **{name: f"{type_}/zz9"})
    hidden = apply(a, **given, **{name: theirs})
    same(hidden, absent, theirs, f"{type_}/zz9")
    assert hidden.status_code == 404
    assert apply(a, **given, **{name: theirs.replace("b", "a")}).status_code == 200


def test_a_practitioner_whom_the_patient_has_nothing_to_do_with_is_not_there(server, a):
    server.load({"resourceType": "Practitioner", "id": "stranger", "name": [{"family": "Stranger"}]})
    given = {"dryRun": "true"}
    hidden, absent = (apply(a, **given, practitioner=f"Practitioner/{name}") for name in ("stranger", "zz9"))
    same(hidden, absent, "stranger", "zz9")


def test_a_stay_that_a_consent_withholds_dates_nothing(server):
    sud = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SUD"}
    with server.services.database.write() as tx:
        change = Change("update", "Encounter", "stay-a", encounter("stay-a", "a", meta={"security": [sud]}))
        commit(tx, "default", [change], now=server.services.clock(), origin=Origin("t", "t", "api", push=False))
    nurse = server.caller("user/*.cruds", fhirUser="PractitionerRole/lead")
    text = apply(nurse, practitioner="PractitionerRole/lead", dryRun="true").get_data(as_text=True)
    assert "2031-07" not in text
    assert "stay-a" not in text


def test_an_assessment_of_another_patient_is_as_if_it_were_not_there(server, a):
    for store in ("false", "true"):
        hidden, absent = (
            a.send("POST", f"QuestionnaireResponse/{name}/$extract?store={store}") for name in ("qb", "zz9")
        )
        same(hidden, absent, "qb", "zz9")
        assert hidden.status_code == 404
    # Nor does it say that it is no assessment.
    server.load(response("other", "b", questionnaire="http://example.org/other"))
    same(a.send("POST", "QuestionnaireResponse/other/$extract"), absent, "other", "zz9")
    own = a.send("POST", "QuestionnaireResponse/qa/$extract")
    assert own.status_code == 200, own.get_data(as_text=True)
    stored = a.send("POST", "QuestionnaireResponse/qa/$extract?store=true")
    assert stored.status_code == 200, stored.get_data(as_text=True)
    assert len(a.found("Condition?patient=a")) == 1
    hidden, absent = (
        a.send("POST", f"QuestionnaireResponse/qa/$extract?plan=CarePlan/{name}") for name in ("pb", "zz9")
    )
    same(hidden, absent, "pb", "zz9")


def test_an_assessment_takes_a_right_to_read_it(server):
    caller = server.caller("patient/Goal.cruds", patient="a")
    same(*(caller.send("POST", f"QuestionnaireResponse/{name}/$extract") for name in ("qa", "zz9")), "qa", "zz9")
    assert caller.send("POST", "QuestionnaireResponse/qa/$extract").status_code == 403


def test_a_plan_as_it_stood_is_shown_without_what_is_of_another_patient(server, a):
    server.load(plan("pa", "a", goal=[{"reference": "Goal/ga"}, {"reference": "Goal/gb"}]))
    moment = "instant=2999-01-01"
    same(a.get(f"CarePlan/pb/$as-of?{moment}"), a.get(f"CarePlan/zz9/$as-of?{moment}"), "pb", "zz9")
    names = a.found(f"CarePlan/pa/$as-of?{moment}")
    assert "Goal/ga" in names
    assert "Goal/gb" not in names
    # What was another patient's then is not shown because it is this one's now.
    server.load(plan("moved", "b", title="of b"))
    then = server.root.get("CarePlan/moved").get_json(force=True)["meta"]["lastUpdated"].replace("+", "%2B")
    server.load(plan("moved", "a", title="of a"))
    assert "of b" not in a.get(f"CarePlan/moved/$as-of?instant={then}").get_data(as_text=True)


def test_rules_say_nothing_of_another_patients_record(configured):
    """A finding about what a write refers to tells what is there."""
    server = configured(validation="declared")
    with server.services.database.write() as tx:
        origin = Origin("t", "t", "api", push=False)
        for resource in (
            *({"resourceType": "Patient", "id": id_, "name": [{"family": id_}]} for id_ in "ab"),
            plan("pb", "b", status="revoked", category=[{"coding": [{"code": "case-management"}]}]),
            task("tb", "b", status="completed", basedOn=[{"reference": "CarePlan/pb"}]),
            goal("gb", "b", lifecycleStatus="cancelled"),
        ):
            change = Change("create", resource["resourceType"], resource["id"], resource)
            commit(tx, "default", [change], now=server.services.clock(), origin=origin)
    a = server.caller(ALL, patient="a")
    for make in (
        lambda name: task("x", "a", basedOn=[{"reference": f"CarePlan/{name}"}], code={"text": "x"}),
        lambda name: task("x", "a", partOf=[{"reference": f"Task/{name}"}], code={"text": "x"}),
        lambda name: task("x", "a", focus={"reference": f"Task/{name}"}, code={"text": "x"}),
        lambda name: plan("x", "a", goal=[{"reference": f"Goal/{name}"}]),
        lambda name: plan("x", "a", replaces=[{"reference": f"CarePlan/{name}"}]),
        lambda name: plan("x", "a", activity=[{"reference": {"reference": f"Task/{name}"}}]),
    ):
        answers = []
        for name in ("b", "zz9"):
            resource = {key: value for key, value in make(f"p{name}" if name == "b" else name).items() if key != "id"}
            text = json.dumps(resource).replace('"Task/pb"', '"Task/tb"').replace('"Goal/pb"', '"Goal/gb"')
            answers.append(a.send("POST", resource["resourceType"], text))
        first, second = (answer.get_json(force=True) for answer in answers)
        assert answers[0].status_code == answers[1].status_code, (first, second)
        if answers[0].status_code != 201:
            assert [i["details"] for i in first["issue"]] == [
                json.loads(json.dumps(i["details"]).replace("zz9", name))
                for i in second["issue"]
                for name in ["pb" if "CarePlan/" in json.dumps(i) else "tb" if "Task/" in json.dumps(i) else "gb"]
            ]
    unchanged = server.root.get("CarePlan/pb").get_json(force=True)["meta"]["versionId"]
    assert unchanged == "1"


def keep_receipt(server, name, version, text):
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid"}]}
    outcome["issue"][0]["diagnostics"] = text
    type_, _, id_ = name.partition("/")
    with server.services.database.write() as tx:
        made = Receipt(None, type_, id_, version, "update", "parked", "ehr-1", "1", json.dumps(outcome), 0)
        receipts.put(tx, "default", made)


def test_receipts_are_of_the_versions_that_may_be_seen(server, a):
    server.load(goal("moved", "b"))
    server.load(goal("moved", "a"))
    keep_receipt(server, "Goal/moved", 1, "of Bell")
    keep_receipt(server, "Goal/moved", 2, "of Ames")
    keep_receipt(server, "Goal/gb", 1, "of Bell")
    answer = a.get("Goal/moved/$receipts")
    assert [item["version"] for item in answer.get_json(force=True)["receipts"]] == [2]
    assert "Bell" not in answer.get_data(as_text=True)
    same(a.get("Goal/gb/$receipts"), a.get("Goal/zz9/$receipts"), "gb", "zz9")
    assert len(server.root.get("Goal/moved/$receipts").get_json(force=True)["receipts"]) == 2
    assert server.caller("patient/Task.rs", patient="a").get("Goal/moved/$receipts").status_code == 403


def test_conflicts_are_for_who_may_see_the_whole_type(server, a):
    """The EHR's copy is in them, which nobody has judged."""
    with server.services.database.write() as tx:
        for id_ in "ab":
            links.put(tx, "default", links.Link("Goal", f"g{id_}", f"e{id_}"), 0)
            copies = {"base": None, "local": goal(f"g{id_}", id_), "remote": goal(f"g{id_}", id_)}
            made = {**copies, "ehr_version": "2", "paths": ("Goal.description",), "now": 0}
            conflicts.record(tx, "default", "Goal", f"g{id_}", **made)
    for caller in (a, server.caller("patient/Goal.rs patient/Goal.u", patient="b")):
        assert caller.get("$conflicts").get_json(force=True) == {"conflicts": []}
        for number in (1, 2):
            same(caller.get(f"$conflicts/{number}"), caller.get("$conflicts/99"), f"conflict {number}", "conflict 99")
            decided = [
                caller.send("POST", f"$conflicts/{one}", {"take": "theirs"}, {"If-Match": 'W/"x"'})
                for one in (number, 99)
            ]
            same(*decided, f"conflict {number}", "conflict 99")
            assert decided[0].status_code == 404
    assert len(server.root.get("$conflicts").get_json(force=True)["conflicts"]) == 2
    readers = server.caller("system/Goal.rs")
    assert readers.get("$conflicts/1").status_code == 200
    assert readers.send("POST", "$conflicts/1", {"take": "theirs"}, {"If-Match": 'W/"x"'}).status_code == 404


def test_a_token_is_no_secret_for_notices(server, a):
    body = {"resourceType": "Bundle", "type": "history"}
    for caller in (a, server.root):
        answer = caller.send("POST", "$ehr-notify", body)
        assert answer.status_code == 401
        assert "secret of" not in answer.get_data(as_text=True)
