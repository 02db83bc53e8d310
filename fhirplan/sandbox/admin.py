"""The admin door for tests and the demo, open to this machine only: reset, load, and the log of requests."""

from __future__ import annotations

import ipaddress
from collections import deque
from typing import Any, Final

import flask

from fhirplan.errors import MalformedRequest, NotPermitted
from fhirplan.fhir import codec
from fhirplan.sandbox import bundle
from fhirplan.sandbox.resources import Store

KEPT: Final = 20_000
"""How many requests the log remembers."""

Log = deque[dict[str, Any]]


def request_log() -> Log:
    """An empty log, whose oldest entries give way when it is full."""
    return deque(maxlen=KEPT)


def blueprint(store: Store, log: Log) -> flask.Blueprint:
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
        last = flask.request.args.get("last", str(KEPT))
        if not last.isdecimal():
            raise MalformedRequest(f"last is {last[:40]!r}. It is how many of the newest requests to list.")
        listed = list(log)
        return _json({"requests": listed[max(len(listed) - int(last), 0) :]})

    return admin


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
