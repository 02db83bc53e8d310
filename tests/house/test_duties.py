"""The house: each duty of a case manager, and each step of a walk through the day, names a test that exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| (\d+) \| (.+) \| (.+) \| (.+) \| `([^`:]+)::(\w+)` \|$",
    (ROOT / "docs" / "reference" / "duties.md").read_text(encoding="utf-8"),
    re.M,
)


def test_there_is_one_row_for_each_duty():
    assert [int(row[0]) for row in ROWS] == list(range(1, 56))


def test_each_duty_has_a_test_of_its_own():
    named = [f"{row[4]}::{row[5]}" for row in ROWS]
    assert sorted(set(named)) == sorted(named)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_named_test_exists(row):
    path, name = row[4], row[5]
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.M)


WALK = re.findall(r"`(tests/[^`:]+)::(\w+)`", (ROOT / "docs" / "reference" / "walk.md").read_text(encoding="utf-8"))


def test_the_walk_goes_from_the_launch_to_the_printed_plan():
    assert "launch" in WALK[0][0]
    assert "leaflet" in WALK[-1][1]
    assert len(WALK) > 8


@pytest.mark.parametrize(("path", "name"), WALK, ids=[name for _, name in WALK])
def test_each_step_of_the_walk_is_a_test(path, name):
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.M)
