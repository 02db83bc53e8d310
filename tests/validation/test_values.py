"""Primitive formats, narrative markup and the order of dates."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.fhir.path import xhtml
from fhirplan.validation import values
from fhirplan.validation.temporal import compare

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        ("date", ["2024-02-29", "2026", "2026-03"], ["2026-02-29", "2026-3-1", "2026-03-02T00:00:00Z", "0000", 2026]),
        ("dateTime", ["2026-03-02T10:00:00Z", "2026"], ["2026-03-02T10:00:00", "2026-03-02T25:00:00Z", "2026-04-31"]),
        ("instant", ["2026-03-02T10:00:00.123+14:00"], ["2026-03-02", "2026-03-02T10:00Z", "2026-02-30T10:00:00Z"]),
        ("time", ["10:00:00", "23:59:60"], ["10:00", "24:00:00", "10:00:00Z"]),
        ("boolean", [True, False], ["true", 1, 0, None]),
        ("integer", [0, -5, 2**31 - 1], [2**31, Decimal("1.0"), "1", True]),
        ("positiveInt", [1], [0, -1, "1"]),
        ("unsignedInt", [0, 1], [-1]),
        ("decimal", [1, Decimal("1.50"), 0.5], ["1.5", True, None]),
        ("code", ["a", "a b"], ["", " a", "a ", "a  b", "a\x01", 5]),
        ("id", ["a-1.b", "x" * 64], ["", "x" * 65, "a_b", "a b"]),
        (
            "uri",
            ["urn:x", "a", "urn:oid:2.16.840", "urn:uuid:0C3151BD-1CBF-4D64-B04D-CD9187A4C6E0"],
            ["", "a b", "a\n"],
        ),
        ("uri", ["urn:iso:std:iso:3166"], ["urn:oid:3.1", "urn:oid:1.", "urn:uuid:1", "http://a\x01"]),
        ("oid", ["urn:oid:1.2.3"], ["urn:oid:3.1", "1.2.3", "urn:oid:1.02"]),
        ("uuid", ["urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"], ["urn:uuid:0C3151BD-1CBF-4D64-B04D-CD9187A4C6E0"]),
        ("string", ["a", "a\tb\n", "é\u00a0"], ["", "a\x00", "a\x1f"]),
        ("base64Binary", ["YWJj", "YWI=", "YW Jj\n"], ["YWJ", "Y===", "YW*j", ""]),
    ],
)
def test_formats(type_, good, bad):
    test = values.TESTS[type_]
    assert [one for one in good if not test(one)] == []
    assert [one for one in bad if test(one)] == []


def test_a_wrong_urn_is_found_every_time(plain):
    concept = {"coding": [{"system": "urn:oid:3.a", "code": "a"}]}
    goal = {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": concept,
        "subject": {"reference": "Patient/1"},
    }
    found = [[one.expression for one in plain.validate(goal, policy="base") if one.is_error] for _ in range(3)]
    assert found == [["Goal.description.coding[0].system"]] * 3


def test_an_id_beside_no_value_in_a_list_says_nothing(plain):
    person = {"resourceType": "Patient", "name": [{"given": ["Ana"], "_given": [{"id": "a"}, {"id": "b"}]}]}
    found = [(one.expression, one.rule) for one in plain.validate(person, policy="base") if one.is_error]
    assert found == [("Patient.name[0].given[1]", "ele-1")]


def _told(plain, resource):
    return [(one.expression, one.rule) for one in plain.validate(resource, policy="base") if one.is_error]


@pytest.mark.parametrize(
    ("value", "sound"),
    [
        ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", True),
        ("http://example.org/id/1", True),
        ("tel:+1-555-0100", True),
        ("0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", False),
        ("2.16.840.1", False),
        ("/id/1", False),
    ],
)
def test_an_identifier_that_is_said_to_be_a_uri_is_a_whole_one(plain, value, sound):
    person = {"resourceType": "Patient", "identifier": [{"system": "urn:ietf:rfc:3986", "value": value}]}
    assert _told(plain, person) == ([] if sound else [("Patient.identifier[0].value", "cm-value")])


@pytest.mark.parametrize(
    ("type_", "sound"),
    [
        ("text/plain; charset=utf-8", True),
        ("application/vnd.ms-excel", True),
        ("json", True),
        ("pdf", False),
        ("plain text", False),
        ("text/", False),
    ],
)
def test_a_content_type_is_a_mime_type_or_what_r4_calls_a_format(plain, type_, sound):
    person = {"resourceType": "Patient", "photo": [{"contentType": type_, "url": "http://example.org/1"}]}
    assert _told(plain, person) == ([] if sound else [("Patient.photo[0].contentType", "cm-binding")])


@given(st.dates())
def test_every_day_of_the_calendar_is_a_date(day):
    assert values.is_date(day.isoformat())


@given(st.datetimes(), st.datetimes())
def test_instants_are_ordered_as_time_is(one, other):
    spelled = [f"{moment.isoformat(timespec='microseconds')}Z" for moment in (one, other)]
    assert compare(*spelled) == (one > other) - (one < other)


@pytest.mark.parametrize(
    ("first", "second", "order"),
    [
        ("2026", "2026", 0),
        ("2026", "2027-01", -1),
        ("2026-03", "2026-03-02", None),
        ("2026-03-02T10:00:00Z", "2026-03-02T11:00:00+02:00", 1),
        ("2026-03-02", "2026-03-02T11:00:00Z", None),
        ("nonsense", "2026", None),
    ],
)
def test_the_order_of_dates_of_any_precision(first, second, order):
    assert compare(first, second) == order


@pytest.mark.parametrize(
    "content",
    ["A", "<p>A &amp; B</p>", '<a href="http://example.org">x</a>', '<img src="#x" alt="y"/>', "<b>1 &lt; 2</b>"],
)
def test_plain_markup_is_sound(content):
    assert xhtml.problem(DIV.format(content)) is None


@pytest.mark.parametrize(
    ("div", "rule"),
    [
        (DIV.format("<script>alert(1)</script>"), "txt-1"),
        (DIV.format('<p onclick="x()">A</p>'), "txt-1"),
        (DIV.format('<a href="javascript:x()">A</a>'), "txt-1"),
        (DIV.format("<p>A"), "txt-1"),
        (DIV.format("A & B"), "txt-1"),
        (DIV.format("<iframe>A</iframe>"), "txt-1"),
        ("<div>A</div>", "txt-1"),
        ("A", "txt-1"),
        (DIV.format(" "), "txt-2"),
        ('<!DOCTYPE x [<!ENTITY a "b">]>' + DIV.format("&a;"), "txt-1"),
        (DIV.format("<p></p>"), "txt-2"),
    ],
)
def test_other_markup_is_told(div, rule):
    found = xhtml.problem(div)
    assert found is not None
    assert found[0] == rule
