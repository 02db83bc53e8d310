"""``fhirplan serve``: a real gunicorn on loopback, with and without the worker beside it."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fhirplan import settings
from fhirplan.cli.serve import banner, prepare, reachable_at, require_loopback_when_open
from fhirplan.errors import Misconfigured
from fhirplan.store.engine import Database
from tests.ports import own_port

SERVE = [sys.executable, "-c", "from fhirplan.cli.main import main; main()", "serve"]


def _answer(url, process):
    for _ in range(1200):
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.status, answer.read()
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


@pytest.fixture
def serving(tmp_path):
    started = []

    def start(*arguments):
        port = own_port()
        environment = {**os.environ, "FHIRPLAN_DATA_DIR": str(tmp_path), "FHIRPLAN_AUTH": "open"}
        process = subprocess.Popen(
            [*SERVE, "--port", str(port), "--workers", "1", *arguments], env=environment, cwd=tmp_path
        )
        started.append(process)
        return f"http://127.0.0.1:{port}", process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def test_a_fresh_folder_is_served_and_keeps_what_it_acknowledged(serving, tmp_path):
    url, process = serving()
    assert _answer(f"{url}/readyz", process) == (200, b"ready\n")
    body = json.dumps({"resourceType": "Patient", "id": "p1"}).encode()
    put = urllib.request.Request(
        f"{url}/fhir/Patient/p1", body, {"Content-Type": "application/fhir+json"}, method="PUT"
    )
    with urllib.request.urlopen(put, timeout=5) as answer:
        assert answer.status == 201
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    url, process = serving()
    status, text = _answer(f"{url}/fhir/Patient/p1", process)
    assert (status, json.loads(text)["id"]) == (200, "p1")
    assert (tmp_path / "fhirplan.db").is_file()


def test_what_was_acknowledged_before_a_kill_is_there_afterwards(serving):
    url, process = serving("--workers", "2")
    _answer(f"{url}/healthz", process)
    acknowledged = []
    killing = threading.Lock()

    def create(number):
        body = json.dumps({"resourceType": "Patient", "id": f"k{number}"}).encode()
        headers = {"Content-Type": "application/fhir+json"}
        put = urllib.request.Request(f"{url}/fhir/Patient/k{number}", body, headers, method="PUT")
        with contextlib.suppress(OSError, http.client.HTTPException), urllib.request.urlopen(put, timeout=5) as answer:
            if answer.status == 201:
                acknowledged.append(number)
        with killing:
            if len(acknowledged) >= 40 and process.poll() is None:
                for child in _children(process):
                    os.kill(child, signal.SIGKILL)
                process.kill()
                process.wait(timeout=10)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(create, range(200)))
    assert 40 <= len(acknowledged) < 200
    url, process = serving()
    for number in acknowledged:
        assert _answer(f"{url}/fhir/Patient/k{number}", process)[0] == 200


def test_a_body_without_a_length_is_bounded_too(serving):
    url, process = serving()
    _answer(f"{url}/healthz", process)

    def put(size):
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
        body = json.dumps({"resourceType": "Patient", "id": "p1"}).encode().ljust(size)
        pieces = (body[start : start + 2**20] for start in range(0, size, 2**20))
        headers = {"Content-Type": "application/fhir+json", "Transfer-Encoding": "chunked"}
        with contextlib.closing(connection):
            connection.request("PUT", "/fhir/Patient/p1", pieces, headers, encode_chunked=True)
            answer = connection.getresponse()
            answer.read()
            return answer.status

    assert put(10 * 2**20 + 1) == 413
    assert put(10 * 2**20) == 201


def test_the_server_ends_when_it_is_asked_to(serving):
    url, process = serving()
    _answer(f"{url}/healthz", process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0


def test_links_lead_to_the_address_that_is_served_unless_another_was_chosen():
    assert reachable_at(settings.load({}), "127.0.0.1", 9000).base_url == "http://127.0.0.1:9000"
    assert reachable_at(settings.load({}), "::1", 9000).base_url == "http://[::1]:9000"
    chosen = settings.load({}, base_url="https://plans.example.org")
    assert reachable_at(chosen, "127.0.0.1", 9000).base_url == "https://plans.example.org"


def test_an_open_server_is_not_served_to_other_machines():
    chosen = settings.load({}, auth="open")
    require_loopback_when_open(chosen, "127.0.0.1")
    require_loopback_when_open(settings.load({}), "0.0.0.0")
    with pytest.raises(Misconfigured) as refused:
        require_loopback_when_open(chosen, "0.0.0.0")
    assert "0.0.0.0" in refused.value.text


def test_a_new_database_is_made_and_an_old_one_is_left_alone(tmp_path, monkeypatch):
    database = Database.open(f"sqlite:///{tmp_path / 'new.db'}")
    prepare(database)
    assert database.revision()
    monkeypatch.setattr("fhirplan.cli.serve.HEAD", "9999")
    with pytest.raises(Misconfigured) as refused:
        prepare(database)
    assert "fhirplan migrate" in refused.value.text
    database.close()


def test_the_banner_says_that_an_open_server_is_open_and_tells_no_password():
    chosen = settings.load({}, auth="open", database_url="postgresql://u:secret@db/fhirplan")
    text = banner(chosen, "127.0.0.1", 8080)
    assert "open" in text
    assert "secret" not in text


def _children(process):
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in listed}


def _gone(number):
    for _ in range(1200):
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="the worker is tied to the server's life on Linux")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_the_worker_beside_the_server_ends_with_it(serving, ending):
    url, process = serving("--with-worker")
    _answer(f"{url}/healthz", process)
    [worker] = [number for number, line in _children(process).items() if line.endswith(b"\0worker\0")]
    process.send_signal(ending)
    process.wait(timeout=20)
    assert _gone(worker)
