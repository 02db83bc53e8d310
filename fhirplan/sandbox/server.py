"""Serves a WSGI application over HTTP/1.1 with kept connections, a thread each, in this one process."""

from __future__ import annotations

import io
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

LOST: Final = "fhirplan.lost"
"""The key of the WSGI environment by which the application says what of its answer never arrives (``calls.Lost``)."""
_RESET: Final = struct.pack("ii", 1, 0)
_ON_ITS_WAY: Final = 0.05
IDLE: Final = 60.0
"""Seconds that a connection is kept without a request."""
MAX_BODY: Final = 80 * 1024 * 1024
"""Bytes of a body that are kept; of a larger one the application sees only how long it said it was."""


class Server(ThreadingMixIn, TCPServer):
    """Listens from the moment it is made; raises OSError when the port is taken. ``port`` 0 takes a free one."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, app: WSGIApplication) -> None:
        self.app = app
        self._busy = 0
        self._changed = threading.Condition()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Connection)

    @property
    def url(self) -> str:
        """Where it listens, as ``http://127.0.0.1:8081``."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if self.address_family == socket.AF_INET6 else f"http://{host!s}:{port}"

    def start(self) -> threading.Thread:
        """Answers requests in a thread of its own, which ends after ``stop``."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, name="accept", daemon=True)
        thread.start()
        return thread

    def stop(self, patience: float = 5.0) -> None:
        """Takes no more connections and waits until the requests under way are answered, at most ``patience`` s."""
        self.shutdown()
        self.server_close()
        with self._changed:
            self._changed.wait_for(lambda: self._busy == 0, patience)

    def count(self, step: int) -> None:
        """Notes that a request has begun (1) or was answered (-1)."""
        with self._changed:
            self._busy += step
            self._changed.notify_all()

    def shutdown_request(self, request: Any) -> None:
        """Ends a connection in good order, but for one that is to be reset."""
        if request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_RESET)) == _RESET:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error; anything else is told with its traceback."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    """One client's connection: request after request until either side closes it."""

    protocol_version = "HTTP/1.1"
    server_version = "fhirplan-sandbox"
    sys_version = ""
    timeout = IDLE
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True
    error_content_type = "application/fhir+json"
    error_message_format = (
        '{"resourceType":"OperationOutcome","issue":[{"severity":"fatal","code":"invalid",'
        '"details":{"text":"This HTTP request cannot be read (%(code)d). '
        'Send a plain HTTP/1.1 request whose body has a Content-Length."}}]}'
    )
    server: Server

    def answer(self) -> None:
        """Reads the rest of one request, asks the application and sends what it says."""
        self.server.count(1)
        try:
            body = self._body()
            if body is not None:
                self._run(body)
            self.wfile.flush()
        finally:
            self.server.count(-1)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer  # noqa: N815 - http.server's names

    def _body(self) -> bytes | None:
        """The request's body, or None when its length cannot be told and the client was told so."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            self.close_connection = True
            self.send_error(411)
            return None
        left = int(length)
        if left <= MAX_BODY:
            return self.rfile.read(left)
        while left and (piece := self.rfile.read(min(left, 1 << 20))):
            left -= len(piece)
        return b""

    def _run(self, body: bytes) -> None:
        said: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            said[:] = [status, headers]

        environ = self._environ(body)
        parts = self.server.app(environ, start_response)
        try:
            content = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        lost = environ.get(LOST)
        if lost == "reply":
            self.close_connection = True
            return
        if lost == "rest":
            content = content[: len(content) // 2]
        code, _, phrase = said[0].partition(" ")
        self.send_response(int(code), phrase)
        for name, value in said[1]:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        if lost == "rest":
            self._reset()

    def _reset(self) -> None:
        """Breaks the connection off once what was written has had time to arrive."""
        self.wfile.flush()
        time.sleep(_ON_ITS_WAY)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close_connection = True

    def _environ(self, body: bytes) -> dict[str, Any]:
        target = urlsplit(self.path)
        host, port = self.server.server_address[:2]
        environ = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(target.path, "latin-1"),
            "QUERY_STRING": target.query,
            "SERVER_NAME": str(host),
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": self.headers.get("Content-Length", ""),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            if "_" not in name and name.lower() not in ("content-type", "content-length"):
                key = "HTTP_" + name.upper().replace("-", "_")
                environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the request log at /admin/requests is the log."""
