"""Cursors come back as they were made, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.errors import InvalidSearch
from fhirplan.search.page import Position, digest, read, write

KEYS = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=20)
POSITIONS = st.builds(Position, st.integers(0, 2**63 - 1), st.lists(KEYS, max_size=4).map(tuple))
SEARCH = digest("Task", [("status", "requested")])


@given(POSITIONS)
def test_a_cursor_is_read_back(position):
    assert read(write(position, SEARCH), SEARCH) == position


@given(POSITIONS, st.integers(0, 80), st.sampled_from("Aa0-_="))
def test_a_changed_cursor_is_refused(position, place, letter):
    cursor = write(position, SEARCH)
    place = min(place, len(cursor))
    changed = cursor[:place] + letter + cursor[place + 1 :]
    if changed != cursor:
        with pytest.raises(InvalidSearch):
            read(changed, SEARCH)


@given(st.text(max_size=40))
def test_anything_else_is_refused(text):
    with pytest.raises(InvalidSearch):
        read(text, SEARCH)


@given(POSITIONS)
def test_a_cursor_of_another_search_is_refused(position):
    for other in (
        digest("Goal", [("status", "requested")]),
        digest("Task", [("status", "accepted")]),
        digest("Task", []),
    ):
        with pytest.raises(InvalidSearch):
            read(write(position, other), SEARCH)


def test_digests_tell_apart_what_only_looks_alike():
    assert digest("Task", [("a", "bc")]) != digest("Task", [("ab", "c")])
    assert digest("Task", [("a", ""), ("b", "")]) != digest("Task", [("a", "b")])
