"""The pages of goals: all of them, one with its plot and readings, a new one, its review, a measurement."""

from __future__ import annotations

from flask import Flask, Response
from flask.typing import ResponseReturnValue

from fhirplan.chart import codes, goals, needs, people, task_edits
from fhirplan.chart import goal_edits as edits
from fhirplan.coordination.moves import MACHINES
from fhirplan.interactions.services import Services
from fhirplan.web.chart.forms import Asked, fresh, submitted
from fhirplan.web.chart.frame import NoPatient, Opened, opened
from fhirplan.web.chart.save import Filled


def add_goals(app: Flask, services: Services) -> None:
    """Adds the pages of goals and needs."""

    def listed(id_: str) -> ResponseReturnValue:
        return opened(services, id_).show("chart/goals.html", tab="goals")

    def one(id_: str, goal: str) -> ResponseReturnValue:
        return goal_page(opened(services, id_), goal, Filled(), 200)

    def new(id_: str) -> ResponseReturnValue:
        shown = opened(services, id_)
        return new_page(shown, fresh(shown, "new-goal", "", {"priority": "medium-priority"}), 200)

    def made(id_: str) -> ResponseReturnValue:
        asked = Asked(
            "new-goal",
            "",
            lambda _none, form, key, shown: edits.new(form, key, id_, shown.plan or {}, shown.world),
            new_page,
            lambda shown: shown.url("goals", said="goal_made"),
        )
        return submitted(services, id_, asked)

    def review(id_: str, goal: str) -> ResponseReturnValue:
        asked = Asked(
            "review",
            f"Goal/{goal}",
            lambda stored, form, _key, shown: edits.reviewed(stored, form, form.get("etag", ""), shown.world),
            lambda shown, filled, status: goal_page(shown, goal, filled, status),
            lambda shown: shown.url("goal", goal=goal, said="reviewed"),
        )
        return submitted(services, id_, asked)

    def reading(id_: str, goal: str) -> ResponseReturnValue:
        asked = Asked(
            "reading",
            f"Goal/{goal}",
            lambda stored, form, key, shown: edits.measured(stored, form, key, id_, shown.world),
            lambda shown, filled, status: goal_page(shown, goal, filled, status),
            lambda shown: shown.url("goal", goal=goal, said="reading"),
        )
        return submitted(services, id_, asked)

    def needs_page(id_: str) -> ResponseReturnValue:
        return opened(services, id_).show("chart/needs.html", tab="needs", failed=Filled())

    def resolved(id_: str, need: str) -> ResponseReturnValue:
        asked = Asked(
            "resolve",
            f"Condition/{need}",
            lambda stored, form, _key, shown: task_edits.need_resolved(stored, form, form.get("etag", ""), shown.world),
            lambda shown, filled, status: shown.show("chart/needs.html", status, tab="needs", failed=filled),
            lambda shown: shown.url("needs", said="resolved"),
        )
        return submitted(services, id_, asked)

    base = "/chart/patients/<id_>"
    app.add_url_rule(f"{base}/goals", "chart.goals", listed)
    app.add_url_rule(f"{base}/goals/new", "chart.new_goal", new)
    app.add_url_rule(f"{base}/goals/new", "chart.goal_made", made, methods=["POST"])
    app.add_url_rule(f"{base}/goals/<goal>", "chart.goal", one)
    app.add_url_rule(f"{base}/goals/<goal>/review", "chart.review", review, methods=["POST"])
    app.add_url_rule(f"{base}/goals/<goal>/reading", "chart.reading", reading, methods=["POST"])
    app.add_url_rule(f"{base}/needs", "chart.needs", needs_page)
    app.add_url_rule(f"{base}/needs/<need>/resolve", "chart.resolve_need", resolved, methods=["POST"])


def goal_page(shown: Opened, goal_id: str, filled: Filled, status: int) -> Response:
    """One goal with its plot, its readings, its review and the form for a measurement."""
    goal = shown.world.known.get(f"Goal/{goal_id}")
    if goal is None:
        raise NoPatient("No goal is stored under this address.")
    row, words = goals.row(goal, shown.world), shown.frame.words
    about = f"Goal/{goal_id}"
    review = filled if filled.name == "review" else fresh(shown, "review", about, edits.values(goal), row.version)
    now = shown.world.now.astimezone(shown.world.zone).strftime("%Y-%m-%dT%H:%M")
    reading = filled if filled.name == "reading" else fresh(shown, "reading", about, {"when": now})
    steps = MACHINES["Goal"].table.get(str(goal.get("lifecycleStatus")), {})
    now_is = str(goal.get("lifecycleStatus") or "")
    return shown.show(
        "chart/goal.html",
        status,
        tab="goals",
        row=row,
        review=review,
        reading=reading,
        failed=filled,
        measures=edits.measures_of(goal, shown.world),
        achievements=[(name, words(f"gs.{name}")) for name in edits.ACHIEVEMENTS],
        lifecycles=[(name, words.state("gl", name)) for name in (now_is, *steps) if name != "entered-in-error"],
    )


def new_page(shown: Opened, filled: Filled, status: int) -> Response:
    """The form for a new goal."""
    words = shown.frame.words
    choices = {
        "domains": codes.choices("cm-goal-domain", words),
        "priorities": [(name, words(f"gp.{name}")) for name in ("high-priority", "medium-priority", "low-priority")],
        "measures": [
            (item.code, f"{name} ({item.unit})" if item.unit else name)
            for item in edits.MEASURES
            for name in [people.label(item.concept(), shown.world.words)]
        ],
        "needs": needs.barriers(shown.world),
    }
    return shown.show("chart/new_goal.html", status, tab="goals", filled=filled, failed=filled, choices=choices)
