"""Scopes: what each spelling means, what is refused, and that narrowing never widens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.access.scopes import LETTERS, Scope, narrowed, parse

TYPES = ["*", "CarePlan", "Goal", "Task"]


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("patient/CarePlan.read", "rs"),
        ("user/Goal.write", "cud"),
        ("system/*.*", "cruds"),
        ("patient/Task.rs", "rs"),
        ("patient/Task.cruds", "cruds"),
        ("system/Task.d", "d"),
        ("http://smarthealthit.org/fhir/scopes/patient/Task.rs", "rs"),
    ],
)
def test_v1_and_v2_words_mean_their_letters(text, letters):
    found = parse(text)
    assert [item.letters for item in found.resources] == [letters]
    assert not found.refused


@pytest.mark.parametrize(
    "text",
    [
        "patient/Task.sr",
        "patient/Task.dus",
        "patient/Task.",
        "patient/Task",
        "patient/task.rs",
        "Patient/Task.rs",
        "patient/Task.rs?",
        "patient/Task.rs?category",
        "patient/Task.rs?category=",
        "patient/Task.rs?category=a,",
        "patient/Task.rs?owner.name=x",
        "patient/Task.rs?status:not=x",
        "patient/Task.rs?_filter=status eq x",
        "patient/Task.rs?_has:Goal:x=1",
        "patient/Task.rs?_count=1",
        "patient/Task.rs?status=%ff",
        "patient/Task.read?status=ready",
        "patient/Task.reads",
        "patient/Task.**",
        "patient/*Task.rs",
        "admin/Task.rs",
        "launch/Patient",
        'patient/Task.rs"',
        "offline",
    ],
)
def test_what_cannot_be_enforced_grants_nothing(text):
    found = parse(text)
    assert not found.resources
    assert not found.launch
    assert not found.personal
    assert found.refused


def test_identity_and_launch_are_kept_apart_from_resources():
    found = parse("openid fhirUser launch launch/patient offline_access patient/Goal.rs")
    assert found.personal == ("openid", "fhirUser", "offline_access")
    assert found.launch == ("launch", "launch/patient")
    assert found.text() == "launch launch/patient openid fhirUser offline_access patient/Goal.rs"


def test_a_condition_is_decoded_and_written_again():
    text = "patient/Condition.rs?category=http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item"
    [scope] = parse(text.replace("|", "%7C")).resources
    assert scope.query == (("category", "http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item"),)
    assert parse(text).resources == (scope,)
    assert scope.text == text


def test_too_much_text_grants_nothing():
    assert not parse("patient/Task.rs " * 1000).resources
    assert not parse(" ".join(f"system/T{'a' * (n % 40)}{chr(65 + n // 40)}.rs" for n in range(300))).resources


@pytest.mark.parametrize(
    ("asked", "allowed", "granted"),
    [
        ("patient/*.*", "patient/Task.rs patient/Goal.read", "patient/Task.read patient/Goal.read"),
        ("patient/Task.cruds", "patient/*.rs", "patient/Task.rs"),
        ("user/Task.rs", "patient/Task.rs", ""),
        ("patient/Task.c", "patient/Task.rs", ""),
        ("patient/Task.rs", "patient/Task.rs?status=ready", "patient/Task.rs?status=ready"),
        ("patient/Task.r?code=a", "patient/Task.rs?status=ready", "patient/Task.r?code=a&status=ready"),
        ("openid launch/patient", "openid", "openid"),
        ("system/*.rs system/AuditEvent.rs", "system/*.cruds", "system/*.rs"),
        ("system/*.rs", "system/*.rs system/AuditEvent.rs", "system/*.rs"),
        ("system/AuditEvent.rs", "system/*.rs system/AuditEvent.r", "system/AuditEvent.r"),
    ],
)
def test_what_is_granted_is_what_both_say(asked, allowed, granted):
    assert narrowed(parse(asked), parse(allowed)).text() == " ".join(sorted_as(granted))


def sorted_as(text):
    return parse(text).text().split()


def test_what_was_not_granted_is_told():
    found = narrowed(parse("patient/Task.rs user/Goal.rs openid nonsense"), parse("patient/*.rs"))
    assert set(found.refused) == {"user/Goal.rs", "openid", "nonsense"}


scopes = st.builds(
    Scope,
    st.sampled_from(["patient", "user", "system"]),
    st.sampled_from(TYPES),
    st.sets(st.sampled_from(LETTERS), min_size=1).map(lambda found: "".join(x for x in LETTERS if x in found)),
    st.lists(st.sampled_from([("status", "a"), ("code", "b|c d")]), unique=True, max_size=2).map(tuple),
)
sets = st.lists(scopes, max_size=5)


def allows(listed, level, type_, letter, facts):
    return any(item.level == level and item.covers(type_, letter) and set(item.query) <= facts for item in listed)


@given(sets, sets, st.sampled_from(["patient", "user", "system"]), st.sampled_from(TYPES[1:]), st.sampled_from(LETTERS))
def test_narrowing_is_exactly_the_intersection(one, other, level, type_, letter):
    made = parse(" ".join(item.text for item in one))
    limit = parse(" ".join(item.text for item in other))
    both = narrowed(made, limit)
    for facts in (set(), {("status", "a")}, {("code", "b|c d")}, {("status", "a"), ("code", "b|c d")}):
        expected = allows(one, level, type_, letter, facts) and allows(other, level, type_, letter, facts)
        assert allows(both.resources, level, type_, letter, facts) == expected


@given(sets)
def test_writing_and_reading_again_changes_nothing(listed):
    made = parse(" ".join(item.text for item in listed))
    assert not made.refused
    assert parse(made.text()).resources == made.resources


@given(st.text(max_size=60))
def test_no_text_breaks_it_or_grants_more_than_it_spells(text):
    found = parse(text)
    for item in found.resources:
        assert f"{item.level}/{item.type}." in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("patient/*.rs patient/Goal.rs", ["patient/*.rs"]),
        ("patient/Goal.rs patient/Goal.r", ["patient/Goal.rs"]),
        ("patient/Goal.rs patient/Goal.rs?category=a", ["patient/Goal.rs"]),
        ("patient/Goal.r patient/Goal.s", ["patient/Goal.r", "patient/Goal.s"]),
        ("patient/*.r system/Goal.r", ["patient/*.r", "system/Goal.r"]),
    ],
)
def test_what_another_scope_says_already_is_left_out(text, expected):
    assert [item.text for item in parse(text).resources] == expected
