"""Holds each caller to so many requests a minute, so that one cannot take the server from others (RFC 6585, 429).

A caller is a client, whatever tokens it has, once one of its tokens was verified; else an address, so that tokens that
somebody makes up are all charged to whoever sends them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from flask import Flask, request

from fhirplan.interactions.authenticate import recognised_client
from fhirplan.interactions.outcomes import TooManyRequests
from fhirplan.interactions.services import Services
from fhirplan.settings import DEFAULT_CONNECTION

Limit = Callable[..., None]
"""Called with a WSGI environ and the name of the connection that it asks for, the default one without."""
_MOST_CALLERS: Final = 50_000
_FREE: Final = ("/healthz", "/readyz", "/static/")


class Rates:
    """What each caller has left, in one process: a bucket that fills evenly and holds a minute's worth.

    ``clock`` gives seconds that only grow.
    """

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(a_minute)
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[Any, tuple[float, float]] = {}

    def spend(self, caller: Any) -> float:
        """0 when the caller may go on, else the seconds until it may."""
        now = self._clock()
        with self._lock:
            left, since = self._left.get(caller, (self._most, now))
            left = min(self._most, left + (now - since) * self._most / 60)
            if left < 1:
                return (1 - left) * 60 / self._most
            if caller not in self._left and len(self._left) >= _MOST_CALLERS:
                # Whoever came first is likeliest to be full again.
                self._left.pop(next(iter(self._left)))
            self._left[caller] = left - 1, now
            return 0.0


def limiter(services: Services) -> Limit | None:
    """What holds the caller of a request (a WSGI environ) to the limit, by TooManyRequests with when to go on.

    None on an open server, which answers its own machine only, and where there is no limit.
    """
    settings = services.settings
    if settings.auth == "open" or not settings.rate_limit:
        return None
    rates = Rates(settings.rate_limit)

    def within(environ: dict[str, Any], connection: str = DEFAULT_CONNECTION) -> None:
        if environ.get("PATH_INFO", "").startswith(_FREE):
            return
        wait = rates.spend(_caller(services, environ, connection))
        if wait:
            text = f"More than {settings.rate_limit} requests in a minute. Wait as Retry-After says, then go on."
            raise TooManyRequests(text, retry_after=wait)

    return within


def add_rates(app: Flask, within: Limit | None) -> None:
    """Refuses what is too much with 429 and Retry-After."""
    if within is not None:
        app.before_request(
            lambda: within(request.environ, (request.view_args or {}).get("connection", DEFAULT_CONNECTION))
        )


def _caller(services: Services, environ: dict[str, Any], connection: str) -> tuple[str, str]:
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    client = recognised_client(services, authorization, connection) if authorization else ""
    return ("client", client) if client else ("address", environ.get("REMOTE_ADDR", ""))
