"""Takes an EHR's notices that something changed there: R4 rest-hook and R5 backport, at ``POST /fhir/$ehr-notify``.

Denied unless the connection has a secret (``ehr_notify_secret``) and the EHR sends it as a bearer token, which a
Subscription carries as ``channel.header``. Nothing of a notice is stored but what it names: that is fetched then.
"""

from __future__ import annotations

import hmac
from typing import Final

from flask import Flask, Response, request

from fhirplan.ehr import notification
from fhirplan.errors import NotAuthenticated, NotPermitted
from fhirplan.interactions.services import Services
from fhirplan.settings import DEFAULT_CONNECTION, Connection
from fhirplan.store.engine import Database
from fhirplan.sync.notices import receive
from fhirplan.telemetry import log

MOST_BYTES: Final = 2**20
"""A larger notice is not read; it still says that something changed."""
_log: Final = log("web")
_SCHEME: Final = "Bearer "


def add_ehr_notify(app: Flask, services: Services) -> None:
    """Serves $ehr-notify below each FHIR base; a payload may also come as ``PUT $ehr-notify/[type]/[id]``."""

    def notified(connection: str = DEFAULT_CONNECTION, rest: str = "") -> Response:
        known = _authenticated(services.settings.connection(connection), request.headers.get("Authorization", ""))
        said = notification.read(_body(), rest)
        _keep(services.database, known, said, services.clock())
        return Response(status=200, headers={"Cache-Control": "no-store"})

    for base in ("/fhir", "/<connection>/fhir"):
        for end in ("", "/<path:rest>"):
            app.add_url_rule(
                f"{base}/$ehr-notify{end}",
                "ehr-notify",
                notified,
                methods=["POST", "PUT"],
                provide_automatic_options=False,
            )


def _authenticated(connection: Connection | None, header: str) -> Connection:
    """The connection whose secret the caller knows; raises NotAuthenticated, NotPermitted where there is none."""
    if connection is not None and connection.ehr_url and not connection.ehr_notify_secret:
        raise NotPermitted(
            "Notices are not taken on this connection. Its operator sets ehr_notify_secret to take them."
        )
    secret = connection.ehr_notify_secret if connection is not None and connection.ehr_url else ""
    given = header.removeprefix(_SCHEME) if header.startswith(_SCHEME) else ""
    same = hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())
    if connection is None or not secret or not same:
        raise NotAuthenticated("The notice does not carry this connection's secret as its bearer token.")
    return connection


def _body() -> bytes:
    """What was sent, b"" where it is too large to be read."""
    if (request.content_length or 0) > MOST_BYTES:
        return b""
    request.max_content_length = None
    body: bytes = request.stream.read(MOST_BYTES + 1)
    return body if len(body) <= MOST_BYTES else b""


def _keep(database: Database, connection: Connection, said: notification.Notification, now: int) -> None:
    with database.write() as tx:
        receive(tx, connection.name, said, now)
    _log.info("notice", connection=connection.name, kind=said.kind, named=len(said.named))
