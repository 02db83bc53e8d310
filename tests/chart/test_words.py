"""chart/words: plurals and dates as the pages write them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

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
