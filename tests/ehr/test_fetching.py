"""Documents at addresses that others gave: what redirects, never ends, is too large or lies inside is not had."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fhirplan.ehr import pinned
from fhirplan.ehr.fetching import Fetched, Unfetchable, fetch
from fhirplan.ehr.keysets import KeySets

KEYS = {"keys": [{"kid": "k1", "kty": "EC"}]}


@pytest.fixture
def door():
    asked = []

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self):
            asked.append(self.path)
            try:
                self.answer()
            except OSError:
                return

        def answer(self):
            if self.path == "/redirect":
                self.send_response(302)
                self.send_header("Location", "/keys")
                self.end_headers()
                return
            if self.path == "/slow-header":
                for letter in b"HTTP/1.0 200 OK\r\nX: " + b"x" * 200:
                    self.wfile.write(bytes([letter]))
                    self.wfile.flush()
                    time.sleep(0.1)
            self.send_response(500 if self.path == "/broken" else 200)
            self.send_header("Cache-Control", "max-age=60")
            self.end_headers()
            if self.path == "/endless":
                while True:
                    self.wfile.write(b" " * 1000)
                    time.sleep(0.05)
            if self.path == "/large":
                self.wfile.write(b" " * (3 * 2**20))
            body = b"[1]" if self.path == "/list" else b"no" if self.path == "/text" else json.dumps(KEYS).encode()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_what_is_there_is_had(door):
    assert fetch(f"{door[0]}/keys", loopback=True) == Fetched(KEYS, 60)


@pytest.mark.parametrize("path", ["/redirect", "/broken", "/large", "/list", "/text"])
def test_what_redirects_or_is_no_document_is_not_had(door, path):
    with pytest.raises(Unfetchable):
        fetch(door[0] + path, loopback=True)
    assert door[1] == [path]


@pytest.mark.parametrize("path", ["/endless", "/slow-header"])
def test_what_never_ends_is_given_up(door, path):
    began = time.monotonic()
    with pytest.raises(Unfetchable, match="processing"):
        fetch(door[0] + path, loopback=True, seconds=1.0)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "url",
    [
        "http://keys.example/jwks",
        "ftp://keys.example/jwks",
        "file:///etc/passwd",
        "https://user:word@keys.example/",
        "https:///jwks",
        "https://127.0.0.1/jwks",
        "https://[::1]/jwks",
        "https://10.0.0.1/jwks",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://[fe80::1]/",
        "https://0.0.0.0/",
        "https://100.64.0.1/",
        "https://224.0.0.1/",
        "https://keys.example:99999/",
    ],
)
def test_nothing_is_called_that_is_not_https_and_public(url, monkeypatch):
    for kind in ("HTTPConnectionPool", "HTTPSConnectionPool"):
        monkeypatch.setattr(pinned.urllib3, kind, lambda *_, **__: pytest.fail("it was called"))
    with pytest.raises(Unfetchable):
        fetch(url, loopback=False)


def test_a_name_that_leads_inside_is_not_called(monkeypatch):
    """Also where only one of its addresses does."""
    found = [(2, 1, 6, "", ("93.184.216.34", 443)), (2, 1, 6, "", ("10.1.2.3", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    for kind in ("HTTPConnectionPool", "HTTPSConnectionPool"):
        monkeypatch.setattr(pinned.urllib3, kind, lambda *_, **__: pytest.fail("it was called"))
    with pytest.raises(Unfetchable):
        fetch("https://keys.example/jwks", loopback=True)


def test_loopback_is_called_only_where_it_may_be(door):
    with pytest.raises(Unfetchable):
        fetch(f"{door[0]}/keys", loopback=False)


def test_a_key_set_is_kept_and_fetched_anew_for_a_new_key_but_not_at_will():
    now, calls, keys = [0.0], [], [{"kid": "a"}]

    def get(url):
        calls.append(url)
        return Fetched({"keys": list(keys)}, 100)

    sets = KeySets(loopback=True, get=get, clock=lambda: now[0])
    assert sets.keys("u", "a") == ({"kid": "a"},)
    assert sets.keys("u", "a") == ({"kid": "a"},)
    for _ in range(5):
        assert sets.keys("u", "guess") == ()
    assert len(calls) == 1
    now[0] = 11.0
    keys.append({"kid": "b"})
    assert sets.keys("u", "b") == ({"kid": "b"},)
    assert len(calls) == 2
    now[0] = 200.0
    keys.clear()
    assert sets.keys("u", "a") == ()


def test_an_address_that_fails_is_not_asked_again_at_once():
    now, calls = [0.0], []

    def get(url):
        calls.append(url)
        raise Unfetchable("down")

    sets = KeySets(loopback=True, get=get, clock=lambda: now[0])
    for _ in range(4):
        with pytest.raises(Unfetchable):
            sets.keys("u", "a")
    assert len(calls) == 1
