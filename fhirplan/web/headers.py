"""The headers that protect answers, and the guard that keeps an open server on its own machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Response

from fhirplan.errors import NotPermitted
from fhirplan.settings import LOOPBACK_HOSTS
from fhirplan.web.proxies import came_by_proxy

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'{action}; base-uri 'none'; frame-ancestors {ancestors}"
)
POLICY: Final = _POLICY.format(action="", ancestors="'self'")
# No answer of ours may stay in a browser's or a proxy's cache: almost all of them say something about a patient.
SECURITY: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", POLICY),
)
_SOURCE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:(//[A-Za-z0-9.\-\[\]:]+)?")
OPEN: Final = ("X-Fhirplan-Auth", "open")


def secured(response: Response, *, open_: bool) -> Response:
    """The response with each of our headers that it does not set itself; an open server says that it is one."""
    for name, value in SECURITY:
        response.headers.setdefault(name, value)
    if open_:
        response.headers.setdefault(*OPEN)
    return response


def policy(ancestors: Sequence[str] | None, actions: Sequence[str]) -> str:
    """The Content-Security-Policy of a page that these web origins may frame besides our own; None: nobody may.

    ``actions`` are addresses beyond ours that a form of the page leads to, by a redirect or at once.
    """
    sources = dict.fromkeys(_origin(item) for item in actions)
    # Nothing that would end the directive or the header gets in.
    further = "".join(f" {source}" for source in sources if _SOURCE.fullmatch(source))
    framing = "'none'" if ancestors is None else " ".join(["'self'", *(i for i in ancestors if _SOURCE.fullmatch(i))])
    return _POLICY.format(action=further, ancestors=framing)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def require_loopback(environ: Mapping[str, Any]) -> None:
    """Raises NotPermitted unless the caller is on this machine and asks for it by a loopback name.

    The name matters too: a page on the internet can make its own name lead here (DNS rebinding). And a proxy on this
    machine is called from anywhere.
    """
    near = _is_loopback(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_HOST", ""))
    if near and not came_by_proxy(environ):
        return
    raise NotPermitted(
        "This server is open to everybody, so it answers only callers on its own machine that ask for 127.0.0.1 or "
        "localhost. Start it with FHIRPLAN_AUTH=smart to serve others."
    )


@lru_cache(maxsize=256)
def _is_loopback(peer: str, host: str) -> bool:
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    near = not peer or peer.startswith(("127.", "::ffff:127.")) or peer == "::1"
    return near and name.lower() in LOOPBACK_HOSTS
