"""The authorization server over HTTP: discovery, tokens, introspection, revocation and keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from flask import Flask, Response, request

from fhirplan.ehr.keys import load_key, public_set
from fhirplan.errors import NotFound
from fhirplan.fhir import codec
from fhirplan.launch import discovery, inspection, tokens
from fhirplan.launch.authority import Authority
from fhirplan.launch.refusals import OAuthRefused
from fhirplan.settings import DEFAULT_CONNECTION, Settings
from fhirplan.telemetry import log
from fhirplan.web.forms import fields, json_answer, refused_answer

MAX_AGE: Final = 3600
"""Seconds for which others may keep our keys; a new one towards an EHR is published that long before its use."""
_log: Final = log("auth")


def add_auth(app: Flask, authority: Authority) -> None:
    """Serves discovery beside each FHIR base and the endpoints below /auth. Raises Misconfigured for a bad key."""
    _add_discovery(app, authority)
    _add_keys(app, authority)

    def endpoint(path: str, carry_out: Callable[[dict[str, str], str], dict[str, Any]]) -> None:
        def view() -> Response:
            try:
                given = fields(request)
                return json_answer(carry_out(given, request.headers.get("Authorization", "")))
            except OAuthRefused as error:
                _log.info("refused", endpoint=path, error=error.error, status=error.status)
                return refused_answer(error)

        app.add_url_rule(path, path, view, methods=["POST"], provide_automatic_options=False)

    def revoked(given: dict[str, str], authorization: str) -> dict[str, Any]:
        inspection.revoke(authority, given, authorization)
        return {}

    endpoint("/auth/token", lambda given, authorization: tokens.answer(authority, given, authorization))
    endpoint("/auth/introspect", lambda given, authorization: inspection.introspected(authority, given, authorization))
    endpoint("/auth/revoke", revoked)


def _add_discovery(app: Flask, authority: Authority) -> None:
    def smart(connection: str = DEFAULT_CONNECTION) -> Response:
        found = authority.settings.connection(connection)
        if found is None:
            raise NotFound(f"There is no connection named {connection[:80]!r} here.")
        return _public(codec.dumps(discovery.configuration(authority, found)))

    def openid() -> Response:
        if not any(discovery.people_sign_in(authority, item) for item in authority.settings.all_connections):
            raise NotFound("Nobody can sign in here: no EHR is configured for it.")
        return _public(codec.dumps(discovery.openid(authority)))

    for base in ("/fhir", "/<connection>/fhir"):
        app.add_url_rule(f"{base}/.well-known/smart-configuration", "smart-configuration", smart, methods=["GET"])
    app.add_url_rule("/auth/.well-known/openid-configuration", "openid-configuration", openid, methods=["GET"])


def _add_keys(app: Flask, authority: Authority) -> None:
    ours = public_set([load_key(path) for path in _ehr_keys(authority.settings)])["keys"]

    def jwks() -> Response:
        """The JWK Set of what we sign with: tokens of our own, and assertions towards EHRs (RFC 7517)."""
        return _public(codec.dumps({"keys": [*authority.keys.public()["keys"], *ours]}), MAX_AGE)

    app.add_url_rule("/auth/jwks.json", "jwks", jwks, methods=["GET"])


def _ehr_keys(settings: Settings) -> list[Path]:
    named = [
        path
        for connection in settings.all_connections
        for path in (connection.ehr_private_key, *connection.ehr_other_keys)
        if path
    ]
    return [Path(path) for path in dict.fromkeys(named)]


def _public(body: bytes, seconds: int = 300) -> Response:
    """What everybody may read from anywhere: it says nothing of any patient."""
    made = Response(body, content_type="application/json")
    made.headers["Cache-Control"] = f"public, max-age={seconds}"
    made.headers["Access-Control-Allow-Origin"] = "*"
    return made
