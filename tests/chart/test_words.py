"""chart/words: plurals and dates as the pages write them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fhirplan.chart import chips
from fhirplan.chart.words import words

CHICAGO = ZoneInfo("America/Chicago")
NOW = datetime(2026, 3, 9, 13, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("due", "said"),
    [
        ("2026-03-08T15:00:00-05:00", "overdue since Sun 8 Mar, 3:00 pm"),
        ("2026-03-09T23:59:59-05:00", "due Mon 9 Mar, today"),
        ("2026-03-10T23:59:59-05:00", "due Tue 10 Mar, tomorrow"),
        ("2026-03-13T00:00:00-05:00", "due Fri 13 Mar, 12:00 am, in 4 days"),
        ("2026-04-05T23:59:59-05:00", "due Sun 5 Apr"),
        ("2027-01-03T12:30:00-06:00", "due Sun 3 Jan 2027, 12:30 pm"),
    ],
)
def test_a_due_time_is_said_as_a_nurse_would(due, said):
    assert words("en").due(datetime.fromisoformat(due), NOW, CHICAGO) == said


def test_the_number_chooses_the_plural():
    assert words("en")("n.tasks", n=1) == "1 open task"
    assert words("en")("n.tasks", n=3) == "3 open tasks"
    assert words("en")("n.tasks", n=0) == "0 open tasks"


def test_a_missing_sentence_is_an_error_and_not_a_blank():
    with pytest.raises(KeyError):
        words("en")("no.such.sentence")


def test_each_sentence_of_the_catalogue_is_said_somewhere():
    root = Path(__file__).resolve().parents[2] / "fhirplan"
    sources = [*root.glob("chart/*.py"), root / "web" / "chart.py", *root.rglob("*.html")]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    by_code = ("st.", "ts.", "gs.", "gl.", "gp.", "prio.", "sync.")
    catalogue = json.loads((root / "chart" / "languages" / "en.json").read_text(encoding="utf-8"))["texts"]
    assert not [key for key in catalogue if f'"{key}"' not in text and not key.startswith(by_code)]


def test_each_state_of_a_task_and_goal_has_its_word():
    assert {key for key in chips.TASK if not words("en").has(f"ts.{key}")} == set()
    assert {key for key in chips.ACHIEVEMENT if not words("en").has(f"gs.{key}")} == set()
    assert {key for key in chips.SYNC if not words("en").has(f"sync.{key}")} == set()
    assert {key for key in chips.PRIORITY if not words("en").has(f"prio.{key}")} == set()
