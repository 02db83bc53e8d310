"""The pages of tasks: list and board, one task with its moves and edits, a new task, and the stage of a transition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, urlsplit

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as BaseResponse

from fhirplan.chart import codes, needs, record, tasks, team
from fhirplan.chart import task_edits as edits
from fhirplan.chart.chips import PRIORITY
from fhirplan.chart.difference import Field, difference
from fhirplan.chart.edits import Form, Write
from fhirplan.chart.tasks import TaskRow
from fhirplan.coordination.elements import objects
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.services import Services
from fhirplan.store import versions
from fhirplan.web.chart.calls import call_choices, call_defaults
from fhirplan.web.chart.forms import Asked, fresh, submitted
from fhirplan.web.chart.frame import NoPatient, Opened, opened
from fhirplan.web.chart.save import Filled


def add_tasks(app: Flask, services: Services) -> None:
    """Adds the pages of tasks."""

    def listed(id_: str) -> ResponseReturnValue:
        return tasks_page(opened(services, id_))

    def one(id_: str, task: str) -> ResponseReturnValue:
        return task_page(opened(services, id_), task, Filled(), 200)

    def move(id_: str, task: str) -> ResponseReturnValue:
        in_place = request.headers.get("HX-Target") == f"task-{task}"

        def done(shown: Opened) -> str:
            if request.form.get("back") == "tasks":
                return shown.url("tasks", said="moved", view=request.form.get("view", "")) + f"#task-{task}"
            return shown.url("task", task=task, said="moved")

        def make(stored: Resource, form: Form, key: str, shown: Opened) -> list[Write]:
            return edits.moved(stored, form, form.get("etag", ""), key, shown.world)

        asked = Asked(
            "move", f"Task/{task}", make, lambda shown, filled, status: task_page(shown, task, filled, status), done
        )
        answer = submitted(services, id_, asked)
        if not in_place or _status(answer) != 303 or not isinstance(answer, BaseResponse):
            return answer
        return moved_row(services, id_, task, parse_qs(urlsplit(answer.location or "").query).get("undo", [""])[0])

    def edit(id_: str, task: str) -> ResponseReturnValue:
        asked = Asked(
            "edit",
            f"Task/{task}",
            lambda stored, form, _key, shown: edits.edited(stored, form, form.get("etag", ""), shown.world),
            lambda shown, filled, status: task_page(shown, task, filled, status),
            lambda shown: shown.url("task", task=task, said="edited"),
        )
        return submitted(services, id_, asked)

    def new(id_: str) -> ResponseReturnValue:
        shown = opened(services, id_)
        return new_page(shown, fresh(shown, "new-task", ""), 200)

    def made(id_: str) -> ResponseReturnValue:
        asked = Asked(
            "new-task",
            "",
            lambda _none, form, key, shown: edits.new(form, key, id_, shown.plan or {}, shown.world),
            new_page,
            lambda shown: shown.url("tasks", said="task_made"),
        )
        return submitted(services, id_, asked)

    def stage(id_: str, task: str) -> ResponseReturnValue:
        asked = Asked(
            "stage",
            f"Task/{task}",
            lambda stored, form, _key, shown: edits.staged(stored, form, form.get("etag", ""), shown.world),
            lambda shown, filled, status: transition_page(shown, filled, status),
            lambda shown: shown.url("transition", said="staged"),
        )
        return submitted(services, id_, asked)

    def transition(id_: str) -> ResponseReturnValue:
        return transition_page(opened(services, id_), Filled(), 200)

    base = "/chart/patients/<id_>"
    app.add_url_rule(f"{base}/tasks", "chart.tasks", listed)
    app.add_url_rule(f"{base}/tasks/new", "chart.new_task", new)
    app.add_url_rule(f"{base}/tasks/new", "chart.task_made", made, methods=["POST"])
    app.add_url_rule(f"{base}/tasks/<task>", "chart.task", one)
    app.add_url_rule(f"{base}/tasks/<task>/move", "chart.move", move, methods=["POST"])
    app.add_url_rule(f"{base}/tasks/<task>/edit", "chart.edit", edit, methods=["POST"])
    app.add_url_rule(f"{base}/tasks/<task>/stage", "chart.stage", stage, methods=["POST"])
    app.add_url_rule(f"{base}/transition", "chart.transition", transition)


def _status(answer: ResponseReturnValue) -> int:
    return answer.status_code if isinstance(answer, BaseResponse) else 200


def moved_row(services: Services, id_: str, task: str, undo: str = "") -> Response:
    """The row of a task that was moved where it stands, with what else that changes on the page."""
    shown = opened(services, id_)
    row = next((item for item in shown.page.all_tasks if item.id == task), None)
    if row is None:
        return tasks_page(shown)
    return shown.show("chart/_moved.html", row=row, view=request.form.get("view", "list"), undo=shown.undo(undo))


def tasks_page(shown: Opened) -> Response:
    """The tasks as a list or a board, all of them or those of one owner or state."""
    view = "board" if request.args.get("view") == "board" else "list"
    owner, state = request.args.get("owner", ""), request.args.get("state", "")
    kept = [row for row in shown.page.all_tasks if _wanted(row, owner, state)]
    return shown.show(
        "chart/tasks.html",
        tab="tasks",
        rows=kept,
        board=tasks.board(kept),
        view=view,
        owner=owner,
        state=state,
        owners=sorted({row.owner for row in shown.page.all_tasks if row.owner and row.taken}),
        counts=_counts(shown.page.all_tasks),
    )


def _wanted(row: TaskRow, owner: str, state: str) -> bool:
    if owner and not (row.mine if owner == "me" else row.owner == owner):
        return False
    return not state or _STATES[state](row) if state in _STATES else True


_STATES: Final[dict[str, Callable[[TaskRow], bool]]] = {
    "open": lambda row: row.open,
    "overdue": lambda row: row.tone == "overdue",
    "soon": lambda row: row.tone == "soon",
    "blocked": lambda row: bool(row.blocked),
    "unassigned": lambda row: row.open and not row.taken,
    "planned": lambda row: row.planned,
    "done": lambda row: not row.open and not row.planned,
}


def _counts(rows: tuple[TaskRow, ...]) -> dict[str, int]:
    return {name: sum(holds(row) for row in rows) for name, holds in _STATES.items()}


def task_page(shown: Opened, task_id: str, filled: Filled, status: int) -> Response:
    """One task: what it is, its moves, its edits, the call where it is one, and its history."""
    task = shown.world.known.get(f"Task/{task_id}")
    if task is None:
        raise NoPatient("No task is stored under this address.")
    row = next((item for item in shown.page.all_tasks if item.id == task_id), None)
    row = row or tasks.rows([task], shown.world)[0]
    values = edits.values(task, shown.world)
    edit = filled if filled.name == "edit" else fresh(shown, "edit", f"Task/{task_id}", values, row.version)
    move = filled if filled.name == "move" else fresh(shown, "move", f"Task/{task_id}", {}, row.version)
    call = None
    if row.open and row.is_contact:
        defaults = call_defaults(shown, task)
        call = filled if filled.name == "call" else fresh(shown, "call", f"Task/{task_id}", defaults, row.version)
    return shown.show(
        "chart/task.html",
        status,
        tab="tasks",
        row=row,
        edit=edit,
        move=move,
        call=call,
        failed=filled,
        notes=[str(item.get("text") or "") for item in objects(task.get("note"))],
        choices=task_choices(shown),
        calling=call_choices(shown, task) if call else {},
        steps=_steps(shown, task_id),
    )


def task_choices(shown: Opened) -> dict[str, list[tuple[str, str]]]:
    """What the selects of the task forms offer."""
    words = shown.frame.words
    return {
        "reasons": codes.choices("cm-task-status-reason", words),
        "outcomes": codes.choices("cm-task-outcome", words),
        "barriers": needs.barriers(shown.world),
        "owners": team.candidates(shown.plan, shown.world),
        "priorities": [("routine", words("prio.routine")), *((name, words(f"prio.{name}")) for name in PRIORITY)],
    }


def new_page(shown: Opened, filled: Filled, status: int) -> Response:
    """The form for a new task."""
    words = shown.frame.words
    kinds = codes.choices("cm-task-type", words)
    goals = [(f"Goal/{row.id}", row.title) for row in shown.page.goals if row.open]
    choices = {**task_choices(shown), "kinds": sorted(kinds, key=lambda item: item[1]), "goals": goals}
    return shown.show("chart/new_task.html", status, tab="tasks", filled=filled, failed=filled, choices=choices)


def transition_page(shown: Opened, filled: Filled, status: int) -> Response:
    """The stages of the transition and the form that moves it on."""
    stages = codes.choices("cm-transition-stage", shown.frame.words)
    found = shown.page.transition
    form = filled
    if found and filled.name != "stage":
        form = fresh(shown, "stage", f"Task/{found.task}", {"stage": found.stage}, found.version)
    return shown.show("chart/transition.html", status, tab="transition", filled=form, failed=filled, stages=stages)


def _steps(shown: Opened, task_id: str) -> list[tuple[str, str, tuple[Field, ...]]]:
    """The history of a task, newest first: when, by whom, and which fields."""
    name = shown.frame.who.connection.name
    with shown.frame.services.database.read() as tx:
        found = versions.history(tx, name, "Task", task_id, count=20)
    made = []
    for index, item in enumerate(found):
        if item.deleted:
            continue
        before = found[index + 1] if index + 1 < len(found) else None
        old = before.resource() if before and not before.deleted else None
        fields = difference(old, item.resource(), shown.world)
        when = _moment(item.updated, shown)
        made.append((when, shown.frame.words("change.added" if old is None else "change.changed"), fields))
    return made


def _moment(at: int, shown: Opened) -> str:
    return shown.frame.words.moment(record.at(at), shown.world.now, shown.world.zone)
