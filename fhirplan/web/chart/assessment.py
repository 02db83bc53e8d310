"""The assessment: asked section by section, kept as a draft, saved as a response, and what it would add applied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from flask import Flask, Response, redirect, request
from flask.typing import ResponseReturnValue

from fhirplan.chart import answer_checks, assessments, enabling, questions, responses
from fhirplan.chart.answers import given, in_words
from fhirplan.chart.edits import Write
from fhirplan.chart.questions import Section
from fhirplan.chart.words import LANGUAGES
from fhirplan.coordination.assessment.answers import QUESTIONNAIRE, is_assessment
from fhirplan.coordination.elements import objects
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.perform import perform
from fhirplan.interactions.services import Services
from fhirplan.interactions.shipped import by_canonical, shipped
from fhirplan.interactions.values import Reply
from fhirplan.store import versions
from fhirplan.store.coordination import drafts
from fhirplan.store.coordination.drafts import Place
from fhirplan.store.sync import conflicts
from fhirplan.web.chart import csrf
from fhirplan.web.chart.asked import asked
from fhirplan.web.chart.forms import LIFE, clock
from fhirplan.web.chart.frame import NoPatient, Opened, opened
from fhirplan.web.chart.save import KEY, Both, Filled, Problem, Stale, problems, save, who_changed, wrong

_FORM: Final = "assessment"
_PREFIX: Final = "q-"


@dataclass(frozen=True, slots=True)
class Sheet:
    """An assessment while it is answered: its questions in the language they are asked in, and the answers so far.

    ``id`` is what it is stored as, ``etag`` the version of it that the answers began with, "" for a new one. ``kept``
    is when the draft was kept, "" where there is none.
    """

    questionnaire: Resource
    sections: tuple[Section, ...]
    answers: dict[str, str]
    id: str
    etag: str = ""
    kept: str = ""

    def section(self, link: str) -> Section:
        """The section of that linkId, else the first."""
        return next((item for item in self.sections if item.link == link), self.sections[0])


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


def _questionnaire(shown: Opened) -> Resource:
    found = by_canonical(shown.frame.services, "Questionnaire", QUESTIONNAIRE)
    if found is None:
        raise NoPatient("The assessment is not among the packages of this server.")
    return found


def _language(shown: Opened) -> str:
    wanted = request.values.get("ask", "")
    return wanted if wanted in LANGUAGES else shown.frame.words.language


def sheet(shown: Opened) -> Sheet:
    """The assessment that is being answered: the viewer's draft, else the one that was stored unfinished, else new."""
    questionnaire = _questionnaire(shown)
    sections = questions.sections(questionnaire, _language(shown))
    with shown.frame.services.database.read() as tx:
        draft = drafts.get(tx, _place(shown), since=shown.frame.now - LIFE)
    if draft is not None and KEY.fullmatch(draft.values.get("_id", "")):
        answers = {name: text for name, text in draft.values.items() if not name.startswith("_")}
        at = clock(shown.frame, draft.updated)
        return Sheet(questionnaire, sections, answers, draft.values["_id"], draft.values.get("_etag", ""), at)
    begun = assessments.unfinished(shown.world)
    if begun is None:
        return Sheet(questionnaire, sections, {}, shown.frame.services.new_id())
    version = str((begun.get("meta") or {}).get("versionId") or "")
    return Sheet(questionnaire, sections, responses.fields(questionnaire, begun), str(begun["id"]), version)


def _place(shown: Opened) -> Place:
    return Place(shown.frame.who.connection.name, shown.frame.who.actor.id, shown.id, _FORM)


def typed(begun: Sheet) -> Sheet:
    """The sheet with what stands in the fields of the section that was sent; the other sections stay."""
    answers = dict(begun.answers)
    shown_before = request.form.get("shown", "").split()
    for question in begun.section(request.form.get("section", "")).questions:
        if question.link in shown_before:
            texts = [text.replace("\r\n", "\n").strip() for text in request.form.getlist(_PREFIX + question.link)]
            found = [text for text in texts if text]
            # Of one answer of a list and one in other words, the words count.
            answers[question.link] = "\n".join(found if question.repeats else found[-1:])
    # What was read when the answers began goes with them, so that a stale page is found out.
    key = request.form.get("key", "")
    if not begun.kept and KEY.fullmatch(key):
        begun = replace(begun, id=key, etag=request.form.get("etag", ""))
    return replace(begun, answers={link: text for link, text in answers.items() if text})


def keep(shown: Opened, filled: Sheet) -> Sheet:
    """The sheet kept as the viewer's draft; ``kept`` is "" where it is too long for one."""
    made = shown.frame
    values = {**filled.answers, "_id": filled.id, "_etag": filled.etag}
    with made.services.database.write() as tx:
        done = drafts.keep(tx, _place(shown), values, now=made.now, expired=made.now - LIFE)
    return replace(filled, kept=clock(made, made.now) if done else "")


def drop(shown: Opened) -> None:
    """Forgets the draft."""
    with shown.frame.services.database.write() as tx:
        drafts.drop(tx, _place(shown))


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
    return Filled(_FORM, problems=wrong(found, shown.frame.words))


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
    return section_page(shown, filled, link, Filled(_FORM, problems=found), 422)


def _overtaken(shown: Opened, filled: Sheet, link: str) -> Response:
    """Somebody answered on elsewhere: theirs is taken where the viewer answered nothing, and all of it is shown."""
    name = shown.frame.who.connection.name
    with shown.frame.services.database.read() as tx:
        now = versions.current(tx, name, "QuestionnaireResponse", filled.id)
        before = versions.at(tx, name, "QuestionnaireResponse", filled.id, int(filled.etag or 0))
        who = conflicts.changed_by(tx, now.rid, now.version) if now else ""
    if now is None or now.deleted:
        return section_page(
            shown, filled, link, Filled(_FORM, problems=(Problem("", shown.frame.words("val.gone")),)), 422
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
    return section_page(shown, merged, link, Filled(_FORM, stale=stale, etag=merged.etag), 412)


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
        language=_language(shown),
        languages=LANGUAGES,
        given=lambda question: given(question, filled.answers),
        kinds=questions.KINDS,
    )


def _response(shown: Opened, id_: str) -> Resource:
    found = shown.world.known.get(f"QuestionnaireResponse/{id_}")
    if found is None or not is_assessment(found):
        raise NoPatient("No assessment is stored under this address.")
    return found


def result_page(shown: Opened, id_: str, problem: str, status: int) -> Response:
    """One assessment: what was answered, what changed since the last one, and what it would add to the plan."""
    response = _response(shown, id_)
    questionnaire = _questionnaire(shown)
    sections = questions.sections(questionnaire, shown.frame.words.language)
    last = assessments.earlier(shown.world, response)
    now = responses.fields(questionnaire, response)
    before = responses.fields(questionnaire, last) if last else None
    offered: list[assessments.Offer] = []
    if response.get("status") in assessments.DONE and not shown.then:
        reply = _extract(shown, id_, store=False)
        if reply.status >= 400:
            problem = problem or _said(reply, shown)
        else:
            offered = assessments.offers(_entries(reply), shown.world)
    return shown.show(
        "chart/assessment_result.html",
        status,
        tab="assessments",
        response=id_,
        finished=response.get("status") in assessments.DONE,
        when=shown.world.moment(response.get("authored")),
        who_wrote=assessments.author(response, shown.world),
        rows=assessments.answered(sections, before, now, shown.world),
        last=shown.world.day(str(last.get("authored") or "")[:10]) if last else "",
        offers=offered,
        templates=assessments.fitting(shipped(shown.frame.services, "PlanDefinition"), now, shown.world),
        problem=problem,
        ticked=frozenset(request.form.getlist("take")) if request.method == "POST" else None,
    )


def apply_ticked(shown: Opened, id_: str) -> ResponseReturnValue:
    """Has what is ticked made in one transaction, and leads back to what is there then."""
    _response(shown, id_)
    reply = _extract(shown, id_, store=False)
    if reply.status < 400:
        offered = assessments.offers(_entries(reply), shown.world)
        ticked = set(request.form.getlist("take"))
        left = [item.ref for item in offered if item.optional and item.ref not in ticked]
        reply = _extract(shown, id_, store=True, left_out=left)
    if reply.status >= 400:
        return result_page(shown, id_, _said(reply, shown), 422 if reply.status == 400 else reply.status)
    return redirect(shown.url("assessment", response=id_, said="assessment_applied"), 303)


def _said(reply: Reply, shown: Opened) -> str:
    if reply.status == 412:
        return shown.frame.words("conf.moved")
    return " ".join(issue.text for issue in reply.issues if issue.is_error) or shown.frame.words("val.not_saved")


def _entries(reply: Reply) -> list[Resource]:
    return [item["resource"] for item in objects(codec.loads(reply.body).get("entry")) if "resource" in item]


def _extract(shown: Opened, id_: str, *, store: bool, left_out: list[str] | None = None) -> Reply:
    made = shown.frame
    given = [("store", "true" if store else "false"), *(("leaveOut", ref) for ref in left_out or ())]
    if shown.plan is not None and shown.plan.get("status") in ("active", "draft", "on-hold"):
        given.append(("plan", f"CarePlan/{shown.plan['id']}"))
    return perform(made.services, asked(made, "extract", "QuestionnaireResponse", id_, parameters=tuple(given)))
