"""The EHR's style (smart_style_url): really fetched from where the EHR says, and from nowhere else."""

import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fhirplan.launch import finish

GOOD = {"color_background": "#ffffff", "color_highlight": "#1a5fb4"}
HOSTILE = {
    "color_highlight": "#1a5fb4;background:url(https://evil.example/x)",
    "color_background": "#fff}body{display:none}",
    "font_family_body": "x</style><script>alert(1)</script>",
    "dim_border_radius": "4px;position:fixed",
    "color_text": ["#000000"],
    "@import": "https://evil.example/a.css",
}


class Elsewhere(BaseHTTPRequestHandler):
    """A server on this machine: another origin than the EHR's, unless it is made its origin."""

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path == "/slow":
            time.sleep(3)
        location = {"/redirected": "/good", "/away": "http://169.254.169.254/latest/meta-data"}.get(self.path)
        self.send_response(302 if location else 200)
        if location:
            self.send_header("Location", location)
        body = json.dumps(HOSTILE if self.path == "/hostile" else GOOD).encode()
        if self.path == "/huge":
            body = body[:-1] + b', "x": "' + b"x" * 50_000 + b'"}'
        if self.path == "/bomb":
            self.send_header("Content-Encoding", "gzip")
            body = gzip.compress(b'{"x": "' + b"x" * 50_000_000 + b'"}')
        self.end_headers()
        try:
            self.wfile.write(b"not json" if self.path == "/not-json" else body)
        except OSError:
            self.server.asked.append("hung up")

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture(scope="module")
def elsewhere():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def styled(clinic, launched, monkeypatch):
    """The style sheet of a chart whose EHR gave this smart_style_url; None keeps the EHR's own."""

    def make(url=None, **given):
        real = finish.ask_for_token

        def answer(*asked):
            told = real(*asked)
            if url is not None:
                told.value["smart_style_url"] = url
            return told

        monkeypatch.setattr(finish, "ask_for_token", answer)
        server = clinic(**given)
        chart = launched(server)
        page = server.client.get(chart)
        assert page.status_code == 200
        style = server.client.get(f"{chart.partition('/chart/patients')[0]}/chart/style.css")
        assert style.mimetype == "text/css"
        return style.get_data(as_text=True), page.get_data(as_text=True)

    return make


def test_the_sandboxs_own_style_is_fetched_and_honoured(styled):
    sheet, page = styled()
    assert "--accent:#1a5fb4" in sheet
    assert "--bg:#ffffff" in sheet
    assert "/chart/style.css" in page


def test_a_style_on_another_origin_is_never_asked_for(styled, elsewhere):
    asked = len(elsewhere.asked)
    port = elsewhere.server_port
    for url in (f"http://127.0.0.1:{port}/good", f"http://localhost:{port}/good"):
        assert styled(url)[0] == ""
    assert len(elsewhere.asked) == asked


@pytest.mark.parametrize("url", ["file:///etc/passwd", "javascript:alert(1)", "//evil.example/x", "data:text/css,x"])
def test_an_address_of_another_kind_is_no_style(styled, url):
    assert styled(url)[0] == ""


def test_an_address_that_only_begins_like_the_ehrs_is_another(styled, ehr, elsewhere):
    asked = len(elsewhere.asked)
    for trick in (f"{ehr.url}@127.0.0.1:{elsewhere.server_port}/good", f"{ehr.url}.evil.example/good"):
        assert styled(trick)[0] == ""
    assert len(elsewhere.asked) == asked


@pytest.mark.parametrize("path", ["redirected", "away", "huge", "bomb", "slow", "not-json"])
def test_what_is_led_elsewhere_too_big_too_slow_or_no_json_gives_no_style(styled, elsewhere, path):
    origin = f"http://127.0.0.1:{elsewhere.server_port}"
    began = time.monotonic()
    sheet, _ = styled(f"{origin}/{path}", launch_frame_ancestors=(origin,))
    assert sheet == ""
    assert f"/{path}" in elsewhere.asked
    assert "/good" not in elsewhere.asked
    assert time.monotonic() - began < 60


def test_nothing_of_a_hostile_style_gets_out_of_its_place(styled, elsewhere):
    origin = f"http://127.0.0.1:{elsewhere.server_port}"
    assert styled(f"{origin}/hostile", launch_frame_ancestors=(origin,))[0] == ""
    assert styled(f"{origin}/good?again", launch_frame_ancestors=(origin,))[0] != ""
