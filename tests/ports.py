"""Ports of this machine that stay a test's own until a server listens on them, and between two servers of it."""

import atexit
import socket

_HELD = []


def own_port():
    """A port that nothing else is given while these tests run.

    A socket that is bound and does not listen keeps the system from giving its port to anybody who asks for any, and
    lets a server take it that names it (Linux, SO_REUSEADDR). A port that was looked up and let go may be another's
    by then: of a server of the tests beside this one, or of one end of some connection.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _HELD.append(held)
    return held.getsockname()[1]


@atexit.register
def _let_go():
    for held in _HELD:
        held.close()
