"""Turns HTTP into calls on the sandbox EHR and its replies into HTTP."""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import parse_qsl

import flask
import msgspec
from werkzeug.exceptions import HTTPException

from fhirplan import __version__
from fhirplan.errors import FhirplanError, Issue, MalformedRequest, NotSupported
from fhirplan.fhir import codec, outcome
from fhirplan.sandbox import bundle, door, instants, metadata, scopes
from fhirplan.sandbox.admin import Log, blueprint, request_log
from fhirplan.sandbox.authorize import Gate
from fhirplan.sandbox.calls import Call, Pairs, Reply, asked
from fhirplan.sandbox.desk import Desk
from fhirplan.sandbox.faults import Faults, Occasion
from fhirplan.sandbox.misfortune import Scene, Stage, play, refused
from fhirplan.sandbox.persona import Persona
from fhirplan.sandbox.personas.open import OPEN
from fhirplan.sandbox.refusals import NotAcceptable, UnsupportedMedia, WrongMethod
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.sample_app import sample_app
from fhirplan.sandbox.server import LOST
from fhirplan.sandbox.sign_in import sign_in_door
from fhirplan.sandbox.sign_in_discovery import configuration
from fhirplan.sandbox.token_door import token_door, token_url

FHIR_JSON: Final = "application/fhir+json"
MAX_BODY: Final = 64 * 1024 * 1024
_READ: Final = (FHIR_JSON, "application/json", "application/json+fhir", "")
_FORM: Final = "application/x-www-form-urlencoded"
_PATCH: Final = "application/json-patch+json"
_SHOWN: Final = ("json", FHIR_JSON, "application/json", "application/fhir json", "text/json")
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]


def create_app(
    store: Store,
    persona: Persona = OPEN,
    gate: Gate | None = None,
    faults: Faults | None = None,
    desk: Desk | None = None,
    opens_sample: str = "",
) -> flask.Flask:
    """The sandbox EHR over this store: FHIR at /fhir, and the admin door at /admin.

    ``persona`` is whose EHR it plays, ``gate`` asks for tokens (without one nobody needs any), ``faults`` is the
    script of what goes wrong, which the admin door can change, ``desk`` signs people in and opens apps.
    ``opens_sample`` is the FHIR base whose charts open the sample app that stands beside it, "" for no such app.
    """
    app = flask.Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = app.url_map.redirect_defaults = False
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY
    log, faults, stage = request_log(), faults or Faults(), Stage(store, persona, gate)
    if desk:
        app.register_blueprint(sign_in_door(store, desk))
    if opens_sample:
        app.register_blueprint(sample_app(opens_sample))

    def fhir(path: str) -> flask.Response:
        return _response(play(faults, stage, _scene(stage, path.strip("/"), desk)))

    for rule, defaults in (("/fhir", {"path": ""}), ("/fhir/", {"path": ""}), ("/fhir/<path:path>", None)):
        app.add_url_rule(rule, "fhir", fhir, methods=_METHODS, defaults=defaults, provide_automatic_options=False)
    if gate or desk:
        app.register_blueprint(token_door(stage, gate, faults, desk))
    app.register_blueprint(blueprint(store, log, faults))
    app.register_error_handler(FhirplanError, lambda error: _response(refused(error)))
    app.register_error_handler(HTTPException, _http_error)
    app.after_request(lambda response: _logged(log, response))
    return app


def _scene(stage: Stage, path: str, desk: Desk | None) -> Scene:
    """This request, on its way to be answered or to go wrong."""
    request = flask.request
    method = "GET" if request.method == "HEAD" else request.method
    authorization = request.headers.get("Authorization", "")
    paging = stage.persona.page in request.args
    return Scene(
        Occasion(method, path, bool(authorization), paging),
        lambda: _answer(stage, method, path, desk),
        lambda: _targets(method, path),
        authorization,
    )


def _targets(method: str, path: str) -> list[str]:
    """What a request would change, as Type/id; nothing where it cannot be read."""
    if path:
        return [path]
    try:
        return bundle.updated(_body())
    except FhirplanError:
        return []


def _answer(stage: Stage, method: str, path: str, desk: Desk | None) -> Reply:
    """The one place through which every FHIR request goes; raises FhirplanError."""
    persona, gate = stage.persona, stage.gate
    if path == ".well-known/smart-configuration" and (gate or desk):
        _allow(method, "GET")
        host, tokens_at = flask.request.host_url.rstrip("/"), token_url(persona)
        said = configuration(host, gate, tokens_at) if desk else gate.configuration(tokens_at) if gate else {}
        return Reply(200, codec.dumps(said), {"Content-Type": "application/json"})
    if not _is_format_fine():
        if persona.silent_406:
            return Reply(406)
        raise NotAcceptable(f"Neither Accept nor _format takes JSON, the only format offered: {FHIR_JSON}.")
    base = flask.request.host_url + "fhir"
    if path == "metadata":
        _allow(method, "GET")
        where = token_url(persona) if gate else ""
        return Reply(200, codec.dumps(metadata.statement(base, __version__, persona, where)))
    if gate:
        gate.check(flask.request.headers.get("Authorization", ""), _needs(persona, method, path))
    if path == "":
        _allow(method, "POST")
        if not persona.whole:
            raise NotSupported("Transactions and batches are not offered here. Send each request on its own.")
        return Reply(200, bundle.process(stage.store, _body(), base, flask.request.headers.get("Prefer", "")))
    return door.answer(stage.store, persona, _call(persona, method, path, base))


def _needs(persona: Persona, method: str, path: str) -> list[scopes.Need]:
    """What a token must allow; of a Bundle what all its entries take, though a batch could be answered in part."""
    wanted = bundle.asked_for(_body()) if method == "POST" and not path else [asked(method, path)]
    return [need for one in wanted for need in scopes.needs(persona, one)]


def _call(persona: Persona, method: str, path: str, base: str) -> Call:
    header = flask.request.headers.get
    searching = method == "POST" and path.endswith("/_search")
    patching = method == "PATCH" and flask.request.mimetype == _PATCH
    pairs = () if searching and persona.post_ignores_query else _pairs()
    return Call(
        method,
        path,
        base,
        pairs + (_form() if searching else ()),
        _body() if method in ("POST", "PUT") and not searching else None,
        header("If-Match", ""),
        header("If-None-Match", ""),
        header("If-None-Exist", ""),
        header("Prefer", ""),
        codec.loads(flask.request.get_data()) if patching else None,
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


def _is_format_fine() -> bool:
    wanted = flask.request.args.get("_format")
    if wanted is not None:
        return wanted in _SHOWN
    accepted = flask.request.accept_mimetypes
    return not accepted or bool(accepted.best_match([FHIR_JSON, "application/json", "text/json"]))


def _response(reply: Reply) -> flask.Response:
    body = reply.body
    if flask.request.args.get("_pretty") == "true" and body and not reply.headers.get("Content-Type"):
        body = msgspec.json.format(body, indent=2)
    response = flask.Response(body, reply.status, content_type=f"{FHIR_JSON}; charset=utf-8")
    response.headers.update(dict(reply.headers))
    if not body:
        response.headers.pop("Content-Type", None)
    flask.request.environ[LOST] = reply.lost
    return response


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
