"""JSON texts as sent: what is wrong with the text is a finding with its place, and repairs apply cleanly."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.errors import Issue
from fhirplan.fhir.codec import dumps
from fhirplan.validation import positions, repairs, texts


def test_a_key_that_stands_twice_is_told_at_its_place(plain, plan):
    text = dumps(plan).decode()[:-1] + ',\n "status": "draft"}'
    report = texts.check(plain, text, policy="base")
    assert [(one.rule, one.expression, one.line, one.column) for one in report.issues] == [
        ("cm-json", "CarePlan.status", 2, 2)
    ]
    assert not report.valid


def test_a_key_twice_hides_no_other_problem(plain, plan):
    plan["intent"] = "nope"
    report = texts.check(plain, dumps(plan).decode()[:-1] + ',"status":"draft"}', policy="base")
    assert {one.expression for one in report.issues} == {"CarePlan.status", "CarePlan.intent"}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", "\ufeff{}", '{"resourceType":"Goal","x":1e999999999}', b"\xff\xfe", '{"a":NaN}', "[" * 5000],
)
def test_a_text_that_is_no_resource_is_a_finding(plain, text):
    report = texts.check(plain, text)
    assert not report.valid


def test_findings_have_line_and_column(plain):
    text = '{\n  "resourceType": "Goal",\n  "lifecycleStatus": "nope",\n  "subject": {\n    "reference": "Task/1"}}'
    places = {one.expression: (one.line, one.column) for one in texts.check(plain, text, policy="base").issues}
    assert places["Goal.lifecycleStatus"] == (3, 3)
    assert places["Goal.subject"] == (4, 3)
    assert places["Goal.description"] == (1, 1)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
        max_leaves=15,
    )
)
def test_every_key_is_found_where_it_stands(value):
    text = json.dumps({"root": value}, indent=1)
    for pointer, offset, again in positions.keys(text):
        assert not again
        if isinstance(pointer[-1], str):
            assert text[offset:].startswith(json.dumps(pointer[-1]))


def test_patches_are_applied_and_removals_do_not_shift_what_follows(plan):
    patches = [
        ({"op": "remove", "path": "/list/0"},),
        ({"op": "remove", "path": "/list/1"},),
        ({"op": "replace", "path": "/list/2", "value": "c!"},),
        ({"op": "add", "path": "/new", "value": 1},),
    ]
    issues = [Issue("error", "value", "x", patch=one) for one in patches]
    made, count = repairs.apply({"list": ["a", "b", "c"]}, issues)
    assert (made, count) == ({"list": ["c!"], "new": 1}, 4)


def test_what_is_repaired_is_valid(plain, plan):
    damaged = {**plan, "status": "Active", "period": {"start": "2026/3/2", "end": None}, "note": {"text": "x"}}
    issues = plain.validate(damaged, policy="base")
    made, count = repairs.apply(damaged, issues)
    assert count == 4
    assert plain.validate(made, policy="base") == ()


def test_a_misspelled_name_is_put_right(plain, plan):
    plan["Title"] = "A plan"
    made, count = repairs.apply(plan, plain.validate(plan, policy="base"))
    assert (count, made["title"], "Title" in made) == (1, "A plan", False)


@pytest.mark.parametrize(
    ("text", "codes", "meant"),
    [
        ("In Progress", {"in-progress", "completed"}, "in-progress"),
        (" active", {"active"}, "active"),
        ("activ", {"active"}, None),
        ("a-b", {"ab", "a_b"}, None),
    ],
)
def test_a_display_in_place_of_a_code(text, codes, meant):
    assert repairs.code_meant(text, codes) == meant
