"""Turns HTTP into calls on the sandbox EHR and its replies into HTTP."""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import parse_qsl

import flask
import msgspec
from werkzeug.exceptions import HTTPException

from fhirplan import __version__
from fhirplan.errors import FhirplanError, Issue, MalformedRequest
from fhirplan.fhir import codec, outcome
from fhirplan.sandbox import bundle, instants, interactions, metadata
from fhirplan.sandbox.admin import Log, blueprint, request_log
from fhirplan.sandbox.calls import Call, Pairs, Reply
from fhirplan.sandbox.refusals import NotAcceptable, UnsupportedMedia, WrongMethod, status_of
from fhirplan.sandbox.resources import Store

FHIR_JSON: Final = "application/fhir+json"
MAX_BODY: Final = 64 * 1024 * 1024
_READ: Final = (FHIR_JSON, "application/json", "application/json+fhir", "")
_FORM: Final = "application/x-www-form-urlencoded"
_SHOWN: Final = ("json", FHIR_JSON, "application/json", "application/fhir json", "text/json")
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]


def create_app(store: Store) -> flask.Flask:
    """The sandbox EHR over this store: FHIR at /fhir, and the admin door at /admin."""
    app = flask.Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = app.url_map.redirect_defaults = False
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY
    log = request_log()

    def fhir(path: str) -> flask.Response:
        return _response(_answer(store, path.strip("/")))

    for rule, defaults in (("/fhir", {"path": ""}), ("/fhir/", {"path": ""}), ("/fhir/<path:path>", None)):
        app.add_url_rule(rule, "fhir", fhir, methods=_METHODS, defaults=defaults, provide_automatic_options=False)
    app.register_blueprint(blueprint(store, log))
    app.register_error_handler(FhirplanError, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.after_request(lambda response: _logged(log, response))
    return app


def _answer(store: Store, path: str) -> Reply:
    """The one place through which every FHIR request goes; a persona or a fault would stand here."""
    request = flask.request
    _check_format()
    base = request.host_url + "fhir"
    method = "GET" if request.method == "HEAD" else request.method
    if path == "metadata":
        _allow(method, "GET")
        return Reply(200, codec.dumps(metadata.statement(base, __version__)))
    if path == "":
        _allow(method, "POST")
        return Reply(200, bundle.process(store, _body(), base, request.headers.get("Prefer", "")))
    searching = method == "POST" and path.endswith("/_search")
    header = request.headers.get
    return interactions.answer(
        store,
        Call(
            method,
            path,
            base,
            _pairs() + (_form() if searching else ()),
            _body() if method in ("POST", "PUT") and not searching else None,
            header("If-Match", ""),
            header("If-None-Match", ""),
            header("If-None-Exist", ""),
            header("Prefer", ""),
        ),
    )


def _allow(method: str, allowed: str) -> None:
    if method != allowed:
        raise WrongMethod(f"{method} is not possible at {flask.request.path}. Use {allowed}.", (allowed,))


def _pairs() -> Pairs:
    return _decoded(flask.request.query_string)


def _form() -> Pairs:
    if flask.request.mimetype not in (_FORM, ""):
        raise UnsupportedMedia(f"A search is posted as {_FORM}; this is {flask.request.mimetype}.")
    return _decoded(flask.request.get_data())


def _decoded(query: bytes) -> Pairs:
    try:
        return tuple(parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=1000))
    except ValueError:
        raise MalformedRequest("The search parameters are not percent-encoded UTF-8, or there are too many.") from None


def _body() -> codec.Resource:
    if flask.request.mimetype not in _READ:
        raise UnsupportedMedia(f"The body is {flask.request.mimetype}. Send FHIR JSON as {FHIR_JSON}.")
    return codec.loads_resource(flask.request.get_data())


def _check_format() -> None:
    wanted = flask.request.args.get("_format")
    if wanted is not None and wanted not in _SHOWN:
        raise NotAcceptable(f"_format is {wanted[:40]!r}. Only JSON is offered: {FHIR_JSON}.")
    accepted = flask.request.accept_mimetypes
    if wanted is None and accepted and not accepted.best_match([FHIR_JSON, "application/json", "text/json"]):
        raise NotAcceptable(f"The header Accept leaves out JSON, the only format offered: {FHIR_JSON}.")


def _response(reply: Reply) -> flask.Response:
    body = reply.body
    if flask.request.args.get("_pretty") == "true" and body:
        body = msgspec.json.format(body, indent=2)
    content_type = f"{FHIR_JSON}; charset=utf-8" if body else None
    response = flask.Response(body, reply.status, dict(reply.headers), content_type=content_type)
    if not body:
        response.headers.pop("Content-Type", None)
    return response


def _refused(error: FhirplanError) -> flask.Response:
    headers = {"Allow": ", ".join(error.allowed)} if isinstance(error, WrongMethod) else {}
    return _response(Reply(status_of(error), codec.dumps(outcome.outcome(error.issues)), headers))


def _http_error(error: HTTPException) -> flask.Response:
    """What Flask itself refuses, and what went wrong inside, as an OperationOutcome without its workings."""
    status = error.code or 500
    code, said = _SAID.get(status, ("processing", error.description or error.name))
    response = _response(Reply(status, codec.dumps(outcome.outcome([Issue("error", code, said)]))))
    response.headers.extend((k, v) for k, v in error.get_headers() if k == "Allow")
    return response


_SAID: Final = {
    404: ("not-found", "There is nothing at this address. The FHIR base is /fhir."),
    413: ("too-costly", f"The body is larger than {MAX_BODY} bytes. Send it in parts."),
    500: ("exception", "The sandbox failed; its log says why. Nothing was changed by this request."),
}


def _logged(log: Log, response: flask.Response) -> flask.Response:
    request = flask.request
    if not request.path.startswith("/admin"):
        entry = {
            "time": instants.text(time.time_ns() // 1_000_000),
            "method": request.method,
            "path": request.path,
            "query": request.query_string.decode("latin-1"),
            "status": response.status_code,
            "user": request.headers.get("X-Sandbox-User", ""),
            "ifMatch": request.headers.get("If-Match", ""),
            "ifNoneExist": request.headers.get("If-None-Exist", ""),
            "location": response.headers.get("Location", ""),
        }
        log.append({key: value for key, value in entry.items() if value != ""})
    return response
