"""Access tokens that an EHR issued: those that are taken, and one test for each attack with one."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fhirplan import settings
from fhirplan.errors import Misconfigured
from fhirplan.store.sync import links
from fhirplan.store.sync.links import Link
from tests.guarded.conftest import BASE, Caller, goal, servers

EHR = "http://127.0.0.1:1/fhir"
EC, NEXT = ECKey.generate_key("P-384", {"kid": "ec"}), ECKey.generate_key("P-384", {"kid": "next"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})


class Authority:
    """An EHR's authorization server: its description, its keys, and what it says of opaque tokens."""

    def __init__(self):
        self.keys, self.known, self.asked, self.introspection = [EC, RSA], {}, Counter(), "json"
        self.description, self.jwks, self.heard = {}, "json", []
        outer = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked[self.path] += 1
                outer.get(self)

            def do_POST(self):
                outer.asked[self.path] += 1
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                outer.heard.append((dict(self.headers), form))
                outer.post(self, form["token"][0])

            def say(self, value, status=200, media="application/json", **headers):
                body = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", media)
                for name, text in headers.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/oauth2"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def get(self, request):
        if request.path == "/oauth2/.well-known/openid-configuration":
            request.say({"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **self.description})
        elif request.path == "/oauth2/jwks" and self.jwks == "json":
            request.say({"keys": [key.as_dict(private=False) for key in self.keys]})
        elif request.path == "/oauth2/jwks" and self.jwks == "redirect":
            request.say({}, 302, Location=f"{self.url}/elsewhere")
        elif request.path == "/oauth2/jwks" and self.jwks == "endless":
            request.say(b" " * (2 * 2**20))
        else:
            request.say({}, 404)

    def post(self, request, token):
        match self.introspection:
            case "json":
                request.say(self.known.get(token, {"active": False}))
            case "html":
                request.say(b"<html>Sign in</html>", media="text/html")
            case "broken":
                request.say({"error": "x"}, 500)
            case "redirect":
                request.say({}, 302, Location=f"{self.url}/other")
            case "string":
                request.say({"active": "true", "client_id": "app", "scope": "system/*.rs"})
            case "slow":
                time.sleep(1.5)
                request.say({"active": True, "client_id": "app", "scope": "system/*.rs", "aud": BASE})

    def token(self, key=EC, header=None, **claims):
        now = int(time.time())
        made = {"iss": self.url, "aud": BASE, "sub": "s", "client_id": "app", "scope": "patient/*.rs", "exp": now + 300}
        made |= {"patient": "ehr-a", **claims}
        alg = "RS384" if isinstance(key, RSAKey) else "ES384"
        head = {"alg": alg, "kid": key.kid, "typ": "at+jwt", **(header or {})}
        return jwt.encode(head, {k: v for k, v in made.items() if v is not None}, key, algorithms=[alg])

    def opaque(self, name, **claims):
        made = {"active": True, "client_id": "app", "scope": "patient/*.rs", "patient": "ehr-a", "aud": BASE}
        made |= {"exp": int(time.time()) + 300, **claims}
        self.known[name] = {key: value for key, value in made.items() if value is not None}
        return name


@contextmanager
def running():
    made = Authority()
    yield made
    made.server.shutdown()
    made.server.server_close()


def connected(configured, authority, **given):
    """A server that takes this authority's tokens; the EHR calls our patients a and b ehr-a and ehr-b."""
    chosen = {
        "ehr_url": EHR,
        "token_issuers": [authority.url],
        "token_introspection": [f"{authority.url}={authority.url}/introspect"],
        **given,
    }
    server = configured(others=True, **chosen)
    server.load(
        *({"resourceType": "Patient", "id": id_, "name": [{"text": id_}]} for id_ in "ab"),
        {"resourceType": "Practitioner", "id": "nurse", "name": [{"text": "Nora"}]},
        goal("ga", "a"),
        goal("gb", "b"),
    )
    with server.services.database.write() as tx:
        for type_, id_, ehr_id in (("Patient", "a", "ehr-a"), ("Patient", "b", "ehr-b")):
            links.put(tx, "default", Link(type_, id_, ehr_id), 0)
        links.put(tx, "default", Link("Practitioner", "nurse", "ehr-nurse"), 0)
    return server


@pytest.fixture
def authority():
    with running() as made:
        yield made


@pytest.fixture
def taking(configured, authority):
    return lambda **given: connected(configured, authority, **given)


@pytest.fixture(scope="module")
def standing(tmp_path_factory, empty_database):
    """One server and one authority for tokens that are refused whatever was asked before."""
    with running() as authority, servers(tmp_path_factory.mktemp("standing"), empty_database) as configured:
        yield connected(configured, authority), authority


def ask(server, text, path="Goal"):
    return Caller(server.client, text).get(path)


def refused(server, text, status=401):
    answer = ask(server, text)
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert text not in answer.get_data(as_text=True)
    if status == 401:
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    return answer


@pytest.mark.parametrize("key", [EC, RSA])
def test_a_token_of_the_ehr_opens_the_record_of_the_patient_that_the_ehr_means(taking, authority, key):
    server = taking()
    assert Caller(server.client, authority.token(key)).found("Goal") == ["Goal/ga"]
    assert Caller(server.client, authority.token(key, patient="Patient/ehr-b")).found("Goal") == ["Goal/gb"]
    assert authority.asked["/oauth2/jwks"] == 1


def test_our_own_id_in_a_token_of_the_ehr_is_not_our_patient(taking, authority):
    server = taking()
    answer = refused(server, authority.token(patient="a"), 403)
    assert "not known here" in answer.get_data(as_text=True)
    refused(server, authority.token(patient="nobody"), 403)
    refused(server, authority.token(patient=None), 403)
    refused(server, authority.opaque("opaque-1", patient="a"), 403)


def test_the_person_of_the_ehr_stands_in_decision_and_audit(taking, authority):
    server = taking()
    claims = {"scope": "user/*.rs user/AuditEvent.rs", "patient": None}
    known = Caller(server.client, authority.token(fhirUser=f"{EHR}/Practitioner/ehr-nurse", **claims))
    assert known.found("Goal") == ["Goal/ga", "Goal/gb"]
    server.services.accesses.keep()
    events = known.get("AuditEvent").get_json(force=True)["entry"]
    agents = [entry["resource"]["agent"] for entry in events]
    assert any(
        one[0]["who"].get("reference") == "Practitioner/nurse" and one[1]["altId"] == f"app@{authority.url}"
        for one in agents
        if len(one) > 1
    )
    for user in ("Practitioner/nurse", "https://other.example/fhir/Practitioner/ehr-nurse", "Practitioner/x", None):
        refused(server, authority.token(fhirUser=user, **claims), 403)


def test_a_client_of_the_ehr_does_not_pass_for_one_of_ours(taking, authority):
    """A reader who is trusted with guarded labels is named by client id, and EHRs give out ids of their own."""
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SUD"}
    server = taking(guarded_readers="client app, client root")
    server.load(goal("guarded", "a", meta={"security": [label]}))
    assert "Goal/guarded" in server.caller("system/Goal.rs", client_id="app").found("Goal")
    theirs = Caller(server.client, authority.token(scope="system/Goal.rs", patient=None))
    assert "Goal/guarded" not in theirs.found("Goal")


def test_what_the_ehr_calls_a_grant_is_none_of_ours(taking, authority):
    assert Caller(taking().client, authority.token(gid="g", jti="j")).found("Goal") == ["Goal/ga"]


# Attacks with a JWT


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_alg_none(standing):
    server, authority = standing
    claims = authority.token().split(".")[1]
    refused(server, f"{part({'alg': 'none', 'typ': 'at+jwt', 'kid': 'ec'})}.{claims}.")
    refused(server, f"{part({'alg': 'none', 'typ': 'at+jwt', 'kid': 'ec'})}.{claims}.AA")


def test_key_confusion_hmac_with_the_published_key(standing):
    server, authority = standing
    signed = f"{part({'alg': 'HS256', 'typ': 'at+jwt', 'kid': 'rsa'})}.{authority.token().split('.')[1]}"
    for secret in (RSA.as_pem(private=False), json.dumps(RSA.as_dict(private=False)).encode()):
        mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        refused(server, f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")


def test_key_confusion_between_kinds_of_keys(standing):
    server, authority = standing
    refused(server, authority.token(RSA, {"kid": "ec"}))
    refused(server, authority.token(EC, {"kid": "rsa"}))


def test_an_algorithm_that_is_not_pinned(taking, authority):
    refused(taking(token_algorithms=["ES384"]), authority.token(RSA))


@pytest.mark.parametrize("aud", [None, "https://other.example/fhir", f"{BASE}/", EHR, []])
def test_wrong_aud(standing, aud):
    server, authority = standing
    refused(server, authority.token(aud=aud))


def test_expired(standing):
    server, authority = standing
    refused(server, authority.token(exp=int(time.time()) - 61))


def test_future_nbf(standing):
    server, authority = standing
    refused(server, authority.token(nbf=int(time.time()) + 90))


def test_unknown_kid(taking, authority):
    """It makes the keys be fetched anew, but not at the will of whoever makes up key ids."""
    server = taking()
    for _ in range(5):
        refused(server, authority.token(NEXT))
    assert authority.asked["/oauth2/jwks"] == 1


def test_a_token_of_an_issuer_that_is_not_configured_makes_nothing_be_called(taking, authority):
    """Also where the issuer is an address inside (SSRF)."""
    server = taking()
    calls = sum(authority.asked.values())
    inside = ("http://169.254.169.254/", "http://127.0.0.1:1")
    for issuer in (f"{authority.url}/other", f"{authority.url}/", *inside, None):
        refused(server, authority.token(iss=issuer))
    # What names no issuer is shown to the one that is asked about opaque tokens, and to nobody else.
    assert sum(authority.asked.values()) - calls <= 1


@pytest.mark.parametrize("jwks", ["redirect", "endless", "gone"])
def test_a_jwks_that_redirects_or_never_ends(taking, authority, jwks):
    authority.jwks = jwks
    answer = refused(taking(), authority.token(), 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert "/oauth2/elsewhere" not in authority.asked


@pytest.mark.parametrize("url", ["https://127.0.0.1/jwks", "https://10.0.0.1/jwks", "https://169.254.169.254/jwks"])
def test_a_description_that_leads_inside(taking, authority, url):
    authority.description = {"jwks_uri": url.replace("127.0.0.1", "localhost")}
    assert int(refused(taking(), authority.token(), 503).headers["Retry-After"]) > 0


def test_a_description_of_another_issuer(taking, authority):
    authority.description = {"issuer": "https://other.example"}
    refused(taking(), authority.token(), 503)


def test_keys_at_a_given_address_need_no_description(taking, authority):
    server = taking(token_issuers=[f"{authority.url}={authority.url}/jwks"])
    assert Caller(server.client, authority.token()).found("Goal") == ["Goal/ga"]
    assert set(authority.asked) == {"/oauth2/jwks"}


def test_typ_of_older_servers_only_where_the_settings_take_it(taking, authority):
    text = authority.token(header={"typ": "JWT"})
    refused(taking(), text)
    assert Caller(taking(token_types=["at+jwt", "JWT"]).client, text).found("Goal") == ["Goal/ga"]


def test_a_client_that_may_not_come_in(taking, authority):
    server = taking(token_clients=["vendor"])
    refused(server, authority.token())
    assert Caller(server.client, authority.token(client_id="vendor")).found("Goal") == ["Goal/ga"]


# Opaque tokens


def test_an_opaque_token_is_asked_about_once_and_opens_what_the_ehr_says(taking, authority):
    server = taking()
    caller = Caller(server.client, authority.opaque("opaque-1"))
    assert caller.found("Goal") == ["Goal/ga"]
    assert caller.found("Goal") == ["Goal/ga"]
    assert authority.asked["/oauth2/introspect"] == 1


def test_what_the_ehr_said_is_not_relied_on_past_the_end_of_the_token(taking, authority):
    now = [time.time()]
    server = taking()
    object.__setattr__(server.services, "clock", lambda: int(now[0] * 1000))
    caller = Caller(server.client, authority.opaque("opaque-1", exp=int(now[0]) + 5))
    assert caller.found("Goal") == ["Goal/ga"]
    now[0] += 6
    authority.known.clear()
    refused(server, "opaque-1")
    assert authority.asked["/oauth2/introspect"] == 2


def test_inactive_is_401_and_not_asked_about_at_once_again(taking, authority):
    server = taking()
    for _ in range(4):
        refused(server, "nobody-knows-it")
    assert authority.asked["/oauth2/introspect"] == 1


@pytest.mark.parametrize("how", ["html", "broken", "redirect", "string", "slow"])
def test_an_issuer_that_does_not_say_is_503_and_never_a_yes(taking, authority, how):
    """A client must not be told that its token is bad, or it would ask for new ones again and again."""
    authority.introspection = how
    server = taking(ehr_timeout=0.5)
    answer = refused(server, authority.opaque("opaque-1"), 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert "WWW-Authenticate" not in answer.headers
    authority.introspection = "json"
    assert Caller(server.client, "opaque-1").found("Goal") == ["Goal/ga"]
    assert "/oauth2/other" not in authority.asked


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other.example/fhir"},
        {"aud": None},
        {"iss": "https://other.example"},
        {"exp": 1},
        {"nbf": 32_503_680_000},
        {"client_id": None},
    ],
)
def test_an_active_token_that_is_not_for_us(standing, claims):
    server, authority = standing
    refused(server, authority.opaque(f"opaque-{claims}".translate(str.maketrans("{}': /,", "-------")), **claims))


def test_a_token_without_an_audience_is_taken_from_named_clients_alone(taking, authority):
    server = taking(token_clients=["app"])
    assert Caller(server.client, authority.opaque("opaque-1", aud=None)).found("Goal") == ["Goal/ga"]
    refused(server, authority.opaque("opaque-2", aud=None, client_id="other"))


def test_we_prove_who_we_are_when_we_ask(taking, authority, tmp_path):
    path = tmp_path / "key.json"
    path.write_text(json.dumps(ECKey.generate_key("P-384", {"kid": "ours"}).as_dict(private=True)))
    given = {"ehr_client_id": "us", "ehr_private_key": str(path), "token_introspection_auth": "private-key-jwt"}
    assert ask(taking(**given), authority.opaque("opaque-1")).status_code == 200
    assertion = authority.heard[-1][1]["client_assertion"][0]
    claims = json.loads(base64.urlsafe_b64decode(assertion.split(".")[1] + "=="))
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("us", "us", authority.url)
    given = {"launch_client_id": "us", "launch_client_secret": "s e:cret"}
    ask(taking(token_introspection_auth="client-secret-basic", **given), "opaque-1")
    assert authority.heard[-1][0]["Authorization"] == "Basic " + base64.b64encode(b"us:s+e%3Acret").decode()
    ask(taking(token_introspection_auth="bearer", ehr_token="t0ken"), "opaque-1")
    assert authority.heard[-1][0]["Authorization"] == "Bearer t0ken"


def test_the_keys_turn_over(taking, authority):
    server = taking()
    assert ask(server, authority.token()).status_code == 200
    keys = server.services.issuers.named(authority.url, "default").keys
    authority.keys = [NEXT]
    keys._sets._clock = lambda: time.monotonic() + 11
    assert ask(server, authority.token(NEXT)).status_code == 200
    # What was signed with the old one is out, once what was found of it is forgotten.
    refused(server, authority.token(sub="another"))


def test_keys_that_are_known_stay_while_the_issuer_is_down(taking, authority):
    server = taking()
    assert ask(server, authority.token()).status_code == 200
    keys = server.services.issuers.named(authority.url, "default").keys
    authority.jwks = "gone"
    keys._sets._clock = lambda: time.monotonic() + 11
    refused(server, authority.token(NEXT))
    assert ask(server, authority.token(sub="another")).status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        {"token_issuers": ["http://ehr.example.org"]},
        {"token_issuers": ["ehr"]},
        {"token_issuers": ["https://ehr.example.org=ftp://x"]},
        {"token_introspection": ["https://ehr.example.org"]},
        {"token_algorithms": ["HS256"]},
        {"token_algorithms": []},
        {"token_types": ["id"]},
        {"token_leeway": 301},
        {"token_introspection": ["https://e.example=https://e.example/i"], "token_introspection_auth": "bearer"},
    ],
)
def test_settings_that_could_not_be_kept_are_refused_at_start(given):
    with pytest.raises(Misconfigured, match="invalid"):
        settings.load({}, **given)
