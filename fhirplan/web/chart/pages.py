"""The pages of the chart that only show: overview, team, changes, what was sent, two dates compared, the print."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from flask import Flask, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fhirplan.chart import changes, difference, leaflet, people, record
from fhirplan.chart import task_edits as edits
from fhirplan.chart.words import LANGUAGES, words
from fhirplan.chart.world import World
from fhirplan.coordination.elements import code, target
from fhirplan.coordination.vocabulary import TASK_TYPE, TERMINAL
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.services import Services
from fhirplan.store.coordination import looks, patient_record
from fhirplan.store.coordination.looks import Look
from fhirplan.store.sync import conflicts
from fhirplan.web.chart import csrf
from fhirplan.web.chart.forms import clock, discard_draft, keep_afterwards, keep_draft
from fhirplan.web.chart.frame import THEMES, Opened, end_of_day, frame, may_open, opened
from fhirplan.web.chart.save import save
from fhirplan.web.chart.sight import seen, withholds
from fhirplan.web.languages import remember
from fhirplan.web.viewer import NoSession

# Printable ASCII without a backslash, which browsers take for a slash.
_OWN: Final = re.compile(r"/chart/[!-\[\]-~]*")


def add_pages(app: Flask, services: Services) -> None:
    """Adds the pages that show, the drafts, and how the pages are shown."""

    def overview(id_: str) -> ResponseReturnValue:
        shown = opened(services, id_)
        return shown.show("chart/overview.html", tab="overview", conflicts=_conflicts(shown))

    def team(id_: str) -> ResponseReturnValue:
        return opened(services, id_).show("chart/team.html", tab="team")

    def changed(id_: str) -> ResponseReturnValue:
        return changes_page(opened(services, id_))

    def seen(id_: str) -> ResponseReturnValue:
        csrf.check(request)
        shown = opened(services, id_)
        mark_seen(shown)
        return redirect(shown.url("changes", said="seen"), 303)

    def sent(id_: str) -> ResponseReturnValue:
        shown = opened(services, id_)
        return shown.show("chart/sync.html", tab="sync", rows=_receipts(shown), conflicts=_conflicts(shown))

    def compare(id_: str) -> ResponseReturnValue:
        return compare_page(services, id_)

    def printed(id_: str) -> ResponseReturnValue:
        return print_page(opened(services, id_))

    def pulse(id_: str) -> ResponseReturnValue:
        made = frame(services)
        may_open(made, id_)
        with services.database.read() as tx:
            hides = withholds(services, made.who, tx, id_)
            found = 0 if hides else changes.unseen(tx, made.who.connection.name, id_, made.who.actor.id)
        if hides:
            # What is withheld is not counted, and to know what that is takes the whole record.
            found = opened(services, id_).unseen
        if str(found) == request.args.get("have", ""):
            return Response(status=204)
        return made.page("chart/_pulse.html", patient_id=id_, unseen=found)

    def draft(id_: str) -> ResponseReturnValue:
        csrf.check(request)
        try:
            made = frame(services)
        except NoSession as error:
            error.kept = keep_afterwards(services, id_)
            raise
        may_open(made, id_)
        kept = keep_draft(made, id_)
        text = made.words("rec.draft", time=clock(made, made.now)) if kept else made.words("rec.draft_long")
        return made.page("chart/_draft.html", text=text)

    def discard(id_: str) -> ResponseReturnValue:
        csrf.check(request)
        made = frame(services)
        may_open(made, id_)
        discard_draft(made, id_)
        return redirect(_back(url_for("chart.patient", id_=id_)), 303)

    def view() -> ResponseReturnValue:
        made = frame(services)
        return made.page("chart/view.html", back=_back(url_for("chart.home")), languages=LANGUAGES, themes=THEMES)

    def viewed() -> ResponseReturnValue:
        csrf.check(request)
        given = request.form
        response = redirect(_back(url_for("chart.home")), 303)
        remember(response, request, [given.get(name, "") for name in ("language", "theme", "zone", "keys")])
        return response

    base = "/chart/patients/<id_>"
    app.add_url_rule(base, "chart.patient", overview)
    app.add_url_rule(f"{base}/team", "chart.team", team)
    app.add_url_rule(f"{base}/changes", "chart.changes", changed)
    app.add_url_rule(f"{base}/changes", "chart.seen", seen, methods=["POST"])
    app.add_url_rule(f"{base}/sync", "chart.sync", sent)
    app.add_url_rule(f"{base}/compare", "chart.compare", compare)
    app.add_url_rule(f"{base}/print", "chart.print", printed)
    app.add_url_rule(f"{base}/pulse", "chart.pulse", pulse)
    app.add_url_rule(f"{base}/draft", "chart.draft", draft, methods=["POST"])
    app.add_url_rule(f"{base}/draft/discard", "chart.discard", discard, methods=["POST"])
    app.add_url_rule("/chart/view", "chart.view", view)
    app.add_url_rule("/chart/view", "chart.viewed", viewed, methods=["POST"])


def _back(default: str) -> str:
    """The page of ours that a form came from; anything else could lead a person elsewhere, or is no address."""
    given = request.values.get("back", "")
    return given if _OWN.fullmatch(given) and "//" not in given else default


def changes_page(shown: Opened) -> Response:
    """What changed since the viewer last marked something as seen; with ``?all=1`` what was seen too."""
    all_ = bool(request.args.get("all"))
    side = request.args.get("side", "")
    made, name = shown.frame, shown.frame.who.connection.name
    with made.services.database.read() as tx:
        look, rows = changes.since(tx, name, shown.id, made.who.actor.id, shown.world, all_=all_)
        newest = looks.newest(tx, name, shown.id)
    kept = [row for row in rows if not side or row.theirs == (side == "theirs")]
    if shown.world.withheld:
        # What was deleted can be told from what is withheld no more, so neither is shown.
        kept = [row for row in kept if row.ref in shown.world.known]
    since = made.words.moment(record.at(look.at), shown.world.now, shown.world.zone) if look.at else ""
    return shown.show("chart/changes.html", tab="changes", rows=kept, since=since, newest=newest, side=side, all=all_)


def mark_seen(shown: Opened) -> None:
    """Marks one change as seen, or all up to the newest that the page showed, and completes their change notices."""
    made, name, actor = shown.frame, shown.frame.who.connection.name, shown.frame.who.actor.id
    one, until = request.form.get("number", ""), request.form.get("until", "")
    with made.services.database.read() as tx:
        look = looks.of(tx, name, actor, shown.id)
        newest = looks.newest(tx, name, shown.id)
    about = request.form.get("ref", "")
    if one.isdecimal():
        look = Look(look.until, look.more | {int(one)}, made.now)
    elif until.isdecimal():
        look = Look(max(look.until, min(int(until), newest)), look.more, made.now)
    with made.services.database.write() as tx:
        looks.keep(tx, name, actor, shown.id, look)
    for task in _notices(shown.world):
        if not one or target(task.get("focus")) == about:
            writes = edits.acknowledged(task, shown.world)
            if writes:
                save(made, writes)


def _notices(world: World) -> list[Resource]:
    return [
        item
        for item in world.of("Task")
        if code(item.get("code"), TASK_TYPE) == "acknowledge-change" and str(item.get("status")) not in TERMINAL
    ]


def _conflicts(shown: Opened) -> list[tuple[int, str]]:
    """The open conflicts of this patient's resources: their numbers and what each is about."""
    made = shown.frame
    if not made.who.connection.ehr_url or shown.then:
        return []
    held = {ref for ref, state in shown.world.sync.items() if state == "conflict"} - shown.world.withheld
    if not held:
        return []
    with made.services.database.read() as tx:
        found = conflicts.listed(tx, made.who.connection.name)
    known = shown.world.known
    return [
        (item.cid, people.name_of(known.get(f"{item.type}/{item.id}"), known, made.words) or item.type)
        for item in found
        if f"{item.type}/{item.id}" in held
    ]


def _receipts(shown: Opened) -> list[dict[str, str]]:
    """What became of the newest changes of this patient, the newest first."""
    made = shown.frame
    if not made.who.connection.ehr_url:
        return []
    with made.services.database.read() as tx:
        found = patient_record.receipts(tx, made.who.connection.name, shown.id, count=100)
    known, language = shown.world.known, made.words
    return [
        {
            "when": language.moment(record.at(item.at), shown.world.now, shown.world.zone),
            "what": people.name_of(known.get(f"{item.type}/{item.id}"), known, language) or item.type,
            "kind": language.state("type", item.type),
            "state": item.state,
            "text": _told(item.state, item.route, shown),
            "ref": f"{item.type}/{item.id}",
            "detail": f"{item.type}/{item.id} v{item.version} {item.route} {item.ehr_id} {item.ehr_version}".strip(),
        }
        for item in found
        if f"{item.type}/{item.id}" not in shown.world.withheld
    ]


def _told(state: str, route: str, shown: Opened) -> str:
    language, ehr = shown.frame.words, shown.world.ehr
    if state == "sent":
        key = {"pull": "rec.got", "none": "rec.here", "withdrawn": "rec.withdrawn"}.get(route, "rec.sent")
        return language(key, ehr=ehr)
    return language(f"rec.{state}", ehr=ehr)


def compare_page(services: Services, id_: str) -> Response:
    """What differs in the plan between two days, resource by resource."""
    shown = opened(services, id_)
    likes, now = shown.frame.likes, shown.frame.now
    first = request.args.get("from", "")
    last = request.args.get("to", "") or shown.world.today.isoformat()
    low, high = end_of_day(first, likes.zone), end_of_day(last, likes.zone)
    if low is None or high is None:
        return shown.show("chart/compare.html", tab="compare", first=first, last=last, parts=None)
    older, newer = (_then(shown, moment if moment < now else None) for moment in (low, high))
    new, gone, both = difference.added(_listed(older), _listed(newer))
    parts = {
        "new": [_titled(item, shown) for item in new],
        "gone": [_titled(item, shown) for item in gone],
        "both": [
            (*_titled(after, shown), fields)
            for before, after in both
            if (fields := difference.difference(before, after, shown.world))
        ],
    }
    return shown.show("chart/compare.html", tab="compare", first=first, last=last, parts=parts)


def _then(shown: Opened, moment: int | None) -> World | None:
    if moment is None:
        return shown.world
    made = shown.frame
    asked = record.Asked(made.who.connection, shown.id, record.at(moment), made.likes.zone, made.words, "", moment)
    with made.services.database.read() as tx:
        whose = record.patient(tx, asked)
        return seen(made.services, made.who, tx, record.world(tx, asked, whose)) if whose else None


def _listed(world: World | None) -> list[Resource]:
    return [item for item in world.known.values() if difference.is_listed(item)] if world else []


def _titled(item: Resource, shown: Opened) -> tuple[str, str]:
    name = people.name_of(item, shown.world.known, shown.world.words) or str(item["id"])
    return shown.frame.words.state("type", str(item["resourceType"])), name


def print_page(shown: Opened) -> Response:
    """The plan on paper, in the language that is asked for, else the patient's own."""
    asked = request.args.get("lang", "")
    language = asked if asked in LANGUAGES else leaflet.own_language(shown.patient)
    large = request.args.get("size") == "large"
    world = replace(shown.world, words=words(language))
    made = leaflet.leaflet(shown.patient, world, request.args.get("plan", ""))
    return shown.frame.page(
        "chart/print.html", leaflet=made, say=words(language), large=large, patient_id=shown.id, language=language
    )
