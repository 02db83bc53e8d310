"""Lists, shows and resolves conflicts over HTTP, as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import Flask, Response, request

from fhirplan import assembly
from fhirplan.access.decide import Actor, Limit
from fhirplan.errors import MalformedRequest, NotFound
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.dates import instant
from fhirplan.interactions.incoming import checked
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import current, sight
from fhirplan.merge.policy import Side
from fhirplan.settings import DEFAULT_CONNECTION, Connection
from fhirplan.store.engine import Transaction
from fhirplan.store.sync import conflicts
from fhirplan.store.sync.conflicts import Collision
from fhirplan.sync.explain import Explained, explained
from fhirplan.sync.resolve import Edited, Fields, Take, resolve
from fhirplan.sync.through import Through
from fhirplan.web.plain_json import about, caller, connection_of, plain, serve

_SIDES: Final[Mapping[str, Side]] = {"ours": "ours", "theirs": "theirs", "both": "both", "base": "base"}
_HOW: Final = (
    'Say how to decide, as one of: {"take": "ours"}, {"take": "theirs"}, {"fields": {"Goal.description": "ours"}}, '
    '{"edited": {the resource}}.'
)


def add_conflicts(app: Flask, services: Services) -> None:
    """Serves $conflicts and $conflicts/[number] below each FHIR base.

    ``POST $conflicts/[number]`` resolves one; its If-Match is the ETag of what the caller looked at.
    """
    reach = Through(lambda name: assembly.build_sync(services.settings, services, connection_of(services, name)))

    def listed(connection: str = DEFAULT_CONNECTION) -> Response:
        actor = caller(services, connection)
        everything = request.args.get("state") == "all"
        with services.database.read() as tx:
            listed = conflicts.listed(tx, connection_of(services, connection).name, resolved=everything)
            found = [item for item in listed if _open_to(services, tx, actor, connection, item, "r")]
        return plain({"conflicts": [_summary(item) for item in found]})

    def shown(number: int, connection: str = DEFAULT_CONNECTION) -> Response:
        actor = caller(services, connection)
        known = _explained(services, connection_of(services, connection), number, actor, "r")
        return plain(_whole(known), etag=known.edition)

    def decided(number: int, connection: str = DEFAULT_CONNECTION) -> Response:
        actor = caller(services, connection)
        where = connection_of(services, connection)
        seen = request.headers.get("If-Match", "").strip().removeprefix("W/").strip('"')
        if not seen:
            raise MalformedRequest("If-Match is missing. Send the ETag of the conflict as you looked at it.")
        _explained(services, where, number, actor, "u")
        decision, person = _decision(codec.loads(request.get_data())), actor.grant.person if actor.grant else ""
        resolve(reach.sides(where.name), number, decision, actor=actor.id, seen=seen, person=person)
        return plain(_whole(_explained(services, where, number, actor, "u")))

    serve(app, "/$conflicts", "conflicts", listed, "GET")
    serve(app, "/$conflicts/<int:number>", "conflict", shown, "GET")
    serve(app, "/$conflicts/<int:number>", "conflict-decided", decided, "POST")


def _open_to(services: Services, tx: Transaction, actor: Actor, connection: str, item: Collision, letter: str) -> bool:
    """Whether a caller may see, or decide on, a conflict.

    It holds the EHR's copy as well, which nobody has judged, so the right must be to all resources of the type.
    """
    asked = about(services, actor, connection, item.type, item.id)
    eyes = sight(services, tx, asked, letter)
    return eyes is None or (Limit() in eyes.limits(item.type) and current(services, tx, asked, letter) is not None)


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
