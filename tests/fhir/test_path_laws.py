"""Laws: the compiled form gives what an obvious, slow evaluator gives; sets, dates and regular expressions behave."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhirplan.fhir.path import NotEvaluable, compile, regex
from fhirplan.fhir.path.equality import key
from fhirplan.fhir.path.parser import parse
from fhirplan.fhir.path.syntax import Call, Flag, Member, Number, Operation, Syntax, Text, This

NAMES = ("a", "b", "c")
leaves = st.one_of(st.sampled_from(["x", "y"]), st.booleans(), st.integers(0, 2))
trees = st.recursive(
    st.dictionaries(st.sampled_from(NAMES), st.one_of(leaves, st.lists(leaves, min_size=1, max_size=3)), max_size=3),
    lambda inner: st.dictionaries(
        st.sampled_from(NAMES), st.one_of(leaves, inner, st.lists(inner, min_size=1, max_size=3)), max_size=3
    ),
    max_leaves=12,
)

paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(".".join)
literals = st.sampled_from(["'x'", "'y'", "true", "false", "0", "1"])


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or", "xor", "implies"]), inner).map(lambda t: f"({' '.join(t)})"),
        st.tuples(paths, inner, st.sampled_from(["exists()", "empty()", "count() > 1"])).map(
            lambda t: f"{t[0]}.where({t[1]}).{t[2]}"
        ),
        st.tuples(paths, inner).map(lambda t: f"{t[0]}.all({t[1]})"),
        st.tuples(paths, inner).map(lambda t: f"{t[0]}.exists({t[1]})"),
        inner.map(lambda e: f"({e}).not()"),
    )


expressions = st.recursive(
    st.one_of(
        st.tuples(paths, st.sampled_from(["=", "!="]), literals).map(" ".join),
        paths.map(lambda path: f"{path}.exists()"),
        paths.map(lambda path: f"{path}.empty()"),
        paths.map(lambda path: f"{path}.isDistinct()"),
    ),
    compound,
    max_leaves=5,
)


def slowly(node: Syntax, items: list[Any]) -> list[Any]:
    """FHIRPath N1 read word for word, for the part of the language that ``expressions`` makes."""
    match node:
        case This():
            return items
        case Text(value=value) | Number(value=value) | Flag(value=value):
            return [value]
        case Member(target=target, name=name):
            found = [item.get(name) for item in slowly(target, items) if isinstance(item, dict)]
            return [
                child
                for value in found
                for child in (value if isinstance(value, list) else [value])
                if child is not None
            ]
        case Call(target=target, name=name, arguments=arguments):
            return call(name, slowly(target, items), [*arguments])
        case Operation(operator=operator, left=left, right=right):
            return operate(operator, slowly(left, items), slowly(right, items))
    raise AssertionError(node)


def boolean(items: list[Any]) -> bool | None:
    if len(items) == 1 and isinstance(items[0], bool):
        return items[0]
    return None if not items else False not in [item for item in items if isinstance(item, bool)]


def call(name: str, items: list[Any], arguments: list[Syntax]) -> list[Any]:
    kept = [item for item in items if arguments and boolean(slowly(arguments[0], [item]))]
    match name:
        case "where":
            return kept
        case "exists":
            return [bool(kept if arguments else items)]
        case "empty":
            return [not items]
        case "count":
            return [len(items)]
        case "all":
            return [len(kept) == len(items)]
        case "not":
            value = boolean(items)
            return [] if value is None else [not value]
        case "isDistinct":
            return [not any(same(one, two) for at, one in enumerate(items) for two in items[:at])]
    raise AssertionError(name)


def same(one: Any, two: Any) -> bool:
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[name], two[name]) for name in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    return isinstance(one, bool) == isinstance(two, bool) and one == two


def operate(operator: str, left: list[Any], right: list[Any]) -> list[Any]:
    if operator in ("=", "!="):
        if not left or not right:
            return []
        equal = len(left) == len(right) and all(map(same, left, right))
        return [equal is (operator == "=")]
    if operator == ">":
        return [left[0] > right[0]]
    one, two = boolean(left), boolean(right)
    table: dict[str, Any] = {
        "and": False if one is False or two is False else (True if one and two else None),
        "or": True if one or two else (False if one is False and two is False else None),
        "xor": None if one is None or two is None else one is not two,
        "implies": True if one is False or two is True else (two if one else None),
    }
    return [] if table[operator] is None else [table[operator]]


@given(expressions, trees)
def test_compiled_and_slow_evaluation_agree(expression: str, tree: dict[str, Any]) -> None:
    assert compile(expression).evaluate(tree) == slowly(parse(expression), [tree])


@given(expressions, trees)
def test_a_rule_holds_exactly_when_it_gives_true(expression: str, tree: dict[str, Any]) -> None:
    assert compile(expression).holds(tree) is (compile(expression).evaluate(tree) == [True])


words = st.lists(
    st.sampled_from(["a", "b", "c", "2020", "2020-01-01T10:00:00Z", "2020-01-01T11:00:00+01:00"]), max_size=6
)


def on(expression: str, left: list[str], right: list[str]) -> list[Any]:
    return compile(expression).evaluate({"left": left, "right": right})


@given(words, words)
def test_laws_of_sets(left: list[str], right: list[str]) -> None:
    union = on("left | right", left, right)
    assert union == on("left.combine(right).distinct()", left, right)
    assert on("(left | right).isDistinct()", left, right) == [True]
    assert sorted(map(str, map(key, union))) == sorted(map(str, map(key, on("right | left", left, right))))
    kept, dropped = on("left.intersect(right)", left, right), on("left.exclude(right)", left, right)
    assert {key(item) for item in kept} | {key(item) for item in dropped} == {key(item) for item in left}
    assert on("left.intersect(right).subsetOf(right)", left, right) == [True]
    assert on("left.subsetOf(left | right)", left, right) == [True]


moments = st.datetimes(datetime(1900, 1, 2), datetime(2100, 1, 1)).flatmap(
    lambda moment: st.integers(-12 * 60, 14 * 60).map(
        lambda offset: moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    )
)


@given(moments, moments)
def test_full_dates_are_before_equal_or_after(left: datetime, right: datetime) -> None:
    focus = {"start": left.isoformat(), "end": right.isoformat()}
    found = [compile(f"start {operator} end").evaluate(focus) for operator in ("<", "=", ">")]
    assert found == [[left < right], [left == right], [left > right]]


@given(st.dates(date(1, 1, 1)), st.dates(date(1, 1, 1)), st.sampled_from([4, 7, 10]), st.sampled_from([4, 7, 10]))
def test_partial_dates_are_decided_only_where_they_can_be(left: date, right: date, one: int, two: int) -> None:
    start, end = left.isoformat()[:one], right.isoformat()[:two]
    found = compile("start < end").evaluate({"start": start, "end": end})
    common = min(one, two)
    if start[:common] != end[:common]:
        assert found == [start[:common] < end[:common]]
    else:
        assert found == ([False] if one == two else [])


@given(st.dates(date(1000, 1, 1), date(3000, 1, 1)), st.integers(-300_000, 300_000))
def test_adding_days_is_what_the_calendar_says(day: date, days: int) -> None:
    found = compile(f"@{day.isoformat()} + {abs(days)} days" if days >= 0 else f"@{day.isoformat()} - {-days} days")
    assert found.evaluate({}) == [(day + timedelta(days)).isoformat()]


@given(st.decimals(-999, 999, places=3), st.decimals(-999, 999, places=3))
def test_arithmetic_is_exact(left: Decimal, right: Decimal) -> None:
    focus = {"a": left, "b": right}
    assert compile("a + b").evaluate(focus) == [left + right]
    assert compile("a * b").evaluate(focus) == [left * right]
    assert compile("(a div b) * b + (a mod b) = a").evaluate(focus) == ([True] if right else [])


atoms = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\d", "(ab)"])
quantified = st.tuples(atoms, st.sampled_from(["", "*", "+", "?", "{2,5}"])).map("".join)
patterns = st.lists(
    st.one_of(quantified, st.lists(quantified, min_size=1, max_size=3).map(lambda p: f"({''.join(p)})*")),
    min_size=1,
    max_size=4,
).map("".join)


@given(patterns, st.text("ab1", max_size=12))
def test_an_accepted_pattern_matches_as_python_matches(pattern: str, text: str) -> None:
    try:
        accepted = regex.compiled(pattern)
    except NotEvaluable:
        return
    assert accepted.matches(text) is (re.fullmatch(pattern, text, re.DOTALL) is not None)
    assert accepted.found_in(text) is (re.search(pattern, text, re.DOTALL) is not None)
