"""The language: literals, operators and functions, each by what it gives."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fhirplan.fhir.path import Context, NotEvaluable, compile

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "name": [
        {"use": "official", "family": "Rivera", "given": ["Ana", "Luz"]},
        {"use": "usual", "given": ["Annie"]},
    ],
    "birthDate": "1950-02-14",
    "telecom": [
        {"system": "phone", "value": "1"},
        {"system": "email", "value": "a@b"},
        {"system": "phone", "value": "2"},
    ],
    "multipleBirthInteger": 2,
    "deceasedBoolean": False,
    "link": [],
}
NOW = datetime(2026, 3, 9, 12, 30, tzinfo=UTC)

GIVES: list[tuple[str, list[Any]]] = [
    # literals
    ("'it\\'s'", ["it's"]),
    ("'\\u00e9\\n'", ["é\n"]),
    ("12", [12]),
    ("1.50", [Decimal("1.50")]),
    ("true", [True]),
    ("{}", []),
    ("@2014-01", ["2014-01"]),
    ("@2014-01-25T14:30:14.559Z", ["2014-01-25T14:30:14.559+00:00"]),
    ("@T14:30", ["14:30"]),
    ("4 days", [{"value": 4, "unit": "day"}]),
    ("10 'mg'", [{"value": 10, "system": "http://unitsofmeasure.org", "code": "mg"}]),
    ("1 /* one */ + 1 // two", [2]),
    # paths
    ("Patient.name.given", ["Ana", "Luz", "Annie"]),
    ("name.given[1]", ["Luz"]),
    ("name[0].given[5]", []),
    ("Observation.name", []),
    ("Resource.id", ["p"]),
    ("DomainResource.id", ["p"]),
    ("name.`given`.first()", ["Ana"]),
    ("multipleBirth", [2]),
    ("deceased", [False]),
    ("deceased.exists()", [True]),
    ("link.exists()", [False]),
    ("$this.id", ["p"]),
    # Boolean logic with nothing
    ("true and {}", []),
    ("false and {}", [False]),
    ("true or {}", [True]),
    ("false or {}", []),
    ("{} implies true", [True]),
    ("{} implies false", []),
    ("false implies {}", [True]),
    ("true implies {}", []),
    ("true xor true", [False]),
    ("true xor {}", []),
    ("{}.not()", []),
    ("name and active", [True]),
    # equality, order, membership
    ("1 = 1.0", [True]),
    ("1 = true", [False]),
    ("'a' = 'A'", [False]),
    ("'a  B' ~ 'A b'", [True]),
    ("1.01 ~ 1.0", [True]),
    ("{} ~ {}", [True]),
    ("{} = {}", []),
    ("name.given = 'Ana'", [False]),
    ("name.given != 'Ana'", [True]),
    ("('a' | 'b') = ('a' | 'b')", [True]),
    ("('a' | 'b') = ('b' | 'a')", [False]),
    ("('a' | 'b') ~ ('b' | 'a')", [True]),
    ("'Ana' in name.given", [True]),
    ("name.given contains 'Bob'", [False]),
    ("{} in name.given", []),
    ("1 < 2.5", [True]),
    ("'b' > 'a'", [True]),
    ("2 >= {}", []),
    ("birthDate < @1951", [True]),
    ("birthDate > @1950", []),
    ("birthDate = @1950-02-14", [True]),
    ("@2012-04-15T15:00:00Z = @2012-04-15T17:00:00+02:00", [True]),
    ("@2012-04-15T15:00:00Z = @2012-04-15T10:00:00", []),
    ("@2012 = @2012-01", []),
    ("@2012-01-01T10:30 < @2012-01-01T10:30:00", []),
    ("@T10:30 < @T10:31", [True]),
    ("1 'g' = 1000 'mg'", [True]),
    ("1 'g' > 1 'mg'", [True]),
    ("1 'g' = 1 'm'", []),
    ("1 'cm' < 1 'm'", [True]),
    ("7 days = 1 week", [True]),
    ("1 year ~ 1 'a'", [True]),
    ("1 year = 1 'a'", []),
    # arithmetic
    ("1 + 2 * 3", [7]),
    ("(1 + 2) * 3", [9]),
    ("7 div 2", [3]),
    ("-7 div 2", [-3]),
    ("7 mod 4", [3]),
    ("-7 mod 4", [-3]),
    ("5 / 2", [Decimal("2.5")]),
    ("1 / 0", []),
    ("1 div 0", []),
    ("'a' + 'b'", ["ab"]),
    ("'a' + {}", []),
    ("'a' & {}", ["a"]),
    ("1 + {}", []),
    ("-(3)", [-3]),
    ("2 'mg' + 1 'g'", [{"value": Decimal("1002"), "system": "http://unitsofmeasure.org", "code": "mg"}]),
    ("@2016-02-29 + 1 year", ["2017-02-28"]),
    ("@2016-01-31 + 1 month", ["2016-02-29"]),
    ("@2016 + 18 months", ["2017"]),
    ("@2016-01-01 - 1 day", ["2015-12-31"]),
    ("@2016-01-01T23:30:00Z + 90 minutes", ["2016-01-02T01:00:00+00:00"]),
    ("@T23:30 + 45 minutes", ["00:15"]),
    ("birthDate + 65 years", ["2015-02-14"]),
    # existence
    ("name.exists(use = 'usual')", [True]),
    ("name.all(given.exists())", [True]),
    ("{}.all(false)", [True]),
    ("(true | false).anyTrue()", [True]),
    ("(true | false).allTrue()", [False]),
    ("(true | false).anyFalse()", [True]),
    ("{}.allFalse()", [True]),
    ("name.count()", [2]),
    ("name.given.subsetOf(name.given | 'x')", [True]),
    ("name.given.supersetOf('Ana')", [True]),
    ("telecom.system.distinct()", ["phone", "email"]),
    ("telecom.system.isDistinct()", [False]),
    ("telecom.value.isDistinct()", [True]),
    # filtering, subsetting, combining
    ("telecom.where(system = 'phone').value", ["1", "2"]),
    ("telecom.where($index = 1).system", ["email"]),
    ("name.select(given.first())", ["Ana", "Annie"]),
    ("name.select($index)", [0, 1]),
    ("(1 | 2 | 3).aggregate($this + $total, 0)", [6]),
    ("(1 | 2 | 3).aggregate(iif($total.empty(), $this, iif($this > $total, $this, $total)))", [3]),
    ("iif(active, 'yes', 'no')", ["yes"]),
    ("{}.iif(empty(), 'none')", ["none"]),
    ("name.iif(count() > 1, 'many', 'one')", ["many"]),
    ("name.given.last()", ["Annie"]),
    ("name.given.tail()", ["Luz", "Annie"]),
    ("name.given.skip(1).take(1)", ["Luz"]),
    ("name.given.take(-1)", []),
    ("active.single()", [True]),
    ("telecom.system.intersect('email' | 'fax')", ["email"]),
    ("telecom.system.exclude('email')", ["phone", "phone"]),
    ("'a' | 'a' | 'b'", ["a", "b"]),
    ("'a'.combine('a')", ["a", "a"]),
    ("'a'.union('a')", ["a"]),
    ("name.given.trace('names').count()", [3]),
    ("name.repeat(given)", ["Ana", "Luz", "Annie"]),
    ("name[1].children()", ["usual", "Annie"]),
    ("name[1].descendants().count()", [2]),
    # text
    ("'abcdef'.indexOf('cd')", [2]),
    ("'abcdef'.indexOf('x')", [-1]),
    ("'abcdef'.substring(2)", ["cdef"]),
    ("'abcdef'.substring(1, 2)", ["bc"]),
    ("'abc'.substring(9)", []),
    ("'abc'.startsWith('')", [True]),
    ("'abc'.endsWith('bc')", [True]),
    ("'abc'.contains('b')", [True]),
    ("'aBc'.upper() & 'aBc'.lower()", ["ABCabc"]),
    ("'abcab'.replace('ab', 'x')", ["xcx"]),
    ("'abc'.matches('b')", [True]),
    ("'abc'.matches('^b$')", [False]),
    ("'abc'.matchesFull('b')", [False]),
    ("'11/30/1972'.replaceMatches('(\\\\d+)/(\\\\d+)/(\\\\d+)', '$3-$1-$2')", ["1972-11-30"]),
    ("'abc'.length()", [3]),
    ("'abc'.toChars()", ["a", "b", "c"]),
    ("'a,b'.split(',')", ["a", "b"]),
    ("('a' | 'b').join('-')", ["a-b"]),
    ("' a '.trim()", ["a"]),
    ("'a'.encode('base64').decode('base64')", ["a"]),
    ("'<a>'.escape('html').unescape('html')", ["<a>"]),
    ("{}.length()", []),
    # conversion
    ("'12'.toInteger()", [12]),
    ("'1.5'.toInteger()", []),
    ("'1.5'.toDecimal()", [Decimal("1.5")]),
    ("1.50.toString()", ["1.50"]),
    ("true.toString()", ["true"]),
    ("'yes'.toBoolean()", [True]),
    ("'maybe'.toBoolean()", []),
    ("'2014-01'.toDate()", ["2014-01"]),
    ("'2014-13'.toDate()", []),
    ("'2014-01-01T10:00:00Z'.toDateTime().toDate()", ["2014-01-01"]),
    ("'10:30'.toTime()", ["10:30"]),
    ("'4 days'.toQuantity()", [{"value": 4, "unit": "day"}]),
    ("'x'.convertsToInteger()", [False]),
    ("'1'.convertsToDecimal()", [True]),
    ("'2014-02-30'.convertsToDate()", [False]),
    ("birthDate.convertsToDateTime()", [True]),
    ("'4 mg'.convertsToQuantity()", [False]),
    # math
    ("(-5).abs()", [5]),
    ("1.1.ceiling()", [2]),
    ("(-1.1).floor()", [-2]),
    ("(-1.9).truncate()", [-1]),
    ("2.5.round()", [Decimal(3)]),
    ("3.14159.round(3)", [Decimal("3.142")]),
    ("2.power(3)", [8]),
    ("16.log(2)", [Decimal("4.0")]),
    ("81.sqrt()", [Decimal("9.0")]),
    ("(-1).sqrt()", []),
    ("0.exp()", [Decimal("1.0")]),
    # types
    ("active is boolean", [True]),
    ("active is Boolean", [True]),
    ("'a' is String", [True]),
    ("1 is System.Integer", [True]),
    ("1 is decimal", [False]),
    ("$this is Patient", [True]),
    ("$this is DomainResource", [True]),
    ("$this is FHIR.Observation", [False]),
    ("@2014 is Date", [True]),
    ("multipleBirth is integer", [True]),
    ("multipleBirth.ofType(integer)", [2]),
    ("multipleBirth as boolean", []),
    ("multipleBirth.type().name", ["integer"]),
    ("(4 days) is Quantity", [True]),
    # the clock and variables
    ("today()", ["2026-03-09"]),
    ("now() > @2026-03-09T12:00:00Z", [True]),
    ("birthDate + 76 years <= today()", [True]),
    ("%ucum", ["http://unitsofmeasure.org"]),
    ("%`vs-administrative-gender`", ["http://hl7.org/fhir/ValueSet/administrative-gender"]),
    ("%resource.id", ["p"]),
    ("name.select(%context.id)", ["p", "p"]),
    ("%limit + 1", [6]),
    # boundaries
    ("1.587.lowBoundary()", [Decimal("1.58650000")]),
    ("1.587.highBoundary(2)", [Decimal("1.59")]),
    ("(-1.587).lowBoundary(0)", [Decimal(-2)]),
    ("120.lowBoundary(2)", [Decimal("119.50")]),
    ("1.lowBoundary(32)", []),
    ("@2014.lowBoundary(6)", ["2014-01"]),
    ("@2014.highBoundary(6)", ["2014-12"]),
    ("@2016-02.highBoundary()", ["2016-02-29"]),
    ("@2014-01-01T08:05+08:00.lowBoundary(17)", ["2014-01-01T08:05:00.000+08:00"]),
    ("@2014-01-01T08:05-05:00.highBoundary(17)", ["2014-01-01T08:05:59.999-05:00"]),
    ("@2014-01-01T08:05.lowBoundary()", ["2014-01-01T08:05:00.000+14:00"]),
    ("@T10:30.highBoundary(9)", ["10:30:59.999"]),
    ("1.58700.precision()", [5]),
    ("@2014-01-05T10:30:00.000.precision()", [17]),
    ("@T10:30.precision()", [4]),
    ("1 'cm'.comparable(1 '[in_i]')", [True]),
    ("1 'cm'.comparable(1 's')", [False]),
    ("4 'g' ~ 4040 'mg'", [True]),
    ("$this is System.Patient", [False]),
    # precedence
    ("1 > 2 is Boolean", [True]),
    ("1 | 1 is Integer", [True]),
    ("multipleBirth as integer | multipleBirth as string", [2]),
    ("1 + 1 = 2 and 2 > 1", [True]),
    ("'a' in 'a' | 'b'", [True]),
    ("true or false and false", [True]),
]


@pytest.mark.parametrize(("expression", "expected"), GIVES)
def test_what_an_expression_gives(expression: str, expected: list[Any]) -> None:
    context = Context(now=NOW, variables={"limit": 5})
    found = compile(expression).evaluate(PATIENT, context)
    assert found == expected
    assert [type(item) is bool for item in found] == [type(item) is bool for item in expected]


@pytest.mark.parametrize(
    "expression",
    [
        "name.",
        "name..given",
        "(name",
        "name)",
        "name given",
        "'open",
        "@2014-13-01",
        "@T25",
        "nosuch()",
        "not(false)",
        "exists(a, b)",
        "ofType(1)",
        "$that",
        "1 +",
        "name[",
        "a ! b",
        "x is Other.Thing",
        "",
    ],
)
def test_what_is_no_expression_is_refused_when_compiled(expression: str) -> None:
    with pytest.raises(NotEvaluable):
        compile(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "name.given.single()",
        "name.given > 'a'",
        "1 + 'a'",
        "'a' < 1",
        "name.given.length()",
        "1.startsWith('a')",
        "now()",
        "%unknown",
        "telecom is ContactPoint",
        "active.memberOf('http://x')",
        "name.first().conformsTo('http://x')",
        "@2014-01-01 + 1 'mg'",
        "@2014 < @T10",
        "name['a']",
    ],
)
def test_what_has_no_answer_says_so_when_evaluated(expression: str) -> None:
    with pytest.raises(NotEvaluable):
        compile(expression).evaluate(PATIENT)


def test_the_same_text_is_compiled_once() -> None:
    assert compile("name.exists()") is compile("name.exists()")


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("active", True),
        ("deceased", False),
        ("{}", False),
        ("name.first()", True),  # one item that is no Boolean
        ("telecom", True),  # several
        ("telecom or endpoint", True),
        ("endpoint or photo", False),
        ("active.combine(deceased)", False),  # several, one of them false
    ],
)
def test_a_rule_holds_only_by_true(expression: str, holds: bool) -> None:
    assert compile(expression).holds(PATIENT) is holds
