"""merge/conflict and policy: a collision in a nurse's words, and who wins where."""

import pytest

from fhirplan.merge.conflict import kind_of, label, plain, sentence
from fhirplan.merge.policy import Policy
from fhirplan.merge.three_way import Clashing, Merged, merge

TEXTS = {
    "conf.date": "{clinic} moved the {field} to {a}. You moved it to {b}.",
    "conf.status": '{clinic} marked this "{a}". You marked it "{b}".',
    "conf.person": "{clinic} gave this to {a}. You gave it to {b}.",
    "conf.removed": "{clinic} removed {a}. You changed it to {b}.",
    "conf.removed_here": "You removed {a}. {clinic} changed it to {b}.",
    "conf.text": "You and {clinic} both changed this note.",
    "conf.other": "You and {clinic} both changed the {field}.",
    "field.due": "due date",
    "field.Task.restriction.period.end": "due date",
}


class Words:
    def __call__(self, key, /, **values):
        return TEXTS[key].format(**values)

    def has(self, key):
        return key in TEXTS


def the_sentence(base, local, remote, **more):
    (clash,) = merge(base, local, remote).clashes
    return sentence(clash, Words(), clinic="Lakeside Clinic", **more)


def task(**members):
    return {"resourceType": "Task", "id": "t", **members}


def due(day):
    return task(restriction={"period": {"end": day}})


def test_a_moved_date_is_told_as_the_chart_wants_it():
    said = the_sentence(
        due("2026-03-10"),
        due("2026-03-12"),
        due("2026-03-16"),
        show=lambda value, kind: (
            {"2026-03-16": "Mon 16 Mar", "2026-03-12": "Thu 12 Mar"}[value] if kind == "date" else ""
        ),
    )
    assert said == "Lakeside Clinic moved the due date to Mon 16 Mar. You moved it to Thu 12 Mar."


def test_each_kind_has_its_sentence():
    assert the_sentence(task(status="requested"), task(status="accepted"), task(status="rejected")) == (
        'Lakeside Clinic marked this "rejected". You marked it "accepted".'
    )
    one, two, three = ({"reference": f"Practitioner/{n}", "display": f"Nurse {n}"} for n in "123")
    assert the_sentence(task(owner=one), task(owner=two), task(owner=three)) == (
        "Lakeside Clinic gave this to Nurse 3. You gave it to Nurse 2."
    )
    assert the_sentence(task(owner=one), task(owner=two), task()) == (
        "Lakeside Clinic removed Nurse 1. You changed it to Nurse 2."
    )
    assert the_sentence(task(owner=one), task(), task(owner=two)) == (
        "You removed Nurse 1. Lakeside Clinic changed it to Nurse 2."
    )
    notes = [task(note=[{"text": text}]) for text in "abc"]
    assert the_sentence(*notes) == "You and Lakeside Clinic both changed this note."
    words = [task(description=text) for text in "abc"]
    assert the_sentence(*words) == "You and Lakeside Clinic both changed the description."


def test_a_field_without_a_label_is_called_by_its_name_in_plain_letters():
    (clash,) = merge(task(), task(authoredOn="2026-03-01"), task(authoredOn="2026-03-02")).clashes
    assert label(clash, Words()) == "authored on"


@pytest.mark.parametrize(
    ("name", "datatype", "value", "kind"),
    [
        ("dueDate", "date", "2026-03-01", "date"),
        ("value", "", "2026-03-01T08:00:00Z", "date"),
        ("achievementStatus", "CodeableConcept", {"coding": []}, "status"),
        ("owner", "Reference", {"reference": "PractitionerRole/1"}, "person"),
        ("location", "Reference", {"reference": "Location/1"}, "choice"),
        ("value", "Quantity", {"value": 3}, "number"),
        ("value", "", {"value": 3, "unit": "kg"}, "number"),
        ("priority", "code", "urgent", "choice"),
        ("active", "", True, "choice"),
        ("title", "string", "x", "text"),
        ("restriction", "BackboneElement", {"repetitions": 2}, "other"),
    ],
)
def test_the_kind_is_told_from_the_element(name, datatype, value, kind):
    assert kind_of(name, datatype, (value,)) == kind


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"coding": [{"system": "s", "code": "c", "display": "Shown"}]}, "Shown"),
        ({"coding": [{"system": "s", "code": "c"}]}, "c"),
        ({"reference": "Goal/1"}, "Goal/1"),
        ({"value": 70, "unit": "kg", "comparator": "<"}, "< 70 kg"),
        ({"low": {"value": 1}, "high": {"value": 2}}, "1 to 2"),
        ({"start": "2026-03-01"}, "2026-03-01 to …"),
        ({"identifier": {"system": "s", "value": "v"}}, "v"),
        ([{"text": "a"}, {"text": "b"}], "a, b"),
        (False, "no"),
        (None, ""),
    ],
)
def test_a_value_in_plain_words(value, text):
    assert plain(value) == text


def test_the_longest_fitting_path_decides_who_wins():
    policy = Policy("ask", {"Task": "ehr", "Task.restriction": "ours", "Task.extension:cm-due-basis": "newest"})
    assert policy.winner("Task.status") == "ehr"
    assert policy.winner("Task.restriction.period.end") == "ours"
    assert policy.winner("Task.restrictions") == "ehr"
    assert policy.winner("Task.extension:cm-due-basis.value") == "newest"
    assert policy.winner("Goal.target") == "ask"


@pytest.mark.parametrize(
    ("policy", "times", "day"),
    [
        ("ehr", (None, None), "2026-03-16"),
        ("ours", (None, None), "2026-03-12"),
        ("newest", (5, 4), "2026-03-12"),
        ("newest", (4, 5), "2026-03-16"),
        ("newest", (5, 5), None),
        ("newest", (None, 5), None),
        ("ask", (4, 5), None),
    ],
)
def test_a_policy_settles_or_asks(policy, times, day):
    sides = (due("2026-03-10"), due("2026-03-12"), due("2026-03-16"))
    outcome = merge(*sides, settle=Policy(policy).settling(*times))
    if day is None:
        assert isinstance(outcome, Clashing)
    else:
        assert isinstance(outcome, Merged)
        assert outcome.resource == due(day)
        assert [s.clash.path for s in outcome.settled] == ["Task.restriction.period.end"]


def test_a_policy_decides_about_an_added_item_as_a_whole():
    def output(text, when):
        return task(output=[{"type": {"text": "t"}, "valueString": text, "id": when}])

    base = task()
    settled = merge(base, output("a", "x"), output("b", "x"), settle=Policy("ehr").settling())
    assert settled.resource == output("b", "x")
    assert [s.clash.kind for s in settled.settled] == ["added"]
