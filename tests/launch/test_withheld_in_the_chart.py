"""Every page of the chart, asked by somebody from whom everything of a kind is withheld: none tells of it."""

import re

import pytest

from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.sync import links
from tests.launch.test_opened_from_a_chart import opened

WORD = "Very Private Matter"
SUD = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SUD"}]}
CASE = [{"coding": [{"system": "http://fhirplan.dev/fhir/CodeSystem/cm-careplan-category", "code": "case-management"}]}]


def private(patient):
    """One of each kind that the chart shows."""
    whose = {"reference": f"Patient/{patient}"}
    text = {"text": WORD}
    late = {"period": {"end": "2020-01-01"}}
    return [
        {"resourceType": "CarePlan", "status": "active", "intent": "plan", "title": WORD, "subject": whose}
        | {"category": CASE, "goal": [{"reference": "Goal/private"}]},
        {"resourceType": "Task", "status": "ready", "intent": "order", "code": text, "for": whose, "restriction": late}
        | {"basedOn": [{"reference": "CarePlan/private"}], "priority": "urgent"},
        {"resourceType": "Goal", "lifecycleStatus": "active", "description": text, "subject": whose},
        {"resourceType": "Condition", "code": text, "subject": whose},
        {"resourceType": "Observation", "status": "final", "code": text, "subject": whose, "valueString": WORD},
        {"resourceType": "Communication", "status": "completed", "subject": whose, "sent": "2026-01-01T10:00:00Z"}
        | {"payload": [{"contentString": WORD}]},
        {"resourceType": "CareTeam", "status": "active", "name": WORD, "subject": whose},
        {"resourceType": "Flag", "status": "active", "code": text, "subject": whose},
        {"resourceType": "Encounter", "status": "finished", "class": {"code": "IMP"}, "subject": whose}
        | {"reasonCode": [text], "period": {"start": "2026-01-01", "end": "2026-01-05"}},
        {"resourceType": "QuestionnaireResponse", "status": "completed", "subject": whose}
        | {"item": [{"linkId": "1", "text": WORD, "answer": [{"valueString": WORD}]}]},
    ]


def write(server, *changes):
    with server.services.database.write() as tx:
        now = server.services.clock()
        commit(tx, "default", list(changes), now=now, origin=Origin("tests", "r", "api", push=False))


def pages(server, root, patient):
    """The address of each page about a patient, asked about what is private by its id, and of the lists of all."""
    for rule in server.app.url_map.iter_rules():
        if rule.rule.startswith("/chart/") and "GET" in rule.methods and rule.endpoint != "chart.style":
            path = rule.rule.replace("<id_>", patient)
            yield root + re.sub(r"<[^>]+>", "private", path)


@pytest.fixture
def server(clinic):
    made = clinic()
    made.client = made.app.test_client()
    return made


@pytest.fixture
def seen(server, ehr):
    """Gives all that the nurse sees, by address, as text without what changes with each look."""
    where = opened(server, ehr).headers["Location"]
    root = where[: where.index("/chart/patients")]
    with server.services.database.read() as tx:
        patient = links.our_id(tx, "default", "Patient", "pat-1")

    def look():
        found = {}
        for page in pages(server, root, patient):
            answer = server.client.get(f"{page}?from=2020-01-01&all=1")
            found[page] = f"{answer.status_code} {answer.get_data(as_text=True)}"
        return found

    look.patient = patient
    return look


def labelled(resource):
    return {**resource, "meta": SUD}


@pytest.mark.parametrize("how", ["label", "consent of types", "consent of each", "consent to the reader"])
def test_no_page_of_the_chart_tells_of_what_is_withheld(server, seen, how):
    made = [{**item, "id": "private"} for item in private(seen.patient)]
    write(server, *(Change("create", item["resourceType"], "private", item) for item in made))
    shown = {page for page, text in seen().items() if WORD in text}
    assert len(shown) >= 10, "the pages do show it while nothing forbids them to"
    if how == "label":
        write(server, *(Change("update", item["resourceType"], "private", labelled(item)) for item in made))
    else:
        write(server, Change("create", "Consent", "no", forbidding(server, seen.patient, made, how)))
    found = seen()
    assert [page for page, text in found.items() if WORD in text] == []
    assert [page for page, text in found.items() if text.startswith("5")] == []


def forbidding(server, patient, made, how):
    types = [{"system": "http://hl7.org/fhir/resource-types", "code": item["resourceType"]} for item in made]
    each = [{"meaning": "instance", "reference": {"reference": f"{item['resourceType']}/private"}} for item in made]
    with server.services.database.read() as tx:
        nurse = links.our_id(tx, "default", "Practitioner", "nurse")
    actor = [{"role": {"text": "reader"}, "reference": {"reference": f"Practitioner/{nurse}"}}]
    provision = {
        "consent of types": {"class": types},
        "consent of each": {"data": each},
        "consent to the reader": {"actor": actor, "class": types},
    }
    return {
        "resourceType": "Consent",
        "id": "no",
        "status": "active",
        "patient": {"reference": f"Patient/{patient}"},
        "provision": {"type": "deny", **provision[how]},
    }
