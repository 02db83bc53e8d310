"""SMART Backend Services: discovery, assertions and what is refused of them, tokens, scopes, and both over a socket."""

from __future__ import annotations

import base64
import hmac
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests
from joserfc import jwk, jwt

from fhirplan.fhir import codec
from fhirplan.sandbox.authorize import Gate, TokenDenied
from fhirplan.sandbox.personas import PERSONAS

TASK = {"resourceType": "Task", "id": "t", "status": "requested"}
ALL = "system/*.cruds"
START = "from fhirplan.cli.sandbox import command; command()"


@pytest.fixture
def open_(authorized):
    return authorized("open")


@pytest.fixture
def address(open_):
    return open_[0]("GET", ".well-known/smart-configuration").resource["token_endpoint"]


def bearer(response):
    return {"Authorization": f"Bearer {response['access_token']}"}


def test_discovery_tells_what_a_client_needs(open_):
    ehr, _ = open_
    answer = ehr("GET", ".well-known/smart-configuration", Accept="text/html")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    said = answer.resource
    assert said["token_endpoint"] == "http://localhost/auth/token"
    assert said["grant_types_supported"] == ["client_credentials"]
    assert said["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert said["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert {"client-confidential-asymmetric"} <= set(said["capabilities"])
    security = ehr("GET", "metadata").resource["rest"][0]["security"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    assert said["token_endpoint"] in str(security["extension"])


def test_without_a_gate_there_is_no_discovery_and_no_token(ehr):
    assert ehr("GET", ".well-known/smart-configuration").status_code == 404
    assert ehr("POST", "/auth/token", b"").status_code == 404
    assert ehr("GET", "Task").status_code == 200


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
def test_an_assertion_of_either_kind_gets_a_token_that_opens(open_, keys, clock, address, alg):
    ehr, token = open_
    given = token(ALL, keys.sign(alg, now=clock.now / 1000, aud=address))
    assert (given["token_type"], given["expires_in"], given["scope"]) == ("bearer", 300, ALL)
    assert "refresh_token" not in given
    assert ehr.put(TASK, **bearer(given)).status_code == 201


def test_a_token_response_is_not_to_be_stored(open_, keys, clock, address):
    ehr, _ = open_
    answer = ehr("POST", "/auth/token", b"grant_type=x", Content_Type="application/x-www-form-urlencoded")
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")


@pytest.mark.parametrize(("header", "error"), [
    (None, None), ("Bearer nonsense", "invalid_token"), ("Basic eDp5", "invalid_token"), ("Bearer", "invalid_token"),
])  # fmt: skip
def test_without_a_token_that_stands_nothing_opens(open_, header, error):
    ehr, _ = open_
    for method, path, body in (
        ("GET", "Task", None),
        ("PUT", "Task/t", TASK),
        ("POST", "", {"resourceType": "Bundle"}),
    ):
        answer = ehr(method, path, body, **({"Authorization": header} if header else {}))
        assert answer.status_code == 401
        assert answer.resource["issue"][0]["code"] == "login"
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="fhir"')
        assert ("error" in answer.headers["WWW-Authenticate"]) == (error is not None)
    assert ehr.store.counts() == {}


def test_metadata_and_the_admin_door_need_no_token(open_):
    ehr, _ = open_
    assert ehr("GET", "metadata").status_code == 200
    ehr.load(TASK)
    assert ehr("POST", "/admin/edit", {"method": "PUT", "path": "Task/t", "body": TASK}).status_code == 200


@pytest.mark.parametrize("changed", [
    {"iss": "other"}, {"sub": "other"}, {"iss": "other", "sub": "other"}, {"iss": None}, {"iss": ["app"]},
    {"aud": "http://localhost/fhir"}, {"aud": None}, {"aud": "http://localhost/auth/token/"},
    {"exp": None}, {"exp": "soon"}, {"exp": True}, {"exp": 1}, {"exp": 1_793_620_800 + 301},
    {"jti": None}, {"jti": ""}, {"jti": 5}, {"nbf": 1_793_620_800 + 100}, {"iat": 1_793_620_800 + 100},
    {"header_typ": "at+jwt"}, {"header_kid": "unknown"}, {"header_kid": "ec"}, {"header_jku": "https://evil.test/keys"},
])  # fmt: skip
def test_an_assertion_that_proves_nothing_is_refused(open_, keys, clock, address, changed):
    _, token = open_
    given = token(ALL, keys.sign(now=clock.now / 1000, **{"aud": address, **changed}))
    assert (given["status"], given["error"]) == (401, "invalid_client")
    assert "access_token" not in given


@pytest.mark.parametrize("changed", [
    {"exp": 1_793_620_800 + 300}, {"aud": ["x", "http://localhost/auth/token"]}, {"header_jku": "https://app.test/keys.json"},
])  # fmt: skip
def test_an_assertion_at_the_edge_is_taken(open_, keys, clock, address, changed):
    _, token = open_
    assert token(ALL, keys.sign(now=clock.now / 1000, **{"aud": address, **changed}))["status"] == 200


@pytest.mark.parametrize("text", ["", "nonsense", "a.b.c", "e30.e30."])
def test_what_is_no_jwt_is_refused(open_, text):
    assert open_[1](ALL, text or " ")["error"] == "invalid_client"


def claims(clock, address):
    return {"iss": "app", "sub": "app", "aud": address, "exp": clock.now // 1000 + 60, "jti": "x"}


def test_another_key_or_a_symmetric_one_made_of_the_public_key_is_refused(open_, keys, clock, address):
    _, token = open_
    header = {"alg": "RS384", "kid": "rsa", "typ": "JWT"}
    stranger = jwk.RSAKey.generate_key(2048, {"kid": "rsa"})
    forged = jwt.encode(header, claims(clock, address), stranger, algorithms=["RS384"])
    assert token(ALL, forged)["error"] == "invalid_client"
    parts = [codec.dumps({**header, "alg": "HS256"}), codec.dumps(claims(clock, address))]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    public = keys.keys["RS384"].as_pem(private=False)
    digest = base64.urlsafe_b64encode(hmac.digest(public, signed, "sha256")).rstrip(b"=")
    assert token(ALL, f"{signed.decode()}.{digest.decode()}")["error"] == "invalid_client"


def test_two_keys_with_one_kid_prove_nothing(keys, clock):
    twice = codec.dumps({"keys": codec.loads(keys.public)["keys"] * 2})
    gate = Gate(PERSONAS["open"], {"app": "x"}, clock=lambda: clock.now / 1000, read_keys=lambda _: twice)
    form = {
        "grant_type": "client_credentials",
        "scope": ALL,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": keys.sign(now=clock.now / 1000, aud="u"),
    }
    with pytest.raises(TokenDenied, match="processing"):
        gate.token(tuple(form.items()), "u")


def test_an_assertion_opens_once(open_, keys, clock, address):
    _, token = open_
    signed = keys.sign(now=clock.now / 1000, aud=address)
    assert token(ALL, signed)["status"] == 200
    again = token(ALL, signed)
    assert (again["status"], again["error"]) == (401, "invalid_client")
    assert "jti" in again["error_description"]


def test_of_many_that_send_one_assertion_at_once_one_gets_a_token(keys, clock):
    gate = Gate(PERSONAS["open"], {"app": "x"}, clock=lambda: clock.now / 1000, read_keys=lambda _: keys.public)
    form = (
        ("grant_type", "client_credentials"),
        ("scope", ALL),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", keys.sign(now=clock.now / 1000, aud="u")),
    )

    def ask(_):
        try:
            return gate.token(form, "u")["token_type"]
        except TokenDenied as error:
            return error.error

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(ask, range(8))) == {"bearer": 1, "invalid_client": 7}


@pytest.mark.parametrize(("fields", "status", "error"), [
    ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ({"grant_type": "password", "client_assertion": "nonsense"}, 400, "unsupported_grant_type"),
    ({"client_assertion_type": "other"}, 401, "invalid_client"),
    ({"client_id": "other"}, 401, "invalid_client"),
    ({"scope": ""}, 400, "invalid_scope"),
    ({"scope": "patient/Task.rs user/Task.rs openid"}, 400, "invalid_scope"),
    ({"scope": "system/Task.dus system/Task. system/Banana.rs"}, 400, "invalid_scope"),
    ({"scope": "system/Task.rs?status=x"}, 400, "invalid_scope"),
])  # fmt: skip
def test_a_request_that_cannot_be_met_says_why(open_, fields, status, error):
    given = open_[1](**{"scope": ALL, **fields})
    assert (given["status"], given["error"]) == (status, error)


def test_a_form_that_is_none_is_refused(open_):
    ehr, _ = open_
    assert ehr("POST", "/auth/token", b"{}").resource["error"] == "invalid_request"
    twice = b"grant_type=client_credentials&grant_type=client_credentials"
    answer = ehr("POST", "/auth/token", twice, Content_Type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.resource["error"]) == (400, "invalid_request")


def test_a_token_ends_when_it_says(authorized, clock):
    ehr, token = authorized("open", lifetime=20)
    ehr.load(TASK)
    given = token(ALL)
    assert given["expires_in"] == 20
    clock.now += 19_000
    assert ehr("GET", "Task/t", **bearer(given)).status_code == 200
    clock.now += 1_000
    late = ehr("GET", "Task/t", **bearer(given))
    assert late.status_code == 401
    assert 'error="invalid_token"' in late.headers["WWW-Authenticate"]


@pytest.mark.parametrize(("scope", "opens"), [
    ("system/Task.c", {"create"}),
    ("system/Task.r", {"read", "vread", "instance history"}),
    ("system/Task.u", {"update"}),
    ("system/Task.d", {"delete"}),
    ("system/Task.s", {"search", "type history"}),
    ("system/Task.read", {"read", "vread", "instance history", "search", "type history"}),
    ("system/Task.write", {"create", "update", "delete"}),
    ("system/*.s", {"search", "type history", "system history"}),
    ("system/Goal.cruds", set()),
    ("system/*.*", {"create", "read", "vread", "instance history", "update", "delete", "search", "type history",
                    "system history"}),
])  # fmt: skip
def test_a_scope_opens_what_it_names_and_nothing_else(open_, scope, opens):
    ehr, token = open_
    ehr.load(TASK)
    given = bearer(token(scope))
    asked = {
        "create": ("POST", "Task", TASK),
        "read": ("GET", "Task/t", None),
        "vread": ("GET", "Task/t/_history/1", None),
        "instance history": ("GET", "Task/t/_history", None),
        "update": ("PUT", "Task/t", TASK),
        "search": ("GET", "Task", None),
        "type history": ("GET", "Task/_history", None),
        "system history": ("GET", "_history", None),
        "delete": ("DELETE", "Task/t", None),
    }
    answers = {name: ehr(*request, **given) for name, request in asked.items()}
    assert {name for name, answer in answers.items() if answer.status_code < 300} == opens
    for name in set(asked) - opens:
        assert answers[name].status_code == 403
        assert 'error="insufficient_scope"' in answers[name].headers["WWW-Authenticate"]
        assert answers[name].resource["issue"][0]["code"] == "forbidden"


def test_a_bundle_needs_what_its_entries_need(open_):
    ehr, token = open_
    entries = [
        {"resource": TASK, "request": {"method": "PUT", "url": "Task/t"}},
        {"request": {"method": "GET", "url": "Goal?patient=p"}},
    ]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    assert ehr("POST", "", bundle, **bearer(token("system/Task.u"))).status_code == 403
    assert ehr.store.counts() == {}
    assert ehr("POST", "", bundle, **bearer(token("system/Task.u system/Goal.s"))).status_code == 200


def test_scopes_are_narrowed_to_what_the_ehr_offers(authorized):
    _, token = authorized("epic")
    assert token("system/CarePlan.cruds")["scope"] == "system/CarePlan.rs"
    assert token("system/CarePlan.cud")["error"] == "invalid_scope"
    assert token("system/Task.write")["scope"] == "system/Task.write"


def test_keys_are_fetched_from_an_address_anew_each_time(keys, clock):
    served = [keys.public]

    class Door(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(served[0])

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Door) as door:
        threading.Thread(target=door.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{door.server_address[1]}/jwks.json"
        gate = Gate(PERSONAS["open"], {"app": place}, clock=lambda: clock.now / 1000)

        def ask():
            form = {
                "grant_type": "client_credentials",
                "scope": ALL,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": keys.sign(now=clock.now / 1000, aud="u"),
            }
            return gate.token(tuple(form.items()), "u")

        assert ask()["token_type"] == "bearer"
        for broken in (b'{"keys": []}', b"[]", b"<html>", b'{"keys": [1]}', b" " * 1_100_000):
            served[0] = broken
            with pytest.raises(TokenDenied):
                ask()
        served[0] = keys.public
        assert ask()["token_type"] == "bearer"
        door.shutdown()
    with pytest.raises(TokenDenied):
        ask()


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-c", START, "--port", "0", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(("arguments", "said"), [
    (["--require-auth"], "--client"),
    (["--require-auth", "--client", "app"], "ID=JWKS_FILE_OR_URL"),
    (["--require-auth", "--client", "app=/nowhere/keys.json"], "no file"),
    (["--client", "app=http://127.0.0.1:9/jwks"], "--require-auth"),
    (["--as", "nobody"], "nobody"),
    (["--token-lifetime", "301"], "300"),
])  # fmt: skip
def test_a_command_line_that_makes_no_sense_is_told_so(arguments, said):
    tried = run(*arguments)
    assert tried.returncode == 2
    assert said in tried.stderr
    assert "Traceback" not in tried.stderr


def test_a_client_finds_the_door_and_comes_in_over_a_socket(tmp_path, keys):
    (tmp_path / "keys.json").write_bytes(keys.public)
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", START, "--port", "0", "--as", "epic", "--require-auth", "--token-lifetime", "1",
         "--client", f"app={tmp_path / 'keys.json'}"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        lines = []
        while not lines or "/fhir (stop" not in lines[-1]:
            lines.append(process.stdout.readline())
        base = lines[-1].split(" at ")[1].split(" (")[0]
        assert any("for 1 seconds each" in line for line in lines)
        assert requests.get(f"{base}/Patient", timeout=5).status_code == 401
        where = requests.get(f"{base}/.well-known/smart-configuration", timeout=5).json()["token_endpoint"]
        form = {
            "grant_type": "client_credentials",
            "scope": "system/*.read",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": keys.sign("ES384", now=time.time(), aud=where),
        }
        given = requests.post(where, data=form, timeout=5).json()
        headers = {"Authorization": f"Bearer {given['access_token']}"}
        assert requests.get(f"{base}/Patient", headers=headers, timeout=5).status_code == 200
        time.sleep(1.1)
        assert requests.get(f"{base}/Patient", headers=headers, timeout=5).status_code == 401
    finally:
        process.terminate()
        assert process.wait(10) == 0
        process.stdout.close()


def test_a_chart_of_the_launcher_opens_the_app_in_a_frame(clock):
    from fhirplan.sandbox.app import create_app
    from fhirplan.sandbox.desk import App, Desk
    from fhirplan.sandbox.resources import Store

    store = Store(None)
    desk = Desk({"app": App("app", ("http://127.0.0.1:1/back",), "http://127.0.0.1:1/launch")})
    client = create_app(store, desk=desk).test_client()
    page = client.get("/launcher/chart?app=app&user=Practitioner/p&patient=x").get_data(as_text=True)
    assert 'iframe src="http://127.0.0.1:1/launch?iss=http%3A%2F%2Flocalhost%2Ffhir&amp;launch=' in page
    assert client.get("/launcher/chart?app=none").status_code == 404
    assert "app" in client.get("/launcher").get_data(as_text=True)
    assert client.get("/auth/authorize?client_id=none").status_code == 400
    store.close()
