"""Connections that stay open are spread over the server's processes."""

import socket
import struct
import subprocess
import sys
import time
from http.client import HTTPConnection

import pytest

from fhirplan.cli import workers
from tests.ports import own_port

WHO = "import os\ndef app(environ, start):\n    start('200 OK', []); return [str(os.getpid()).encode()]\n"


@pytest.fixture
def server(tmp_path):
    (tmp_path / "who.py").write_text(WHO)
    port = own_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--workers", "2", "--threads", "2", "--no-control-socket"),
            *("--worker-class", "fhirplan.cli.workers.EvenWorker", "--log-level", "error"),
            *("--chdir", str(tmp_path), "--bind", f"127.0.0.1:{port}", "who:app"),
        ]
    )
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def test_each_process_gets_half_of_the_connections(server):
    time.sleep(1.5)
    connections = [HTTPConnection("127.0.0.1", server, timeout=30) for _ in range(8)]
    served = []
    for connection in connections:
        connection.request("GET", "/")
        served.append(connection.getresponse().read())
    for connection in connections:
        connection.close()
    assert len(set(served)) == 2
    assert sorted(served.count(one) for one in set(served)) in ([3, 5], [4, 4])


def test_a_worker_that_says_nothing_any_more_does_not_count(monkeypatch):
    monkeypatch.setattr(workers, "_told", bytearray(len(workers._told)))
    workers._tell(1, 5)
    workers._tell(2, 3)
    assert workers.fewest(1) == 3
    assert workers.fewest(2) == 5
    struct.pack_into("dd", workers._told, 2 * 16, time.monotonic() - 10, 0)
    assert workers.fewest(1) == float("inf")
