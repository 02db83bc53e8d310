"""Gets a small JSON object from an address that somebody else gave, without being led where it should not go.

https only; no redirect is followed; the name is resolved once and that address is called, so that it cannot change
between the check and the call; private, link-local and other special addresses are refused; time and size are bounded.
"""

from __future__ import annotations

import json
import queue
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from fhirplan.ehr.pinned import Unfetchable, place, pool

__all__ = ["MOST_BYTES", "SECONDS", "Fetched", "Form", "Unfetchable", "fetch"]

MOST_BYTES: Final = 2**20
SECONDS: Final = 5.0
_PIECE: Final = 65536
_MAX_AGE: Final = re.compile(r"max-age=(\d{1,9})")
_STALE: Final = re.compile(r"no-store|no-cache")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A JSON object and for how many seconds its sender lets it be kept; None where it does not say."""

    value: dict[str, Any]
    max_age: int | None


@dataclass(frozen=True, slots=True)
class Form:
    """What is sent to an address that is asked by POST, with the headers that say who asks."""

    fields: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def fetch(
    url: str,
    *,
    loopback: bool,
    private: bool = False,
    seconds: float = SECONDS,
    most: int = MOST_BYTES,
    form: Form | None = None,
) -> Fetched:
    """The JSON object at ``url``; with ``loopback`` also plain http on this machine. Raises Unfetchable.

    ``private`` is for an address that whoever runs this server vouches for: it may lie in a private network. With a
    ``form`` it is what a POST of it is answered with.
    """
    to = place(url, loopback=loopback)
    said: queue.SimpleQueue[Fetched | Unfetchable] = queue.SimpleQueue()

    def work() -> None:
        try:
            with pool(to, seconds, private=private) as called:
                said.put(_read(called, to.path, to.named, seconds, most, form))
        except Unfetchable as error:
            said.put(error)

    # In a thread of its own, as neither a name server nor a header that comes byte by byte heeds any timeout.
    threading.Thread(target=work, name="fetch", daemon=True).start()
    try:
        found = said.get(timeout=seconds + 1)
    except queue.Empty:
        raise Unfetchable(f"it takes longer than {seconds:g} seconds") from None
    if isinstance(found, Unfetchable):
        raise found
    return found


def _read(
    called: urllib3.HTTPConnectionPool, path: str, host: str, seconds: float, most: int, form: Form | None
) -> Fetched:
    ends = time.monotonic() + seconds
    headers = {"Host": host, "Accept": "application/json", "User-Agent": "fhirplan", "Accept-Encoding": "identity"}
    method, sent = "GET", None
    if form is not None:
        method, sent = "POST", urlencode(dict(form.fields)).encode()
        headers |= {"Content-Type": "application/x-www-form-urlencoded", **form.headers}
    try:
        answer = called.request(
            method, path, body=sent, headers=headers, redirect=False, retries=False, preload_content=False
        )
        try:
            body = _whole(answer, ends, seconds, most)
        finally:
            answer.close()
    except (HTTPError, OSError):
        raise Unfetchable("it is not answered") from None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Unfetchable("it is no JSON object")
    return Fetched(value, _kept(answer.headers.get("Cache-Control", "")))


def _whole(answer: urllib3.BaseHTTPResponse, ends: float, seconds: float, most: int) -> bytes:
    if answer.status != 200:
        raise Unfetchable(f"it is answered with {answer.status}, and no redirect is followed")
    body = bytearray()
    while piece := answer.read1(_PIECE):
        body += piece
        if len(body) > most:
            raise Unfetchable(f"it is larger than {most} bytes")
        if time.monotonic() > ends:
            raise Unfetchable(f"it takes longer than {seconds:g} seconds")
    return bytes(body)


def _kept(control: str) -> int | None:
    if _STALE.search(control):
        return 0
    found = _MAX_AGE.search(control)
    return int(found[1]) if found else None
