"""Partial dates are spans; instants are written as FHIR has them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.fhir.dates import BEGINNING, END, Span, instant, milliseconds, period, span, timing

MOMENTS = st.datetimes(timezones=st.just(UTC))


def ms(*parts, **more):
    return milliseconds(datetime(*parts, tzinfo=UTC, **more))


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2026", ms(2026, 1, 1), ms(2027, 1, 1)),
        ("2026-02", ms(2026, 2, 1), ms(2026, 3, 1)),
        ("2026-12", ms(2026, 12, 1), ms(2027, 1, 1)),
        ("2024-02-29", ms(2024, 2, 29), ms(2024, 3, 1)),
        ("2026-11-21T18:49Z", ms(2026, 11, 21, 18, 49), ms(2026, 11, 21, 18, 50)),
        ("2026-11-21T18:49:00Z", ms(2026, 11, 21, 18, 49), ms(2026, 11, 21, 18, 49, 1)),
        ("2026-11-21T18:49:00", ms(2026, 11, 21, 18, 49), ms(2026, 11, 21, 18, 49, 1)),
        ("2026-11-21T18:49:00.1Z", ms(2026, 11, 21, 18, 49) + 100, ms(2026, 11, 21, 18, 49) + 200),
        ("2026-11-21T18:49:00.123Z", ms(2026, 11, 21, 18, 49) + 123, ms(2026, 11, 21, 18, 49) + 124),
        ("2026-11-21T18:49:00.123456Z", ms(2026, 11, 21, 18, 49) + 123, ms(2026, 11, 21, 18, 49) + 124),
        ("2026-11-21T00:30:00+01:00", ms(2026, 11, 20, 23, 30), ms(2026, 11, 20, 23, 30, 1)),
        ("2026-11-21T00:30:00-05:30", ms(2026, 11, 21, 6, 0), ms(2026, 11, 21, 6, 0, 1)),
        ("2016-12-31T23:59:60Z", ms(2017, 1, 1), ms(2017, 1, 1, 0, 0, 1)),
        ("9999", ms(9999, 1, 1), ms(9999, 12, 31) + 86_400_000),
        ("9999-12", ms(9999, 12, 1), ms(9999, 12, 31) + 86_400_000),
        ("0001-01-01", ms(1, 1, 1), ms(1, 1, 2)),
    ],
)
def test_the_span_of_a_date(text, low, high):
    assert span(text) == Span(low, high)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "26",
        "2026-13",
        "2026-00",
        "2026-02-30",
        "0000",
        "2026-11-21T24:00:00Z",
        "2026-11-21T10:60Z",
        "tomorrow",
        "2026-11-21T10:00:61Z",
        "2026-11-21T10:00:00+15:00",
        "2026-11-21 10:00",
        "2026-1-1",
        "٢٠٢٦",
        " 2026",
        2026,
        None,
        {},
    ],
)
def test_what_is_no_date_has_no_span(text):
    assert span(text) is None


@given(MOMENTS)
def test_an_instant_lies_in_the_span_of_each_shorter_spelling(moment):
    at = milliseconds(moment)
    text = instant(at)
    assert span(text) == Span(at, at + 1)
    for shorter in (text[:19] + "Z", text[:16] + "Z", text[:10], text[:7], text[:4]):
        assert span(shorter).contains(Span(at, at + 1))


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_the_zone_does_not_change_the_moment(moment, minutes):
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    try:
        local = moment.replace(microsecond=0) + timedelta(minutes=minutes)
    except OverflowError:
        return
    assert span(f"{local:%Y-%m-%dT%H:%M:%S}".zfill(19) + zone).low == milliseconds(moment.replace(microsecond=0))


def test_an_instant_is_written_with_milliseconds():
    assert instant(1_795_286_940_123) == "2026-11-21T18:49:00.123Z"
    assert instant(0) == "1970-01-01T00:00:00.000Z"
    assert instant(-1) == "1969-12-31T23:59:59.999Z"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"start": "2026-01", "end": "2026-02"}, Span(ms(2026, 1, 1), ms(2026, 3, 1))),
        ({"start": "2026"}, Span(ms(2026, 1, 1), END)),
        ({"end": "2026"}, Span(BEGINNING, ms(2027, 1, 1))),
        ({}, None),
        ({"start": "soon"}, None),
        ({"start": "2027", "end": "2026"}, None),
        ("2026", None),
    ],
)
def test_the_span_of_a_period(value, expected):
    assert period(value) == expected


def test_a_timing_reaches_from_its_first_to_its_last_event():
    assert timing({"event": ["2026-03-02", "2026-01-01"]}) == Span(ms(2026, 1, 1), ms(2026, 3, 3))
    assert timing({"repeat": {"boundsPeriod": {"start": "2026"}}}) == Span(ms(2026, 1, 1), END)
    assert timing({"repeat": {"frequency": 1}}) is None
    assert timing([]) is None


def test_spans_overlap_and_contain_as_half_open_intervals():
    assert not Span(0, 10).overlaps(Span(10, 20))
    assert Span(0, 11).overlaps(Span(10, 20))
    assert Span(0, 20).contains(Span(10, 20))
    assert not Span(0, 19).contains(Span(10, 20))
