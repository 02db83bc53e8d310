"""chart/words: plurals and dates as the pages write them."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fhirplan.chart import chips, codes, people
from fhirplan.chart.translated import translation
from fhirplan.chart.words import LANGUAGES, words
from fhirplan.coordination.assessment import asking

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


ROOT = Path(__file__).resolve().parents[2] / "fhirplan"
CATALOGUES = {
    name: json.loads((ROOT / "chart" / "languages" / f"{name}.json").read_text(encoding="utf-8")) for name in LANGUAGES
}


def placeholders(text):
    return [sorted(set(re.findall(r"{(\w+)}", part))) for part in text.split(" | ")]


def test_each_sentence_of_the_catalogue_is_said_somewhere():
    pages = [*ROOT.glob("chart/*.py"), *ROOT.glob("web/**/*.py"), *ROOT.rglob("*.html")]
    sources = [*pages, ROOT / "merge" / "conflict.py"]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    # Said by a code that is put together with the first part of the key.
    families = set(re.findall(r"""["'](\w+(?:\.\w+)?\.)["'] ?~|f["'](\w+(?:\.\w+)?\.){|state\(["'](\w+)["']""", text))
    begun = (*(next(filter(None, found)).rstrip(".") + "." for found in families), "conf.", "ts.", "gl.")
    said = [
        key for key in CATALOGUES["en"]["texts"] if f'"{key}"' in text or f"'{key}'" in text or key.startswith(begun)
    ]
    assert set(CATALOGUES["en"]["texts"]) - set(said) == set()


def test_both_languages_have_the_same_sentences_with_the_same_places_to_fill():
    english, spanish = (CATALOGUES[name]["texts"] for name in ("en", "es"))
    assert english.keys() == spanish.keys()
    assert [key for key in english if placeholders(english[key]) != placeholders(spanish[key])] == []
    assert [key for key in spanish if not spanish[key].strip()] == []
    for catalogue in CATALOGUES.values():
        assert (len(catalogue["days"]), len(catalogue["months"]), len(catalogue["am_pm"])) == (7, 12, 2)


@pytest.mark.parametrize("name", sorted(name for name in CATALOGUES["es"]["codes"] if ":" not in name))
def test_every_code_of_these_systems_has_its_spanish_word(name):
    assert set(codes.system(name)) == set(CATALOGUES["es"]["codes"][name])


def test_what_our_own_rules_write_into_a_record_is_said_in_spanish():
    written = {item.text for item in asking.FINDINGS.values()} | {item.text for item in asking.ASKED}
    written |= {text for _, text in (*asking.GOALS.values(), *asking.WORK.values())}
    spanish = words("es")
    assert {text for text in written if spanish.phrase(text) == text} == set()
    assert spanish.phrase("Resolve: No insurance") == "Resolver: Sin seguro"
    assert spanish.phrase("Needs help with: bathing") == "Necesita ayuda con: bathing"
    assert spanish.phrase("Note: what somebody wrote") == "Note: what somebody wrote"


@pytest.mark.parametrize(
    "path", sorted(codes.profiles_folder().glob("plandefinitions/*.json")), ids=lambda path: path.stem
)
def test_each_text_of_a_template_has_its_spanish_translation(path):
    read = json.loads(path.read_text(encoding="utf-8"))
    told = [(read, "title"), (read, "description")]
    told += [(goal["description"], "text") for goal in read["goal"]]
    told += [(action, "title") for action in read["action"]]
    assert len(told) > 15
    assert [element[name] for element, name in told if not translation(element, name, "es")] == []


def test_a_code_of_another_system_is_said_where_its_text_says_no_more():
    weight = {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]}
    assert people.label({**weight, "text": "Body weight"}, words("es")) == "Peso corporal"
    assert people.label({**weight, "text": "Weight before breakfast"}, words("es")) == "Weight before breakfast"
    assert people.label(weight, words("en")) == "Body weight"


def test_a_spanish_date_and_plural():
    spanish = words("es")
    assert spanish.due(datetime.fromisoformat("2026-03-10T15:00:00-05:00"), NOW, CHICAGO) == (
        "vence el martes 10 mar, 3:00 p. m., mañana"
    )
    assert spanish("n.tasks", n=1) == "1 tarea abierta"
    assert spanish("n.tasks", n=2) == "2 tareas abiertas"


def test_each_state_of_a_task_and_goal_has_its_word():
    assert {key for key in chips.TASK if not words("en").has(f"ts.{key}")} == set()
    assert {key for key in chips.ACHIEVEMENT if not words("en").has(f"gs.{key}")} == set()
    assert {key for key in chips.SYNC if not words("en").has(f"sync.{key}")} == set()
    assert {key for key in chips.PRIORITY if not words("en").has(f"prio.{key}")} == set()


def test_a_row_says_in_few_words_when_something_is_due_and_how_long_ago_it_was():
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    zone, said = ZoneInfo("America/Chicago"), words("en")
    now = datetime(2026, 3, 9, 8, 0, tzinfo=zone)
    told = [
        said.due_day(datetime(2026, 3, day, hour, 0, tzinfo=zone), now, zone)
        for day, hour in ((8, 15), (9, 7), (9, 17), (10, 9), (13, 9))
    ]
    assert told == ["since Sun 8 Mar", "since today, 7:00 am", "today, 5:00 pm", "tomorrow", "Fri 13 Mar"]
    days = [date(2026, 3, 9), date(2026, 3, 8), date(2026, 3, 6), date(2025, 11, 1), date(2026, 3, 11)]
    assert [said.ago(day, now.date()) for day in days] == [
        "today",
        "yesterday",
        "3 d ago",
        "Sat 1 Nov 2025",
        "Wed 11 Mar",
    ]
