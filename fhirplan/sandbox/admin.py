"""The admin door for tests and the demo, open to this machine only: data, edits as the clinic, faults, the log."""

from __future__ import annotations

import ipaddress
import time
from collections import deque
from typing import Any, Final
from urllib.parse import parse_qsl

import flask

from fhirplan.errors import MalformedRequest, NotPermitted
from fhirplan.fhir import codec
from fhirplan.sandbox import bundle, instants, interactions
from fhirplan.sandbox.calls import Call
from fhirplan.sandbox.faults import Faults, rules
from fhirplan.sandbox.resources import Store

KEPT: Final = 20_000
"""How many requests the log remembers."""

Log = deque[dict[str, Any]]


def request_log() -> Log:
    """An empty log, whose oldest entries give way when it is full."""
    return deque(maxlen=KEPT)


def blueprint(store: Store, log: Log, faults: Faults) -> flask.Blueprint:
    """The routes under /admin; each raises NotPermitted for a caller who is not on this machine."""
    admin = flask.Blueprint("admin", __name__, url_prefix="/admin")
    admin.before_request(_refuse_strangers)

    @admin.post("/reset")
    def reset() -> flask.Response:
        store.reset()
        log.clear()
        return _json({"resources": {}})

    @admin.post("/load")
    def load() -> flask.Response:
        loaded = bundle.process(store, codec.loads_resource(flask.request.get_data()), _base())
        return flask.Response(loaded, content_type="application/fhir+json")

    @admin.get("/requests")
    def requests() -> flask.Response:
        return _json({"requests": _newest(log, flask.request.args.get("last", str(KEPT)))})

    @admin.post("/edit")
    def edit() -> flask.Response:
        return _edited(store, log, codec.loads(flask.request.get_data()))

    @admin.get("/faults")
    def counters() -> flask.Response:
        return _json(faults.counters())

    @admin.post("/faults")
    def script() -> flask.Response:
        _play(faults, codec.loads(flask.request.get_data()))
        return _json(faults.counters())

    @admin.delete("/faults")
    def calm() -> flask.Response:
        faults.clear()
        return _json(faults.counters())

    return admin


def _newest(log: Log, last: str) -> list[dict[str, Any]]:
    if not last.isdecimal():
        raise MalformedRequest(f"last is {last[:40]!r}. It is how many of the newest requests to list.")
    listed = list(log)
    return listed[max(len(listed) - int(last), 0) :]


def _play(faults: Faults, wanted: Any) -> None:
    """Plays a script of faults: its rules, or those with the seed of their chance."""
    listed, seed = (wanted.get("rules"), wanted.get("seed")) if isinstance(wanted, dict) else (wanted, None)
    if seed is not None and not isinstance(seed, int):
        raise MalformedRequest("seed is no whole number.")
    faults.play(rules(listed), seed)


def _edited(store: Store, log: Log, wanted: Any) -> flask.Response:
    """What the clinic's own staff do, whatever the EHR lets a client do: past persona, tokens and faults."""
    if not isinstance(wanted, dict) or not all(isinstance(wanted.get(key), str) for key in ("method", "path")):
        raise MalformedRequest('An edit is {"method": "PUT", "path": "Task/t1", "body": {…}}.')
    body = wanted.get("body")
    if body is not None and not (isinstance(body, dict) and isinstance(body.get("resourceType"), str)):
        raise MalformedRequest("The body of an edit is a resource.")
    path, _, query = wanted["path"].partition("?")
    pairs = tuple(parse_qsl(query, keep_blank_values=True))
    if_match = wanted.get("ifMatch")
    call = Call(wanted["method"], path, _base(), pairs, body, if_match if isinstance(if_match, str) else "")
    reply = interactions.answer(store, call)
    log.append(
        {
            "time": instants.text(time.time_ns() // 1_000_000),
            "method": call.method,
            "path": f"/fhir/{path}",
            "status": reply.status,
            "user": "clinic",
        }
    )
    made = flask.Response(reply.body, reply.status, content_type="application/fhir+json")
    made.headers.update(dict(reply.headers))
    return made


def _base() -> str:
    return flask.request.host_url + "fhir"


def _json(value: dict[str, Any]) -> flask.Response:
    return flask.Response(codec.dumps(value), content_type="application/json")


def _refuse_strangers() -> None:
    """Lets in who calls from this machine, and no web page opened on it (a browser says Origin) nor a proxy."""
    request = flask.request
    try:
        here = ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        here = False
    if not here or "Origin" in request.headers or "X-Forwarded-For" in request.headers:
        raise NotPermitted("The admin door opens only to programs on the sandbox's own machine.")
