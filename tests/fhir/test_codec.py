"""fhir/codec: JSON in and out without losing a digit, and a clear refusal of what FHIR cannot use."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.errors import MalformedRequest, TooCostly
from fhirplan.fhir.codec import dumps, loads, loads_resource, pretty

numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(numbers)
def test_a_number_is_written_with_the_digits_it_came_with(literal):
    assert dumps(loads(f'{{"value":{literal}}}')).decode() == f'{{"value":{literal}}}'


@given(values)
def test_what_is_written_reads_back_the_same(value):
    assert loads(dumps(value)) == value


@given(values)
def test_the_pretty_form_says_the_same(value):
    assert json.loads(pretty(value)) == json.loads(json.dumps(value))


def test_decimals_are_decimals_and_integers_are_integers():
    read = loads('{"a": 1.50, "b": 7}')
    assert read == {"a": Decimal("1.50"), "b": 7}
    assert type(read["b"]) is int


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('{"a": 1,\n "a": 2}', 2, 2),
        ('{"a": 1,\n  b: 2}', 2, 3),
        ("{} {}", 1, 4),
        ("", 1, 1),
        ('{"a": NaN}', 1, 1),
        ('{"a": Infinity}', 1, 1),
        ('\ufeff{"a": 1}', 1, 1),
        ('{"a": "\\ud800"}', 1, 1),
        ('{"a": ' + "9" * 401 + "}", 1, 1),
        ('{"a": 1e99999999999999999999}', 1, 1),
    ],
)
def test_text_that_is_no_single_json_value_is_refused_with_its_place(text, line, column):
    with pytest.raises(MalformedRequest) as caught:
        loads(text)
    issue = caught.value.issues[0]
    assert (issue.line, issue.column) == (line, column)
    assert issue.text.endswith(".")


def test_bytes_that_are_no_utf8_are_refused_with_their_place():
    with pytest.raises(MalformedRequest) as caught:
        loads(b'{"a":\n "\xff"}')
    assert (caught.value.issues[0].line, caught.value.issues[0].column) == (2, 3)


@pytest.mark.parametrize("text", ["[" * 101 + "]" * 101, '{"a":' * 100_000 + "1" + "}" * 100_000, "[" * 100_000])
def test_nesting_beyond_the_limit_is_refused_and_not_suffered(text):
    with pytest.raises((TooCostly, MalformedRequest)):
        loads(text)


def test_nesting_up_to_the_limit_is_read():
    assert loads("[" * 100 + "]" * 100)


@pytest.mark.parametrize("text", ["[]", "1", '"CarePlan"', "{}", '{"resourceType": 7}'])
def test_a_value_that_is_no_resource_is_refused(text):
    with pytest.raises(MalformedRequest):
        loads_resource(text)


def test_a_refusal_quotes_no_value_of_the_patient():
    with pytest.raises(MalformedRequest) as caught:
        loads('{"name": "Rosa Delgado", "name": "Rosa Delgado"}')
    assert "Rosa" not in str(caught.value)
    assert "Rosa" not in caught.value.text
