"""Points in time: what a date stands for, and that writing and reading agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.sandbox import instants

moments = st.integers(0, 4_102_444_800_000)


@given(moments)
def test_what_is_written_reads_back_as_that_one_millisecond(moment):
    assert instants.span(instants.text(moment)) == (moment, moment + 1)


@given(moments, st.sampled_from([4, 7, 10, 16, 19]))
def test_a_shorter_date_holds_every_moment_that_starts_with_it(moment, length):
    written = instants.text(moment)[:length]
    start, end = instants.span(written + ("Z" if length > 10 else ""))
    assert start <= moment < end
    assert instants.text(start).startswith(written)
    assert instants.text(end - 1).startswith(written)
    assert not instants.text(end).startswith(written)


@pytest.mark.parametrize(
    ("written", "start", "end"),
    [
        ("1970-01-01T00:00:01", 1000, 2000),
        ("1970-01-01T01:00:00.5+01:00", 500, 600),
        ("1970-01-01T00:00:00.0001Z", 1, 1),
        ("1970-01-01T00:00:00.0019Z", 2, 2),
        ("1969-12-31T19:00-05:00", 0, 60_000),
    ],
)
def test_zones_and_fractions(written, start, end):
    assert instants.span(written) == (start, end)


@pytest.mark.parametrize(
    "written",
    ["", "26", "2026-13", "2026-02-30", "2026-11-02T25:00Z", "2026-11-02T10", "2026-11-02 10:00", "x", "2026Z"],
)
def test_what_is_no_date_is_refused(written):
    with pytest.raises(ValueError):
        instants.span(written)
