"""What every page of the chart stands in: who looks, how they like it shown, whose record it is, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time
from functools import cache, cached_property
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from flask import Request, Response, make_response, render_template, request, url_for

from fhirplan import __version__
from fhirplan.access.decide import decide
from fhirplan.chart import changes, record, team
from fhirplan.chart.care_plan_page import CarePlanPage, build
from fhirplan.chart.record import Asked
from fhirplan.chart.words import Words, words
from fhirplan.chart.world import World, chosen
from fhirplan.errors import FhirplanError
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.services import Services
from fhirplan.web.chart.csrf import token
from fhirplan.web.chart.sight import keep, seen
from fhirplan.web.chart.steps import undoable
from fhirplan.web.languages import language, liked
from fhirplan.web.viewer import Viewer, viewer

THEMES: Final = ("auto", "light", "dark", "contrast")


@dataclass(frozen=True, slots=True)
class Preferences:
    """How somebody likes the pages shown; kept in a cookie of their browser, which says nothing about a patient."""

    language: str
    theme: str
    zone: ZoneInfo
    keys: bool


class NoPatient(FhirplanError):
    """No patient is stored under the id of an address."""

    code = "not-found"


class OtherPatient(FhirplanError):
    """The session is for another patient than the address names; ``own`` is the id of the one it is for."""

    code = "forbidden"

    def __init__(self, own: str) -> None:
        super().__init__("This session is for another patient.")
        self.own = own


@dataclass(frozen=True, slots=True)
class Frame:
    """One request to a page: its viewer, their preferences, and the moment (ms since 1970)."""

    services: Services
    who: Viewer
    likes: Preferences
    now: int

    @property
    def words(self) -> Words:
        """The words of the viewer's language."""
        return words(self.likes.language)

    def page(self, name: str, status: int = 200, **values: Any) -> Response:
        """A template filled in, with what each of them needs."""
        made = make_response(
            render_template(
                name,
                words=self.words,
                likes=self.likes,
                who=self.who,
                open_mode=self.services.settings.auth == "open",
                version=__version__,
                csrf=token(request),
                ehr=self.who.connection.ehr_label,
                **values,
            ),
            status,
        )
        made.headers["Vary"] = "Cookie, Accept-Language, HX-Request"
        return made


@dataclass(frozen=True)
class Opened:
    """One patient's chart as it is shown: the record, the plan, and the page made of them when it is asked for.

    ``then`` is the day that the plan is shown as of, "" for now; nothing can be written into the past. ``unseen`` is
    how many changes from the EHR the viewer has not marked as seen.
    """

    frame: Frame
    patient: Resource
    world: World
    plan: Resource | None
    then: str
    unseen: int
    wanted: str

    @cached_property
    def page(self) -> CarePlanPage:
        """Everything that the templates show."""
        return build(self.patient, self.world, self.wanted)

    @property
    def id(self) -> str:
        """The patient's id."""
        return str(self.patient["id"])

    def show(self, name: str, status: int = 200, **values: Any) -> Response:
        """A template about this patient."""
        return self.frame.page(
            name,
            status,
            page=self.page,
            patient_id=self.id,
            then=self.then,
            unseen=self.unseen,
            plan_id=self.plan["id"] if self.plan else "",
            said=_said(self.frame.words),
            **{"undo": self.undo(request.args.get("undo", "")), **values},
        )

    def undo(self, steps: str) -> str:
        """The steps that the page offers to take back, "" for none."""
        if self.then or not steps:
            return ""
        return undoable(steps, self.world, self.frame.who.connection, self.frame.now)

    def url(self, endpoint: str, **values: Any) -> str:
        """The address of another page about this patient and plan."""
        asked = {"plan": request.args["plan"]} if request.args.get("plan") else {}
        kept: dict[str, Any] = {**asked, **values}
        return url_for(f"chart.{endpoint}", id_=self.id, **kept)


def frame(services: Services) -> Frame:
    """The frame of the request that is being answered; raises NoSession."""
    who = viewer(request, services)
    return Frame(services, who, preferences(request, services), services.clock())


def preferences(asked: Request, services: Services) -> Preferences:
    """What the cookie says, else what the browser asks for, else the settings."""
    parts = liked(asked)
    theme = parts[1] if parts[1] in THEMES else THEMES[0]
    zone = parts[2] if parts[2] in _zones() else services.settings.time_zone
    return Preferences(language(asked).language, theme, ZoneInfo(zone), parts[3] != "off")


@cache
def _zones() -> frozenset[str]:
    """The names of all time zones; finding them reads a folder."""
    return frozenset(available_timezones())


def opened(services: Services, id_: str, *, plan_id: str | None = None) -> Opened:
    """The chart of a patient as the request asks for it (``?plan=``, ``?as-of=``).

    Raises NoSession, NotAuthenticated, NotPermitted, OtherPatient, NoPatient.
    """
    made = frame(services)
    may_open(made, id_)
    then, moment = _as_of(made)
    asked = Asked(
        made.who.connection,
        id_,
        record.at(made.now if moment is None else moment),
        made.likes.zone,
        made.words,
        services.settings.clinic_label,
        moment,
    )
    name, actor = made.who.connection.name, made.who.actor.id
    with services.database.read() as tx:
        patient = record.patient(tx, asked)
        if patient is None:
            raise NoPatient("No patient is stored under this address.")
        world = seen(made.services, made.who, tx, record.world(tx, asked, patient))
        if f"Patient/{id_}" in world.withheld:
            raise NoPatient("No patient is stored under this address.")
        unseen = changes.unseen(tx, name, id_, actor, world) if moment is None else 0
    keep(made.services, made.who, "everything", "Patient", id_)
    wanted = request.args.get("plan", "") if plan_id is None else plan_id
    plan = chosen(world, wanted)
    world = replace(world, me=team.acting_as(actor, plan, world))
    return Opened(made, patient, world, plan, then, unseen, wanted)


def may_open(made: Frame, id_: str) -> None:
    """Raises OtherPatient where the session is for another patient, NotAuthenticated where nobody may read."""
    decide(made.who.actor, "read", "Patient", made.services.settings.auth)
    if made.who.patient not in (None, id_):
        raise OtherPatient(str(made.who.patient))


def _as_of(made: Frame) -> tuple[str, int | None]:
    """The day asked for, and its end in ms; nothing for today, the future, or what is no day."""
    text = request.args.get("as-of", "")
    moment = end_of_day(text, made.likes.zone)
    return (text, moment) if moment is not None and moment < made.now else ("", None)


def end_of_day(text: str, zone: ZoneInfo) -> int | None:
    """The last moment of a day such as ``2026-03-09`` in a zone, in ms since 1970; None for what is no day."""
    try:
        day = datetime.fromisoformat(text).date() if len(text) == 10 else None
    except ValueError:
        return None
    return int(datetime.combine(day, time(23, 59, 59, 999000), zone).timestamp() * 1000) if day else None


def _said(language: Words) -> str:
    """What the last act did, when the address says so: only sentences of the catalogue can be named."""
    key = f"said.{request.args.get('said', '')}"
    return language(key) if language.has(key) else ""
