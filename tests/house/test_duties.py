"""The house: each of the 55 duties of a case manager names a test that exists (docs/reference/duties.md)."""

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


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_named_test_exists(row):
    path, name = row[4], row[5]
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.M)
