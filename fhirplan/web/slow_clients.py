"""The gunicorn worker that serves us: no client keeps one of its threads by sending or taking bytes slowly.

A thread takes up a request once all of it is there; until then its connection waits in the worker's poller, where a
client that sends a byte a second costs a moment for each byte. A request that is not there in ``request_seconds`` is
answered with 408 (RFC 9110 section 15.5.9). For ``gunicorn wsgi:app`` it is ``-k fhirplan.cli.workers.ServingWorker``.
"""

from __future__ import annotations

import selectors
import socket
import time
from functools import partial
from typing import Any, Final

from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.http.errors import (  # type: ignore[import-untyped]
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.http.unreader import SocketUnreader  # type: ignore[import-untyped]
from gunicorn.workers.gthread import _DEFER, ThreadWorker  # type: ignore[import-untyped]

from fhirplan.errors import MalformedRequest
from fhirplan.interactions.outcomes import RequestTimeout, refusal
from fhirplan.web.arriving import Arriving
from fhirplan.web.formats import FHIR_JSON
from fhirplan.web.headers import SECURITY

SECONDS: Final = "REQUEST_SECONDS"
"""Where the application's config has the setting ``request_seconds``."""
_PIECE: Final = 65536
# Seconds in which a client may read the last of its answer and close.
_LINGER: Final = 2.0
# What connections together may have sent of requests that are not whole, as a multiple of the largest body; who comes
# after that is read by a thread, which waits no longer than the deadline.
_MOST_WAITING: Final = 8


class _Unreader(SocketUnreader):  # type: ignore[misc]
    """Reads the rest of a request in a thread, until its deadline."""

    until = 0.0

    def chunk(self, size_hint: int | None = None) -> bytes:
        """What comes next; raises RequestTimeout, or TimeoutError within a narrower limit of gunicorn's."""
        outer = self.sock.gettimeout()
        left = max(self.until - time.monotonic(), 0.001)
        self.sock.settimeout(left if outer is None else min(left, outer))
        try:
            read: bytes = super().chunk(size_hint)
        except TimeoutError:
            if outer is not None and outer < left:
                raise
            raise too_slow() from None
        finally:
            self.sock.settimeout(outer)
        return read


def too_slow() -> RequestTimeout:
    """The refusal of a request that is not there in time."""
    return RequestTimeout(
        "The request did not arrive in the time that it may take. Send it faster, or in parts; the setting "
        "request_seconds says how long is waited."
    )


def _answer(status: str, body: bytes) -> bytes:
    """An OperationOutcome as it is written to a client whose request nobody has read."""
    headers = (*SECURITY, ("Content-Type", FHIR_JSON), ("Content-Length", str(len(body))), ("Connection", "close"))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


_Said = tuple[int, str, str]
_NO_HTTP: Final[_Said] = (
    400,
    "Bad Request",
    "The request is no HTTP/1.1 that is read here. Look at its first line and its headers.",
)
_UNREADABLE: Final[tuple[tuple[type[Exception], _Said], ...]] = (
    (
        LimitRequestLine,
        (414, "URI Too Long", "The address is too long. Send a search as a form, by POST to [type]/_search."),
    ),
    (
        LimitRequestHeaders,
        (431, "Request Header Fields Too Large", "The headers are too many or too long. Leave out what is not needed."),
    ),
)


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's gthread, with the deadline."""

    seconds: float = 30.0
    most: int = 0

    def load_wsgi(self) -> None:
        """Loads the application and looks up its limits."""
        super().load_wsgi()
        config = getattr(self.wsgi, "config", {})
        self.seconds = config.get(SECONDS, self.seconds)
        self.most = config.get("MAX_CONTENT_LENGTH") or 10 * 2**20
        self.arriving: dict[int, int] = {}
        self.closing: dict[socket.socket, float] = {}

    def handle(self, conn: Any) -> Any:
        """Carries out a request that is whole; else gives the connection back to the poller. Runs in a thread."""
        if self.cfg.is_ssl:
            return super().handle(conn)
        try:
            state = self._receive(conn)
        except OSError:
            # It is gone.
            return self._ended(conn, None)
        if state is not None:
            return self._ended(conn, state)
        arriving: Arriving = conn.arriving
        conn.parser.unreader.unread(b"".join(arriving.parts))
        conn.parser.unreader.until = arriving.until
        return self._ended(conn, super().handle(conn))

    def _ended(self, conn: Any, result: Any) -> Any:
        if result is _DEFER:
            self.arriving[id(conn)] = conn.arriving.size
            return result
        self.arriving.pop(id(conn), None)
        conn.arriving = None
        return bool(result)

    def _receive(self, conn: Any) -> Any:
        """Takes what is there. None when a thread is to go on, else what becomes of the connection."""
        if not conn.initialized:
            conn.init()
            conn.close = partial(self._close, conn)
            conn.parser.unreader = _Unreader(conn.sock)
        arriving: Arriving | None = getattr(conn, "arriving", None)
        if arriving is None:
            arriving = conn.arriving = Arriving(time.monotonic() + self.seconds, self.most)
            if ahead := conn.parser.unreader.take_buffered():
                arriving.take(ahead)
        conn.sock.setblocking(False)
        while not arriving.whole:
            try:
                data = conn.sock.recv(_PIECE)
            except BlockingIOError:
                break
            if not data:
                return None if arriving.size else False
            arriving.take(data)
        if arriving.whole or sum(self.arriving.copy().values()) > _MOST_WAITING * self.most:
            return None
        if time.monotonic() >= arriving.until:
            _refuse(conn)
            return False
        return _DEFER

    def handle_request(self, req: Any, conn: Any) -> Any:
        """As gunicorn's, but a client that does not take its answer in time is left, which is no error of ours."""
        conn.sock.settimeout(self.seconds)
        try:
            return super().handle_request(req, conn)
        except TimeoutError:
            raise StopIteration from None

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answers a request that is no HTTP, or has too long a line or header, with an OperationOutcome."""
        if not isinstance(exc, ParseException) or isinstance(exc, InvalidResponseHeader | InvalidResponseHeaderName):
            super().handle_error(req, client, addr, exc)
            return
        status, phrase, text = next((said for kind, said in _UNREADABLE if isinstance(exc, kind)), _NO_HTTP)
        reply = refusal(MalformedRequest(text))
        try:
            client.sendall(_answer(f"{status} {phrase}", reply.body))
        except OSError:
            # Whoever does not take the answer is closed without.
            return

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Puts a connection back; one with part of a request waits until its deadline. Runs in the main thread."""
        super().finish_request(conn, fs)
        arriving: Arriving | None = getattr(conn, "arriving", None)
        if arriving is not None and arriving.size and self.pending_conns and self.pending_conns[-1] is conn:
            conn.timeout = arriving.until

    def murder_pending(self) -> None:
        """Closes the connections whose time is over, with an answer to those that began a request."""
        now = time.monotonic()
        for sock in [sock for sock, until in self.closing.items() if until <= now]:
            self._closed(sock)
        over = [conn for conn in self.pending_conns if conn.timeout <= now]
        for conn in over:
            self.pending_conns.remove(conn)
            self.arriving.pop(id(conn), None)
            self.poller.unregister(conn.sock)
            self.nr_conns -= 1
            arriving: Arriving | None = getattr(conn, "arriving", None)
            begun = arriving is not None and bool(arriving.size)
            if begun:
                _refuse(conn)
            conn.close(graceful=begun)

    def _close(self, conn: Any, graceful: bool = False) -> None:
        """Ends a connection once its client has, at most ``_LINGER`` later, so that no answer is cut off.

        gunicorn waits for that in the main thread, where nobody else is served meanwhile.
        """
        sock = conn.sock
        try:
            if graceful:
                sock.setblocking(False)
                sock.shutdown(socket.SHUT_WR)
                self.poller.register(sock, selectors.EVENT_READ, self._drain)
                self.closing[sock] = time.monotonic() + _LINGER
                return
        except (OSError, ValueError, KeyError):
            # It is gone, or the worker ends.
            self.closing.pop(sock, None)
        util.close(sock)

    def _drain(self, sock: socket.socket) -> None:
        try:
            if sock.recv(_PIECE):
                return
        except BlockingIOError:
            return
        except OSError:
            # It is gone.
            self._closed(sock)
            return
        self._closed(sock)

    def _closed(self, sock: socket.socket) -> None:
        self.closing.pop(sock, None)
        self.poller.unregister(sock)
        util.close(sock)


def _refuse(conn: Any) -> None:
    try:
        conn.sock.setblocking(False)
        conn.sock.send(_answer("408 Request Timeout", refusal(too_slow()).body))
    except OSError:
        # Whoever does not take the answer is closed without.
        return
