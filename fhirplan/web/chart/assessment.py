"""The assessment: asked section by section, kept for later or finished, and listed with those before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Flask, Response, redirect, request
from flask.typing import ResponseReturnValue

from fhirplan.chart import answer_checks, assessments, enabling, questions, responses
from fhirplan.chart.answers import given, in_words
from fhirplan.chart.edits import Write
from fhirplan.chart.words import LANGUAGES
from fhirplan.interactions.services import Services
from fhirplan.store import versions
from fhirplan.store.sync import conflicts
from fhirplan.web.chart import csrf
from fhirplan.web.chart.assessed import apply_ticked, result_page
from fhirplan.web.chart.frame import Opened, opened
from fhirplan.web.chart.save import Both, Filled, Problem, Stale, problems, save, who_changed, wrong
from fhirplan.web.chart.sheet import FORM, Sheet, asking_language, drop, keep, sheet, typed


def add_assessment(app: Flask, services: Services) -> None:
    """Adds the pages of the assessment."""

    def listed(id_: str) -> ResponseReturnValue:
        return list_page(opened(services, id_))

    def form(id_: str) -> ResponseReturnValue:
        shown = opened(services, id_)
        if shown.then:
            return list_page(shown)
        return section_page(shown, sheet(shown), request.args.get("section", ""), Filled(), 200)

    def sent(id_: str) -> ResponseReturnValue:
        csrf.check(request)
        return answered(opened(services, id_))

    def kept(id_: str) -> ResponseReturnValue:
        csrf.check(request)
        shown = opened(services, id_)
        filled = keep(shown, typed(sheet(shown)))
        text = shown.frame.words("rec.draft", time=filled.kept) if filled.kept else shown.frame.words("rec.draft_long")
        return shown.frame.page("chart/_draft.html", text=text)

    def discarded(id_: str) -> ResponseReturnValue:
        csrf.check(request)
        shown = opened(services, id_)
        drop(shown)
        return redirect(shown.url("assessments"), 303)

    def result(id_: str, response: str) -> ResponseReturnValue:
        return result_page(opened(services, id_), response, "", 200)

    def applied(id_: str, response: str) -> ResponseReturnValue:
        csrf.check(request)
        return apply_ticked(opened(services, id_), response)

    base = "/chart/patients/<id_>/assessment"
    app.add_url_rule(base, "chart.assessments", listed)
    app.add_url_rule(f"{base}/form", "chart.assessment_form", form)
    app.add_url_rule(f"{base}/form", "chart.assessment_sent", sent, methods=["POST"])
    app.add_url_rule(f"{base}/draft", "chart.assessment_draft", kept, methods=["POST"])
    app.add_url_rule(f"{base}/discard", "chart.assessment_discard", discarded, methods=["POST"])
    app.add_url_rule(f"{base}/<response>", "chart.assessment", result)
    app.add_url_rule(f"{base}/<response>", "chart.assessment_applied", applied, methods=["POST"])


def answered(shown: Opened) -> ResponseReturnValue:
    """Takes a section: leads on to the next one, keeps it for later, or finishes; wrong answers are shown again."""
    begun = sheet(shown)
    filled = keep(shown, typed(begun))
    link, act = filled.section(request.form.get("section", "")).link, request.form.get("act", "next")
    here = {item.link for item in filled.section(link).questions}
    bad = [
        item for item in answer_checks.problems(filled.sections, filled.answers, finished=False) if item.field in here
    ]
    if bad:
        return section_page(shown, filled, link, _filled(shown, bad), 422)
    if act == "later":
        return _stored(shown, filled, link, "in-progress", shown.url("assessments", said="assessment_kept"))
    if act == "finish":
        lacking = answer_checks.problems(filled.sections, filled.answers, finished=True)
        if lacking:
            first = _section_of(filled, lacking[0].field)
            return section_page(shown, filled, first, _filled(shown, lacking), 422)
        done = shown.url("assessment", response=filled.id, said="assessment_saved")
        return _stored(shown, filled, link, "completed", done)
    if act.startswith("to-"):
        return redirect(_form_url(shown, act.removeprefix("to-")), 303)
    more = here & enabling.asked(filled.sections, filled.answers) - set(request.form.get("shown", "").split())
    if more:
        return redirect(_form_url(shown, link, said="assessment_more") + f"#q-{_first(filled, more)}", 303)
    order = [item.link for item in filled.sections]
    after = order[min(order.index(link) + 1, len(order) - 1)]
    return redirect(_form_url(shown, after), 303)


def _first(filled: Sheet, links: set[str]) -> str:
    return next(item.link for section in filled.sections for item in section.questions if item.link in links)


def _form_url(shown: Opened, section: str, **more: str) -> str:
    asked = {"ask": request.values["ask"]} if request.values.get("ask") else {}
    return shown.url("assessment_form", section=section, **asked, **more)


def _filled(shown: Opened, found: list[Any]) -> Filled:
    return Filled(FORM, problems=wrong(found, shown.frame.words))


def _section_of(filled: Sheet, link: str) -> str:
    return next(item.link for item in filled.sections if any(one.link == link for one in item.questions))


def _stored(shown: Opened, filled: Sheet, link: str, status: str, done: str) -> ResponseReturnValue:
    """Has the response written and leads on, or shows what stands against it."""
    ref = f"QuestionnaireResponse/{filled.id}"
    stored = shown.world.known.get(ref) if filled.etag else None
    made = assessments.written(
        filled.questionnaire, filled.answers, status, filled.id, stored, shown.id, shown.plan, shown.world
    )
    reply = save(shown.frame, [Write(made, filled.etag)])
    if reply.status < 400:
        drop(shown)
        return redirect(done, 303)
    if reply.status == 412:
        return _overtaken(shown, filled, link)
    said = problems(reply.issues, shown.frame.words, ())
    found = said or (Problem("", shown.frame.words("val.not_saved")),)
    return section_page(shown, filled, link, Filled(FORM, problems=found), 422)


def _overtaken(shown: Opened, filled: Sheet, link: str) -> Response:
    """Somebody answered on elsewhere: theirs is taken where the viewer answered nothing, and all of it is shown."""
    name = shown.frame.who.connection.name
    with shown.frame.services.database.read() as tx:
        now = versions.current(tx, name, "QuestionnaireResponse", filled.id)
        before = versions.at(tx, name, "QuestionnaireResponse", filled.id, int(filled.etag or 0))
        who = conflicts.changed_by(tx, now.rid, now.version) if now else ""
    if now is None or now.deleted:
        return section_page(
            shown, filled, link, Filled(FORM, problems=(Problem("", shown.frame.words("val.gone")),)), 422
        )
    theirs = responses.fields(filled.questionnaire, now.resource())
    base = responses.fields(filled.questionnaire, before.resource()) if before and not before.deleted else {}
    mine = {name: text for name, text in filled.answers.items() if base.get(name, "") != text}
    merged = keep(shown, replace(filled, answers={**theirs, **mine}, etag=str(now.version)))
    changed = assessments.answered(filled.sections, base, theirs, shown.world)
    own = {
        item.question: item.now
        for item in assessments.answered(filled.sections, base, filled.answers, shown.world)
        if item.changed
    }
    rows = tuple(
        Both(item.question, item.before, item.now, own.get(item.question, "")) for item in changed if item.changed
    )
    stale = Stale(who_changed(who, shown), rows, merged.etag)
    return section_page(shown, merged, link, Filled(FORM, stale=stale, etag=merged.etag), 412)


def list_page(shown: Opened) -> Response:
    """The patient's assessments, and the way into a new one or on with the one that was begun."""
    begun = sheet(shown)
    rows = [
        (
            str(item["id"]),
            shown.world.moment(item.get("authored")),
            assessments.author(item, shown.world),
            item.get("status") in assessments.DONE,
        )
        for item in assessments.responses(shown.world)
    ]
    total = assessments.counts(begun.sections, begun.answers).values()
    said = (sum(item[0] for item in total), sum(item[1] for item in total))
    return shown.show("chart/assessments.html", tab="assessments", rows=rows, begun=begun, done=said)


def section_page(shown: Opened, filled: Sheet, link: str, failed: Filled, status: int) -> Response:
    """One section of the assessment as a form, with what was said the last time beside each question."""
    section = filled.section(link)
    last = assessments.earlier(shown.world)
    before = responses.fields(filled.questionnaire, last) if last else {}
    yes_no = (shown.frame.words("yes"), shown.frame.words("no"))
    wanted = enabling.asked(filled.sections, filled.answers)
    order = [item.link for item in filled.sections]
    return shown.show(
        "chart/assessment.html",
        status,
        tab="assessments",
        sheet=filled,
        section=section,
        asked=[item for item in section.questions if item.link in wanted],
        counts=assessments.counts(filled.sections, filled.answers),
        is_last=section.link == order[-1],
        before={item.link: in_words(item, before, yes_no) for item in section.questions},
        when=shown.world.day(str(last.get("authored") or "")[:10]) if last else "",
        failed=failed,
        place={one.link: item for item in filled.sections for one in item.questions},
        language=asking_language(shown),
        languages=LANGUAGES,
        given=lambda question: given(question, filled.answers),
        kinds=questions.KINDS,
    )
