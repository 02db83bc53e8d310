"""Our id on a copy: put there, found again, and no part of its content."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.catalog import CATALOG
from fhirplan.sync.content import comparable, mark_search, marked, marks, same, unmarked

OTHER = {"system": "urn:clinic", "value": "7"}
BUSINESS = {"system": "http://fhirplan.dev/fhir/sid/careplan", "value": "CP-1001"}


@pytest.mark.parametrize("type_", sorted(CATALOG))
def test_every_type_we_serve_can_carry_our_id_and_lose_it_again(type_: str) -> None:
    plain = {"resourceType": type_, "id": "x1", "language": "en"}
    carrying = marked(plain, "x1")
    assert "x1" in marks(carrying)
    assert unmarked(carrying) == plain
    assert same(plain, carrying)
    name, value = mark_search(carrying, "x1")
    assert name in ("identifier", "_tag")
    assert value == f"http://fhirplan.dev/fhir/sid/{type_.lower()}|x1"


def test_an_id_is_not_put_there_twice() -> None:
    once = marked({"resourceType": "Goal", "id": "g"}, "g")
    assert marked(once, "g") is once


def test_other_identifiers_stay_where_they_are() -> None:
    plan = {"resourceType": "CarePlan", "id": "cp", "identifier": [OTHER, BUSINESS]}
    carrying = marked(plan, "cp")
    assert carrying["identifier"][:2] == [OTHER, BUSINESS]
    assert unmarked(carrying) == plan


def test_a_questionnaire_response_with_an_identifier_takes_a_tag() -> None:
    answered = {"resourceType": "QuestionnaireResponse", "id": "q", "identifier": OTHER}
    carrying = marked(answered, "q")
    assert carrying["identifier"] == OTHER
    assert mark_search(carrying, "q")[0] == "_tag"
    assert unmarked(carrying) == answered


def test_the_mark_of_another_resource_is_content() -> None:
    copied = marked({"resourceType": "Goal", "id": "first"}, "first")
    assert unmarked({**copied, "id": "second"}) == {**copied, "id": "second"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=8,
    )
)
def test_identifiers_and_tags_of_any_shape_do_no_harm(shape: Any) -> None:
    strange = {"resourceType": "Goal", "id": "g", "identifier": shape, "meta": shape}
    marks(strange)
    assert same(comparable(strange), comparable(strange))
