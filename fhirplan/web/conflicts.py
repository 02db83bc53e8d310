"""Lists, shows and resolves conflicts over HTTP, and tells what became of each change (receipts)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Flask, Response, request

from fhirplan import assembly
from fhirplan.access.decide import ANYBODY, Actor, Grant, Limit, decide
from fhirplan.access.scopes import Scopes
from fhirplan.catalog import spec
from fhirplan.errors import MalformedRequest, NotFound
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.dates import instant
from fhirplan.interactions.authenticate import authenticate
from fhirplan.interactions.incoming import checked
from fhirplan.interactions.services import Services, fhir_base
from fhirplan.interactions.sight import absent, current, sight
from fhirplan.interactions.values import Interaction
from fhirplan.merge.policy import Side
from fhirplan.settings import DEFAULT_CONNECTION, Connection
from fhirplan.store import conflicts, receipts, versions
from fhirplan.store.conflicts import Collision
from fhirplan.store.engine import Transaction
from fhirplan.store.receipts import Receipt
from fhirplan.sync.explain import Explained, explained
from fhirplan.sync.resolve import Edited, Fields, Take, resolve
from fhirplan.sync.through import Through

_SIDES: Final[Mapping[str, Side]] = {"ours": "ours", "theirs": "theirs", "both": "both", "base": "base"}
_HOW: Final = (
    'Say how to decide, as one of: {"take": "ours"}, {"take": "theirs"}, {"fields": {"Goal.description": "ours"}}, '
    '{"edited": {the resource}}.'
)


def add_conflicts(app: Flask, services: Services) -> None:
    """Serves $conflicts, $conflicts/[number] and [type]/[id]/$receipts below each FHIR base, as plain JSON.

    ``POST $conflicts/[number]`` resolves one; its If-Match is the ETag of what the caller looked at.
    """
    reach = Through(lambda name: assembly.build_sync(services.settings, services, _connection(services, name)))

    def listed(connection: str = DEFAULT_CONNECTION) -> Response:
        actor = _caller(services, connection)
        everything = request.args.get("state") == "all"
        with services.database.read() as tx:
            listed = conflicts.listed(tx, _connection(services, connection).name, resolved=everything)
            found = [item for item in listed if _open_to(services, tx, actor, connection, item, "r")]
        return _json({"conflicts": [_summary(item) for item in found]})

    def shown(number: int, connection: str = DEFAULT_CONNECTION) -> Response:
        actor = _caller(services, connection)
        known = _explained(services, _connection(services, connection), number, actor, "r")
        return _json(_whole(known), etag=known.edition)

    def decided(number: int, connection: str = DEFAULT_CONNECTION) -> Response:
        actor = _caller(services, connection)
        where = _connection(services, connection)
        seen = request.headers.get("If-Match", "").strip().removeprefix("W/").strip('"')
        if not seen:
            raise MalformedRequest("If-Match is missing. Send the ETag of the conflict as you looked at it.")
        _explained(services, where, number, actor, "u")
        resolve(reach.sides(where.name), number, _decision(codec.loads(request.get_data())), actor=actor.id, seen=seen)
        return _json(_whole(_explained(services, where, number, actor, "u")))

    def told(type_: str, id_: str, connection: str = DEFAULT_CONNECTION) -> Response:
        actor = _caller(services, connection)
        decide(actor, "read", spec(type_).type, services.settings.auth)
        with services.database.read() as tx:
            found = receipts.of(tx, _connection(services, connection).name, type_, id_)
            if actor.grant is not None:
                found = _seen(services, tx, _about(services, actor, connection, type_, id_), found)
        return _json({"receipts": [_receipt(item) for item in found]})

    _serve(app, "/$conflicts", "conflicts", listed, "GET")
    _serve(app, "/$conflicts/<int:number>", "conflict", shown, "GET")
    _serve(app, "/$conflicts/<int:number>", "conflict-decided", decided, "POST")
    _serve(app, "/<type_>/<id_>/$receipts", "receipts", told, "GET")


def _serve(app: Flask, path: str, name: str, view: Callable[..., Response], method: str) -> None:
    for base in ("/fhir", "/<connection>/fhir"):
        app.add_url_rule(f"{base}{path}", name, view, methods=[method], provide_automatic_options=False)


def _caller(services: Services, connection: str) -> Actor:
    """Who is calling; raises NotAuthenticated."""
    if services.settings.auth == "open":
        return ANYBODY
    actor = authenticate(services, request.headers.get("Authorization", ""), connection)
    if actor is None:
        decide(None, "read", "conflicts and receipts", services.settings.auth)
    return actor or Actor("nobody", Grant("", Scopes()))


def _open_to(services: Services, tx: Transaction, actor: Actor, connection: str, item: Collision, letter: str) -> bool:
    """Whether a caller may see, or decide on, a conflict.

    It holds the EHR's copy as well, which nobody has judged, so the right must be to all resources of the type.
    """
    asked = _about(services, actor, connection, item.type, item.id)
    eyes = sight(services, tx, asked, letter)
    return eyes is None or (Limit() in eyes.limits(item.type) and current(services, tx, asked, letter) is not None)


def _seen(services: Services, tx: Transaction, asked: Interaction, found: list[Receipt]) -> list[Receipt]:
    """The receipts of the versions that a caller may see, whose content an EHR's refusal may quote.

    Raises NotFound where they may not know that there is such a resource.
    """
    if current(services, tx, asked, "r") is None:
        raise absent(asked)
    eyes = sight(services, tx, asked, "r")
    if eyes is None:
        return found
    then = {item.version: versions.at(tx, asked.connection, asked.type, asked.id, item.version) for item in found}
    shown = {number for number, version in then.items() if version is not None and eyes.saw(version)}
    return [item for item in found if item.version in shown]


def _about(services: Services, actor: Actor, connection: str, type_: str, id_: str) -> Interaction:
    return Interaction("read", fhir_base(services.settings, connection), connection, type_, id_, actor=actor)


def _connection(services: Services, name: str) -> Connection:
    found = services.settings.connection(name)
    if found is None:
        raise NotFound(f"There is no connection named {name[:80]!r} here.")
    if not found.ehr_url:
        raise NotFound(f"The connection {name} has no EHR, so nothing is in conflict and nothing is sent.")
    return found


def _explained(services: Services, connection: Connection, number: int, actor: Actor, letter: str) -> Explained:
    with services.database.read() as tx:
        found = conflicts.get(tx, connection.name, number)
        if found is None or not _open_to(services, tx, actor, connection.name, found, letter):
            raise NotFound(f"There is no conflict {number}. $conflicts lists those there are.")
        clinic = services.settings.clinic_label
        return explained(
            tx,
            connection.name,
            found,
            clinic=clinic,
            validate=lambda made: checked(services, made, connection=connection),
        )


def _decision(given: Any) -> Take | Fields | Edited:
    match given:
        case {"take": "ours"}:
            return "ours"
        case {"take": "theirs"}:
            return "theirs"
        case {"edited": {"resourceType": str()} as resource}:
            return Edited(resource)
        case {"fields": dict(fields)} if fields and all(side in _SIDES for side in fields.values()):
            return Fields({path: _SIDES[side] for path, side in fields.items()})
    raise MalformedRequest(_HOW)


def _summary(item: Collision) -> dict[str, Any]:
    return {
        "number": item.cid,
        "resource": f"{item.type}/{item.id}",
        "paths": list(item.paths),
        "state": item.state,
        "since": instant(item.created),
    }


def _whole(known: Explained) -> Resource:
    questions = [
        {"path": q.path, "element": q.element, "words": q.words, "agreed": q.agreed, "ours": q.ours, "theirs": q.theirs}
        for q in known.questions
    ]
    return {
        **_summary(known.conflict),
        "words": list(known.words),
        "changedHere": {"by": known.here.actor, "at": known.here.at, "version": known.here.version},
        "changedThere": {"at": known.there.at, "version": known.there.version},
        "questions": questions,
        "base": known.conflict.base,
        "ours": known.local,
        "theirs": known.conflict.remote,
    }


def _receipt(item: Receipt) -> dict[str, Any]:
    return {
        "version": item.version,
        "route": item.route,
        "state": item.state,
        "ehrId": item.ehr_id,
        "ehrVersion": item.ehr_version,
        "at": instant(item.at),
        "outcome": codec.loads(item.outcome) if item.outcome else None,
    }


def _json(value: dict[str, Any], *, etag: str = "") -> Response:
    made = Response(codec.dumps(value), content_type="application/json")
    made.headers["Cache-Control"] = "no-store"
    if etag:
        made.headers["ETag"] = f'W/"{etag}"'
    return made
