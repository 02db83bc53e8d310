"""The work of a validation, counted in calls: the same each time, and in proportion to what is validated."""

from __future__ import annotations

import copy
import sys
from typing import Any

import pytest

# A validation slows down without anybody noticing, as by an upgrade; then this is the place to say that it may.
MOST_CALLS = 500


def calls(validator: Any, resource: dict[str, Any]) -> int:
    """How many functions one validation calls."""
    count = 0

    def told(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(told)
    try:
        validator.validate(resource)
    finally:
        sys.setprofile(before)
    return count


@pytest.fixture
def known(ours: Any, plan: dict[str, Any]) -> Any:
    ours.validate(plan)
    return ours


def test_nothing_is_compiled_or_looked_up_again(known: Any, plan: dict[str, Any]) -> None:
    other = copy.deepcopy(plan)
    assert len({calls(known, resource) for resource in (plan, other, plan, other)}) == 1


def test_it_grows_in_proportion(known: Any, plan: dict[str, Any]) -> None:
    def with_notes(count: int) -> dict[str, Any]:
        return {**plan, "note": [copy.deepcopy(plan["note"][0]) for _ in range(count)]}

    few, many, most = (calls(known, with_notes(count)) for count in (10, 110, 210))
    assert most - many <= 1.01 * (many - few)


def test_a_small_plan_takes_no_more_than_it_did(known: Any, plan: dict[str, Any]) -> None:
    assert calls(known, plan) <= MOST_CALLS
