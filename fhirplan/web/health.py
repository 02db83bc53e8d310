"""Says whether the process lives and whether it can do its work; for load balancers and supervisors, so no FHIR."""

from __future__ import annotations

import sqlite3
from typing import Final

from flask import Flask, Response

from fhirplan.errors import Misconfigured
from fhirplan.interactions.services import Services
from fhirplan.telemetry import log

_log: Final = log("web")


def add_health(app: Flask, services: Services) -> None:
    """Serves /healthz and /readyz."""

    def healthz() -> Response:
        """200 as long as the process answers."""
        return _plain(200, "alive")

    def readyz() -> Response:
        """200 when the database can be read and has the schema of this program, else 503 with what to do."""
        try:
            with services.database.read():
                return _plain(200, "ready")
        except Misconfigured as error:
            _log.error("not ready", reason=error.text)
            return _plain(503, "not ready: the database is missing or has another schema. Run: fhirplan migrate")
        except (sqlite3.Error, OSError) as error:
            _log.error("not ready", error=type(error).__name__)
            return _plain(503, "not ready: the database does not answer. Look at its disk or server.")

    app.add_url_rule("/healthz", "healthz", healthz)
    app.add_url_rule("/readyz", "readyz", readyz)


def _plain(status: int, text: str) -> Response:
    return Response(f"{text}\n", status, mimetype="text/plain")
