"""The tasks of all patients together, to be chosen and given to somebody in one go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args
from urllib.parse import urlencode

from flask import Flask, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fhirplan.access.decide import decide
from fhirplan.chart import chips, people, record, refusals
from fhirplan.chart import task_edits as edits
from fhirplan.chart.chips import Chip
from fhirplan.chart.edits import BadForm
from fhirplan.chart.words import Words
from fhirplan.chart.world import World
from fhirplan.coordination.caseload import title_of
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.services import Services
from fhirplan.store import versions
from fhirplan.store.coordination.caseload_rows import EVERYTHING, State, TaskRow
from fhirplan.store.coordination.lists import Lists
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Version
from fhirplan.web.chart import csrf
from fhirplan.web.chart.frame import Frame, frame
from fhirplan.web.chart.narrowed import ON_A_PAGE, address, load, named, query, wanted
from fhirplan.web.chart.save import save
from fhirplan.web.chart.sight import keep, lists

_MOST_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Work:
    """One task in the list of tasks; ``mark`` names it and its version when it is chosen."""

    mark: str
    href: str
    title: str
    name: str
    owner: str
    due: str
    late: bool
    state: Chip
    priority: Chip | None


def add_work(app: Flask, services: Services) -> None:
    """Adds the list of tasks and the giving of several."""

    def tasks() -> ResponseReturnValue:
        return _work_page(frame(services), [], 200)

    def assigned() -> ResponseReturnValue:
        csrf.check(request)
        made = frame(services)
        failed, count = _assign(made)
        if failed:
            return _work_page(made, failed, 422)
        return redirect(
            f"{url_for('chart.work')}?{urlencode(query(state=request.form.get('state', '')))}&given={count}", 303
        )

    app.add_url_rule("/chart/caseload/tasks", "chart.work", tasks)
    app.add_url_rule("/chart/caseload/tasks", "chart.assigned", assigned, methods=["POST"])


def _work_page(made: Frame, failed: list[str], status: int) -> Response:
    """The tasks in a state, all patients together, to be chosen and given to somebody."""
    decide(made.who.actor, "search-type", "Task", made.services.settings.auth)
    keep(made.services, made.who, "search-type", "Task")
    state = request.values.get("state", "unassigned")
    state = state if state in get_args(State) else "unassigned"
    number = max(request.args.get("page", 1, int), 1)
    name = made.who.connection.name
    with made.services.database.read() as tx:
        of_all = lists(made.services, made.who, tx)
        rows = of_all.tasks(
            wanted(made, ""),
            made.now,
            state=state,  # type: ignore[arg-type]
            count=ON_A_PAGE + 1,
            start=(number - 1) * ON_A_PAGE,
        )
        more = len(rows) > ON_A_PAGE
        versioned = {row.task: versions.current(tx, name, "Task", row.task) for row in rows}
        owners = _owners(tx, of_all, made)
        called = named(tx, name, {row.owner for row in rows})
    found = {id_: item for id_, item in versioned.items() if item}
    return made.page(
        "chart/work.html",
        status,
        rows=[_work(row, found.get(row.task), made, called) for row in rows[:ON_A_PAGE]],
        states=[(item, made.words(f"work.{item}")) for item in get_args(State)],
        state=state,
        owners=owners,
        failed=failed,
        given=request.args.get("given", 0, int),
        before=address("chart.work", page=str(number - 1)) if number > 1 else "",
        after=address("chart.work", page=str(number + 1)) if more else "",
    )


def _owners(tx: Transaction, of_all: Lists, made: Frame) -> list[tuple[str, str]]:
    """Whom tasks can be given to here: the leads of the plans, and the viewer."""
    connection = made.who.connection.name
    leads = {row.lead for row in of_all.page(EVERYTHING, made.now, count=_MOST_AT_ONCE)}
    if "/" in made.who.actor.id:
        leads.add(made.who.actor.id)
    return sorted(
        ((ref, name) for ref, name in named(tx, connection, leads).items() if ref in leads), key=lambda item: item[1]
    )


def _work(row: TaskRow, stored: Version | None, made: Frame, called: Mapping[str, str]) -> Work:
    words, now, zone = made.words, record.at(made.now), made.likes.zone
    return Work(
        mark=f"{row.task}|{row.patient}|{stored.version if stored else 0}",
        href=url_for("chart.task", id_=row.patient, task=row.task, plan=row.plan),
        title=_title(row, stored, words),
        name=row.name or row.patient,
        owner=called.get(row.owner, "") or (words("flag.unassigned") if row.unassigned else row.owner),
        due=words.due(record.at(row.due), now, zone) if row.due is not None else words("time.none"),
        late=row.overdue,
        state=chips.task(row.status, words),
        priority=chips.priority(row.priority, words),
    )


def _title(row: TaskRow, stored: Version | None, words: Words) -> str:
    """What a task is called in the viewer's language, where it is still the task that is listed."""
    resource = stored.resource() if stored and not stored.deleted else {}
    return people.name_of(resource, {}, words) if resource and title_of(resource) == row.title else row.title


def _assign(made: Frame) -> tuple[list[str], int]:
    """Gives each chosen task to the owner chosen, each on its own; says which could not be, and counts the others."""
    owner, words = request.form.get("owner", ""), made.words
    marks = request.form.getlist("task")[:_MOST_AT_ONCE]
    if not owner or not marks:
        return [words("work.choose")], 0
    failed, name = [], made.who.connection.name
    for mark in marks:
        id_, _, rest = mark.partition("|")
        version = rest.rpartition("|")[2]
        with made.services.database.read() as tx:
            stored = versions.current(tx, name, "Task", id_)
            known: dict[str, Resource] = {}
            load(tx, name, owner, known)
        if stored is None or stored.deleted:
            failed.append(words("work.failed", what=id_, why=words("val.gone")))
            continue
        world = World(known, {}, record.at(made.now), made.likes.zone, words, made.who.connection.ehr_label)
        try:
            reply = save(made, edits.edited(stored.resource(), {"owner": owner}, version, world))
        except BadForm:
            return [words("val.owner")], 0
        if reply.status >= 400:
            why = words("work.changed") if reply.status == 412 else refusals.all_said(reply.issues, words)
            failed.append(words("work.failed", what=people.name_of(stored.resource(), {}), why=why))
    return failed, len(marks) - len(failed)
