"""Takes back what was just saved while nothing has left, and corrects afterwards what was entered wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from flask import Flask, Response, redirect, request
from flask.typing import ResponseReturnValue

from fhirplan.chart import corrections, goals, people
from fhirplan.chart.edits import Form, Write
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.services import Services
from fhirplan.store import versions
from fhirplan.store.sync import outbox
from fhirplan.web.chart import csrf
from fhirplan.web.chart.calls import call_choices
from fhirplan.web.chart.forms import Asked, fresh, submitted
from fhirplan.web.chart.frame import NoPatient, Opened, opened
from fhirplan.web.chart.save import Filled, save
from fhirplan.web.chart.steps import Step, steps_of


def add_undo(app: Flask, services: Services) -> None:
    """Adds what takes back and corrects."""

    def undo(id_: str) -> ResponseReturnValue:
        csrf.check(request)
        shown = opened(services, id_)
        return redirect(_said(shown, taken_back(shown, steps_of(request.form.get("undo", "")))), 303)

    def contact(id_: str, contact: str) -> ResponseReturnValue:
        shown = opened(services, id_)
        call = _known(shown, f"Communication/{contact}")
        values = corrections.call_values(call, shown.world)
        return contact_page(shown, call, fresh(shown, "fix-call", f"Communication/{contact}", values, _etag(call)), 200)

    def contact_fixed(id_: str, contact: str) -> ResponseReturnValue:
        def make(stored: Resource, form: Form, key: str, shown: Opened) -> list[Write]:
            etag = form.get("etag", "")
            if form.get("act") == "never":
                return corrections.call_mistaken(stored, form, etag, shown.world)
            return corrections.call_corrected(stored, form, key, etag, id_, shown.plan, shown.world)

        return submitted(
            services,
            id_,
            Asked(
                "fix-call",
                f"Communication/{contact}",
                make,
                lambda shown, filled, status: contact_page(
                    shown, _known(shown, f"Communication/{contact}"), filled, status
                ),
                lambda shown: shown.url("contacts", said="corrected"),
            ),
        )

    def task(id_: str, task: str) -> ResponseReturnValue:
        shown = opened(services, id_)
        stored = _known(shown, f"Task/{task}")
        return task_page(shown, stored, fresh(shown, "fix-task", f"Task/{task}", {}, _etag(stored)), 200)

    def task_fixed(id_: str, task: str) -> ResponseReturnValue:
        def make(stored: Resource, form: Form, _key: str, shown: Opened) -> list[Write]:
            fix = corrections.task_reopened if form.get("act") == "reopen" else corrections.task_mistaken
            return fix(stored, form, form.get("etag", ""), shown.world)

        return submitted(
            services,
            id_,
            Asked(
                "fix-task",
                f"Task/{task}",
                make,
                lambda shown, filled, status: task_page(shown, _known(shown, f"Task/{task}"), filled, status),
                lambda shown: shown.url("task", task=task, said="corrected"),
            ),
        )

    def reading(id_: str, goal: str, reading: str) -> ResponseReturnValue:
        shown = opened(services, id_)
        stored = _known(shown, f"Observation/{reading}")
        values = {"when": str(stored.get("effectiveDateTime") or "")[:16]}
        filled = fresh(shown, "fix-reading", f"Observation/{reading}", values, _etag(stored))
        return reading_page(shown, goal, stored, filled, 200)

    def reading_fixed(id_: str, goal: str, reading: str) -> ResponseReturnValue:
        def make(stored: Resource, form: Form, key: str, shown: Opened) -> list[Write]:
            about = _known(shown, f"Goal/{goal}")
            return corrections.reading_corrected(stored, about, form, key, form.get("etag", ""), id_, shown.world)

        def show(shown: Opened, filled: Filled, status: int) -> Response:
            return reading_page(shown, goal, _known(shown, f"Observation/{reading}"), filled, status)

        done = Asked(
            "fix-reading",
            f"Observation/{reading}",
            make,
            show,
            lambda shown: shown.url("goal", goal=goal, said="corrected"),
        )
        return submitted(services, id_, done)

    base = "/chart/patients/<id_>"
    app.add_url_rule(f"{base}/undo", "chart.undo", undo, methods=["POST"])
    app.add_url_rule(f"{base}/contacts/<contact>/correct", "chart.fix_contact", contact)
    app.add_url_rule(f"{base}/contacts/<contact>/correct", "chart.contact_fixed", contact_fixed, methods=["POST"])
    app.add_url_rule(f"{base}/tasks/<task>/correct", "chart.fix_task", task)
    app.add_url_rule(f"{base}/tasks/<task>/correct", "chart.task_fixed", task_fixed, methods=["POST"])
    app.add_url_rule(f"{base}/goals/<goal>/readings/<reading>", "chart.fix_reading", reading)
    app.add_url_rule(f"{base}/goals/<goal>/readings/<reading>", "chart.reading_fixed", reading_fixed, methods=["POST"])


def _known(shown: Opened, ref: str) -> Resource:
    found = shown.world.known.get(ref)
    if found is None:
        raise NoPatient("Nothing is stored under this address.")
    return found


def _etag(resource: Resource) -> str:
    return str((resource.get("meta") or {}).get("versionId") or "")


def _said(shown: Opened, said: str) -> str:
    """The page of ours that the form came from, saying what became of it."""
    given = request.form.get("back", "")
    safe = given.startswith(f"/chart/patients/{shown.id}") and "\\" not in given and "//" not in given
    parts = urlsplit(given if safe else shown.url("patient"))
    kept = [item for item in parts.query.split("&") if item and item.partition("=")[0] not in ("said", "undo")]
    return request.script_root + urlunsplit(("", "", parts.path, "&".join([*kept, f"said={said}"]), ""))


def taken_back(shown: Opened, steps: Sequence[Step]) -> str:
    """Undoes the steps together; gives what is said of it: ``undone``, or why not.

    Nothing is undone where somebody has changed any of it since, or where any of it is on its way to the EHR.
    """
    made, name = shown.frame, shown.frame.who.connection.name
    writes: list[Write] = []
    with made.services.database.read() as tx:
        for step in steps:
            current = versions.current(tx, name, step.type, step.id)
            if f"{step.type}/{step.id}" not in shown.world.known or current is None or current.deleted:
                return "not_undone_newer"
            if current.version != step.version:
                return "not_undone_newer"
            waiting = [row for row in outbox.unsettled(tx, name, step.type, step.id) if row.version == step.version]
            if made.who.connection.ehr_url and not any(row.state == "waiting" and not row.attempts for row in waiting):
                return "not_undone_sent"
            before = versions.at(tx, name, step.type, step.id, step.version - 1) if step.version > 1 else None
            old = before.resource() if before is not None and not before.deleted else None
            back = corrections.undone(current.resource(), old, shown.world)
            if back is None:
                return "not_undone_newer"
            writes.append(Write(back, str(step.version)))
    if not writes:
        return "not_undone_newer"
    return "undone" if save(made, writes).status < 400 else "not_undone_newer"


def contact_page(shown: Opened, call: Resource, filled: Filled, status: int) -> Response:
    """The form that corrects a documented contact."""
    return shown.show(
        "chart/fix_contact.html",
        status,
        tab="contacts",
        contact=call["id"],
        wrong=call.get("status") == corrections.MISTAKE,
        call=filled,
        failed=filled,
        calling=call_choices(shown, None),
    )


def task_page(shown: Opened, task: Resource, filled: Filled, status: int) -> Response:
    """The form that corrects what was entered of a task."""
    return shown.show(
        "chart/fix_task.html",
        status,
        tab="tasks",
        task=task["id"],
        title=people.name_of(task, shown.world.known, shown.world.words),
        state=str(task.get("status")),
        filled=filled,
        failed=filled,
    )


def reading_page(shown: Opened, goal: str, observation: Resource, filled: Filled, status: int) -> Response:
    """The form that corrects a measurement."""
    row = goals.row(_known(shown, f"Goal/{goal}"), shown.world)
    return shown.show(
        "chart/fix_reading.html",
        status,
        tab="goals",
        row=row,
        reading=observation["id"],
        value=people.quantity(observation.get("valueQuantity")),
        when=shown.world.moment(observation.get("effectiveDateTime")),
        wrong=observation.get("status") == corrections.MISTAKE,
        filled=filled,
        failed=filled,
    )
