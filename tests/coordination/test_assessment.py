"""coordination/assessment: each answer of the guide's table leads to what the table says, and to valid resources."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.coordination.assessment.answers import answers, is_assessment
from fhirplan.coordination.assessment.extract import extract
from fhirplan.coordination.world import MemoryWorld
from fhirplan.fhir.codec import loads
from fhirplan.validation import Validator

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 2, 9, tzinfo=ZoneInfo("America/Chicago"))
QUESTIONNAIRE = loads((ROOT / "profiles" / "questionnaires" / "Questionnaire-cm-assessment.json").read_bytes())
QUESTIONS = {item["linkId"]: item for group in QUESTIONNAIRE["item"] for item in group["item"]}
PLAN = {"resourceType": "CarePlan", "id": "cp", "status": "active", "author": {"reference": "PractitionerRole/lead"},
        "subject": {"reference": "Patient/p"}}  # fmt: skip


@pytest.fixture(scope="module")
def validator():
    return Validator.load(ROOT / "profiles")


def response(**given):
    """A response by linkId with ``_`` for the dot: ``_6_1="steady"``."""
    items = []
    for key, values in given.items():
        link = key.removeprefix("_").replace("_", ".")
        found = values if isinstance(values, list) else [values]
        items.append({"linkId": link, "answer": [{_key(link, value): _value(link, value)} for value in found]})
    return {
        "resourceType": "QuestionnaireResponse",
        "id": "qr",
        "questionnaire": f"{QUESTIONNAIRE['url']}|1.0.0",
        "status": "completed",
        "subject": {"reference": "Patient/p"},
        "author": {"reference": "PractitionerRole/lead"},
        "authored": "2026-03-02T08:30:00-06:00",
        "item": [{"linkId": "1", "item": items}],
    }


def _key(link, value):
    kind = QUESTIONS[link]["type"]
    return "value" + {"choice": "Coding", "text": "String"}.get(kind, kind[:1].upper() + kind[1:])


def _value(link, value):
    return QUESTIONS_CODING | {"code": value} if QUESTIONS[link]["type"] == "choice" else value


QUESTIONS_CODING = {"system": "http://fhirplan.dev/fhir/CodeSystem/cm-assessment-answer"}


def made(plan=PLAN, known=(), left_out=(), **given):
    return extract(response(**given), MemoryWorld(known), plan, NOW, left_out)


def needs(found):
    kinds = []
    for item in found.made:
        if item["resourceType"] == "Condition":
            coded = {
                one["coding"][0]["system"].rpartition("/")[2]: one["coding"][0]["code"] for one in item["category"]
            }
            kinds.append((coded["cm-need-type"], coded["cm-need-domain"]))
    return kinds


TABLE = [
    ("2.1", ["no", "sometimes"], ["yes"], ("need", "medication")),
    ("2.2", [2, 7], [0, 1], ("barrier", "medication")),
    ("3.1", ["bathing", ["walking", "eating"]], ["none"], ("need", "functional")),
    ("3.2", [True], [False], ("need", "functional")),
    ("3.3", ["Lacks a walker"], ["Has a cane"], ("need", "equipment")),
    ("4.1", ["often"], ["never", "sometimes"], ("need", "cognitive")),
    ("4.3", [True], [False], ("need", "substance-use")),
    ("5.1", ["nobody"], ["partner", ["child", "friend"]], ("need", "social-isolation")),
    ("5.2", ["some-strain", "too-much-strain"], ["well", "no-helper"], ("need", "caregiver-support")),
    ("6.1", ["worried-about-losing-it"], ["steady"], ("barrier", "housing")),
    ("6.1", ["no-steady-place"], ["steady"], ("barrier", "homelessness")),
    ("6.2", ["often", "sometimes"], ["never"], ("barrier", "food")),
    ("6.3", ["medical", "other"], ["no"], ("barrier", "transportation")),
    ("6.4", [True], [False], ("barrier", "utilities")),
    ("6.5", [False], [True], ("barrier", "safety-violence")),
    ("6.6", ["reduced", "stopped"], ["no"], ("barrier", "employment")),
    ("7.2", [True], [False], ("barrier", "language")),
    ("7.3", ["often", "always"], ["never", "sometimes"], ("barrier", "health-literacy")),
    ("8.1", ["none"], ["yes", "partly", "no"], ("barrier", "insurance-coverage")),
    ("8.2", [True], [False], ("barrier", "medical-cost")),
    ("9.2", ["no", "unsure"], ["yes"], ("need", "advance-care")),
]


@pytest.mark.parametrize(("link", "yes", "no", "wanted"), TABLE, ids=[f"{row[0]}-{row[3][1]}" for row in TABLE])
def test_an_answer_is_a_need_or_barrier_as_the_table_says(validator, link, yes, no, wanted):
    key = f"_{link.replace('.', '_')}"
    for answer in yes:
        found = made(**{key: answer})
        assert needs(found) == [wanted], answer
        for item in (*found.made, *found.changed):
            issues = validator.validate(item, policy="case-management")
            bad = [one for one in issues if one.is_error and item is not found.changed[-1]]
            assert bad == [], (item, [one.text for one in bad])
    for answer in no:
        assert needs(made(**{key: answer})) == [], answer


def by_type(found, kind):
    return [item for item in found.made if item["resourceType"] == kind]


def test_findings_are_observations_derived_from_the_response():
    found = by_type(made(_1_3=2, _2_2=3, _3_1=["bathing"], _4_2=1, _5_1=["partner"], _6_3="medical"), "Observation")
    assert {item["code"]["coding"][0]["code"] for item in found} == {
        "ed-visits-6-months",
        "medication-adherence",
        "adl-dependence",
        "55758-7",
        "support-system",
        "93030-5",
    }
    assert {item["derivedFrom"][0]["reference"] for item in found} == {"QuestionnaireResponse/qr"}
    marks = {
        item["code"]["coding"][0]["code"]: item["interpretation"][0]["coding"][0]["code"]
        for item in found
        if "interpretation" in item
    }
    assert (marks["93030-5"], marks["55758-7"]) == ("POS", "NEG")
    assert "ed-visits-6-months" not in marks
    assert next(item for item in found if "valueInteger" in item)["valueInteger"] == 2


def test_hospital_stays_are_a_finding_in_words_and_a_count_that_nobody_judges(validator):
    [stays] = by_type(made(_1_2=3), "Observation")
    assert stays["code"] == {"text": "Hospital stays in the last 12 months"}
    assert stays["valueInteger"] == 3
    assert "interpretation" not in stays
    assert [item for item in validator.validate(stays) if item.is_error] == []


PATIENT = {"resourceType": "Patient", "id": "p"}


@pytest.mark.parametrize(
    ("said", "before", "after"),
    [
        ("Spanish", [], [({"es"}, True)]),
        ("español", [({"en"}, True)], [({"es"}, True), ({"en"}, None)]),
        ("Spanish", [({"en"}, None), ({"es-MX"}, None)], [({"es-MX"}, True), ({"en"}, None)]),
        ("Spanish", [({"es"}, True)], None),
        ("Mixteco", [], [({"und"}, True)]),
        (" ", [({"en"}, True)], None),
    ],
)
def test_the_preferred_language_becomes_the_patients(validator, said, before, after):
    known = {**PATIENT, "communication": [_spoken(*item) for item in before]} if before else PATIENT
    found = made(known=[known], plan=None, _7_1=said)
    if after is None:
        assert found.changed == ()
        return
    [patient] = found.changed
    assert [
        ({one["code"] for one in item["language"].get("coding", [])}, item.get("preferred"))
        for item in patient["communication"]
    ] == after
    assert [item for item in validator.validate(patient) if item.is_error] == []


def _spoken(codes, preferred):
    coding = [{"system": "urn:ietf:bcp:47", "code": code} for code in codes]
    return {"language": {"coding": coding}, **({"preferred": preferred} if preferred else {})}


def test_what_is_left_out_is_not_made_and_not_in_the_plan():
    whole = made(known=[PATIENT], _6_3="medical", _7_1="Spanish", _10_2="high")
    [need], [goal] = by_type(whole, "Condition"), by_type(whole, "Goal")
    left = {f"Condition/{need['id']}", "Patient/p"}
    found = made(known=[PATIENT], left_out=left, _6_3="medical", _7_1="Spanish", _10_2="high")
    assert by_type(found, "Condition") == []
    assert by_type(found, "Goal") == [goal]
    assert len(by_type(found, "Observation")) == 1
    [plan] = found.changed
    assert "addresses" not in plan
    assert plan["goal"] == [{"reference": f"Goal/{goal['id']}"}]


def test_a_need_points_at_its_evidence_and_substance_use_is_labelled():
    [need] = by_type(made(_6_3="medical"), "Condition")
    [finding] = by_type(made(_6_3="medical"), "Observation")
    assert need["evidence"][0]["detail"][0]["reference"] == f"Observation/{finding['id']}"
    [need] = by_type(made(_4_3=True), "Condition")
    assert need["meta"]["security"][0]["code"] == "SUD"


def test_wishes_risk_consent_and_acuity():
    found = made(_9_1="To go fishing", _9_3="My sister Ana", _4_2=4, _10_1="high", _10_2="moderate")
    [goal] = by_type(found, "Goal")
    assert (goal["description"]["text"], goal["expressedBy"]["reference"]) == ("To go fishing", "Patient/p")
    assert {item["code"]["coding"][0]["code"] for item in by_type(found, "Task")} == {
        "monitor-condition",
        "obtain-consent",
    }
    [risk] = by_type(found, "RiskAssessment")
    [plan] = found.changed
    assert plan["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "high"
    assert {"reference": f"RiskAssessment/{risk['id']}"} in plan["supportingInfo"]
    assert {one["reference"]["reference"] for one in plan["activity"]} == {
        f"Task/{item['id']}" for item in by_type(found, "Task")
    }


def test_without_a_plan_there_are_no_tasks():
    found = made(plan=None, _6_3="medical", _9_3="Ana")
    assert by_type(found, "Task") == []
    assert found.changed == ()
    assert needs(found) == [("barrier", "transportation")]


def test_extracted_again_nothing_is_made_twice_and_a_persons_change_stands():
    first = made(_6_3="medical", _9_1="To go fishing", _10_2="high")
    edited = [
        {**item, "lifecycleStatus": "accepted"} if item["resourceType"] == "Goal" else item for item in first.made
    ]
    again = made(
        plan=first.changed[0], known=[*edited, first.changed[0]], _6_3="medical", _9_1="To go fishing", _10_2="high"
    )
    assert again.made == again.changed == ()
    assert len(again.kept) == len(first.made)


def test_a_need_that_stands_already_is_not_made_again():
    [need] = by_type(made(_6_3="medical"), "Condition")
    other = {**need, "id": "older"}
    assert needs(made(known=[other], _6_3="medical")) == []
    resolved = {**other, "clinicalStatus": {"coding": [{**need["clinicalStatus"]["coding"][0], "code": "resolved"}]}}
    assert needs(made(known=[resolved], _6_3="medical")) == [("barrier", "transportation")]


def test_every_question_of_the_table_is_a_question_of_the_questionnaire():
    from fhirplan.coordination.assessment.asking import ASKED, FINDINGS, WORK

    for link in {asked.link for asked in ASKED} | set(FINDINGS) | set(WORK):
        assert link in QUESTIONS
    for asked in ASKED:
        options = {item["valueCoding"]["code"] for item in QUESTIONS[asked.link].get("answerOption", [])}
        assert not options or set(asked.values) <= options


KEYS = st.sampled_from(["linkId", "item", "answer", "valueCoding", "valueBoolean", "code"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(ANYTHING)
def test_any_response_is_read_without_breaking(item):
    assert isinstance(answers({"resourceType": "QuestionnaireResponse", "item": item}), dict)


def test_another_questionnaire_is_not_ours():
    assert is_assessment(response())
    assert not is_assessment({"resourceType": "QuestionnaireResponse", "questionnaire": "http://example.org/x"})
