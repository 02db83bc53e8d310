"""A real gunicorn with two threads, and clients that send or take bytes slowly: everybody else is served meanwhile."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from fhirplan.web.arriving import Arriving
from tests.ports import own_port

SERVE = [
    sys.executable,
    "-c",
    "from fhirplan.cli.main import main; main()",
    "serve",
    "--workers",
    "1",
    "--threads",
    "2",
]
SECONDS = 4.0


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    number = own_port()
    given = {"DATA_DIR": str(folder), "AUTH": "open", "VALIDATION": "base", "REQUEST_SECONDS": str(SECONDS)}
    environment = {**os.environ, **{f"FHIRPLAN_{name}": value for name, value in given.items()}}
    process = subprocess.Popen([*SERVE, "--port", str(number)], env=environment, cwd=folder)
    for _ in range(1200):
        assert process.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{number}/healthz", timeout=2).close()
            break
        except OSError:
            time.sleep(0.05)
    yield number
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=40)


def connected(port, sent=b""):
    made = socket.create_connection(("127.0.0.1", port), timeout=30)
    made.sendall(sent)
    return made


def is_served(port):
    """Answered sooner than whoever is slow is sent away, so nobody waited for those."""
    begin = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/fhir/Goal?_count=1", timeout=10) as answer:
        assert answer.status == 200
    assert time.monotonic() - begin < SECONDS - 0.2


def trickled(sock, data, until):
    """Sends a byte each fifth of a second until answered, and gives the answer."""
    sock.settimeout(0.2)
    answer = b""
    for number in range(10_000):
        assert time.monotonic() < until, "not answered"
        try:
            sock.sendall(data[number : number + 1])
            piece = sock.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            break
        if not piece:
            break
        answer += piece
    return answer


def outcome(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408"), head
    assert b"application/fhir+json" in head
    found = json.loads(body)
    assert found["resourceType"] == "OperationOutcome"
    assert found["issue"][0]["code"] == "timeout"


HEAD = b"POST /fhir/Patient HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/fhir+json\r\n"
LONG = b"X-Long: " + b"a" * 5000


@pytest.mark.parametrize(
    ("at_once", "slowly"),
    [
        (b"", HEAD + LONG),
        (HEAD + b"Content-Length: 4000\r\n\r\n", b" " * 4000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n", b" " * 4000),
        (HEAD + b"Content-Length: 4000\r\nExpect: 100-continue\r\n\r\n", b" " * 4000),
    ],
    ids=["headers", "body", "chunks", "expect"],
)
def test_a_byte_now_and_then_is_answered_with_408_in_time(port, at_once, slowly):
    begin = time.monotonic()
    with connected(port, at_once) as sock:
        if b"Expect" in at_once:
            assert sock.recv(100).startswith(b"HTTP/1.1 100")
        answer = trickled(sock, slowly, begin + SECONDS + 30)
    outcome(answer)
    assert SECONDS - 0.5 <= time.monotonic() - begin <= SECONDS + 15
    is_served(port)


def test_twenty_slow_clients_keep_nobody_waiting(port):
    slow = [connected(port, HEAD[:number]) for number in range(20)]
    slow += [connected(port, HEAD + b"Content-Length: 900\r\n\r\n{") for _ in range(20)]
    try:
        for _ in range(5):
            for sock in slow[1:]:
                sock.sendall(b"x")
            is_served(port)
            time.sleep(0.1)
    finally:
        for sock in slow:
            sock.close()
    is_served(port)


def test_a_request_that_comes_in_pieces_but_in_time_is_carried_out(port):
    body = json.dumps({"resourceType": "Patient", "id": "pieces"}).encode()
    whole = HEAD.replace(b"POST /fhir/Patient", b"PUT /fhir/Patient/pieces")
    plain = whole + b"Content-Length: %d\r\n\r\n" % len(body) + body
    halves = [body[:10], body[10:]]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in halves) + b"0\r\n\r\n"
    for sent in (plain, whole + b"Transfer-Encoding: chunked\r\n\r\n" + chunks):
        with connected(port) as sock:
            for begin in range(0, len(sent), 40):
                sock.sendall(sent[begin : begin + 40])
                time.sleep(0.05)
            assert sock.recv(65536).split(b" ")[1] in (b"200", b"201")


def test_a_connection_is_kept_and_requests_may_follow_without_waiting(port):
    one = b"GET /fhir/Patient?_count=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with connected(port, one * 3) as sock:
        answer = b""
        while answer.count(b"HTTP/1.1 200") < 3:
            piece = sock.recv(65536)
            assert piece, answer
            answer += piece
    kept = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(3):
        kept.request("GET", "/fhir/Patient?_count=1")
        assert kept.getresponse().read()
    kept.close()


def test_who_takes_nothing_of_an_answer_keeps_no_thread(port):
    text = "<div xmlns='http://www.w3.org/1999/xhtml'>" + "x" * 9_000_000 + "</div>"
    big = {"resourceType": "Patient", "id": "big", "text": {"status": "generated", "div": text}}
    put = urllib.request.Request(
        f"http://127.0.0.1:{port}/fhir/Patient/big",
        json.dumps(big).encode(),
        {"Content-Type": "application/fhir+json"},
        method="PUT",
    )
    urllib.request.urlopen(put, timeout=30).close()
    asked = b"GET /fhir/Patient/big HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with socket.socket() as one, socket.socket() as other:
        for sock in (one, other):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", port))
            sock.sendall(asked)
        time.sleep(SECONDS + 1)
        is_served(port)


def test_who_never_closes_after_the_last_answer_keeps_nobody_waiting(port):
    asked = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    left = [connected(port, asked) for _ in range(10)]
    for sock in left:
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
    is_served(port)
    for sock in left:
        sock.close()


def test_who_sends_nothing_is_closed(port):
    with connected(port) as sock:
        sock.settimeout(15)
        assert sock.recv(100) == b""


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    ("sent", "whole"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", False),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", False),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", True),
        (b"POST / HTTP/1.1\r\nContent-Length: 999999\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\nEnd: b\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n", True),
        (b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", True),
    ],
)
def test_a_request_is_known_to_be_whole_however_it_comes(sent, whole, size):
    arriving = Arriving(0.0, 1000)
    for begin in range(0, len(sent), size):
        arriving.take(sent[begin : begin + size])
    assert arriving.whole is whole


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /fhir/Patient?_id=" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /fhir/Patient HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET /fhir/Patient HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(200)) + b"\r\n", 431),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"GET /fhir/Patient HTTP/1.1\r\nHost: x\r\nBad Name: x\r\n\r\n", 400),
        (b"POST /fhir/Patient HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST /fhir/Patient HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n", 400),
    ],
)
def test_what_is_no_request_is_answered_with_an_outcome(port, sent, status):
    with connected(port, sent) as sock:
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:300]
    assert json.loads(body)["resourceType"] == "OperationOutcome"
    is_served(port)
