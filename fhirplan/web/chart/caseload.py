"""The caseload: every plan by what is due, filtered and counted; and every patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, get_args

from flask import Flask, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fhirplan.access.decide import decide
from fhirplan.chart import codes, people, record
from fhirplan.chart.chips import Chip
from fhirplan.chart.transition import STAGES
from fhirplan.interactions.services import Services
from fhirplan.store.coordination.caseload_rows import CaseRow, Counts, Order, Wanted
from fhirplan.web.chart import csrf, narrowed
from fhirplan.web.chart.frame import Frame, frame
from fhirplan.web.chart.sight import eyes, keep, lists

_FILTERS: Final = {
    "program": "cm-program",
    "setting": "cm-setting",
    "acuity": "cm-acuity",
    "stage": "cm-transition-stage",
}
_GRAVEST: Final = 2
_OVERALL: Final = {
    "critical": ("octagon", "danger solid"),
    "attention": ("triangle", "warn"),
    "on-track": ("check", "ok"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One plan in the list, in words short enough for one line; ``stage`` is its number and ``named`` its name.

    ``why`` is the gravest of why it stands so, ``less`` the rest, ``more`` how much that is.
    """

    href: str
    name: str
    age: str
    state: Chip
    title: str
    why: str
    less: str
    more: str
    due: str
    late: bool
    stage: str
    named: str
    contact: str
    lead: str


def add_caseload(app: Flask, services: Services) -> None:
    """Adds the caseload and what can be done on it."""

    def listed() -> ResponseReturnValue:
        made = frame(services)
        if made.who.patient:
            return redirect(url_for("chart.patient", id_=made.who.patient))
        return _page(made, "")

    def sought() -> ResponseReturnValue:
        csrf.check(request)
        return _page(frame(services), request.form.get("name", "")[:80])

    def patients() -> ResponseReturnValue:
        made = frame(services)
        if made.who.patient:
            return redirect(url_for("chart.patient", id_=made.who.patient))
        return _patients_page(made)

    app.add_url_rule("/chart/patients", "chart.patients", patients)
    app.add_url_rule("/chart/caseload", "chart.caseload", listed)
    app.add_url_rule("/chart/caseload", "chart.sought", sought, methods=["POST"])


def _patients_page(made: Frame) -> Response:
    """Every patient, those without a plan too, in the order in which they came."""
    decide(made.who.actor, "search-type", "Patient", made.services.settings.auth)
    keep(made.services, made.who, "search-type", "Patient")
    after = request.args.get("after", 0, int)
    now, name = record.at(made.now), made.who.connection.name
    with made.services.database.read() as tx:
        limits = eyes(made.services, made.who, tx)
        shown = limits.allows if limits is not None else None
        rows = record.patients(tx, name, now, made.likes.zone, after=after, count=narrowed.ON_A_PAGE, shown=shown)
    more = url_for("chart.patients", after=rows[-1].rid) if len(rows) == narrowed.ON_A_PAGE else ""
    return made.page("chart/patients.html", rows=rows, next_href=more)


def _page(made: Frame, name: str) -> Response:
    decide(made.who.actor, "search-type", "Patient", made.services.settings.auth)
    keep(made.services, made.who, "search-type", "Patient")
    number = max(request.args.get("page", 1, int), 1)
    start = (number - 1) * narrowed.ON_A_PAGE
    order = request.args.get("sort", "need")
    order = order if order in get_args(Order) else "need"
    asked, connection = narrowed.wanted(made, name), made.who.connection.name
    with made.services.database.read() as tx:
        of_all = lists(made.services, made.who, tx)
        rows, counted = of_all.counted_page(
            asked,
            made.now,
            count=narrowed.ON_A_PAGE,
            start=start,
            order=order,  # type: ignore[arg-type]
        )
        everything = counted
        if asked.only:
            everything = of_all.counts(replace(asked, only=frozenset()), made.now)
        offered = of_all.offered()
        named = narrowed.named(tx, connection, {row.lead for row in rows})
        titles = narrowed.plan_titles(tx, connection, {row.plan: row.title for row in rows}, made.words)
    return made.page(
        "chart/caseload.html",
        rows=[_line(row, made, named, titles[row.plan]) for row in rows],
        counted=counted,
        chips=_counts(made, everything, asked),
        filters=_offered(made, offered),
        number=number,
        first=start + 1,
        last=start + len(rows),
        before=narrowed.address("chart.caseload", page=str(number - 1)) if number > 1 else "",
        after=narrowed.address("chart.caseload", page=str(number + 1))
        if number * narrowed.ON_A_PAGE < counted.plans
        else "",
        sort=order,
        sorts={item: narrowed.address("chart.caseload", sort=item) for item in get_args(Order)},
        sought=name,
        filtered=bool(narrowed.query()) or bool(name),
        as_of=made.words.moment(record.at(made.now), record.at(made.now), made.likes.zone),
    )


def _counts(made: Frame, counted: Counts, wanted: Wanted) -> list[dict[str, Any]]:
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
            "href": narrowed.address("chart.caseload", only="" if name in wanted.only else name),
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


def _line(row: CaseRow, made: Frame, named: Mapping[str, str], title: str) -> Line:
    words, now, zone = made.words, record.at(made.now), made.likes.zone
    icon, tone = _OVERALL[row.overall]
    today, spoken = now.astimezone(zone).date(), record.at(row.last_contact or 0).astimezone(zone).date()
    years, why = people.age(row.birth, today), _why(row, made)
    return Line(
        href=url_for("chart.patient", id_=row.patient, plan=row.plan),
        name=row.name or row.patient,
        age=words("age.short", n=years) if years is not None else "",
        state=Chip(icon, tone, words(f"state.{row.overall}")),
        title=title,
        why=", ".join(why[:_GRAVEST]),
        less="".join(f", {reason}" for reason in why[_GRAVEST:]),
        more=words("why.more", n=len(why) - _GRAVEST) if len(why) > _GRAVEST else "",
        due=words.due_day(record.at(row.due), now, zone) if row.due is not None else "",
        late=row.due is not None and row.due < made.now,
        stage=f"{STAGES.index(row.stage) + 1}/{len(STAGES)}" if row.stage in STAGES else "",
        named=_said(made, "cm-transition-stage", row.stage) if row.stage in STAGES else "",
        contact=words.ago(spoken, today) if row.last_contact else "",
        lead=named.get(row.lead, ""),
    )


def _why(row: CaseRow, made: Frame) -> list[str]:
    """Why a plan stands where it does, the gravest first."""
    words = made.words
    found = [_said(made, "cm-transition-stage", row.stage)] if row.stage == "readmitted" else []
    found += [
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
    return found or [words("n.tasks", n=row.open)]
