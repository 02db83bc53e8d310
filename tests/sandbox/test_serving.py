"""The sandbox as a program: over a real socket, stopped politely, killed, and started where it cannot."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server

START = "from fhirplan.cli.sandbox import command; command()"


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A sandbox process on a free port, and its FHIR base once it says that it listens."""
    process = subprocess.Popen(
        [sys.executable, "-c", START, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    said = ""
    for line in process.stdout:
        said += line
        if found := re.search(r"http://\S+/fhir", line):
            return process, found[0]
    raise AssertionError(said)


@pytest.fixture
def server():
    store = Store()
    made = Server("127.0.0.1", 0, create_app(store))
    made.start()
    yield made
    made.stop()
    store.close()


def test_a_connection_is_kept_for_many_requests_of_every_kind(server):
    connection = http.client.HTTPConnection(*server.server_address)
    connection.connect()
    own = connection.sock.getsockname()
    task = json.dumps({"resourceType": "Task", "id": "t1", "description": "é"})
    for method, path, body, status in [
        ("PUT", "/fhir/Task/t1", task, 201),
        ("GET", "/fhir/Task/t1", None, 200),
        ("HEAD", "/fhir/Task/t1", None, 200),
        ("GET", "/fhir/Task?description=1", None, 400),
        ("PUT", "/fhir/Task/t1", "{", 400),
        ("GET", "/nowhere", None, 404),
        ("DELETE", "/fhir/Task/t1", None, 204),
        ("GET", "/fhir/Task/t1", None, 410),
        ("GET", "/fhir/metadata", None, 200),
    ]:
        connection.request(method, path, body, {"Content-Type": "application/fhir+json"})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == status
        assert answer.version == 11
        assert len(content) == int(answer.headers.get("Content-Length", 0)) or method == "HEAD"
        assert connection.sock.getsockname() == own
    connection.close()


def test_a_whole_path_over_http_with_links_that_lead_back_here(server):
    base = f"{server.url}/fhir"
    with requests.Session() as session:
        for number in range(5):
            session.put(f"{base}/Task/t{number}", json={"resourceType": "Task", "id": f"t{number}"}).raise_for_status()
        found, url = [], f"{base}/Task?_count=2"
        while url:
            page = session.get(url).json()
            found += [entry["fullUrl"] for entry in page["entry"]]
            url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    assert found == [f"{base}/Task/t{n}" for n in range(5)]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /fhir/Task HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST /fhir/Task HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 411),
        (b"BREW /fhir/Task HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"OPTIONS /fhir/Task HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
        (b"GET /fhir/Task HTTP/1.0\r\n\r\n", 200),
    ],
)
def test_odd_requests_are_answered_in_fhir_and_the_connection_closed(server, sent, status):
    with socket.create_connection(server.server_address, timeout=5) as client:
        client.sendall(sent)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == str(status).encode()
    assert json.loads(body)["resourceType"] == ("Bundle" if status == 200 else "OperationOutcome")


def test_a_body_too_large_is_refused_with_an_outcome(server, monkeypatch):
    server.app.config["MAX_CONTENT_LENGTH"] = 100
    answer = requests.post(
        f"{server.url}/fhir/Task", json={"resourceType": "Task", "description": "x" * 200}, timeout=5
    )
    assert answer.status_code == 413
    assert answer.json()["issue"][0]["code"] == "too-costly"


def test_sigterm_ends_it_with_0_and_frees_the_port():
    process, base = start()
    try:
        requests.get(f"{base}/metadata", timeout=5).raise_for_status()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{base}/metadata", timeout=5)
    finally:
        process.kill()
        process.stdout.close()


def test_what_was_acknowledged_survives_kill_9(tmp_path):
    """Clients write at full speed; the process is killed; all they were told of is there, numbered without a gap."""
    data = str(tmp_path / "ehr.db")
    process, base = start("--data", data)
    acknowledged: list[tuple[str, str]] = []

    def write(client: int) -> None:
        with requests.Session() as session:
            for number in range(10_000):
                task = {"resourceType": "Task", "id": f"c{client}", "description": str(number)}
                try:
                    answer = session.put(f"{base}/Task/c{client}", json=task, timeout=5)
                    made = session.post(f"{base}/Goal", json={"resourceType": "Goal"}, timeout=5)
                except requests.RequestException:
                    return
                acknowledged.append((f"Task/c{client}/_history/{number + 1}", answer.headers["ETag"]))
                acknowledged.append((made.headers["Location"].removeprefix(f"{base}/"), made.headers["ETag"]))

    threads = [threading.Thread(target=write, args=(client,)) for client in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while len(acknowledged) < 100 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait(10)
    process.stdout.close()
    for thread in threads:
        thread.join(20)
    assert len(acknowledged) >= 100

    store = Store(Path(data))
    for place, etag in acknowledged:
        type_, id_, _, number = place.split("/")
        version = store.version(type_, id_, int(number))
        assert version is not None, place
        assert etag == f'W/"{version.number}"'
    for client in range(4):
        versions = store.versions("type = 'Task' AND id = ? ORDER BY number", (f"c{client}",))
        assert [version.number for version in versions] == list(range(1, len(versions) + 1))
        assert store.latest("Task", f"c{client}") == versions[-1]
    assert sum(store.counts().values()) >= len({place.rsplit("/_history")[0] for place, _ in acknowledged})
    store.close()


def test_a_data_file_is_taken_up_again_and_loaded_once(tmp_path):
    folder, data = tmp_path / "bundles", str(tmp_path / "ehr.db")
    folder.mkdir()
    entry = {"resource": {"resourceType": "Task", "id": "t1"}, "request": {"method": "PUT", "url": "Task/t1"}}
    (folder / "a.json").write_text(json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}))
    for _ in range(2):
        process, base = start("--data", data, "--load", str(folder))
        try:
            task = requests.get(f"{base}/Task/t1", timeout=5)
            assert task.headers["ETag"] == 'W/"1"'
        finally:
            process.terminate()
            assert process.wait(10) == 0
            process.stdout.close()


def test_a_port_that_is_taken_is_said_plainly(server):
    port = str(server.server_address[1])
    tried = subprocess.run(
        [sys.executable, "-c", START, "--port", port], capture_output=True, text=True, timeout=30, check=False
    )
    assert tried.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken" in tried.stderr
    assert "Traceback" not in tried.stderr


def test_a_data_file_that_is_none_is_said_plainly(tmp_path):
    (tmp_path / "notes.db").write_text("these are notes, and no database at all" * 100)
    tried = subprocess.run(
        [sys.executable, "-c", START, "--port", "0", "--data", str(tmp_path / "notes.db")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert tried.returncode == 1
    assert "notes.db cannot be used" in tried.stderr
    assert "Traceback" not in tried.stderr
