"""Shows a conflict field by field, what was agreed, what the clinic says and what was written here, and settles it."""

from __future__ import annotations

from typing import Any, Final

from flask import Flask, Response, redirect, request
from flask.typing import ResponseReturnValue

from fhirplan import assembly
from fhirplan.chart import people
from fhirplan.chart.difference import name_of_field, show
from fhirplan.errors import FhirplanError, VersionMismatch
from fhirplan.interactions.incoming import checked
from fhirplan.interactions.services import Services
from fhirplan.merge.policy import Side
from fhirplan.store.sync import conflicts
from fhirplan.sync.explain import Explained, Question, explained
from fhirplan.sync.resolve import Fields, Take, resolve
from fhirplan.sync.through import Through
from fhirplan.web.chart import csrf
from fhirplan.web.chart.frame import NoPatient, Opened, opened

_SIDES: Final[dict[str, Side]] = {"ours": "ours", "theirs": "theirs", "both": "both"}


def add_conflict_pages(app: Flask, services: Services) -> None:
    """Adds the page of a conflict; only where an EHR is connected can there be one."""
    reach = Through(lambda name: assembly.build_sync(services.settings, services, _named(services, name)))

    def shown_one(id_: str, number: int) -> ResponseReturnValue:
        shown = opened(services, id_)
        return conflict_page(shown, _explained(shown, number), "", 200)

    def settled(id_: str, number: int) -> ResponseReturnValue:
        csrf.check(request)
        shown = opened(services, id_)
        known = _explained(shown, number)
        decision = _decision(known)
        if decision is None:
            return conflict_page(shown, known, shown.frame.words("conf.choose"), 422)
        try:
            sides = reach.sides(shown.frame.who.connection.name)
            who = shown.frame.who.actor
            person, seen = who.grant.person if who.grant else "", request.form.get("seen", "")
            resolve(sides, number, decision, actor=who.id, seen=seen, person=person)
        except VersionMismatch:
            return conflict_page(shown, _explained(shown, number), shown.frame.words("conf.moved"), 412)
        except FhirplanError as error:
            return conflict_page(shown, known, error.text, 422)
        return redirect(shown.url("sync", said="settled"), 303)

    path = "/chart/patients/<id_>/conflicts/<int:number>"
    app.add_url_rule(path, "chart.conflict", shown_one)
    app.add_url_rule(path, "chart.settled", settled, methods=["POST"])


def _named(services: Services, name: str) -> Any:
    return services.settings.connection(name) or services.settings.default_connection


def _explained(shown: Opened, number: int) -> Explained:
    made, services = shown.frame, shown.frame.services
    name, settings = made.who.connection.name, services.settings
    with services.database.read() as tx:
        found = conflicts.get(tx, name, number)
        if found is None or found.state != "open" or f"{found.type}/{found.id}" not in shown.world.known:
            raise NoPatient("No conflict is open under this address.")
        return explained(
            tx,
            name,
            found,
            clinic=settings.clinic_label,
            words=made.words,
            show=lambda value, kind: show(value, shown.world, "status" if kind == "status" else ""),
            validate=lambda resource: checked(services, resource, connection=made.who.connection),
        )


def _decision(known: Explained) -> Take | Fields | None:
    """What the form decides: one side for all, or a side for each field; None where a field is left open."""
    rest = request.form.get("rest", "")
    if rest == "ours" or (not known.questions and request.form.get("take") == "ours"):
        return "ours" if not known.questions else _fields(known, "ours")
    if rest == "theirs" or (not known.questions and request.form.get("take") == "theirs"):
        return "theirs" if not known.questions else _fields(known, "theirs")
    return _fields(known, "") if known.questions else None


def _fields(known: Explained, default: str) -> Fields | None:
    """A side for each question; those not answered take ``default``, and None comes back where there is none."""
    made: dict[str, Side] = {}
    for index, question in enumerate(known.questions):
        side = _SIDES.get(request.form.get(f"q{index}", "") or default)
        if side is None:
            return None
        made[question.path] = side
    return Fields(made)


def conflict_page(shown: Opened, known: Explained, problem: str, status: int) -> Response:
    """The table of a conflict: a row and three columns for each field, the clinic before you."""
    kind = known.conflict.type
    world = shown.world
    resource = world.known.get(f"{kind}/{known.conflict.id}")
    return shown.show(
        "chart/conflict.html",
        status,
        tab="sync",
        known=known,
        rows=[_row(index, item, shown, kind) for index, item in enumerate(known.questions)],
        problem=problem,
        title=people.name_of(resource, world.known, world.words) or kind,
        clinic=shown.frame.services.settings.clinic_label,
        chosen={name: value for name, value in request.form.items() if name.startswith("q")},
    )


def _row(index: int, item: Question, shown: Opened, kind: str) -> dict[str, Any]:
    element = item.element.partition(".")[2].partition(".")[0].partition(":")[0] or item.element
    values = {side: _said(getattr(item, side), shown, element) for side in ("agreed", "theirs", "ours")}
    name = name_of_field(kind, element, shown.world)
    return {"index": index, "name": name, "words": item.words, "both": item.both, **values}


def _said(value: Any, shown: Opened, element: str) -> str:
    return show(value, shown.world, element) or shown.frame.words("conf.nothing")
