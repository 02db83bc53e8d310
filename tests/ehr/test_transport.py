"""Over a real socket: reads are tried again with patience, writes are sent once, nothing takes for ever."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from fhirplan.ehr.transport import Transport, origin
from fhirplan.errors import EhrUnavailable

Answer = Callable[[socket.socket, int], None]


class Wire:
    """A server that answers each request with what it was given, and counts."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _to, _number: None
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._listener.getsockname()[1]}/fhir"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                threading.Thread(target=self._one, args=(caller,), daemon=True).start()

    def _one(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError):
            request = caller.recv(65536)
            if request:
                self.requests.append(request)
                self.answer(caller, len(self.requests))


def said(status: str, body: str = "{}", *more: str) -> bytes:
    head = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/fhir+json", *more)
    return "\r\n".join((*head, "Connection: close", "", body)).encode()


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()


@pytest.fixture
def transport(wire: Wire) -> Iterator[Transport]:
    made = Transport(wire.base, timeout=1.0)
    yield made
    made.close()


def test_a_read_is_tried_again_until_it_is_answered(wire: Wire, transport: Transport) -> None:
    wire.answer = lambda to, number: to.sendall(said("503 Busy" if number < 3 else "200 OK"))
    assert transport.get("metadata").status == 200
    assert len(wire.requests) == 3


def test_a_read_is_not_tried_for_ever(wire: Wire, transport: Transport) -> None:
    wire.answer = lambda to, _number: to.sendall(said("503 Busy"))
    assert transport.get("metadata").status == 503
    assert len(wire.requests) == 4


def test_a_read_waits_as_long_as_the_ehr_asks(wire: Wire, transport: Transport) -> None:
    wire.answer = lambda to, number: to.sendall(
        said("429 Slow down", "", "Retry-After: 1") if number == 1 else said("200 OK")
    )
    began = time.monotonic()
    assert transport.get("metadata").status == 200
    assert time.monotonic() - began >= 1.0


def test_a_retry_after_that_makes_no_sense_is_a_failure_and_no_crash(wire: Wire, transport: Transport) -> None:
    wire.answer = lambda to, _number: to.sendall(said("429 Slow down", "", "Retry-After: soon"))
    with pytest.raises(EhrUnavailable):
        transport.get("metadata")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("status", ["429 Slow down", "500 Oops", "503 Busy"])
def test_a_write_is_sent_once(method: str, status: str, wire: Wire, transport: Transport) -> None:
    wire.answer = lambda to, _number: to.sendall(said(status))
    assert transport.write(method, "Goal", b"{}", {}).status == int(status[:3])
    assert len(wire.requests) == 1


def test_a_write_whose_connection_breaks_is_sent_once_and_in_doubt(wire: Wire, transport: Transport) -> None:
    wire.answer = lambda _to, _number: None
    with pytest.raises(EhrUnavailable) as raised:
        transport.write("POST", "Goal", b"{}", {})
    assert raised.value.outcome_unknown
    assert len(wire.requests) == 1


def test_a_body_that_breaks_off_is_a_failure(wire: Wire, transport: Transport) -> None:
    wire.answer = lambda to, _number: to.sendall(said("200 OK", "x" * 100)[:-60])
    with pytest.raises(EhrUnavailable) as raised:
        transport.write("PUT", "Goal/g", b"{}", {})
    assert raised.value.outcome_unknown
    with pytest.raises(EhrUnavailable):
        transport.get("Goal/g")


def test_an_answer_that_drips_is_given_up_at_its_time(wire: Wire, transport: Transport) -> None:
    def drip(to: socket.socket, _number: int) -> None:
        to.sendall(said("200 OK", "x" * 100)[:-100])
        for _ in range(100):
            to.sendall(b"x")
            time.sleep(0.1)

    wire.answer = drip
    began = time.monotonic()
    with pytest.raises(EhrUnavailable):
        transport.get("metadata")
    assert time.monotonic() - began < 5


def test_calls_are_counted(wire: Wire, transport: Transport) -> None:
    wire.answer = lambda to, _number: to.sendall(said("200 OK"))
    transport.get("metadata")
    transport.write("PUT", "Goal/g", b"{}", {})
    assert (transport.counts.calls, transport.counts.errors) == (2, 0)


def test_an_origin_fills_in_the_default_port() -> None:
    assert origin("https://a.test/fhir") == origin("https://a.test:443/other")
    assert origin("https://a.test") != origin("http://a.test")
