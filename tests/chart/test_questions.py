"""chart/questions: a Questionnaire as a form: what is asked, what is wrong, and the answers as FHIR writes them."""

from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as sampled
from hypothesis import strategies as st

from fhirplan.chart import questions
from fhirplan.fhir.codec import loads
from fhirplan.validation import Validator

ROOT = Path(__file__).parents[2]
OURS = loads((ROOT / "profiles" / "questionnaires" / "Questionnaire-cm-assessment.json").read_bytes())
ZONE = ZoneInfo("America/Chicago")
CODE = {"system": "urn:x", "code": "a", "display": "Apple"}
ALL_KINDS = {
    "resourceType": "Questionnaire",
    "title": "Everything",
    "item": [
        {"linkId": "b", "text": "b", "type": "boolean"},
        {"linkId": "d", "text": "d", "type": "decimal"},
        {"linkId": "i", "text": "i", "type": "integer"},
        {"linkId": "day", "text": "day", "type": "date"},
        {"linkId": "at", "text": "at", "type": "dateTime"},
        {"linkId": "t", "text": "t", "type": "time"},
        {"linkId": "s", "text": "s", "type": "string", "maxLength": 5},
        {"linkId": "x", "text": "x", "type": "text"},
        {"linkId": "u", "text": "u", "type": "url"},
        {"linkId": "c", "text": "c", "type": "choice", "answerOption": [{"valueCoding": CODE}]},
        {"linkId": "o", "text": "o", "type": "open-choice", "answerOption": [{"valueString": "usual"}]},
        {"linkId": "r", "text": "r", "type": "string", "repeats": True},
        {
            "linkId": "q",
            "text": "q",
            "type": "quantity",
            "extension": [
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-unit",
                    "valueCoding": {"system": "http://unitsofmeasure.org", "code": "kg", "display": "kg"},
                }
            ],
        },
        {"linkId": "a", "text": "a", "type": "attachment"},
    ],
}
TYPED = {
    "b": "no",
    "d": "1.50",
    "i": "-3",
    "day": "2026-03-09",
    "at": "2026-03-09T08:02",
    "t": "14:30",
    "s": "short",
    "x": "two\nlines",
    "u": "http://example.org",
    "c": "a",
    "o": "something else",
    "r": "one\ntwo",
    "q": "82.60",
}


def test_each_kind_of_answer_is_written_as_fhir_and_read_back():
    listed = questions.sections(ALL_KINDS)
    assert questions.problems(listed, TYPED, finished=True) == []
    made = questions.items(ALL_KINDS, TYPED, ZONE)
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
    assert questions.fields(ALL_KINDS, response) == TYPED


@pytest.mark.parametrize(
    ("link", "text", "key"),
    [
        ("b", "maybe", "val.choice"),
        ("d", "much", "val.number"),
        ("i", "1.5", "asm.whole"),
        ("i", "٣x", "asm.whole"),
        ("day", "2026-02-30", "asm.date"),
        ("at", "noon", "val.moment"),
        ("t", "25:00", "asm.time"),
        ("s", "longer", "asm.long"),
        ("c", "pear", "val.choice"),
        ("q", "NaN", "val.number"),
    ],
)
def test_what_is_no_answer_is_said_at_its_question(link, text, key):
    [found] = questions.problems(questions.sections(ALL_KINDS), {**TYPED, link: text}, finished=False)
    assert (found.field, found.key) == (link, key)


def test_what_is_needed_is_asked_for_at_the_end_only_and_a_number_stays_in_its_bounds():
    listed = questions.sections(OURS)
    assert questions.problems(listed, {}, finished=False) == []
    needed = questions.problems(listed, {}, finished=True)
    assert [item.field for item in needed] == ["1.1", "10.1", "10.2"]
    [high] = questions.problems(listed, {"2.2": "8"}, finished=False)
    assert (high.key, dict(high.values)) == ("asm.between", {"low": "0", "high": "7"})


def conditional(*when, behavior=None):
    item = {"linkId": "then", "text": "then", "type": "string", "enableWhen": list(when)}
    return {
        "resourceType": "Questionnaire",
        "item": [
            {"linkId": "n", "text": "n", "type": "integer"},
            {"linkId": "y", "text": "y", "type": "boolean"},
            {"linkId": "c", "text": "c", "type": "choice", "answerOption": [{"valueCoding": CODE}]},
            {**item, "enableBehavior": behavior} if behavior else item,
            {
                "linkId": "after",
                "text": "after",
                "type": "string",
                "enableWhen": [{"question": "then", "operator": "exists", "answerBoolean": True}],
            },
        ],
    }


def when(question, operator, **answer):
    return {"question": question, "operator": operator, **answer}


@pytest.mark.parametrize(
    ("conditions", "answers", "wanted"),
    [
        ([when("y", "=", answerBoolean=True)], {"y": "yes"}, True),
        ([when("y", "=", answerBoolean=True)], {}, False),
        ([when("y", "!=", answerBoolean=True)], {"y": "no"}, True),
        ([when("c", "=", answerCoding=CODE)], {"c": "a"}, True),
        ([when("n", ">", answerInteger=2)], {"n": "10"}, True),
        ([when("n", "<=", answerInteger=2)], {"n": "10"}, False),
        ([when("n", "=", answerInteger=2)], {"n": "02"}, True),
        ([when("n", "exists", answerBoolean=False)], {}, True),
        ([when("n", "exists", answerBoolean=False)], {"n": "1"}, False),
        ([when("gone", "=", answerBoolean=True)], {}, False),
    ],
)
def test_a_question_is_asked_when_its_condition_holds(conditions, answers, wanted):
    assert ("then" in questions.asked(questions.sections(conditional(*conditions)), answers)) is wanted


def test_all_or_any_of_several_conditions_must_hold_as_the_questionnaire_says():
    both = [when("y", "=", answerBoolean=True), when("n", ">", answerInteger=2)]
    answers = {"y": "yes", "n": "1"}
    assert "then" not in questions.asked(questions.sections(conditional(*both, behavior="all")), answers)
    assert "then" in questions.asked(questions.sections(conditional(*both, behavior="any")), answers)


def test_an_answer_to_a_question_that_is_no_longer_asked_is_not_saved_nor_counts():
    form = conditional(when("y", "=", answerBoolean=True))
    answers = {"y": "no", "then": "old", "after": "older"}
    assert questions.asked(questions.sections(form), answers).isdisjoint({"then", "after"})
    assert [item["linkId"] for item in questions.items(form, answers, ZONE)] == ["y"]


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
    [group] = questions.items(form, answers, ZONE)
    [item] = group["item"]
    [inner] = item["answer"][0]["item"]
    assert inner["answer"] == [{"valueString": "Because"}]
    assert questions.fields(form, {"item": [group]}) == answers


def test_every_question_and_answer_of_ours_is_there_in_spanish():
    english, spanish = questions.sections(OURS), questions.sections(OURS, "es")
    assert spanish[5].text == "Vivienda y entorno"
    for one, other in zip(english, spanish, strict=True):
        assert one.text != other.text
        for question, told in zip(one.questions, other.questions, strict=True):
            assert question.text != told.text
            assert all(option.text for option in told.options)
            assert [option.code for option in question.options] == [option.code for option in told.options]


LINKS = [item.link for section in questions.sections(OURS) for item in section.questions]


@sampled(st.dictionaries(st.sampled_from(LINKS), st.text(max_size=12), max_size=8))
def test_whatever_is_typed_is_refused_in_words_or_written_and_read_back(answers):
    listed = questions.sections(OURS)
    wrong = {item.field for item in questions.problems(listed, answers, finished=False)}
    right = {link: text for link, text in answers.items() if link not in wrong}
    made = questions.items(OURS, right, ZONE)
    again = questions.fields(OURS, {"item": made})
    assert questions.items(OURS, again, ZONE) == made
