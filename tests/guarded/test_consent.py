"""Labels and consents: withheld resources are as if they were not there; who may know learns why."""

import pytest

from fhirplan.store.access import withheld
from tests.guarded.conftest import goal, plan, task

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
SUD = {"meta": {"security": [{"system": ACT, "code": "SUD"}]}}
NURSE = {"fhirUser": "Practitioner/nurse"}
HIV = {"system": ACT, "code": "HIV"}


def consent(id_, patient, **provision):
    return {
        "resourceType": "Consent",
        "id": id_,
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"system": ACT, "code": "42CFRPart2CD"}]}],
        "patient": {"reference": f"Patient/{patient}"},
        "policyRule": {"text": "42 CFR Part 2"},
        "provision": provision,
    }


def actor(name):
    return [{"role": {"text": "recipient"}, "reference": {"reference": name}}]


@pytest.fixture
def labelled(configured):
    """Patients a and b with a labelled goal each; a nurse who works for Organization/clinic; a program's own client."""
    server = configured(guarded_readers="client root")
    server.load(
        {"resourceType": "Patient", "id": "a"},
        {"resourceType": "Patient", "id": "b"},
        {"resourceType": "Organization", "id": "clinic", "name": "Clinic"},
        {"resourceType": "Practitioner", "id": "nurse"},
        {"resourceType": "Practitioner", "id": "sud-doctor"},
        {
            "resourceType": "PractitionerRole",
            "id": "r",
            "practitioner": {"reference": "Practitioner/nurse"},
            "organization": {"reference": "Organization/clinic"},
        },
        goal("open-a", "a"),
        goal("sud-a", "a", **SUD),
        goal("sud-b", "b", **SUD),
        task("ta", "a", requester={"reference": "Practitioner/sud-doctor"}, **SUD),
        plan("pa", "a", goal=[{"reference": "Goal/open-a"}, {"reference": "Goal/sud-a"}]),
    )
    return server


def test_what_is_labelled_is_not_there_without_a_consent(labelled):
    nurse = labelled.caller("user/*.cruds", **NURSE)
    assert nurse.found("Goal") == ["Goal/open-a"]
    assert nurse.get("Goal?_summary=count").get_json(force=True)["total"] == 1
    assert nurse.get("Goal/sud-a").status_code == 404
    assert nurse.get("Goal/sud-a/_history").status_code == 404
    assert nurse.found("Goal?_security=SUD") == []
    assert "Goal/sud-a" not in nurse.found("CarePlan?_include=CarePlan:goal")
    assert "Goal/sud-a" not in nurse.found("Patient/a/$everything")
    assert "Goal/sud-a" not in nurse.found("_history")
    assert "Goal/sud-a" not in nurse.found("CarePlan/pa/$everything")
    assert nurse.found("CarePlan?goal._id=sud-a") == []
    assert nurse.found("Provenance?target=Goal/sud-a") == []
    assert nurse.put(goal("sud-a", "a")).status_code == 403
    assert nurse.post(goal("", "a", **SUD) | {"id": "x"}).status_code == 403
    assert nurse.delete("Goal/sud-a").status_code == 204
    assert labelled.root.get("Goal/sud-a").status_code == 200


def test_the_patient_sees_all_of_their_own(labelled):
    patient = labelled.caller("patient/*.rs", patient="a", fhirUser="Patient/a")
    assert sorted(patient.found("Goal")) == ["Goal/open-a", "Goal/sud-a"]
    app = labelled.caller("patient/*.rs", patient="a")
    assert app.found("Goal") == ["Goal/open-a"]
    assert app.get("Practitioner/sud-doctor").status_code == 404
    assert patient.get("Practitioner/sud-doctor").status_code == 200


def test_a_consent_that_names_the_organization_shows_it_while_it_lasts(labelled):
    nurse = labelled.caller("user/*.rs", **NURSE)
    permit = {"type": "permit", "actor": actor("Organization/clinic")}
    labelled.load(consent("c", "a", **permit, securityLabel=[{"system": ACT, "code": "SUD"}]))
    assert sorted(nurse.found("Goal")) == ["Goal/open-a", "Goal/sud-a"]
    assert nurse.get("Goal/sud-b").status_code == 404
    other = labelled.caller("user/*.rs", fhirUser="Practitioner/sud-doctor")
    assert other.found("Goal") == ["Goal/open-a"]
    labelled.load(consent("c", "a", **permit, period={"end": "2020-01-01"}))
    assert nurse.found("Goal") == ["Goal/open-a"]
    labelled.load(consent("c", "a", **permit))
    assert nurse.get("Goal/sud-a").status_code == 200
    assert labelled.root.delete("Consent/c").status_code == 204
    assert nurse.get("Goal/sud-a").status_code == 404


def test_a_client_acts_for_an_organization(configured):
    server = configured(guarded_readers="client root", client_organizations="lab=Organization/lab")
    server.load(
        {"resourceType": "Patient", "id": "a"},
        goal("sud-a", "a", **SUD),
        consent("c", "a", type="permit", actor=actor("Organization/lab")),
    )
    assert server.caller("system/*.rs", client_id="lab").get("Goal/sud-a").status_code == 200
    assert server.caller("system/*.rs", client_id="other").get("Goal/sud-a").status_code == 404


def test_what_a_consent_forbids_is_not_there_for_whom_it_names(labelled):
    labelled.load(
        consent("no", "a", type="deny", actor=actor("Practitioner/nurse"), **{"class": [{"code": "CarePlan"}]})
    )
    nurse = labelled.caller("user/*.rs", **NURSE)
    assert nurse.found("CarePlan") == []
    assert nurse.get("CarePlan/pa").status_code == 404
    assert nurse.found("Goal") == ["Goal/open-a"]
    assert labelled.caller("user/*.rs", fhirUser="Practitioner/sud-doctor").found("CarePlan") == ["CarePlan/pa"]
    labelled.load(
        consent("no", "a", type="deny", data=[{"meaning": "instance", "reference": {"reference": "Goal/open-a"}}])
    )
    assert nurse.found("Goal") == []
    assert nurse.found("CarePlan") == ["CarePlan/pa"]
    patient = labelled.caller("patient/*.rs", patient="a", fhirUser="Patient/a")
    assert "Goal/open-a" in patient.found("Goal")


def test_everything_may_be_forbidden_with_an_exception(labelled):
    labelled.load(consent("no", "a", type="deny", provision=[{"type": "permit", "actor": actor("Practitioner/nurse")}]))
    assert labelled.caller("user/*.rs", **NURSE).found("Goal") == ["Goal/open-a"]
    other = labelled.caller("user/*.rs", fhirUser="Practitioner/sud-doctor")
    assert other.found("Goal") == []
    assert other.get("Patient/a").status_code == 404
    assert other.found("Patient") == ["Patient/b"]


def test_an_emergency_shows_it_for_a_while_and_is_kept(labelled, monkeypatch):
    nurse = labelled.caller("user/*.rs", **NURSE)
    say = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "Unconscious on arrival"}]}
    assert nurse.get("Goal/sud-a").status_code == 404
    answer = nurse.send("POST", "Patient/a/$break-glass", say)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert nurse.get("Goal/sud-a").status_code == 200
    assert nurse.get("Goal/sud-b").status_code == 404
    assert labelled.caller("user/*.rs", fhirUser="Practitioner/sud-doctor").get("Goal/sud-a").status_code == 404
    [event] = [
        entry["resource"]
        for entry in labelled.root.get("AuditEvent?patient=a").get_json(force=True)["entry"]
        if entry["resource"].get("purposeOfEvent")
    ]
    assert event["purposeOfEvent"][0]["text"] == "Unconscious on arrival"
    assert event["agent"][0]["who"] == {"reference": "Practitioner/nurse"}
    assert event["agent"][1]["altId"] == "c"
    later = labelled.services.clock() + 61 * 60_000
    with labelled.services.database.read() as tx:
        from fhirplan.store.access import emergencies

        assert emergencies.of(tx, "default", "Practitioner/nurse", later) == frozenset()


def test_an_emergency_gives_nothing_that_scopes_do_not(labelled):
    say = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "Unconscious on arrival"}]}
    short = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "now"}]}
    nurse = labelled.caller("user/Patient.r user/Goal.rs?lifecycle-status=completed", **NURSE)
    assert nurse.send("POST", "Patient/a/$break-glass", short).status_code == 400
    assert nurse.send("POST", "Patient/a/$break-glass", say).status_code == 200
    assert nurse.get("Goal/sud-a").status_code == 404
    assert labelled.caller("system/*.rs").send("POST", "Patient/a/$break-glass", say).status_code == 403
    own = labelled.caller("user/*.rs", fhirUser="Patient/b")
    assert own.send("POST", "Patient/b/$break-glass", say).status_code == 403
    assert labelled.caller("user/Goal.rs", **NURSE).send("POST", "Patient/a/$break-glass", say).status_code == 403


def test_consents_of_many_patients_keep_nobody_from_a_record(labelled, monkeypatch):
    """A search weighs the consents of so many patients at most; of one resource only its own patient's count."""
    monkeypatch.setattr(withheld, "MOST_PATIENTS", 3)
    others = [f"p{number}" for number in range(6)]
    labelled.load(*({"resourceType": "Patient", "id": name} for name in others))
    labelled.load(task("tb", "a"), task("tc", "a"), goal("hiv", "p0", meta={"security": [HIV]}))
    labelled.load(*(consent(f"c-{name}", name, type="deny", securityLabel=[HIV]) for name in others))
    one = [{"meaning": "instance", "reference": {"reference": "Task/tb"}}]
    labelled.load(consent("c-a", "a", type="deny", data=one))
    nurse = labelled.caller("user/*.cruds", **NURSE)
    assert nurse.get("Goal/open-a").status_code == 200
    assert nurse.get("Goal/open-a/_history").status_code == 200
    assert nurse.get("Goal/open-a/_history/1").status_code == 200
    assert nurse.get("Task/tc").status_code == 200
    assert [nurse.get(name).status_code for name in ("Goal/sud-a", "Task/tb", "Goal/hiv")] == [404, 404, 404]
    assert nurse.put(goal("open-a", "a")).status_code == 200
    assert nurse.put(goal("hiv", "p0")).status_code == 403
    assert nurse.get("Goal").get_json(force=True)["issue"][0]["code"] == "too-costly"
