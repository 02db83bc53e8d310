"""Each fault over a real socket, as a client meets it, and what it leaves behind."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest
import requests

from fhirplan.sandbox.authorize import Gate
from fhirplan.sandbox.faults import SHAPES
from fhirplan.sandbox.personas import PERSONAS

TASK = {"resourceType": "Task", "id": "t", "status": "requested", "intent": "order"}
START = "from fhirplan.cli.sandbox import command; command()"


class Client:
    """A client on one socket's far end; every request on a connection of its own unless kept."""

    def __init__(self, base: str) -> None:
        self.base, self.admin = base, base.replace("/fhir", "/admin")

    def __call__(self, method: str, path: str, body=None, **headers) -> requests.Response:
        return requests.request(method, f"{self.base}/{path}", json=body, headers=headers, timeout=5)

    def script(self, *listed) -> dict:
        answer = requests.post(f"{self.admin}/faults", json=list(listed), timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def injected(self) -> dict:
        return requests.get(f"{self.admin}/faults", timeout=5).json()["injected"]

    def edit(self, body, method="PUT") -> requests.Response:
        path = f"{body['resourceType']}/{body['id']}"
        return requests.post(f"{self.admin}/edit", json={"method": method, "path": path, "body": body}, timeout=5)


@pytest.fixture
def client(serving):
    made = Client(serving())
    assert made("PUT", "Task/t", TASK).status_code == 201
    return made


def raw(client, method, path, body=b""):
    """Every byte that comes back, and whether the connection was reset."""
    target = urlsplit(client.base)
    lines = (f"{method} /fhir/{path} HTTP/1.1", "Host: x", "Content-Type: application/json")
    head = "\r\n".join((*lines, f"Content-Length: {len(body)}", "", ""))
    found = b""
    with socket.create_connection((target.hostname, target.port), timeout=5) as connection:
        connection.sendall(head.encode() + body)
        try:
            while piece := connection.recv(65536):
                found += piece
        except ConnectionResetError:
            return found, True
    return found, False


@pytest.mark.parametrize("wait", [None, 7, "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_throttle(client, wait):
    client.script({"fault": "throttle", "times": 1, **({} if wait is None else {"retryAfter": wait})})
    answer = client("PUT", "Task/t", {**TASK, "status": "accepted"})
    assert answer.status_code == 429
    assert answer.headers.get("Retry-After") == (None if wait is None else str(wait))
    assert answer.json()["issue"][0]["code"] == "throttled"
    assert client("GET", "Task/t").json()["meta"]["versionId"] == "1"
    assert client.injected() == {"throttle": 1}


@pytest.mark.parametrize(("after", "version"), [(False, "1"), (True, "2")])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_unavailable(client, status, after, version):
    client.script({"fault": "unavailable", "status": status, "after": after, "retryAfter": 1, "nth": 1})
    answer = client("PUT", "Task/t", {**TASK, "status": "accepted"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "1")
    assert client("GET", "Task/t").json()["meta"]["versionId"] == version


def test_slow(client):
    client.script({"fault": "slow", "seconds": 0.4, "times": 1})
    began = time.monotonic()
    assert client("GET", "Task/t").status_code == 200
    assert time.monotonic() - began >= 0.4
    assert client("GET", "Task/t").status_code == 200
    assert client.injected() == {"slow": 1}


def test_slow_outlasts_an_impatient_client_and_takes_effect_all_the_same(client):
    client.script({"fault": "slow", "seconds": 0.5, "match": "POST Task", "times": 1})
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{client.base}/Task", json=TASK, timeout=0.1)
    deadline = time.monotonic() + 5
    while client("GET", "Task").json()["total"] != 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(("fault", "tasks"), [("lost-request", 1), ("lost-reply", 2)])
def test_lost_request_and_lost_reply_look_alike_and_differ_in_effect(client, fault, tasks):
    client.script({"fault": fault, "match": "POST Task", "times": 1})
    assert raw(client, "POST", "Task", json.dumps(TASK).encode()) == (b"", False)
    client.script({"fault": fault, "match": "POST Goal", "times": 1})
    with pytest.raises(requests.ConnectionError):
        client("POST", "Goal", {"resourceType": "Goal"})
    assert client("GET", "Task").json()["total"] == tasks
    assert client.injected() == {fault: 2}


def test_reset(client):
    client.script({"fault": "reset", "match": "* Task*", "times": 2})
    body = json.dumps({**TASK, "description": "x" * 500}).encode()
    found, was_reset = raw(client, "PUT", "Task/t", body)
    assert was_reset
    head, _, came = found.partition(b"\r\n\r\n")
    length = int(dict(line.split(b": ") for line in head.split(b"\r\n")[1:])[b"Content-Length"])
    assert head.startswith(b"HTTP/1.1 200 ")
    assert 0 < len(came) == length // 2
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client("GET", "Task/t")
    assert client("GET", "Task/t").json()["meta"]["versionId"] == "2"


def test_other_connections_live_on_when_one_is_lost(client):
    kept = http.client.HTTPConnection(urlsplit(client.base).netloc, timeout=5)
    kept.request("GET", "/fhir/Task/t")
    assert kept.getresponse().read()
    own = kept.sock.getsockname()
    client.script({"fault": "reset", "times": 1})
    raw(client, "GET", "Task/t")
    kept.request("GET", "/fhir/Task/t")
    assert kept.getresponse().read()
    assert kept.sock.getsockname() == own
    kept.close()


def test_duplicates(client):
    client("PUT", "Task/u", {**TASK, "id": "u"})
    client.script({"fault": "duplicates", "times": 2})
    assert client("GET", "Task/t").status_code == 200
    assert client("GET", "Goal").json()["total"] == 0
    for path, entries in (("Task", ["t", "u", "t", "u"]), ("Task/_history", ["u", "t", "u", "t"])):
        assert [entry["resource"]["id"] for entry in client("GET", path).json()["entry"]] == entries
    assert len(client("GET", "Task").json()["entry"]) == 2
    assert client.injected() == {"duplicates": 2}


def test_skew(client):
    """A resource written later is dated earlier, so that a checkpoint at the newest date seen would miss it."""
    newest = client("GET", "Task/t").json()["meta"]["lastUpdated"]
    client.script({"fault": "skew", "seconds": -60, "match": "* Task/late", "times": 1})
    late = client("PUT", "Task/late", {**TASK, "id": "late"}).json()["meta"]["lastUpdated"]
    assert late < newest
    assert client("GET", f"Task?_lastUpdated=gt{newest}").json()["total"] == 0
    assert client("PUT", "Task/next", {**TASK, "id": "next"}).json()["meta"]["lastUpdated"] >= newest


def test_skew_forward(client):
    client.script({"fault": "skew", "seconds": 3600, "times": 1})
    early = client("PUT", "Task/early", {**TASK, "id": "early"}).json()["meta"]["lastUpdated"]
    after = client("PUT", "Task/after", {**TASK, "id": "after"}).json()["meta"]["lastUpdated"]
    assert early > after


def test_stale(client):
    client("PUT", "Task/t", {**TASK, "status": "accepted"})
    client("PUT", "Task/u", {**TASK, "id": "u"})
    client.script({"fault": "stale", "behind": 2, "times": 4})
    assert client("GET", "Task/t").json()["status"] == "requested"
    assert client("GET", "Task/u").status_code == 404
    assert [e["resource"]["status"] for e in client("GET", "Task").json()["entry"]] == ["requested"]
    assert client("GET", "Task/_history").json()["total"] == 1
    assert client("PUT", "Task/t", TASK).headers["ETag"] == 'W/"3"'
    assert client("GET", "Task/u").status_code == 200


@pytest.mark.parametrize(("status", "after", "version"), [(502, False, "1"), (200, False, "1"), (500, True, "2")])
def test_html(client, status, after, version):
    client.script({"fault": "html", "status": status, "after": after, "times": 1})
    answer = client("PUT", "Task/t", {**TASK, "status": "accepted"})
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")
    assert client("GET", "Task/t").json()["meta"]["versionId"] == version


def test_expired_token(serving, keys):
    gate = Gate(PERSONAS["open"], {"app": "x"}, read_keys=lambda _: keys.public)
    client = Client(serving("open", gate))
    where = client("GET", ".well-known/smart-configuration").json()["token_endpoint"]

    def token():
        form = {
            "grant_type": "client_credentials",
            "scope": "system/*.rs",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": keys.sign(now=time.time(), aud=where),
        }
        return requests.post(where, data=form, timeout=5)

    held = token().json()["access_token"]
    client.script({"fault": "expired-token", "nth": 2})
    statuses = [client("GET", "Task", Authorization=f"Bearer {held}").status_code for _ in range(3)]
    assert statuses == [200, 401, 401]
    assert client("GET", "Task", Authorization=f"Bearer {token().json()['access_token']}").status_code == 200
    client.script({"fault": "unavailable", "match": "POST auth/token", "times": 1})
    assert [token().status_code for _ in range(2)] == [503, 200]
    client.script({"fault": "lost-reply", "match": "POST auth/token", "times": 1})
    with pytest.raises(requests.ConnectionError):
        token()


def test_expired_page(client):
    for number in range(3):
        client("PUT", f"Task/n{number}", {**TASK, "id": f"n{number}"})
    client.script({"fault": "expired-page", "times": 1})
    first = client("GET", "Task?_count=2")
    assert first.status_code == 200
    following = next(link["url"] for link in first.json()["link"] if link["relation"] == "next")
    assert [requests.get(following, timeout=5).status_code for _ in range(2)] == [400, 200]
    assert client.injected() == {"expired-page": 1}


def test_outcome(client):
    client.script({"fault": "outcome", "code": "4135", "severity": "information", "match": "GET Task", "times": 1})
    entries = client("GET", "Task").json()["entry"]
    assert [(e["resource"]["resourceType"], e["search"]["mode"]) for e in entries] == [
        ("Task", "match"),
        ("OperationOutcome", "outcome"),
    ]
    issue = entries[1]["resource"]["issue"][0]
    assert (issue["severity"], issue["details"]["coding"][0]["code"]) == ("information", "4135")
    client.script({"fault": "outcome", "code": "4135", "status": 422, "times": 1})
    assert client("PUT", "Task/t", TASK).status_code == 422
    assert client("GET", "Task/t").json()["meta"]["versionId"] == "1"


def test_an_outcome_without_a_status_leaves_a_write_alone(client):
    client.script({"fault": "outcome", "code": "x"})
    assert client("POST", "Task", TASK).status_code == 201
    assert client.injected() == {}
    client.script()
    assert client("GET", "Task").json()["total"] == 2


def test_bump(client):
    client.script({"fault": "bump", "edit": {"priority": "urgent"}, "match": "PUT Task/*", "times": 1})
    assert client("GET", "Task/t").status_code == 200
    assert client("PUT", "Task/never", {**TASK, "id": "never"}).status_code == 201
    stale = client("PUT", "Task/t", {**TASK, "status": "accepted"}, **{"If-Match": 'W/"1"'})
    assert stale.status_code == 412
    now = client("GET", "Task/t").json()
    assert (now["meta"]["versionId"], now["priority"], now["status"]) == ("2", "urgent", "requested")
    assert client("PUT", "Task/t", TASK, **{"If-Match": 'W/"2"'}).status_code == 200
    assert client.injected() == {"bump": 1}


def test_bump_reaches_into_a_transaction(client):
    client.script({"fault": "bump", "times": 1})
    entry = {"resource": TASK, "request": {"method": "PUT", "url": "Task/t", "ifMatch": 'W/"1"'}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert client("POST", "", bundle).status_code == 412
    assert client("GET", "Task/t").json()["meta"]["versionId"] == "2"


def test_every_kind_has_a_test_here():
    named = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    lost = {"lost-request", "lost-reply"}
    assert set(SHAPES) - named == lost
    assert "lost-request-and-lost-reply-look-alike-and-differ-in-effect" in named


def test_the_clinics_edits_meet_no_fault(client):
    client.script({"fault": "unavailable"})
    assert client("GET", "Task/t").status_code == 503
    assert client.edit({**TASK, "status": "accepted"}).status_code == 200
    client.script()
    assert client("GET", "Task/t").json()["status"] == "accepted"


def test_faults_come_with_the_command_line_and_tell_their_seed(tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"fault": "throttle", "match": "GET Patient", "times": 1}]))

    def first(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", START, "--port", "0", *arguments], stdout=subprocess.PIPE, text=True
        )
        try:
            lines = []
            while not lines or "/fhir (stop" not in lines[-1]:
                lines.append(process.stdout.readline())
            base = lines[-1].split(" at ")[1].split(" (")[0]
            statuses = [requests.get(f"{base}/Patient", timeout=5).status_code for _ in range(12)]
            return statuses, [line for line in lines if "--seed" in line]
        finally:
            process.terminate()
            process.wait(10)
            process.stdout.close()

    assert first("--faults", str(script))[0] == [429] + [200] * 11
    drawn, said = first("--faults", "throttle=0.5", "--seed", "42")
    assert said == ["Faults are drawn with --seed 42.\n"]
    assert set(drawn) == {200, 429}
    assert first("--faults", "throttle=0.5", "--seed", "42")[0] == drawn
