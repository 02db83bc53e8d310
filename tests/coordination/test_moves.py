"""coordination/moves and lifecycle: every move, legal and illegal, against the tables of the guide (section 3)."""

import pytest

from fhirplan.coordination.lifecycle import IMPORTED, judge
from fhirplan.coordination.moves import MACHINES

# The guide's own tables, as they are printed there.
TASK = """
|to|draft|requested|received|accepted|ready|in-progress|on-hold|completed|failed|rejected|cancelled|entered-in-error |
| draft | · | L | w | w | L | w |  | w |  |  | L | A |
| requested |  | · | L | L | w | w | A | w | w | L | L | A |
| received |  |  | · | L |  | w | A | w | w | L | L | A |
| accepted |  |  |  | · | w | L | A | w | w |  | L | A |
| ready |  | w |  | w | · | L | A | w | w |  | L | A |
| in-progress |  |  |  |  | A | · | L | L | L |  | A | A |
| on-hold |  | A | A | A | A | L | · | w | w |  | A | A |
| completed |  |  |  |  |  | w |  | · |  |  |  | A |
| failed |  |  |  |  |  | w |  |  | · |  |  | A |
| rejected |  |  |  |  |  |  |  |  |  | · | L | A |
| cancelled |  |  |  |  |  |  |  |  |  |  | · | A |
| entered-in-error |  |  |  |  |  |  |  |  |  |  |  | · |
"""
CARE_PLAN = """
|to|draft|active|on-hold|completed|revoked|unknown|entered-in-error |
| draft | · | L |  |  | A |  | L |
| active |  | · | L | L | L | w | L |
| on-hold |  | L | · | w | A |  | L |
| completed |  |  |  | · |  |  | L |
| revoked |  |  |  |  | · |  | L |
| unknown |  | w | w | w | w | · | A |
| entered-in-error |  |  |  |  |  |  | · |
"""
GOAL = """
|to|proposed|planned|accepted|active|on-hold|completed|cancelled|rejected|entered-in-error |
| proposed | · | L | L | w |  |  | L | L | L |
| planned |  | · | L | L | L |  | L |  | L |
| accepted |  | L | · | L | L |  | L | w | L |
| active |  |  |  | · | L | L | L |  | L |
| on-hold |  | w |  | L | · | w | L |  | L |
| completed |  |  |  | w |  | · |  |  | L |
| cancelled |  |  |  |  |  |  | · |  | L |
| rejected | w |  |  |  |  |  |  | · | L |
| entered-in-error |  |  |  |  |  |  |  |  | · |
"""
CARE_TEAM = """
|to|proposed|active|suspended|inactive|entered-in-error |
| proposed | · | L |  | L | L |
| active |  | · | L | L | L |
| suspended |  | L | · | L | L |
| inactive |  | w |  | · | L |
| entered-in-error |  |  |  |  | · |
"""
# Section 3.5 is prose; written out here move by move.
COMMUNICATION = {
    ("preparation", "in-progress"), ("preparation", "not-done"),
    ("in-progress", "completed"), ("in-progress", "not-done"), ("in-progress", "stopped"), ("in-progress", "on-hold"),
    ("on-hold", "in-progress"), ("on-hold", "stopped"),
    *((state, "entered-in-error") for state in
      ("preparation", "in-progress", "not-done", "on-hold", "stopped", "completed")),
}  # fmt: skip
COMMUNICATION_STATES = ["preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", "entered-in-error"]
FLAG = {("active", "inactive"), ("active", "entered-in-error")}
FLAG_STATES = ["active", "inactive", "entered-in-error"]
LIST = {("current", "retired")}
LIST_STATES = ["current", "retired", "entered-in-error"]


def read(text):
    """The guide's table as {(from, to): mark}; "" for a blank cell, the dot for no move."""
    head, *rows = [
        [cell.strip(" *") for cell in line.strip().strip("|").split("|")] for line in text.strip().splitlines()
    ]
    return {(row[0], to): mark for row in rows for to, mark in zip(head[1:], row[1:], strict=True)}


def prose(legal, states):
    return {
        (come_from, to): "·" if come_from == to else "L" if (come_from, to) in legal else ""
        for come_from in states
        for to in states
    }


CARE_PLAN_MOVES = read(CARE_PLAN)
TABLES = {
    "Task": read(TASK),
    "CarePlan": CARE_PLAN_MOVES,
    "Goal": read(GOAL),
    "CareTeam": read(CARE_TEAM),
    "ServiceRequest": {move: mark for move, mark in CARE_PLAN_MOVES.items() if "unknown" not in move},
    "Communication": prose(COMMUNICATION, COMMUNICATION_STATES),
    "Flag": prose(FLAG, FLAG_STATES),
    "List": prose(LIST, LIST_STATES),
}
MOVES = [(kind, *move, mark) for kind, table in TABLES.items() for move, mark in table.items()]
RULES = {
    "Task": "cm-sm-task",
    "CarePlan": "cm-sm-careplan",
    "Goal": "cm-sm-goal",
    "CareTeam": "cm-sm-careteam",
    "ServiceRequest": "cm-sm-servicerequest",
    "Communication": "cm-sm-communication",
    "Flag": "cm-sm-flag",
    "List": "cm-sm-list",
}


def at(kind, state):
    return {"resourceType": kind, "id": "x", "lifecycleStatus" if kind == "Goal" else "status": state}


def judged(kind, come_from, to, **options):
    """What a move gives, but for a goal's achievement, which has its own test."""
    found = judge(at(kind, come_from), at(kind, to), **options)
    return [item for item in found if item.expression != "Goal.achievementStatus"]


@pytest.mark.parametrize(("kind", "come_from", "to", "mark"), MOVES)
def test_each_move_is_as_the_guide_says(kind, come_from, to, mark):
    found = judged(kind, come_from, to)
    if mark in ("·", "L", "A"):
        assert found == []
        return
    [issue] = found
    assert issue.severity == ("warning" if mark == "w" else "error")
    assert issue.code == "business-rule"
    assert issue.rule == RULES[kind] + ("-skip" if mark == "w" else "")
    assert issue.expression == ("Goal.lifecycleStatus" if kind == "Goal" else f"{kind}.status")
    assert come_from in issue.text
    assert to in issue.text


@pytest.mark.parametrize(("kind", "come_from", "to", "mark"), [move for move in MOVES if move[3] == ""])
def test_no_move_of_an_ehr_is_refused(kind, come_from, to, mark):
    [issue] = judged(kind, come_from, to, imported=True)
    assert (issue.severity, issue.rule, issue.code) == ("warning", IMPORTED, "business-rule")


def test_the_task_table_has_the_counts_of_the_guide():
    marks = list(TABLES["Task"].values())
    assert [marks.count(mark) for mark in ("L", "A", "w", "", "·")] == [19, 22, 22, 69, 12]


@pytest.mark.parametrize("kind", TABLES)
def test_the_table_knows_the_same_states_and_marks_as_the_guide(kind):
    wanted = {move: mark for move, mark in TABLES[kind].items() if mark not in ("", "·")}
    assert {(a, b): mark for a, steps in MACHINES[kind].table.items() for b, mark in steps.items()} == wanted
    assert set(MACHINES[kind].table) == {come_from for come_from, _ in TABLES[kind]}


@pytest.mark.parametrize("state", [to for come_from, to in TABLES["Task"] if come_from == "draft"])
def test_a_task_begins_only_in_an_initial_state(state):
    allowed = state in {"draft", "requested", "ready", "accepted", "in-progress", "completed"}
    found = judge(None, at("Task", state))
    assert [item.rule for item in found] == ([] if allowed else ["cm-sm-task"])
    assert not any(item.is_error for item in judge(None, at("Task", state), imported=True))


@pytest.mark.parametrize("kind", sorted(set(TABLES) - {"Task"}))
def test_other_types_begin_in_any_state(kind):
    states = {state for state, _ in TABLES[kind]}
    found = [item for state in states for item in judge(None, at(kind, state))]
    assert [item for item in found if item.expression != "Goal.achievementStatus"] == []


def test_a_state_that_the_stored_version_should_not_have_holds_nothing_up():
    assert judge(at("Task", "nonsense"), at("Task", "ready")) == ()
    assert judge(at("Task", ["draft"]), at("Task", "ready")) == ()
    [issue] = judge(at("Task", "ready"), at("Task", None))
    assert issue.rule == "cm-sm-task"


def test_a_type_without_a_machine_moves_freely():
    assert judge(at("Patient", "a"), at("Patient", "b")) == ()
