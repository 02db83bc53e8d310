"""What a patient's consents, or the lack of one for a guarded label, keep from the EHR or its user is in no card."""

import copy

import pytest

from fhirplan.store import versions
from fhirplan.store.access import withheld
from fhirplan.store.commit import Change

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PSYCHIATRY = {"system": ACT, "code": "PSY"}
SECRET = "Very Private Matter"
OURS = "Organization/the-hospital"
DISCHARGE = {"context": {"encounterId": "enc-hf-ip"}}
TASKS = {"class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Task"}]}


def consent(**provision):
    return {
        "resourceType": "Consent",
        "id": "said",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"text": "privacy"}],
        "patient": {"reference": "Patient/pat-hf"},
        "policyRule": {"text": "as the patient says"},
        "provision": provision,
    }


def actor(name):
    return [{"role": {"text": "recipient"}, "reference": {"reference": name}}]


@pytest.fixture
def named(ehr):
    """An EHR for which one overdue task has a name that stands nowhere else."""

    def make(**given):
        there = ehr(**given)
        held = task(there)
        held["code"]["text"] = SECRET
        there.write(Change("update", "Task", "task-hh", held))
        assert SECRET in str(there.cards("care-plan"))
        return there

    return make


def task(there):
    with there.services.database.read() as tx:
        return copy.deepcopy(versions.current(tx, "default", "Task", "task-hh").resource())


@pytest.mark.parametrize(
    "provision",
    [
        {"type": "deny"},
        {"type": "deny", **TASKS},
        {"type": "deny", "data": [{"meaning": "instance", "reference": {"reference": "Task/task-hh"}}]},
        {"type": "deny", "actor": actor(OURS), **TASKS},
        {"type": "deny", "actor": actor("Practitioner/1"), **TASKS},
        {"type": "deny", "provision": [{"type": "permit", "actor": actor("Organization/another")}]},
    ],
)
def test_what_a_consent_forbids_is_in_no_card(named, provision):
    there = named(ehr_organization=OURS)
    there.write(Change("create", "Consent", "said", consent(**provision)))
    for service, context in (("care-plan", {}), ("care-plan-discharge", DISCHARGE)):
        assert SECRET not in str(there.cards(service, **context))


def test_what_is_forbidden_to_others_is_shown(named):
    there = named(ehr_organization=OURS)
    there.write(Change("create", "Consent", "said", consent(type="deny", actor=actor("Organization/another"))))
    assert SECRET in str(there.cards("care-plan"))


def test_nothing_is_said_of_a_patient_whose_whole_record_is_forbidden(named):
    there = named()
    there.write(Change("create", "Consent", "said", consent(type="deny")))
    assert there.cards("care-plan") == []
    assert there.cards("care-plan-discharge", **DISCHARGE) == []


def test_a_guarded_label_of_any_kind_is_in_no_card_without_a_consent_that_names_the_ehr(named):
    there = named(ehr_organization=OURS, guarded_labels=f"{ACT}|PSY")
    held = task(there)
    held["meta"]["security"] = [PSYCHIATRY]
    there.write(Change("update", "Task", "task-hh", held))
    assert SECRET not in str(there.cards("care-plan"))
    permit = consent(type="permit", actor=actor("Practitioner/1"))
    there.write(Change("create", "Consent", "said", permit))
    assert SECRET not in str(there.cards("care-plan")), "the cards go to the EHR, whoever it says is in front of it"
    there.write(Change("update", "Consent", "said", consent(type="permit", actor=actor(OURS))))
    assert SECRET in str(there.cards("care-plan"))


def test_consents_of_many_other_patients_keep_no_card_back(named, monkeypatch):
    monkeypatch.setattr(withheld, "MOST_PATIENTS", 2)
    there = named()
    before = there.cards("care-plan")
    others = [consent(type="deny") | {"id": f"c{n}", "patient": {"reference": f"Patient/x{n}"}} for n in range(4)]
    there.write(*(Change("create", "Consent", item["id"], item) for item in others))
    assert there.cards("care-plan") == before
    there.write(Change("create", "Consent", "said", consent(type="deny", **TASKS)))
    assert SECRET not in str(there.cards("care-plan"))
