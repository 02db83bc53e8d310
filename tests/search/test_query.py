"""A search is understood as R4 means it, or refused in words that name the parameter."""

from contextlib import suppress
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.catalog import CATALOG
from fhirplan.errors import InvalidSearch, Refused, TooCostly
from fhirplan.fhir.dates import span
from fhirplan.search.context import Limits
from fhirplan.search.criteria import (
    DateValue,
    NumberValue,
    QuantityValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
)
from fhirplan.search.definitions import LAST_UPDATED
from fhirplan.search.query import parse
from fhirplan.search.results import SortKey

BASE = "http://here/fhir"


class Codes:
    """A value set of two codes, an endless one, and a system in which b is below a."""

    def expansion(self, valueset):
        return {"http://two": frozenset({("s", "1"), ("s", "2")}), "http://none": frozenset()}.get(valueset)

    def below(self, system, code):
        return frozenset("b" if code == "a" else "") if system == "s" else None

    def above(self, system, code):
        return frozenset("a" if code == "b" else "") if system == "s" else None


CODES = Codes()


def query(type, text, **limits):
    pairs = parse_qsl(text, keep_blank_values=True)
    return parse(type, CATALOG[type].parameters, pairs, limits=Limits(**limits), base=BASE, types=CATALOG, codes=CODES)


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
        ("Task", "status:exact=x", "status", ":not"),
        ("Task", "status:of-type=a|b|c", "status", ":missing"),
        ("Task", "identifier:of-type=a|b", "identifier", "system|code|value"),
        ("Task", "patient:contains=true", "patient", "a type (:Patient)"),
        ("Task", "patient:missing=maybe", "patient", "true or false"),
        ("Task", "due:not=2026", "due", ":missing"),
        ("Task", "_lastUpdated:missing=true", "_lastUpdated", "no modifier"),
        ("Task", "code:in=http://unheard-of", "code", "value set"),
        ("Task", "code:below=x|a", "code", "hierarchy"),
        ("Task", "code:below=a", "code", "system|code"),
        ("Task", "patient.colour=x", "patient", "birthdate"),
        ("Task", "status.name=x", "status", "no reference"),
        ("Task", "focus.status=x", "focus", "Name one"),
        ("Task", "patient:Group.name=x", "patient", "Patient"),
        ("Patient", "_has:Task:patient", "_has", "_has:Type"),
        ("Patient", "_has:Banana:patient:status=x", "_has", "Banana"),
        ("Patient", "_has:Task:status:status=x", "_has", "patient"),
        ("Patient", "_has:Task:patient:colour=x", "colour", "status"),
        ("Patient", "_list=$current-problems", "_list", "id"),
        ("Task", "_filter=status eq", "_filter", "value"),
        ("Task", "_filter=status eq a and b eq c or d eq e", "b", "status"),
        ("Task", "_filter=status eq a and code eq b or code eq c", "_filter", "brackets"),
        ("Task", "_filter=(status eq a", "_filter", "closing bracket"),
        ("Task", "_filter=status eq a)", "_filter", "nothing more"),
        ("Task", "_filter=status gt a", "_filter", "eq, ne, pr"),
        ("Task", '_filter=status eq "a', "_filter", "quote"),
        ("Task", "_filter=", "_filter", "ends"),
        ("Task", "_text=,", "_text", "words"),
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
        ("RiskAssessment", "probability=xx5", "probability", "number"),
        ("RiskAssessment", "probability=NaN", "probability", "number"),
        ("RiskAssessment", "probability=1e9999", "probability", "number"),
        ("Observation", "value-quantity=5|mg", "value-quantity", "system"),
        ("Patient", "name=%CC%81", "name", "text"),
        ("Patient", "name=" + "a" * 300, "name", "256"),
        ("Task", "_count=-1", "_count", "whole number"),
        ("Task", "_count=ten", "_count", "whole number"),
        ("Task", "_count=1&_count=2", "_count", "twice"),
        ("Task", "_sort=colour", "_sort", "_lastUpdated"),
        ("Task", "_sort=due,-due", "_sort", "once"),
        ("Task", "_sort=", "_sort", "due"),
        ("Task", "_total=maybe", "_total", "accurate"),
        ("Task", "_summary=much", "_summary", "count"),
        ("Task", "_contained=true", "_contained", "not found on their own"),
        ("Task", "_contained=both", "_contained", "not found on their own"),
        ("Task", "_containedType=contained", "_containedType", "_count"),
        ("Observation", "code-value-quantity=8302-2$gt5", "code-value-quantity", "value-quantity"),
        ("Task", "_elements=colour", "_elements", "status"),
        ("Task", "_elements=status&_summary=text", "_elements", "at once"),
        ("Task", "_include=Task:colour", "_include", "owner"),
        ("Task", "_include=Task", "_include", "Type:parameter"),
        ("Task", "_include=Goal:patient", "_include", "iterate"),
        ("Task", "_include=Task:owner:Goal", "_include", "Goal"),
        ("Task", "_include:recurse=Task:owner", "_include", "iterate"),
        ("Task", "_revinclude=Goal:patient", "_revinclude", "Task"),
        ("Task", "_revinclude=Banana:patient", "_revinclude", "Banana"),
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
    assert (query("Task", "_summary=count").count, query("Task", "_summary=count").total) == (0, "accurate")


def test_too_many_values_are_refused_before_they_cost_anything():
    with pytest.raises(TooCostly):
        query("Task", "status=" + ",".join("abcdef"), max_values=5)
    with pytest.raises(TooCostly):
        query("Task", "&".join(["status=a"] * 6), max_values=5)


UPDATED = SortKey(LAST_UPDATED)


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("", ()),
        ("patient=1", ()),
        ("patient.name=x&_lastUpdated=gt2026", ()),
        ("_lastUpdated=gt2026", (UPDATED,)),
        ("_lastUpdated=gt2026&status:not=draft", (UPDATED,)),
        ("_lastUpdated=gt2026&patient=1", ()),
        ("_sort=_lastUpdated", (UPDATED,)),
        ("_sort=-_lastUpdated&patient=1", (SortKey(LAST_UPDATED, True),)),
        ("_sort=due,-_lastUpdated", (SortKey(CATALOG["Task"].parameter("due")), SortKey(LAST_UPDATED, True))),
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
