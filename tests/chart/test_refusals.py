"""chart/refusals: every finding is said in the words of the page's language."""

import inspect

import pytest

from fhirplan import errors
from fhirplan.chart import codes, refusals
from fhirplan.chart.words import LANGUAGES, words
from fhirplan.errors import Issue

RULES = sorted(codes.system("cm-rule"))
ERRORS = [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, errors.FhirplanError)]
CODES = sorted({item.code for item in ERRORS})
ENGLISH = "The element Task.owner is missing."


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_rule_is_said_in_the_language_of_the_page(language):
    for rule in RULES:
        said = refusals.said(Issue("error", "business-rule", ENGLISH, rule=rule), words(language))
        assert said
        assert ENGLISH not in said, rule


def test_no_rule_of_ours_is_left_to_a_sentence_for_all():
    lacking = [rule for rule in RULES if rule.startswith("cm-") and not words("en").has(f"rule.{rule}")]
    # These never become a finding: they say what is computed.
    assert lacking == ["cm-x-04", "cm-x-05", "cm-x-11", "cm-x-12", "cm-x-13", "cm-x-16"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_kind_of_error_is_said_in_the_language_of_the_page(language):
    assert len(CODES) > 10
    for code in [*CODES, "structure", "required", "business-rule"]:
        assert ENGLISH not in refusals.said(Issue("error", code, ENGLISH), words(language)), code


def test_no_sentence_of_a_refusal_is_the_same_in_both_languages():
    both = [key for key in words("en")._texts if key.startswith(("rule.", "issue."))]
    assert len(both) > 100
    assert [key for key in both if words("en")._texts[key] == words("es")._texts[key]] == []


def test_the_finding_itself_is_a_detail_where_the_sentence_says_little():
    assert refusals.detail(Issue("error", "invariant", ENGLISH, rule="dom-3"), words("es")) == ENGLISH
    assert refusals.detail(Issue("error", "invariant", ENGLISH, rule="cm-tk-2"), words("es")) == ""
    assert refusals.detail(Issue("error", "structure", ENGLISH), words("es")) == ENGLISH


def test_several_findings_are_one_paragraph_with_each_sentence_once():
    found = [
        Issue("error", "business-rule", "a", rule="cm-tk-2"),
        Issue("warning", "business-rule", "b", rule="cm-tk-5"),
        Issue("error", "business-rule", "c", rule="cm-tk-2"),
        Issue("error", "conflict", "d"),
    ]
    assert refusals.all_said(found, words("en")) == (
        "Choose who takes this task. Somebody changed this meanwhile. Nothing is lost."
    )
