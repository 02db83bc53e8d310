"""chart/questions: a Questionnaire as a form, in each of our languages."""

from pathlib import Path

from fhirplan.chart.questions import sections
from fhirplan.fhir.codec import loads

ROOT = Path(__file__).parents[2]
OURS = loads((ROOT / "profiles" / "questionnaires" / "Questionnaire-cm-assessment.json").read_bytes())


def test_every_question_and_answer_of_ours_is_there_in_spanish():
    english, spanish = sections(OURS), sections(OURS, "es")
    assert spanish[5].text == "Vivienda y entorno"
    for one, other in zip(english, spanish, strict=True):
        assert one.text != other.text
        for question, told in zip(one.questions, other.questions, strict=True):
            assert question.text != told.text
            assert all(option.text for option in told.options)
            assert [option.code for option in question.options] == [option.code for option in told.options]
