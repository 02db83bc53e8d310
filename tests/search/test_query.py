"""A search is understood as R4 means it, or refused in words that name the parameter."""

from contextlib import suppress
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.catalog import CATALOG
from fhirplan.errors import InvalidSearch, Refused, TooCostly
from fhirplan.fhir.dates import span
from fhirplan.search.query import (
    DateValue,
    Limits,
    NumberValue,
    QuantityValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
    parse,
)

BASE = "http://here/fhir"


def query(type, text, **limits):
    pairs = parse_qsl(text, keep_blank_values=True)
    return parse(type, CATALOG[type].parameters, pairs, limits=Limits(**limits), base=BASE)


def values(type, text):
    (condition,) = query(type, text).conditions
    return condition.values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status=requested", (TokenValue(None, "requested"),)),
        ("status=a,b", (TokenValue(None, "a"), TokenValue(None, "b"))),
        ("identifier=http://s|1", (TokenValue("http://s", "1"),)),
        ("identifier=|1", (TokenValue("", "1"),)),
        ("identifier=http://s|", (TokenValue("http://s", None),)),
        (r"identifier=a\,b,c\|d\\", (TokenValue(None, "a,b"), TokenValue(None, "c|d\\"))),
        ("patient=1", (ReferenceValue("Patient", "1"),)),
        ("patient=Patient/1", (ReferenceValue("Patient", "1"),)),
        ("patient:Patient=1", (ReferenceValue("Patient", "1"),)),
        ("patient:Patient=Patient/1", (ReferenceValue("Patient", "1"),)),
        ("subject=1", (ReferenceValue(None, "1"),)),
        ("patient=http://there/fhir/Patient/1", (ReferenceValue("", "http://there/fhir/Patient/1"),)),
        (f"patient={BASE}/Patient/1", (ReferenceValue("Patient", "1"), ReferenceValue("", f"{BASE}/Patient/1"))),
        ("due=2026-11", (DateValue("eq", span("2026-11")),)),
        ("due=ge2026-11-21", (DateValue("ge", span("2026-11-21")),)),
        ("due=2026-11-21T10:00:00%2B01:00", (DateValue("eq", span("2026-11-21T09:00:00Z")),)),
        ("_profile=http://p", (UriValue("http://p"),)),
    ],
)
def test_values_of_a_task_search(text, expected):
    assert values("Task", text) == expected


def test_strings_are_folded():
    assert values("Patient", "name=  M%C3%9CLLER   x") == (StringValue("muller x"),)


@pytest.mark.parametrize(
    ("text", "exact", "low", "high"),
    [("100", 100, 99.5, 100.5), ("100.00", 100, 99.995, 100.005), ("-2", -2, -2.5, -1.5), ("ap10", 10, 9, 11)],
)
def test_a_number_stands_for_its_digits(text, exact, low, high):
    prefix = "ap" if text.startswith("ap") else "eq"
    assert values("RiskAssessment", f"probability={text}") == (NumberValue(prefix, exact, low, high),)


def test_quantities_have_a_unit_or_none():
    five = NumberValue("gt", 5.0, 4.5, 5.5)
    assert values("Observation", "value-quantity=gt5") == (QuantityValue(five, None, ""),)
    assert values("Observation", "value-quantity=gt5||mg") == (QuantityValue(five, None, "mg"),)
    ucum = "http://unitsofmeasure.org"
    assert values("Observation", f"value-quantity=gt5|{ucum}|mg") == (QuantityValue(five, ucum, "mg"),)


@pytest.mark.parametrize(
    ("type", "text", "names", "says"),
    [
        ("Task", "colour=red", "colour", "status"),
        ("Task", "patient.name=x", "patient.name", "Chained"),
        ("Task", "status:not=x", "status", ":not"),
        ("Task", "patient:missing=true", "patient", "type"),
        ("Task", "patient:Group=1", "patient", "Patient"),
        ("Task", "patient:Patient=Group/1", "patient", "Patient"),
        ("Task", "status=", "status", "empty"),
        ("Task", "status=a,,b", "status", "empty"),
        ("Task", "status=|", "status", "code"),
        ("Task", "status=a|b|c", "status", "system|code"),
        ("Task", "patient=Practitioner/1", "patient", "Patient"),
        ("Task", "patient=a b", "patient", "Type/id"),
        ("Task", "due=tomorrow", "due", "2026-11-21"),
        ("Task", "due=2026-02-30", "due", "2026-11-21"),
        ("Task", "due=xx2026", "due", "ge"),
        ("RiskAssessment", "probability=high", "probability", "number"),
        ("RiskAssessment", "probability=sa5", "probability", "number"),
        ("RiskAssessment", "probability=NaN", "probability", "number"),
        ("RiskAssessment", "probability=1e9999", "probability", "number"),
        ("Observation", "value-quantity=5|mg", "value-quantity", "system"),
        ("Patient", "name=%CC%81", "name", "text"),
        ("Patient", "name=" + "a" * 300, "name", "256"),
        ("Task", "_count=-1", "_count", "whole number"),
        ("Task", "_count=ten", "_count", "whole number"),
        ("Task", "_count=1&_count=2", "_count", "twice"),
        ("Task", "_sort=status", "_sort", "_lastUpdated"),
        ("Task", "_total=maybe", "_total", "accurate"),
        ("Task", "_summary=text", "_summary", "count"),
        ("Task", "_elements=id", "_elements", "status"),
        ("Task", "_include=Task:owner", "_include", "status"),
        ("Task", "_page=nonsense", "_page", "page"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(type, text, names, says):
    with pytest.raises(InvalidSearch) as refused:
        query(type, text)
    assert refused.value.issues[0].expression == names
    assert says in refused.value.text


def test_form_parameters_are_left_to_http():
    assert query("Task", "_format=json&_pretty=true").pairs == ()


def test_count_is_bounded_and_may_be_nothing():
    assert query("Task", "").count == 50
    assert query("Task", "_count=1000000000000", max_count=200).count == 200
    assert query("Task", "_count=0").count == 0
    assert (query("Task", "_summary=count").count, query("Task", "_summary=count").total) == (0, True)


def test_too_many_values_are_refused_before_they_cost_anything():
    with pytest.raises(TooCostly):
        query("Task", "status=" + ",".join("abcdef"), max_values=5)
    with pytest.raises(TooCostly):
        query("Task", "&".join(["status=a"] * 6), max_values=5)


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("", "stored"),
        ("patient=1", "stored"),
        ("_lastUpdated=gt2026", "updated"),
        ("_lastUpdated=gt2026&patient=1", "stored"),
        ("_sort=_lastUpdated", "updated"),
        ("_sort=-_lastUpdated&patient=1", "-updated"),
    ],
)
def test_the_order_of_pages(text, sort):
    assert query("Task", text).sort == sort


@given(
    st.sampled_from(sorted(CATALOG)).flatmap(
        lambda type: st.tuples(
            st.just(type),
            st.lists(
                st.tuples(
                    st.sampled_from([item.code for item in CATALOG[type].parameters] + ["_count", "_page", "_sort"])
                    | st.text(max_size=8),
                    st.text(max_size=20) | st.from_regex(r"\A[a-z]{0,2}-?[0-9]{1,4}[.|,0-9a-z-]*\Z"),
                ),
                max_size=3,
            ),
        )
    )
)
def test_any_text_is_understood_or_refused(case):
    type, pairs = case
    with suppress(Refused):
        made = parse(type, CATALOG[type].parameters, pairs)
        assert made.type == type
        hash(made)
