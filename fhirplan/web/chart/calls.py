"""The form that documents a call in three fields, from any page of the chart, and the log of contacts."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from fhirplan.chart import calls, codes, contacts, people, team
from fhirplan.chart.edits import Write, workday_after
from fhirplan.coordination.due import is_work
from fhirplan.coordination.elements import is_open, target
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.services import Services
from fhirplan.web.chart.forms import Asked, fresh, submitted
from fhirplan.web.chart.frame import Opened, opened
from fhirplan.web.chart.save import Filled


def add_calls(app: Flask, services: Services) -> None:
    """Adds the pages about contacts."""

    def listed(id_: str) -> ResponseReturnValue:
        shown = opened(services, id_)
        return shown.show("chart/contacts.html", tab="contacts", rows=contacts.contacts(shown.world))

    def new(id_: str) -> ResponseReturnValue:
        shown = opened(services, id_)
        task = _task(shown, request.args.get("task"))
        about = f"Task/{task['id']}" if task else ""
        filled = fresh(shown, "call", about, call_defaults(shown, task), _version(task))
        return call_page(shown, task, filled, 200)

    def documented(id_: str) -> ResponseReturnValue:
        task_id = request.form.get("task", "")
        about = f"Task/{task_id}" if task_id else ""

        def make(stored: Resource, form: Any, key: str, shown: Opened) -> list[Write]:
            return calls.documented(form, key, id_, shown.plan, stored or None, shown.world)

        def show(shown: Opened, filled: Filled, status: int) -> Response:
            return call_page(shown, shown.world.known.get(about), filled, status)

        return submitted(
            services, id_, Asked("call", about, make, show, lambda shown: shown.url("contacts", said="call"))
        )

    base = "/chart/patients/<id_>/contacts"
    app.add_url_rule(base, "chart.contacts", listed)
    app.add_url_rule(f"{base}/new", "chart.call", new)
    app.add_url_rule(f"{base}/new", "chart.documented", documented, methods=["POST"])


def _task(shown: Opened, named: str | None) -> Resource | None:
    """The task that a call is about: the one that is named, none for ``none``, else the contact task due first."""
    if named == "none":
        return None
    return shown.world.known.get(f"Task/{named}") or calls.first_task(shown.world.of("Task"))


def _version(task: Resource | None) -> str:
    return str(((task or {}).get("meta") or {}).get("versionId") or "")


def call_page(shown: Opened, task: Resource | None, filled: Filled, status: int) -> Response:
    """The form for a call."""
    return shown.show(
        "chart/call.html",
        status,
        tab="contacts",
        task=task,
        task_title=people.name_of(task, shown.world.known, shown.world.words) if task else "",
        call=filled,
        failed=filled,
        calling=call_choices(shown, task),
    )


def call_defaults(shown: Opened, task: Resource | None) -> dict[str, str]:
    """What the call form begins with; the outcome is never chosen beforehand."""
    now = shown.world.now.astimezone(shown.world.zone)
    return {
        "next": "suggested",
        "again": workday_after(shown.world.today).isoformat(),
        "when": now.strftime("%Y-%m-%dT%H:%M"),
        "medium": "PHONE",
        "recipient": f"Patient/{shown.id}",
        "sender": shown.world.me,
        "topic": "symptom-check" if task else "",
    }


def call_choices(shown: Opened, task: Resource | None) -> dict[str, Any]:
    """What the call form offers; the outcome of having reached a relative only where one is known."""
    words, world = shown.frame.words, shown.world
    has_relative = bool(world.of("RelatedPerson"))
    first = [(name, words(f"call.{name}")) for name in calls.FIRST if has_relative or name != "reached-representative"]
    again = words.day(workday_after(world.today), world.today)
    about = [
        (str(item["id"]), people.name_of(item, world.known, world.words) or str(item["id"]))
        for item in world.of("Task")
        if is_open(item) and is_work(item)
    ]
    senders = [(ref, name) for ref, name in team.candidates(shown.plan, world) if not ref.startswith("Organization/")]
    if world.me and world.me not in dict(senders):
        senders.insert(0, (world.me, people.name_of(world.known.get(world.me), world.known, world.words) or world.me))
    return {
        "first": first,
        "more": [(name, words(f"call.{name}")) for name in calls.MORE],
        "hint": words("call.suggest_hint", date=again) if task else words("call.suggest_none"),
        "tasks": about,
        "media": [(name, words(f"medium.{name}")) for name in calls.MEDIA],
        "topics": codes.choices("cm-contact-topic", words),
        "recipients": [*calls.recipients(shown.id, world), *calls.others(shown.plan, world)],
        "senders": senders,
        "phone": shown.page.header.phone,
        "me": people.name_of(world.known.get(world.me), world.known, world.words) or target({"reference": world.me}),
    }
