"""Backend Services: tokens for systems, each way to forge an assertion, and who is told what of a token."""

import base64
import hashlib
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from fhirplan.launch.granting import granted
from fhirplan.launch.registry import wrong
from fhirplan.store.access.clients import Client

BASE = "http://127.0.0.1:8080"
REDIRECT = "https://app.example.org/back"
TOKEN_URL = f"{BASE}/auth/token"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def refused(answer, error, status):
    assert (answer.status_code, answer.json["error"]) == (status, error), answer.get_data(as_text=True)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"


@pytest.mark.parametrize("alg", ["ES384", "RS384"])
def test_an_assertion_gets_a_token_of_five_minutes_that_says_what_it_is_for(server, alg):
    answer = server.backend("system/CarePlan.rs system/Patient.rs", alg)
    assert answer.status_code == 200
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
    said = answer.json
    assert (said["token_type"], said["expires_in"], said["scope"]) == ("Bearer", 300, "system/CarePlan.rs")
    assert "refresh_token" not in said
    public = KeySet.import_key_set(server.client.get("/auth/jwks.json").json)
    token = jwt.decode(said["access_token"], public, algorithms=["ES384"])
    assert token.header["typ"] == "at+jwt"
    claims = token.claims
    assert (claims["iss"], claims["aud"], claims["sub"]) == (f"{BASE}/auth", f"{BASE}/fhir", "backend")
    assert claims["exp"] - claims["iat"] == 300
    assert {"jti", "gid", "client_id", "scope"} <= set(claims)
    assert "patient" not in claims


def test_asking_for_everything_gives_what_is_registered(server):
    assert server.backend("system/*.cruds").json["scope"] == "system/CarePlan.rs system/Goal.cruds"
    assert server.backend("system/*.read").json["scope"] == "system/CarePlan.read system/Goal.read"


@pytest.mark.parametrize("scope", ["", "system/Patient.rs", "patient/CarePlan.rs", "system/CarePlan.sr", "openid"])
def test_no_scope_left_is_no_token(server, scope):
    refused(server.backend(scope), "invalid_scope", 400)


def test_a_wrong_grant_type_is_told_before_anything_else(server):
    refused(server.token(grant_type="password"), "unsupported_grant_type", 400)
    refused(server.token(), "invalid_request", 400)
    refused(server.backend(client_assertion_type="urn:wrong"), "invalid_client", 401)


def test_a_replayed_assertion_is_refused_also_by_another_process(server, start):
    text = server.keys.assertion()
    assert server.backend(assertion=text).status_code == 200
    refused(server.backend(assertion=text), "invalid_client", 401)


def test_of_many_at_once_one_alone_uses_an_assertion(server):
    text = server.keys.assertion()
    fields = {"grant_type": "client_credentials", "scope": "system/CarePlan.rs", "client_assertion_type": ASSERTION}

    def ask(_):
        return server.app.test_client().post("/auth/token", data={**fields, "client_assertion": text}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, range(16))) == [200] + [401] * 15


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": f"{BASE}/auth"},
        {"aud": f"{BASE}/fhir"},
        {"aud": None},
        {"exp": timedelta(seconds=-1)},
        {"exp": timedelta(seconds=900)},
        {"exp": None},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"iat": float("nan")},
        {"nbf": timedelta(seconds=200)},
        {"iat": timedelta(seconds=200)},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 300},
        {"sub": "other"},
        {"iss": "nobody", "sub": "nobody"},
        {"iss": None},
    ],
    ids=str,
)
def test_an_assertion_that_claims_wrongly_is_refused(server, claims):
    now = int(time.time())
    claims = {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in claims.items()
    }
    refused(server.backend(assertion=server.keys.assertion(**claims)), "invalid_client", 401)


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "at+jwt"},
        {"kid": "unknown"},
        {"kid": "rsa-1"},
        {"jku": "https://evil.example/keys"},
        {"jwk": {"kty": "EC"}},
        {"x5u": "https://evil.example/cert"},
    ],
    ids=str,
)
def test_an_assertion_whose_header_leads_elsewhere_is_refused(server, header):
    refused(server.backend(assertion=server.keys.assertion(header=header)), "invalid_client", 401)


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(alg, sign):
    now = int(time.time())
    claims = {"iss": "backend", "sub": "backend", "aud": TOKEN_URL, "exp": now + 200, "jti": f"forged-{alg}-{now}"}
    head = f"{encoded({'alg': alg, 'kid': 'rsa-1', 'typ': 'JWT'})}.{encoded(claims)}"
    return f"{head}.{sign(head.encode())}"


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "HS384", "RS256", "PS384", ""])
def test_alg_none_and_key_confusion_are_refused(server, alg):
    pem = server.keys.rsa.as_pem(private=False)

    def sign(text):
        if not alg.startswith("HS"):
            return ""
        made = hmac.new(pem, text, hashlib.sha256 if alg == "HS256" else hashlib.sha384).digest()
        return base64.urlsafe_b64encode(made).rstrip(b"=").decode()

    refused(server.backend(assertion=forged(alg, sign)), "invalid_client", 401)


def test_another_key_under_the_same_kid_is_refused(server):
    stranger = ECKey.generate_key("P-384", {"kid": "ec-1"})
    refused(server.backend(assertion=server.keys.assertion(key=stranger)), "invalid_client", 401)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é.é.é", "x" * 20_000, "e30.e30."])
def test_what_is_no_jwt_is_refused(server, text):
    refused(server.backend(assertion=text or " "), "invalid_client", 401)


def test_an_access_token_is_no_assertion(server):
    token = server.backend().json["access_token"]
    refused(server.backend(assertion=token), "invalid_client", 401)


def test_forms_that_are_none_are_refused(server):
    answer = server.client.post("/auth/token", json={"grant_type": "client_credentials"})
    refused(answer, "invalid_request", 400)
    twice = "grant_type=client_credentials&grant_type=client_credentials"
    kind = "application/x-www-form-urlencoded"
    refused(server.client.post("/auth/token", data=twice, content_type=kind), "invalid_request", 400)
    refused(server.client.post("/auth/token", data="a=%ff", content_type=kind), "invalid_request", 400)
    many = "&".join(f"f{n}=1" for n in range(60))
    refused(server.client.post("/auth/token", data=many, content_type=kind), "invalid_request", 400)
    refused(server.client.post("/auth/token", data="a=" + "x" * 70_000, content_type=kind), "invalid_request", 400)
    assert server.client.get("/auth/token").status_code == 405


def test_two_proofs_at_once_are_refused(server):
    basic = {"Authorization": "Basic " + base64.b64encode(b"secret-app:x").decode()}
    fields = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION}
    refused(server.token(basic, client_assertion=server.keys.assertion(), **fields), "invalid_request", 400)


def test_a_client_learns_of_its_own_tokens_only(server):
    token = server.backend("system/CarePlan.rs").json["access_token"]

    def asks(client):
        proof = {"client_assertion_type": ASSERTION, "client_assertion": server.keys.assertion(client=client)}
        return server.form("/auth/introspect", token=token, **proof).json

    said = asks("backend")
    assert said["active"] is True
    assert (said["scope"], said["client_id"], said["iss"]) == ("system/CarePlan.rs", "backend", f"{BASE}/auth")
    assert isinstance(said["exp"], int)
    assert asks("other") == {"active": False}
    bearer = {"Authorization": f"Bearer {token}"}
    assert server.form("/auth/introspect", bearer, token=token).json["active"] is True
    assert server.form("/auth/introspect", bearer, token="x").json == {"active": False}
    assert server.form("/auth/introspect", token=token).status_code == 401


def test_a_bearer_token_that_has_ended_asks_nothing(server):
    token = server.backend("system/CarePlan.rs").json["access_token"]
    proof = {"client_assertion_type": ASSERTION, "client_assertion": server.keys.assertion()}
    server.form("/auth/revoke", token=token, **proof)
    for ended in (token, "x", ""):
        answer = server.form("/auth/introspect", {"Authorization": f"Bearer {ended}"}, token=token)
        assert (answer.status_code, answer.json["error"]) == (401, "invalid_token")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="fhirplan", error="invalid_token"'


def test_the_scope_introspection_tells_what_others_tokens_are_and_opens_nothing(server):
    theirs = server.backend("system/CarePlan.rs").json["access_token"]
    own = server.backend("introspection system/*.rs", assertion=server.keys.assertion(client="records")).json
    assert own["scope"] == "introspection"
    bearer = {"Authorization": f"Bearer {own['access_token']}"}
    assert server.form("/auth/introspect", bearer, token=theirs).json["client_id"] == "backend"
    proof = {"client_assertion_type": ASSERTION, "client_assertion": server.keys.assertion(client="records")}
    assert server.form("/auth/introspect", token=theirs, **proof).json["active"] is True
    assert server.client.get("/fhir/CarePlan", headers=bearer).status_code == 403
    proof["client_assertion"] = server.keys.assertion(client="records")
    server.form("/auth/revoke", token=theirs, **proof)
    assert server.form("/auth/introspect", bearer, token=theirs).json["active"] is True, "it revokes nobody's"


def test_only_programs_with_a_key_are_given_introspection(server):
    app = Client("app", "default", "An app", "public", ("openid", "introspection"), redirect_uris=(REDIRECT,))
    for kind in ("public", "secret"):
        assert "by a key" in wrong(replace(app, kind=kind), server.services.settings)
    assert "introspection" in server.client.get("/fhir/.well-known/smart-configuration").json["scopes_supported"]


def test_a_revoked_token_is_inactive_and_anothers_is_not_revoked(server):
    token = server.backend().json["access_token"]

    def proof(client):
        return {"client_assertion_type": ASSERTION, "client_assertion": server.keys.assertion(client=client)}

    assert server.form("/auth/revoke", token=token, **proof("other")).status_code == 200
    assert server.form("/auth/introspect", token=token, **proof("backend")).json["active"] is True
    assert server.form("/auth/revoke", token="unknown", **proof("backend")).status_code == 200
    assert server.form("/auth/revoke", token=token, **proof("backend")).status_code == 200
    assert server.form("/auth/introspect", token=token, **proof("backend")).json == {"active": False}


def test_discovery_says_what_works_and_no_more(server, start):
    said = server.client.get("/fhir/.well-known/smart-configuration", headers={"Accept": "text/html"})
    assert said.status_code == 200
    assert said.content_type == "application/json"
    assert said.headers["Access-Control-Allow-Origin"] == "*"
    closed = said.json
    assert closed["grant_types_supported"] == ["client_credentials"]
    assert closed["code_challenge_methods_supported"] == ["S256"]
    assert "authorization_endpoint" not in closed
    assert "launch-ehr" not in closed["capabilities"]
    assert "issuer" not in closed
    assert server.client.get("/auth/.well-known/openid-configuration").status_code == 404, "nobody can sign in here"
    assert server.client.get("/nobody/fhir/.well-known/smart-configuration").status_code == 404


@pytest.mark.parametrize(
    ("asked", "most", "given"),
    [
        ("patient/*.rs", ["patient/CarePlan.cruds", "patient/Goal.r"], "patient/CarePlan.rs patient/Goal.r"),
        ("patient/CarePlan.cruds", ["patient/*.rs"], "patient/CarePlan.rs"),
        ("patient/CarePlan.read", ["patient/*.read"], "patient/CarePlan.read"),
        ("patient/CarePlan.*", ["patient/*.read"], "patient/CarePlan.read"),
        ("user/CarePlan.rs", ["patient/*.rs", "system/*.rs"], ""),
        (
            "patient/CarePlan.rs?category=a",
            ["patient/CarePlan.cruds?status=active"],
            "patient/CarePlan.rs?category=a&status=active",
        ),
        ("patient/CarePlan.rs", ["patient/CarePlan.rs?status=active"], "patient/CarePlan.rs?status=active"),
        ("patient/CarePlan.rs?nonsense=1", ["patient/*.rs"], ""),
        ("patient/CarePlan.rs?status:not=active", ["patient/*.rs"], ""),
        ("patient/CarePlan.rs?subject.name=x", ["patient/*.rs"], ""),
        ("patient/*.rs?_id=1", ["patient/*.rs"], ""),
        ("patient/careplan.rs patient/CarePlan. patient/CarePlan.sr patient/Banana.rs", ["patient/*.cruds"], ""),
        ("openid offline_access fhirUser", ["openid", "fhirUser"], "openid fhirUser"),
    ],
)
def test_scopes_are_narrowed_and_never_widened(asked, most, given):
    assert " ".join(granted(asked.split(), most)) == given


def reads(server, token, path):
    return server.client.get(f"/fhir/{path}", headers={"Authorization": f"Bearer {token}"}).status_code


@pytest.mark.parametrize("alg", ["ES384", "RS384"])
def test_a_system_reads_what_its_scope_says_and_nothing_else(server, alg):
    token = server.backend("system/CarePlan.rs", alg).json["access_token"]
    assert reads(server, token, "CarePlan") == 200
    assert reads(server, token, "CarePlan/none") == 404
    assert reads(server, token, "Goal") == 403
    assert reads(server, token, "Patient/none") == 403
    assert reads(server, token, "AuditEvent") == 403
    plan = {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": {"reference": "Patient/p"}}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    assert server.client.post("/fhir/CarePlan", json=plan, headers=headers).status_code == 403
    assert server.client.delete("/fhir/CarePlan/none", headers=headers).status_code == 403
    assert server.client.get("/fhir/CarePlan").status_code == 401
    assert reads(server, token[:-3] + "abc", "CarePlan") == 401


def test_a_revoked_token_opens_nothing_from_the_next_request_on(server):
    token = server.backend("system/CarePlan.rs").json["access_token"]
    assert reads(server, token, "CarePlan") == 200
    proof = {"client_assertion_type": ASSERTION, "client_assertion": server.keys.assertion()}
    assert server.form("/auth/revoke", token=token, **proof).status_code == 200
    assert reads(server, token, "CarePlan") == 401
