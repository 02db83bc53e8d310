"""chart/plot: where readings, target and dates stand in the drawing, and the sentence that says the same."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.chart.plot import BOTTOM, LEFT, RIGHT, TOP, Reading, distance, draw, limits
from fhirplan.chart.words import words
from fhirplan.chart.world import World

NOW = datetime(2026, 3, 9, 13, 0, tzinfo=UTC)
WORLD = World({}, {}, NOW, ZoneInfo("America/Chicago"), words("en"), "Epic")
WEIGHT = {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]}


def goal(**target):
    return {"resourceType": "Goal", "id": "g", "target": [{"measure": WEIGHT, "dueDate": "2026-04-05", **target}]}


def kg(value, **more):
    return {"value": value, "unit": "kg", "code": "kg", **more}


def readings(*values, unit="kg"):
    start = NOW - timedelta(days=len(values))
    return [Reading(start + timedelta(days=at), value, unit, f"{value} kg", str(at)) for at, value in enumerate(values)]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"detailQuantity": kg(81, comparator="<=")}, (None, 81.0)),
        ({"detailQuantity": kg(81, comparator=">")}, (81.0, None)),
        ({"detailQuantity": kg(81)}, (81.0, 81.0)),
        ({"detailRange": {"low": kg(79), "high": kg(83)}}, (79.0, 83.0)),
        ({"detailRange": {"high": kg(83)}}, (None, 83.0)),
        ({"detailString": "better"}, (None, None)),
    ],
)
def test_the_limits_of_a_target(target, expected):
    assert limits(goal(**target)) == expected


def test_a_range_is_a_band_and_what_lies_outside_is_marked():
    drawn = draw(goal(detailRange={"low": kg(79), "high": kg(83)}), readings(86.4, 82.0, 81.5), WORLD)
    assert [point.met for point in drawn.points] == [False, True, True]
    assert len(drawn.edges) == 2
    top, height = drawn.band
    assert TOP <= top < top + height <= BOTTOM
    assert drawn.target == "79\u201383"
    assert drawn.sentence.endswith("from 86.4 kg to 81.5 kg. Down. Within the target.")


def test_how_far_the_last_reading_is_from_the_target_is_said():
    over = goal(detailQuantity=kg(81, comparator="<="))
    assert distance(over, readings(84.2, 82.6), WORLD) == "1.6 kg over the target."
    under = goal(detailQuantity=kg(90, comparator=">="))
    assert distance(under, readings(84.2, 82.6), WORLD) == "7.4 kg under the target."
    assert distance(goal(detailString="x"), readings(1.0), WORLD) == ""


def test_fewer_than_two_readings_in_one_unit_are_no_plot():
    assert draw(goal(), [], WORLD) is None
    assert draw(goal(), readings(80.0), WORLD) is None
    mixed = [*readings(180.0, unit="lb"), *readings(80.0, 81.0)]
    drawn = draw(goal(detailQuantity=kg(81)), mixed, WORLD)
    assert drawn.left_out == "1 reading left out: different unit."
    assert len(drawn.points) == 2


def test_a_wide_gap_breaks_the_line():
    days = (0, 1, 2, 30, 31)
    start = NOW - timedelta(days=40)
    found = [Reading(start + timedelta(days=day), 80.0 + day % 3, "kg", "", str(day)) for day in days]
    assert len(draw(goal(), found, WORLD).lines) == 2


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.floats(-1e6, 1e6), st.sampled_from(["<=", ">=", ""]))
def test_everything_stands_inside_the_drawing(values, limit, comparator):
    target = goal(detailQuantity=kg(limit, **({"comparator": comparator} if comparator else {})))
    drawn = draw(target, readings(*values), WORLD)
    for point in drawn.points:
        assert LEFT <= point.x <= RIGHT
        assert TOP <= point.y <= BOTTOM
    assert all(LEFT <= tick.at <= RIGHT for tick in drawn.xs)
    assert all(TOP <= tick.at <= BOTTOM for tick in drawn.ys)
    assert 2 <= len(drawn.ys) <= 8
