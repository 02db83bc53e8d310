"""chart/enabling: a question is asked where its conditions hold."""

import pytest

from fhirplan.chart.enabling import asked
from fhirplan.chart.questions import sections
from tests.chart.forms import CODE, conditional, when


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
    assert ("then" in asked(sections(conditional(*conditions)), answers)) is wanted


def test_all_or_any_of_several_conditions_must_hold_as_the_questionnaire_says():
    both = [when("y", "=", answerBoolean=True), when("n", ">", answerInteger=2)]
    answers = {"y": "yes", "n": "1"}
    assert "then" not in asked(sections(conditional(*both, behavior="all")), answers)
    assert "then" in asked(sections(conditional(*both, behavior="any")), answers)
