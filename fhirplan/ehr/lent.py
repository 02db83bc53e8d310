"""Reads one resource of an EHR with a token that the EHR lent us for one call (CDS Hooks 2.0, fhirAuthorization)."""

from __future__ import annotations

import queue
import threading
from typing import Final

import requests

from fhirplan.errors import FhirplanError
from fhirplan.fhir.codec import Resource, loads_resource
from fhirplan.telemetry import log

MOST_BYTES: Final = 2**20
_log: Final = log("ehr")


def read(base: str, type_: str, id_: str, token: str, seconds: float) -> Resource | None:
    """The resource of that type and id, None when it cannot be had within these seconds; the log says why.

    ``base`` must be one that the settings name: nothing here keeps a caller from naming an address of its own.
    """
    said: queue.SimpleQueue[Resource | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            said.put(_read(base, type_, id_, token, seconds))
        except (requests.RequestException, FhirplanError, OSError) as error:
            _log.info("lent token of no use", type=type_, error=type(error).__name__)
            said.put(None)

    # In a thread of its own, as an answer that comes byte by byte heeds no timeout.
    threading.Thread(target=work, name="lent", daemon=True).start()
    try:
        return said.get(timeout=seconds)
    except queue.Empty:
        _log.info("lent token of no use", type=type_, error="too slow")
        return None


def _read(base: str, type_: str, id_: str, token: str, seconds: float) -> Resource | None:
    headers = {"Accept": "application/fhir+json", "Authorization": f"Bearer {token}"}
    with requests.get(
        f"{base.rstrip('/')}/{type_}/{id_}", headers=headers, timeout=seconds, allow_redirects=False, stream=True
    ) as answer:
        body = answer.raw.read(MOST_BYTES + 1, decode_content=True) if answer.status_code == 200 else b""
    if not 0 < len(body) <= MOST_BYTES:
        _log.info("lent token of no use", type=type_, status=answer.status_code)
        return None
    found = loads_resource(body)
    return found if found.get("resourceType") == type_ and found.get("id") == id_ else None
