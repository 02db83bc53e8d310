"""The caseload: every plan by what is due, filtered and counted, and its tasks to be given to somebody in one go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, get_args
from urllib.parse import urlencode

from flask import Flask, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fhirplan.access.decide import decide
from fhirplan.chart import chips, codes, people, record, refusals
from fhirplan.chart import task_edits as edits
from fhirplan.chart.chips import Chip
from fhirplan.chart.edits import BadForm
from fhirplan.chart.world import World
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.services import Services
from fhirplan.store import caseload, versions
from fhirplan.store.caseload import CaseRow, Only, TaskRow, Wanted
from fhirplan.store.engine import Transaction
from fhirplan.store.lists import Lists
from fhirplan.web import chart_csrf
from fhirplan.web.chart_frame import Frame, frame
from fhirplan.web.chart_save import save
from fhirplan.web.chart_sight import eyes, keep, lists

ON_A_PAGE: Final = 50
_ONLY: Final = frozenset(name for item in get_args(Only) for name in (get_args(item) or (item,)))
_FILTERS: Final = {
    "program": "cm-program",
    "setting": "cm-setting",
    "acuity": "cm-acuity",
    "stage": "cm-transition-stage",
}
_OVERALL: Final = {
    "critical": ("octagon", "danger solid"),
    "attention": ("triangle", "warn"),
    "on-track": ("check", "ok"),
}
_MOST_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Line:
    """One plan in the list, in words."""

    href: str
    name: str
    age: str
    state: Chip
    title: str
    why: str
    due: str
    late: bool
    stage: str
    contact: str
    lead: str
    counts: tuple[tuple[str, str], ...]


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


def add_caseload(app: Flask, services: Services) -> None:
    """Adds the caseload and what can be done on it."""

    def listed() -> ResponseReturnValue:
        made = frame(services)
        if made.who.patient:
            return redirect(url_for("chart.patient", id_=made.who.patient))
        return _page(made, "")

    def sought() -> ResponseReturnValue:
        chart_csrf.check(request)
        return _page(frame(services), request.form.get("name", "")[:80])

    def tasks() -> ResponseReturnValue:
        return _work_page(frame(services), [], 200)

    def assigned() -> ResponseReturnValue:
        chart_csrf.check(request)
        made = frame(services)
        failed, count = _assign(made)
        if failed:
            return _work_page(made, failed, 422)
        return redirect(
            f"{url_for('chart.work')}?{urlencode(_query(state=request.form.get('state', '')))}&given={count}", 303
        )

    def patients() -> ResponseReturnValue:
        made = frame(services)
        if made.who.patient:
            return redirect(url_for("chart.patient", id_=made.who.patient))
        return _patients_page(made)

    app.add_url_rule("/chart/patients", "chart.patients", patients)
    app.add_url_rule("/chart/caseload", "chart.caseload", listed)
    app.add_url_rule("/chart/caseload", "chart.sought", sought, methods=["POST"])
    app.add_url_rule("/chart/caseload/tasks", "chart.work", tasks)
    app.add_url_rule("/chart/caseload/tasks", "chart.assigned", assigned, methods=["POST"])


def _patients_page(made: Frame) -> Response:
    """Every patient, those without a plan too, in the order in which they came."""
    decide(made.who.actor, "search-type", "Patient", made.services.settings.auth)
    keep(made.services, made.who, "search-type", "Patient")
    after = request.args.get("after", 0, int)
    now, name = record.at(made.now), made.who.connection.name
    with made.services.database.read() as tx:
        limits = eyes(made.services, made.who, tx)
        shown = limits.allows if limits is not None else None
        rows = record.patients(tx, name, now, made.likes.zone, after=after, count=ON_A_PAGE, shown=shown)
    more = url_for("chart.patients", after=rows[-1].rid) if len(rows) == ON_A_PAGE else ""
    return made.page("chart/patients.html", rows=rows, next_href=more)


def _wanted(made: Frame, name: str) -> Wanted:
    asked = request.args
    return Wanted(
        mine=_me(made) if asked.get("mine") else (),
        program=asked.get("program", ""),
        setting=asked.get("setting", ""),
        acuity=asked.get("acuity", ""),
        stage=asked.get("stage", ""),
        only=frozenset(item for item in asked.getlist("only") if item in _ONLY),  # type: ignore[misc]
        name=name,
    )


def _me(made: Frame) -> tuple[str, ...]:
    actor = made.who.actor.id
    return (actor,) if "/" in actor else ("Practitioner/nobody",)


def _query(**changed: str) -> list[tuple[str, str]]:
    """The filters of this address with some of them changed; "" takes one out."""
    kept = [(name, value) for name, value in request.args.items(multi=True) if name not in ("page", "given") and value]
    kept = [(name, value) for name, value in kept if name not in changed]
    return kept + [(name, value) for name, value in changed.items() if value]


def _page(made: Frame, name: str) -> Response:
    decide(made.who.actor, "search-type", "Patient", made.services.settings.auth)
    keep(made.services, made.who, "search-type", "Patient")
    number = max(request.args.get("page", 1, int), 1)
    order = request.args.get("sort", "due")
    wanted, connection = _wanted(made, name), made.who.connection.name
    with made.services.database.read() as tx:
        of_all = lists(made.services, made.who, tx)
        rows, counted = of_all.counted_page(
            wanted,
            made.now,
            count=ON_A_PAGE,
            start=(number - 1) * ON_A_PAGE,
            order=order if order in ("name", "contact") else "due",  # type: ignore[arg-type]
        )
        everything = counted
        if wanted.only:
            everything = of_all.counts(replace(wanted, only=frozenset()), made.now)
        offered = of_all.offered()
        named = _named(tx, connection, {row.lead for row in rows})
    return made.page(
        "chart/caseload.html",
        rows=[_line(row, made, named) for row in rows],
        counted=counted,
        chips=_counts(made, everything, wanted),
        filters=_offered(made, offered),
        number=number,
        first=(number - 1) * ON_A_PAGE + 1,
        last=(number - 1) * ON_A_PAGE + len(rows),
        before=_address("chart.caseload", page=str(number - 1)) if number > 1 else "",
        after=_address("chart.caseload", page=str(number + 1)) if number * ON_A_PAGE < counted.plans else "",
        sort=order,
        sorts={item: _address("chart.caseload", sort=item) for item in ("due", "name", "contact")},
        sought=name,
        filtered=bool(_query()) or bool(name),
        as_of=made.words.moment(record.at(made.now), record.at(made.now), made.likes.zone),
    )


def _address(endpoint: str, **changed: str) -> str:
    query = urlencode(_query(**changed))
    return f"{url_for(endpoint)}?{query}" if query else url_for(endpoint)


def _counts(made: Frame, counted: caseload.Counts, wanted: Wanted) -> list[dict[str, Any]]:
    """The counts, each a link to the plans that it counts."""
    shown = (
        ("critical", counted.critical),
        ("attention", counted.attention),
        ("overdue", counted.overdue),
        ("due-soon", counted.due_soon),
        ("unassigned", counted.unassigned),
        ("blocked", counted.blocked),
        ("unacknowledged", counted.unacknowledged),
        ("contact-due", counted.contact_due),
        ("off-track", counted.off_track),
    )
    return [
        {
            "text": made.words(f"count.{name}", n=number),
            "href": _address("chart.caseload", only="" if name in wanted.only else name),
            "on": name in wanted.only,
        }
        for name, number in shown
    ]


def _offered(made: Frame, offered: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """The selects of the filter: each value that there is, in words, with how many plans have it."""
    return [
        {
            "name": name,
            "label": made.words(f"filter.{name}"),
            "value": request.args.get(name, ""),
            "options": [(code, f"{_said(made, system, code)} ({number})") for code, number in offered[name].items()],
        }
        for name, system in _FILTERS.items()
        if offered.get(name)
    ]


def _said(made: Frame, system: str, code: str) -> str:
    found = codes.concept(system, code)
    return made.words.code(f"{codes.OURS}{system}", code) or (found.display if found else code)


def _named(tx: Transaction, connection: str, refs: Iterable[str]) -> dict[str, str]:
    """What people, roles and organizations are called."""
    known: dict[str, Resource] = {}
    for ref in refs:
        _load(tx, connection, ref, known)
        for element in ("practitioner", "organization"):
            _load(tx, connection, str(((known.get(ref) or {}).get(element) or {}).get("reference") or ""), known)
    return {ref: people.name_of(known.get(ref), known) for ref in known}


def _load(tx: Transaction, connection: str, ref: str, known: dict[str, Resource]) -> None:
    type_, slash, id_ = ref.partition("/")
    if not slash or "/" in id_ or ref in known:
        return
    found = versions.current(tx, connection, type_, id_)
    if found and not found.deleted:
        known[ref] = found.resource()


def _line(row: CaseRow, made: Frame, named: Mapping[str, str]) -> Line:
    words, now, zone = made.words, record.at(made.now), made.likes.zone
    years = people.age(row.birth, now.astimezone(zone).date())
    icon, tone = _OVERALL[row.overall]
    contact = words.moment(record.at(row.last_contact), now, zone) if row.last_contact else words("contact.never")
    return Line(
        href=url_for("chart.patient", id_=row.patient, plan=row.plan),
        name=row.name or row.patient,
        age=words("head.age", n=years) if years is not None else "",
        state=Chip(icon, tone, words(f"state.{row.overall}")),
        title=row.title,
        why=_why(row, made),
        due=words.due(record.at(row.due), now, zone) if row.due is not None else words("time.none"),
        late=row.due is not None and row.due < made.now,
        stage=_said(made, "cm-transition-stage", row.stage) if row.stage else "",
        contact=contact,
        lead=named.get(row.lead, ""),
        counts=(),
    )


def _why(row: CaseRow, made: Frame) -> str:
    """Why a plan stands where it does, in a few words."""
    words = made.words
    found = [
        words(f"n.{name}", n=number)
        for name, number in (
            ("overdue", row.overdue),
            ("blocked", row.blocked),
            ("unassigned", row.unassigned),
            ("unacknowledged", row.unacknowledged),
        )
        if number
    ]
    if row.contact_due is not None and row.contact_due < made.now:
        found.append(words("why.contact"))
    return ", ".join(found) or words("n.tasks", n=row.open)


def _work_page(made: Frame, failed: list[str], status: int) -> Response:
    """The tasks in a state, all patients together, to be chosen and given to somebody."""
    decide(made.who.actor, "search-type", "Task", made.services.settings.auth)
    keep(made.services, made.who, "search-type", "Task")
    state = request.values.get("state", "unassigned")
    state = state if state in get_args(caseload.State) else "unassigned"
    number = max(request.args.get("page", 1, int), 1)
    name = made.who.connection.name
    with made.services.database.read() as tx:
        of_all = lists(made.services, made.who, tx)
        rows = of_all.tasks(
            _wanted(made, ""),
            made.now,
            state=state,  # type: ignore[arg-type]
            count=ON_A_PAGE + 1,
            start=(number - 1) * ON_A_PAGE,
        )
        more = len(rows) > ON_A_PAGE
        versioned = {row.task: versions.current(tx, name, "Task", row.task) for row in rows}
        owners = _owners(tx, of_all, made)
        named = _named(tx, name, {row.owner for row in rows})
    found = {id_: item.version for id_, item in versioned.items() if item}
    return made.page(
        "chart/work.html",
        status,
        rows=[_work(row, found.get(row.task, 0), made, named) for row in rows[:ON_A_PAGE]],
        states=[(item, made.words(f"work.{item}")) for item in get_args(caseload.State)],
        state=state,
        owners=owners,
        failed=failed,
        given=request.args.get("given", 0, int),
        before=_address("chart.work", page=str(number - 1)) if number > 1 else "",
        after=_address("chart.work", page=str(number + 1)) if more else "",
    )


def _owners(tx: Transaction, of_all: Lists, made: Frame) -> list[tuple[str, str]]:
    """Whom tasks can be given to here: the leads of the plans, and the viewer."""
    connection = made.who.connection.name
    leads = {row.lead for row in of_all.page(caseload.EVERYTHING, made.now, count=_MOST_AT_ONCE)}
    if "/" in made.who.actor.id:
        leads.add(made.who.actor.id)
    return sorted(
        ((ref, name) for ref, name in _named(tx, connection, leads).items() if ref in leads), key=lambda item: item[1]
    )


def _work(row: TaskRow, version: int, made: Frame, named: Mapping[str, str]) -> Work:
    words, now, zone = made.words, record.at(made.now), made.likes.zone
    return Work(
        mark=f"{row.task}|{row.patient}|{version}",
        href=url_for("chart.task", id_=row.patient, task=row.task, plan=row.plan),
        title=row.title,
        name=row.name or row.patient,
        owner=named.get(row.owner, "") or (words("flag.unassigned") if row.unassigned else row.owner),
        due=words.due(record.at(row.due), now, zone) if row.due is not None else words("time.none"),
        late=row.overdue,
        state=chips.task(row.status, words),
        priority=chips.priority(row.priority, words),
    )


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
            _load(tx, name, owner, known)
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
