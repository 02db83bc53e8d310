"""chart/responses: answers are written as FHIR has them, and read back as they were typed."""

from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given as sampled
from hypothesis import strategies as st

from fhirplan.chart.answer_checks import problems
from fhirplan.chart.enabling import asked
from fhirplan.chart.questions import sections
from fhirplan.chart.responses import fields, items
from fhirplan.fhir.codec import loads
from fhirplan.validation import Validator
from tests.chart.forms import ALL_KINDS, CODE, TYPED, conditional, when

ROOT = Path(__file__).parents[2]
OURS = loads((ROOT / "profiles" / "questionnaires" / "Questionnaire-cm-assessment.json").read_bytes())
ZONE = ZoneInfo("America/Chicago")


def test_each_kind_of_answer_is_written_as_fhir_and_read_back():
    listed = sections(ALL_KINDS)
    assert problems(listed, TYPED, finished=True) == []
    made = items(ALL_KINDS, TYPED, ZONE)
    values = {item["linkId"]: item["answer"] for item in made}
    assert values["b"] == [{"valueBoolean": False}]
    assert values["d"] == [{"valueDecimal": Decimal("1.50")}]
    assert str(values["d"][0]["valueDecimal"]) == "1.50"
    assert values["at"] == [{"valueDateTime": "2026-03-09T08:02:00-05:00"}]
    assert values["t"] == [{"valueTime": "14:30:00"}]
    assert values["c"] == [{"valueCoding": CODE}]
    assert values["o"] == [{"valueString": "something else"}]
    assert values["r"] == [{"valueString": "one"}, {"valueString": "two"}]
    kilograms = {"unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
    assert values["q"] == [{"valueQuantity": {"value": Decimal("82.60"), **kilograms}}]
    response = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": "http://example.org/all",
        "item": made,
    }
    assert [item for item in Validator.load(ROOT / "profiles").validate(response) if item.is_error] == []
    assert fields(ALL_KINDS, response) == TYPED


def test_an_answer_to_a_question_that_is_no_longer_asked_is_not_saved_nor_counts():
    form = conditional(when("y", "=", answerBoolean=True))
    answers = {"y": "no", "then": "old", "after": "older"}
    assert asked(sections(form), answers).isdisjoint({"then", "after"})
    assert [item["linkId"] for item in items(form, answers, ZONE)] == ["y"]


def test_questions_within_a_question_are_asked_and_answered_within_its_answer():
    form = {
        "resourceType": "Questionnaire",
        "item": [
            {
                "linkId": "g",
                "text": "Group",
                "type": "group",
                "item": [
                    {
                        "linkId": "y",
                        "text": "Do you?",
                        "type": "boolean",
                        "item": [
                            {
                                "linkId": "w",
                                "text": "Why?",
                                "type": "string",
                                "enableWhen": [when("y", "=", answerBoolean=True)],
                            }
                        ],
                    }
                ],
            }
        ],
    }
    answers = {"y": "yes", "w": "Because"}
    [group] = items(form, answers, ZONE)
    [item] = group["item"]
    [inner] = item["answer"][0]["item"]
    assert inner["answer"] == [{"valueString": "Because"}]
    assert fields(form, {"item": [group]}) == answers


LINKS = [item.link for section in sections(OURS) for item in section.questions]


@sampled(st.dictionaries(st.sampled_from(LINKS), st.text(max_size=12), max_size=8))
def test_whatever_is_typed_is_refused_in_words_or_written_and_read_back(answers):
    listed = sections(OURS)
    wrong = {item.field for item in problems(listed, answers, finished=False)}
    right = {link: text for link, text in answers.items() if link not in wrong}
    made = items(OURS, right, ZONE)
    again = fields(OURS, {"item": made})
    assert items(OURS, again, ZONE) == made
