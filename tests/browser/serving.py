"""An application behind a real socket, for a browser."""

import contextlib
import threading

from werkzeug.serving import make_server


@contextlib.contextmanager
def served(app, port=0):
    """The port at which the application answers."""
    server = make_server("127.0.0.1", port, _at_once(app), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _at_once(app):
    """The application with each answer whole and closed before it is sent.

    A browser that goes to another page resets its connections, and Werkzeug's server then leaves files open.
    """

    def whole(environ, start_response):
        answer = app(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            if hasattr(answer, "close"):
                answer.close()

    return whole
