"""Writes what a form asks for through the interactions of the API, and turns a refusal into words beside its fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as _field
from typing import Final

from fhirplan.chart import refusals
from fhirplan.chart.difference import difference
from fhirplan.chart.edits import BadForm, Write, Wrong
from fhirplan.chart.words import Words
from fhirplan.errors import Issue
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.perform import perform
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.store import versions
from fhirplan.store.sync import conflicts
from fhirplan.web.chart.asked import asked
from fhirplan.web.chart.frame import Frame, Opened

_IN_BUNDLE: Final = re.compile(r"^Bundle\.entry\[\d+\]\.resource\.?")
_INDEX: Final = re.compile(r"\[\d+\]")
KEY: Final = re.compile(r"[A-Za-z0-9\-]{8,64}")
# Which field of a form an element is asked for in, the first that the form has.
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "status": ("to", "how", "lifecycle"),
    "lifecycleStatus": ("lifecycle", "words"),
    "statusReason": ("reason", "why"),
    "businessStatus": ("to", "stage", "how"),
    "owner": ("owner",),
    "restriction": ("due", "again"),
    "executionPeriod": ("to", "when"),
    "output": ("outcome", "next"),
    "code": ("title", "kind", "measure"),
    "description": ("words",),
    "achievementStatus": ("achievement",),
    "target": ("due", "high"),
    "category": ("domain", "type"),
    "sent": ("when",),
    "received": ("when",),
    "sender": ("sender",),
    "recipient": ("recipient",),
    "payload": ("said",),
    "valueQuantity": ("value",),
    "effectiveDateTime": ("when",),
    "extension": ("barrier",),
    "note": ("note",),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to put right: the field it is about ("" for the form as a whole), in words, with the rule behind it.

    ``detail`` is what to tell those who look after the server, in English, "" where the words say it all.
    """

    field: str
    text: str
    rule: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Both:
    """A field that the form and somebody else changed, or somebody else alone: what it was, is, and was to be."""

    name: str
    before: str
    theirs: str
    mine: str


@dataclass(frozen=True, slots=True)
class Stale:
    """What somebody else changed while a form was being filled in: who did, and the fields."""

    who: str
    rows: tuple[Both, ...]
    etag: str


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it is shown: what stands in its fields, and what is wrong with that."""

    name: str = ""
    values: Mapping[str, str] = _field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    stale: Stale | None = None
    draft: str = ""
    key: str = ""
    etag: str = ""

    def value(self, field: str, default: str = "") -> str:
        """What stands in a field."""
        return self.values.get(field, default)

    def problem(self, field: str) -> str:
        """What is wrong with a field, or ""."""
        return " ".join(item.text for item in self.problems if item.field == field)


def save(made: Frame, writes: list[Write]) -> Reply:
    """Carries the writes out, all or none, each under the version it was read at.

    A form that is sent twice is saved once: what it makes has its id from the page that it was filled in on.
    """
    name = made.who.connection.name
    with made.services.database.read() as tx:
        new = [item.resource for item in writes if not item.version]
        if any(versions.current(tx, name, item["resourceType"], item["id"]) for item in new):
            return Reply(200)
    if len(writes) == 1:
        return perform(made.services, _single(made, writes[0]))
    entries = [_entry(item) for item in writes]
    body = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    return perform(made.services, asked(made, "bundle", body=codec.dumps(body)))


def _single(made: Frame, write: Write) -> Interaction:
    resource = write.resource
    return asked(
        made,
        "update",
        str(resource["resourceType"]),
        str(resource["id"]),
        body=codec.dumps(resource),
        if_match=f'W/"{write.version}"' if write.version else "",
        if_none_match="" if write.version else "*",
    )


def _entry(write: Write) -> Resource:
    resource = write.resource
    wanted = {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}
    if write.version:
        wanted["ifMatch"] = f'W/"{write.version}"'
    return {"resource": resource, "request": wanted}


def wrong(found: Iterable[Wrong], words: Words) -> tuple[Problem, ...]:
    """The problems of a form that could not be read."""
    return tuple(Problem(item.field, words(item.key, **item.values)) for item in found)


def problems(issues: Iterable[Issue], words: Words, fields: Iterable[str]) -> tuple[Problem, ...]:
    """The errors of a refusal, each beside the field that it is about where the form has it."""
    have = set(fields)
    made = []
    for issue in issues:
        if not issue.is_error:
            continue
        element = _element(issue.expression)
        field = next((name for name in _FIELDS.get(element, ()) if name in have), "")
        made.append(Problem(field, refusals.said(issue, words), issue.rule, refusals.detail(issue, words)))
    return tuple(dict.fromkeys(made))


def _element(expression: str) -> str:
    inside = _INDEX.sub("", _IN_BUNDLE.sub("", expression))
    parts = [part for part in inside.split(".") if part and not part[:1].isupper()]
    return parts[0] if parts else ""


def stale(shown: Opened, write: Write, make: Callable[[Resource], list[Write]]) -> Stale | None:
    """What somebody else changed since the form was opened; None where the resource is gone.

    ``make`` gives what the form asks for of a resource, so that it can be told what the form itself changes.
    """
    type_, id_ = str(write.resource["resourceType"]), str(write.resource["id"])
    name = shown.frame.who.connection.name
    with shown.frame.services.database.read() as tx:
        now = versions.current(tx, name, type_, id_)
        before = versions.at(tx, name, type_, id_, int(write.version)) if write.version.isdecimal() else None
        who = conflicts.changed_by(tx, now.rid, now.version) if now else ""
    if now is None or now.deleted or before is None or before.deleted:
        return None
    base, current = before.resource(), now.resource()
    try:
        mine = next((item.resource for item in make(base) if item.resource.get("id") == id_), base)
    except BadForm:
        mine = base
    world = shown.world
    theirs = {item.name: item for item in difference(base, current, world)}
    ours = {item.name: item for item in difference(base, mine, world)}
    rows = tuple(
        Both(
            field,
            item.before,
            item.after,
            ours[field].after if field in ours else "",
        )
        for field, item in theirs.items()
        if not (field in ours and ours[field].after == item.after)
    )
    return Stale(who_changed(who, shown), rows, str(now.version))


def who_changed(actor: str, shown: Opened) -> str:
    """Who made a change, in the viewer's words; ``actor`` is as the audit names them."""
    words = shown.frame.words
    if actor == "ehr":
        return shown.world.ehr
    if actor == shown.frame.who.actor.id and actor != "anybody":
        return words("who.you_elsewhere")
    return words("who.somebody")
