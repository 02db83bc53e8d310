"""Answers reads, searches and writes of the FHIR API before the framework does, whose routing costs as much.

What is not plainly one of them goes on to the application: other connections, operations, what a browser asks from
another origin. What is raised here is handed to the application too, to be answered like everything raised.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fhirplan.settings import DEFAULT_CONNECTION
from fhirplan.web.fhir_api import FhirApi

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication

FAILED: Final = "fhirplan.failed"
"""Where a request that could not be answered keeps what was raised."""
_BASE: Final = "/fhir/"
_BASES: Final = ("/fhir", _BASE)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_LINES: Final = {int(item): f"{int(item)} {item.phrase}" for item in HTTPStatus}
Guard = Callable[[dict[str, Any]], None]
"""Looks at a request before it is carried out, and raises a FhirplanError where it must not be."""


class Direct:
    """A WSGI application before another one; ``guards`` are what that has looked at each request."""

    def __init__(self, app: WSGIApplication, api: FhirApi, guards: Iterable[Guard]) -> None:
        self._app, self._api, self._guards = app, api, tuple(guards)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """The answer of the FHIR API, or of the application."""
        rest = _rest(environ)
        if rest is None:
            return self._app(environ, start_response)
        try:
            for guard in self._guards:
                guard(environ)
            status, headers, body = self._api.answer(environ, rest, DEFAULT_CONNECTION)
        except Exception as error:  # noqa: BLE001 - the application raises it, and so logs and answers it
            environ[FAILED] = error
            return self._app(environ, start_response)
        start_response(_LINES[status], headers)
        return [body] if body and environ["REQUEST_METHOD"] != "HEAD" else []


def _rest(environ: dict[str, Any]) -> str | None:
    """What is asked for below the default connection's base, None where it is for the application to say."""
    path: str = environ.get("PATH_INFO", "")
    if environ["REQUEST_METHOD"] not in _METHODS or "HTTP_ORIGIN" in environ:
        return None
    if path in _BASES:
        # A batch or transaction; what else may be asked of the base has a page of its own.
        return "" if environ["REQUEST_METHOD"] == "POST" else None
    rest = path[len(_BASE) :]
    # A resource type comes first; whatever else is there, such as an operation, may have a route of its own.
    return rest if path.startswith(_BASE) and "A" <= rest[:1] <= "Z" and "$" not in rest and rest.isascii() else None
