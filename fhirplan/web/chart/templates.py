"""The templates: shows what applying one would make, lets items be left out, and applies it as the API does."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any, Final

from flask import Flask, Response, redirect, request
from flask.typing import ResponseReturnValue

from fhirplan.chart import people, refusals, team
from fhirplan.chart.edits import BadForm, day_of
from fhirplan.chart.words import Words
from fhirplan.coordination import due
from fhirplan.coordination.elements import objects, target
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.perform import perform
from fhirplan.interactions.services import Services
from fhirplan.interactions.shipped import shipped
from fhirplan.interactions.values import Reply
from fhirplan.web.chart import csrf
from fhirplan.web.chart.asked import asked
from fhirplan.web.chart.frame import NoPatient, Opened, opened

_NOON: Final = time(12)


def add_templates(app: Flask, services: Services) -> None:
    """Adds the pages of templates."""

    def listed(id_: str) -> ResponseReturnValue:
        shown = opened(services, id_)
        words = shown.frame.words
        made = [
            (name, _title(item, words), people.text_of(item, "description", words))
            for name, item in _all(shown).items()
        ]
        return shown.show("chart/templates.html", tab="templates", templates=made)

    def previewed(id_: str, template: str) -> ResponseReturnValue:
        return preview_page(opened(services, id_), template, 200, "")

    def applied(id_: str, template: str) -> ResponseReturnValue:
        csrf.check(request)
        shown = opened(services, id_)
        reply = _apply(shown, template, request.form.get("start", ""), dry=False)
        if isinstance(reply, str):
            return preview_page(shown, template, 422, reply)
        if reply.status >= 400:
            said = refusals.all_said(reply.issues, shown.frame.words)
            return preview_page(shown, template, reply.status, said or shown.frame.words("val.not_saved"))
        return redirect(shown.url("tasks", said="applied"), 303)

    base = "/chart/patients/<id_>/templates"
    app.add_url_rule(base, "chart.templates", listed)
    app.add_url_rule(f"{base}/<template>", "chart.template", previewed)
    app.add_url_rule(f"{base}/<template>", "chart.template_applied", applied, methods=["POST"])


def _all(shown: Opened) -> dict[str, Resource]:
    return dict(shipped(shown.frame.services, "PlanDefinition"))


def _title(definition: Resource, words: Words) -> str:
    return people.text_of(definition, "title", words) or str(definition.get("name") or definition.get("id"))


def _anchors(definition: Resource) -> list[str]:
    """The names of the moments that a template counts from, the last of them first."""
    return [str(item["id"]) for item in objects(definition.get("action")) if "trigger" in item and "id" in item][::-1]


def preview_page(shown: Opened, template: str, status: int, problem: str) -> Response:
    """What applying a template would make and change, each new task to be left out if it is not wanted."""
    definition = _all(shown).get(template)
    if definition is None:
        raise NoPatient("There is no such template.")
    start = request.values.get("start", "")
    reply = _apply(shown, template, start, dry=True)
    found: list[Resource] = []
    if isinstance(reply, str):
        problem = problem or reply
    elif reply.status >= 400:
        problem = problem or refusals.all_said(reply.issues, shown.frame.words)
    else:
        found = [item["resource"] for item in objects(codec.loads(reply.body).get("entry")) if "resource" in item]
    return shown.show(
        "chart/template.html",
        status,
        tab="templates",
        template=template,
        title=_title(definition, shown.frame.words),
        about=people.text_of(definition, "description", shown.frame.words),
        start=start,
        counted=bool(_anchors(definition)),
        items=[
            _item(item, shown)
            for item in found
            if item["resourceType"] in ("Goal", "Task", "ServiceRequest", "CareTeam", "CarePlan")
        ],
        problem=problem,
        left=request.values.getlist("leave"),
        candidates=team.candidates(shown.plan, shown.world),
    )


_OWNER: Final = "owner-"


def _chosen() -> dict[str, str]:
    """Whom the form gives each task to, by the id of its action."""
    return {name.removeprefix(_OWNER): ref for name, ref in request.form.items() if name.startswith(_OWNER)}


def _item(resource: Resource, shown: Opened) -> dict[str, Any]:
    """One line of the preview; ``action`` is the id by which it can be left out, "" where it cannot."""
    world, words, is_task = shown.world, shown.frame.words, resource["resourceType"] == "Task"
    # A referral is left out with its task.
    action = str(resource.get("instantiatesUri") or "").rpartition("#")[2] if is_task else ""
    when = due.due_time(resource, world.zone) if is_task else None
    goal_day = next((item["dueDate"] for item in objects(resource.get("target")) if item.get("dueDate")), "")
    return {
        "kind": words.state("type", str(resource["resourceType"])),
        "name": people.name_of(resource, world.known, world.words) or str(resource.get("title") or resource["id"]),
        "due": words.due(when, world.now, world.zone) if when else world.day(goal_day),
        "owner": people.refer(resource.get("owner"), world.known, world.words),
        "owned_by": _chosen().get(action, target(resource.get("owner"))),
        "there": f"{resource['resourceType']}/{resource['id']}" in world.known,
        "action": action,
    }


def _apply(shown: Opened, template: str, start: str, *, dry: bool) -> Reply | str:
    """The reply to PlanDefinition/$apply for this patient; a sentence where the form cannot be read."""
    made, world = shown.frame, shown.world
    definition = _all(shown).get(template, {})
    given: list[tuple[str, str]] = [("subject", f"Patient/{shown.id}"), ("dryRun", "true" if dry else "false")]
    if world.me:
        given.append(("practitioner", world.me))
    if shown.plan is not None and shown.plan.get("status") in ("active", "draft", "on-hold"):
        given.append(("plan", f"CarePlan/{shown.plan['id']}"))
    if start:
        try:
            day = day_of({"start": start}, "start", world)
        except BadForm as error:
            return made.words(error.wrong[0].key)
        names = _anchors(definition)
        if day and names:
            at = datetime.combine(day, _NOON, world.zone).isoformat(timespec="seconds")
            given.append(("anchor", f"{names[0]}={at}"))
    if not dry:
        given += [("leaveOut", name) for name in request.form.getlist("leave")]
        given += [("owner", f"{name}={ref}") for name, ref in _chosen().items()]
    return perform(made.services, asked(made, "apply", "PlanDefinition", template, parameters=tuple(given)))
