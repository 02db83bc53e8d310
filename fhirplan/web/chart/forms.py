"""Takes a form of the chart: checks who sent it, has it written, or shows it again with what is wrong beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from flask import Response, redirect, request
from flask.typing import ResponseReturnValue

from fhirplan.chart.edits import BadForm, Form, Write
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.services import Services
from fhirplan.store.coordination import drafts
from fhirplan.store.coordination.drafts import Place
from fhirplan.web.chart import csrf
from fhirplan.web.chart.frame import Frame, Opened, opened
from fhirplan.web.chart.save import KEY, Filled, Problem, problems, save, stale, wrong
from fhirplan.web.chart.steps import steps_made
from fhirplan.web.viewer import NoSession, typing

Make = Callable[[Resource, Form, str, Opened], list[Write]]
"""From what is stored now (empty for something new), the form, an unused id and the chart: what to write."""
Show = Callable[[Opened, Filled, int], Response]
LIFE: Final = 72 * 3_600_000
"""How long a draft is kept, in ms: over a weekend."""
_HIDDEN: Final = frozenset({csrf.FIELD, "key", "etag", "form"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A form: its name, what it is about (``Type/id``, "" for something new), how it is made into writes and shown."""

    name: str
    about: str
    make: Make
    show: Show
    done: Callable[[Opened], str]


def submitted(services: Services, id_: str, asked: Asked) -> ResponseReturnValue:
    """Has the form written and leads on (303), or shows it again with what is wrong (422, 412 where it is stale)."""
    csrf.check(request)
    try:
        shown = opened(services, id_)
    except NoSession as error:
        error.kept = keep_afterwards(services, id_)
        raise
    form = dict(request.form.items())
    key = form.get("key", "")
    key = key if KEY.fullmatch(key) else services.new_id()
    filled = Filled(asked.name, form, key=key, etag=form.get("etag", ""))
    resource = shown.world.known.get(asked.about, {})
    if asked.about and not resource:
        return asked.show(shown, _with(filled, [Problem("", shown.frame.words("val.gone"))]), 422)

    def made(stored: Resource) -> list[Write]:
        return asked.make(stored, form, key, shown)

    try:
        writes = made(resource)
    except BadForm as error:
        return asked.show(shown, _with(filled, wrong(error.wrong, shown.frame.words)), 422)
    reply = save(shown.frame, writes)
    if reply.status < 400:
        _drop(shown.frame, id_, asked.name, asked.about)
        steps = steps_made(reply, writes, shown.world.known, shown.world)
        return redirect(_with_undo(asked.done(shown), steps), 303)
    if reply.status == 412:
        mine = next((item for item in writes if _ref(item.resource) == asked.about), writes[0])
        found = stale(shown, mine, made)
        if found:
            return asked.show(shown, Filled(asked.name, form, (), found, key=key, etag=found.etag), 412)
    said = problems(reply.issues, shown.frame.words, form)
    return asked.show(
        shown, _with(filled, said or (Problem("", shown.frame.words("val.not_saved")),)), _status(reply.status)
    )


def _with_undo(url: str, steps: str) -> str:
    """The address of the page that follows, with what was written, so that it can be taken back from there."""
    if not steps:
        return url
    address, hash_, fragment = url.partition("#")
    return f"{address}{'&' if '?' in address else '?'}undo={quote(steps, safe='/:,')}{hash_}{fragment}"


def _status(found: int) -> int:
    return found if found in (401, 403, 404, 412, 422, 503, 507) else 422


def _ref(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _with(filled: Filled, found: tuple[Problem, ...] | list[Problem]) -> Filled:
    return Filled(filled.name, filled.values, tuple(found), key=filled.key, etag=filled.etag)


def fresh(shown: Opened, name: str, about: str, values: Mapping[str, str] | None = None, etag: str = "") -> Filled:
    """A form as it is first shown: with these values, or with the viewer's draft of it over them."""
    place = _place(shown.frame, shown.id, name, about)
    with shown.frame.services.database.read() as tx:
        draft = drafts.get(tx, place, since=shown.frame.now - LIFE)
    key = shown.frame.services.new_id()
    if draft is None:
        return Filled(name, dict(values or {}), key=key, etag=etag)
    kept = {**(values or {}), **draft.values}
    return Filled(name, kept, draft=clock(shown.frame, draft.updated), key=key, etag=etag)


def clock(made: Frame, at: int) -> str:
    """A time of day as the page writes it."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return made.words.moment(moment, datetime.fromtimestamp(made.now / 1000, UTC), made.likes.zone)


def keep_draft(made: Frame, id_: str) -> bool:
    """Keeps what stands in the fields of a form; False where it is too much."""
    return _kept(made.services, _place(made, id_, request.form.get("form", "")[:80], ""), made.now)


def _kept(services: Services, place: Place, now: int) -> bool:
    values = {name: value for name, value in request.form.items() if name not in _HIDDEN and value}
    with services.database.write() as tx:
        return drafts.keep(tx, place, values, now=now, expired=now - LIFE)


def keep_afterwards(services: Services, id_: str) -> bool:
    """Keeps what stands in the fields of a form whose session ended meanwhile; False where nobody is known by it.

    It comes back to the same person in their next session. Nothing is shown or changed.
    """
    who = typing(request)
    if who is None or who[2] not in (None, id_):
        return False
    place = Place(who[0], who[1], id_, request.form.get("form", "")[:80])
    return _kept(services, place, services.clock())


def discard_draft(made: Frame, id_: str) -> None:
    """Forgets the draft that the form names."""
    _drop(made, id_, request.form.get("form", "")[:80], "")


def _drop(made: Frame, id_: str, name: str, about: str) -> None:
    with made.services.database.write() as tx:
        drafts.drop(tx, _place(made, id_, name, about))


def draft_name(name: str, about: str) -> str:
    """What a form's draft is kept under."""
    return f"{name}:{about}" if about else name


def _place(made: Frame, id_: str, name: str, about: str) -> Place:
    return Place(made.who.connection.name, made.who.actor.id, id_, draft_name(name, about))
