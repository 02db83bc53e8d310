"""Hostile expressions and inputs end in a clear error, soon."""

from __future__ import annotations

import contextlib
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirplan.fhir.path import Context, NotEvaluable, compile, regex, typed
from fhirplan.fhir.path.compile import FUNCTIONS
from fhirplan.fhir.path.operators import OPERATORS

SECONDS = 8.0  # generous, as machines differ; each case takes well under two


def nested(depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {"item": []}
    for _ in range(depth):
        made = {"item": [made, {"x": 1}]}
    return made


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 500 + "1" + ")" * 500,
        "a" + ".a" * 20_000,
        "1" + " + 1" * 6_000,
        "-" * 10_000 + "1",
        "'a'" * 10_000,
        "a" + ".a" * 200,
        "a" + ".first()" * 200,
        "1" + " + 1" * 200,
        "a" + ".where(a" * 100 + ")" * 100,
    ],
)
def test_an_expression_out_of_measure_is_refused(expression: str) -> None:
    started = time.perf_counter()
    with pytest.raises(NotEvaluable):
        compile(expression).evaluate({"a": 1})
    assert time.perf_counter() - started < SECONDS


@pytest.mark.parametrize(
    "expression",
    [
        "descendants().select(%resource.descendants()).select(%resource.descendants()).count() > 0",
        "(1 | 2)" + ".select($this.combine($this))" * 40 + ".count() > 0",
        "'aaaaaaaaaa'" + ".replace('a', 'aaaaaaaaaa')" * 12 + ".length() > 0",
        "(1|2|3|4|5|6|7|8|9).aggregate($total & 'aaaaaaaaaa' & $total & $total & $total & $total, 'a') = ''",
        "descendants().aggregate($total.combine($total), 1).count() > 0",
        "2" + ".power(64)" * 20 + " > 0 and 9" + " * 9999999999" * 50 + " > 0",
        "descendants().where(%resource.descendants().where(%resource.descendants().where(x = 2).exists()).exists())",
    ],
)
def test_an_evaluation_that_multiplies_ends(expression: str) -> None:
    resource = nested(80)
    started = time.perf_counter()
    with pytest.raises(NotEvaluable):
        compile(expression).holds(resource, Context(resource=resource, root=resource))
    assert time.perf_counter() - started < SECONDS


def test_repeat_ends_on_what_repeats_itself() -> None:
    assert compile("repeat($this)").evaluate({"a": 1}) == [{"a": 1}]
    assert compile("repeat('x').count()").evaluate({"a": 1}) == [1]


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a*)*b",
        "(a|a)*b",
        "(a|aa)+$",
        "([a-z]+)*x",
        "(.*a){20}",
        "(x+x+)+y",
        r"(a)\1*",
        "^(([a-z])+.)+[A-Z]$",
    ],
)
def test_a_pattern_that_may_never_end_is_refused(pattern: str) -> None:
    with pytest.raises(NotEvaluable):
        regex.compiled(pattern)


@pytest.mark.parametrize("pattern", ["(", "[", "a{2,1}", "*a", "\\p{L}", "(?P<a", "a" * 5_000])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(NotEvaluable):
        regex.compiled(pattern)


PUBLISHED = [
    "[A-Z]([A-Za-z0-9_]){0,254}",
    "^[a-zA-Z0-9\\/\\-_\\[\\]\\@]+$",
    "[^\\s\\.,:;\\'\"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\.[^\\s\\.,:;\\'\"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\[x\\])?(\\:[^\\s\\.]+)?)*",
    "[A-Za-z][A-Za-z0-9]*(\\.[a-z][A-Za-z0-9]*(\\[x])?)*",
    "^http:\\/\\/hl7\\.org\\/fhirpath\\/System\\.[A-Z][A-Za-z]+$",
    "^[0-9]{2}D[0-9]{7}$",
    "^(.*/)?Patient/[A-Za-z0-9.-]+(/_history/.+)?$",
    "\\..*",
    "^\\s*$",
]


@pytest.mark.parametrize("pattern", PUBLISHED)
@pytest.mark.parametrize("text", ["a", "a.", "/", " ", "Patient/", "a.b[x]:", "aB1-"])
def test_published_patterns_are_accepted_and_quick_on_their_worst_text(pattern: str, text: str) -> None:
    accepted = regex.compiled(pattern)
    length = min(accepted.longest, 20_000)
    hostile = (text * (length // len(text)))[: length - 1] + "\n"
    started = time.perf_counter()
    accepted.found_in(hostile)
    accepted.matches(hostile)
    assert time.perf_counter() - started < SECONDS


@pytest.mark.parametrize("pattern", ["^.*.*.*x$", ".*.*x", ".*x", "([a-z]*)([a-z]*)x", "^.*.*.*.*x$"])
def test_patterns_of_any_degree_end_on_the_longest_text_they_take(pattern: str) -> None:
    accepted = regex.compiled(pattern)
    started = time.perf_counter()
    assert not accepted.found_in("a" * accepted.longest)
    assert time.perf_counter() - started < SECONDS


def test_trace_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert compile("a.trace('a').count()").evaluate({"a": 1}) == [1]
    assert capsys.readouterr() == ("", "")


def test_a_text_too_long_for_its_pattern_is_not_tried() -> None:
    with pytest.raises(NotEvaluable):
        compile("matches('^(.*/)?Patient/.+$')").holds("a" * 1_000_000)
    assert compile("contains('b')").holds("a" * 1_000_000 + "b")


NUMBERS = [Decimal("1e999999"), Decimal("-1e-999999"), 10**300, Decimal("1.2345678901234567890123456789")]
FOCI: list[Any] = [
    None,
    "x",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "\u0662\u0660\u0662\u0660",
    True,
    {"value": NUMBERS[0], "unit": "mg", "code": "g", "low": {"value": 1}, "coding": [{}, None], "_text": [1]},
    [1, "a", {"b": []}],
    typed("2020", "date"),
    typed({"value": NUMBERS[1]}, "Quantity"),
    *NUMBERS,
]
WORDS = (
    "a value code low coding text $this $index $total %resource %context 1 0 -1 2.5 'a' '' '[a-z]+' {} true @2020 "
    "@2020-01-31T10:00:00.5Z @T10:00 100000000000000000000"
)
terms = st.sampled_from([*WORDS.split(), "4 days", "1 'g'", "10 'mg'"])


def compounds(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(sorted(OPERATORS))
    calls = st.sampled_from(sorted(FUNCTIONS)).flatmap(
        lambda name: st.tuples(
            inner, st.just(name), st.lists(inner, min_size=FUNCTIONS[name].fewest, max_size=FUNCTIONS[name].most)
        )
    )
    return st.one_of(
        st.tuples(inner, operators, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        calls.map(lambda t: f"({t[0]}).{t[1]}({', '.join(t[2])})"),
        inner.map(lambda e: f"(-{e})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]})[{t[1]}]"),
    )


@settings(max_examples=400)
@given(st.recursive(terms, compounds, max_leaves=6), st.sampled_from(FOCI))
def test_any_expression_on_anything_gives_items_or_says_that_it_cannot(expression: str, focus: Any) -> None:
    with contextlib.suppress(NotEvaluable):
        compiled = compile(expression)
        assert isinstance(compiled.evaluate(focus), list)
        assert compiled.holds(focus) in (True, False)


def test_errors_do_not_quote_the_resource() -> None:
    secret = {"name": "Rivera", "other": {"x": 1}}
    for expression in ("name > 1", "name + 1", "other.length()", "(name | 'b').single()", "name.skip(name)"):
        with pytest.raises(NotEvaluable) as caught:
            compile(expression).evaluate(secret)
        assert "Rivera" not in str(caught.value)


@pytest.mark.parametrize(
    "focus", [None, "", 0, False, [], {}, {"": 1}, {"_": None}, {"a": [None]}, {"_a": [1]}, {"a": {"b": [[]]}}]
)
def test_odd_json_does_no_harm(focus: Any) -> None:
    for expression in (
        "a.b.exists()",
        "children().count()",
        "descendants().count()",
        "a.extension('u')",
        "value is string",
    ):
        compile(expression).evaluate(focus)
