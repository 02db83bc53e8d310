"""Publishes the public halves of the keys we sign with, so that EHRs can check our assertions (RFC 7517)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flask import Flask, Response

from fhirplan.ehr.keys import load_key, public_set
from fhirplan.fhir import codec
from fhirplan.interactions.services import Services

MAX_AGE: Final = 3600
"""Seconds for which an EHR may keep the set; a new key is published at least this long before it is used."""


def add_jwks(app: Flask, services: Services) -> None:
    """Serves /auth/jwks.json for everybody. Raises Misconfigured when a key file cannot be used."""
    named = [
        path
        for connection in services.settings.all_connections
        for path in (connection.ehr_private_key, *connection.ehr_other_keys)
        if path
    ]
    body = codec.dumps(public_set([load_key(Path(path)) for path in dict.fromkeys(named)]))

    def jwks() -> Response:
        """The JWK Set."""
        made = Response(body, content_type="application/json")
        made.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
        return made

    app.add_url_rule("/auth/jwks.json", "jwks", jwks)
