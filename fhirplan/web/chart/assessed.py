"""An assessment that was answered: what changed since the last one, what it would add, and that applied."""

from __future__ import annotations

from flask import Response, redirect, request
from flask.typing import ResponseReturnValue

from fhirplan.chart import assessments, questions, responses
from fhirplan.coordination.assessment.answers import is_assessment
from fhirplan.coordination.elements import objects
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.perform import perform
from fhirplan.interactions.shipped import shipped
from fhirplan.interactions.values import Reply
from fhirplan.web.chart.asked import asked
from fhirplan.web.chart.frame import NoPatient, Opened
from fhirplan.web.chart.sheet import our_questionnaire


def _response(shown: Opened, id_: str) -> Resource:
    found = shown.world.known.get(f"QuestionnaireResponse/{id_}")
    if found is None or not is_assessment(found):
        raise NoPatient("No assessment is stored under this address.")
    return found


def result_page(shown: Opened, id_: str, problem: str, status: int) -> Response:
    """One assessment: what was answered, what changed since the last one, and what it would add to the plan."""
    response = _response(shown, id_)
    questionnaire = our_questionnaire(shown)
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
