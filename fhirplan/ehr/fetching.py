"""Gets a small JSON object from an address that somebody else gave, without being led where it should not go.

https only; no redirect is followed; the name is resolved once and that address is called, so that it cannot change
between the check and the call; private, link-local and other special addresses are refused; time and size are bounded.
"""

from __future__ import annotations

import ipaddress
import json
import queue
import re
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import certifi
import urllib3
from urllib3.exceptions import HTTPError

from fhirplan.errors import Refused
from fhirplan.settings import LOOPBACK_HOSTS

MOST_BYTES: Final = 2**20
SECONDS: Final = 5.0
_PIECE: Final = 65536
_MAX_AGE: Final = re.compile(r"max-age=(\d{1,9})")
_STALE: Final = re.compile(r"no-store|no-cache")


class Unfetchable(Refused):
    """The document could not be had, or is none; the text says why without quoting what the other side said."""


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
    parts = urlsplit(url)
    host = parts.hostname or ""
    near = loopback and host in LOOPBACK_HOSTS
    if (parts.scheme != "https" and not near) or parts.scheme not in ("http", "https"):
        raise Unfetchable("its address is not https")
    if parts.username or parts.password or not host:
        raise Unfetchable("its address holds a user name, or no host")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Unfetchable("the port in its address is none") from None
    named = host if parts.port is None else f"{host}:{port}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    said: queue.SimpleQueue[Fetched | Unfetchable] = queue.SimpleQueue()

    def work() -> None:
        try:
            pool = _pool(parts.scheme, host, _resolved(host, port, near=near, private=private), port, seconds)
            with pool:
                said.put(_read(pool, path, named, seconds, most, form))
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


def _resolved(host: str, port: int, *, near: bool, private: bool) -> str:
    """One address of a host, all of whose addresses may be called."""
    try:
        found = {str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        raise Unfetchable("its host is not known") from None
    for text in found:
        address = ipaddress.ip_address(text.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        if near and mapped.is_loopback:
            continue
        inside = mapped.is_private and not (mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified)
        if mapped.is_multicast or not (mapped.is_global or (private and inside)):
            raise Unfetchable("its host is inside a private network")
    return min(found, key=lambda text: (":" in text, text))


def _pool(scheme: str, host: str, address: str, port: int, seconds: float) -> urllib3.HTTPConnectionPool:
    timeout = urllib3.Timeout(connect=seconds, read=seconds)
    if scheme == "http":
        return urllib3.HTTPConnectionPool(address, port, timeout=timeout)
    return urllib3.HTTPSConnectionPool(
        address,
        port,
        timeout=timeout,
        cert_reqs="CERT_REQUIRED",
        ca_certs=certifi.where(),
        server_hostname=host,
        assert_hostname=host,
    )


def _read(
    pool: urllib3.HTTPConnectionPool, path: str, host: str, seconds: float, most: int, form: Form | None
) -> Fetched:
    ends = time.monotonic() + seconds
    headers = {"Host": host, "Accept": "application/json", "User-Agent": "fhirplan", "Accept-Encoding": "identity"}
    method, sent = "GET", None
    if form is not None:
        method, sent = "POST", urlencode(dict(form.fields)).encode()
        headers |= {"Content-Type": "application/x-www-form-urlencoded", **form.headers}
    try:
        answer = pool.request(
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
