"""chart/answer_checks: what is no answer is said at its question, and what is missing at the end."""

from pathlib import Path

import pytest

from fhirplan.chart.answer_checks import problems
from fhirplan.chart.questions import sections
from fhirplan.fhir.codec import loads
from tests.chart.forms import ALL_KINDS, TYPED

ROOT = Path(__file__).parents[2]
OURS = loads((ROOT / "profiles" / "questionnaires" / "Questionnaire-cm-assessment.json").read_bytes())


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
    [found] = problems(sections(ALL_KINDS), {**TYPED, link: text}, finished=False)
    assert (found.field, found.key) == (link, key)


def test_what_is_needed_is_asked_for_at_the_end_only_and_a_number_stays_in_its_bounds():
    listed = sections(OURS)
    assert problems(listed, {}, finished=False) == []
    needed = problems(listed, {}, finished=True)
    assert [item.field for item in needed] == ["1.1", "10.1", "10.2"]
    [high] = problems(listed, {"2.2": "8"}, finished=False)
    assert (high.key, dict(high.values)) == ("asm.between", {"low": "0", "high": "7"})
