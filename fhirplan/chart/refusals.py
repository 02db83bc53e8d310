"""Says what the checks found in the words of the catalogue, so that a page speaks one language."""

from __future__ import annotations

from collections.abc import Iterable

from fhirplan.chart.words import Words
from fhirplan.errors import Issue


def said(issue: Issue, words: Words) -> str:
    """The sentence for a finding: that of its rule, else of its kind.

    The finding's own text is English, may name elements of FHIR, and belongs under the details for support.
    """
    if words.has(f"rule.{issue.rule}"):
        return words(f"rule.{issue.rule}")
    if issue.rule:
        return words("rule.base", rule=issue.rule)
    return words(f"issue.{issue.code}") if words.has(f"issue.{issue.code}") else words("issue.other")


def detail(issue: Issue, words: Words) -> str:
    """The finding's own text where the catalogue only says that something is wrong; else ""."""
    is_told = words.has(f"rule.{issue.rule}") or (not issue.rule and words.has(f"issue.{issue.code}"))
    return "" if is_told else issue.text


def all_said(issues: Iterable[Issue], words: Words) -> str:
    """The errors among these in one paragraph, each sentence once."""
    return " ".join(dict.fromkeys(said(item, words) for item in issues if item.is_error))
