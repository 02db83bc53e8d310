"""Apps that use our FHIR API: a person signs in at the EHR and allows scopes, the app trades its code for tokens."""

import base64
import hashlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from fhirplan.launch import asking
from fhirplan.store.access import clients, tickets
from fhirplan.store.sync import links
from fhirplan.web.sessions import AUTHORITY

BASE = "http://127.0.0.1:8080"
REDIRECT = "https://app.example.org/back"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
STATE = "state-of-the-app-0123456789"
BASIC = {"Authorization": "Basic " + base64.b64encode(b"secret-app:s+e%3Acret").decode()}
SCOPES = "openid fhirUser launch/patient offline_access patient/*.rs"


def asked(**more):
    fields = {
        "response_type": "code",
        "client_id": "public-app",
        "redirect_uri": REDIRECT,
        "scope": SCOPES,
        "state": STATE,
        "aud": f"{BASE}/fhir",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **more,
    }
    return {name: value for name, value in fields.items() if value is not None}


def signed_in(server, ehr, first, patient="pat-1", user="Practitioner/nurse"):
    """The consent page, after the person signed in at the EHR."""
    assert first.status_code == 302, first.get_data(as_text=True)
    page = requests.get(first.headers["Location"], timeout=10).text
    number = re.search(r'name="request" value="([^"]+)"', page)[1]
    form = {"request": number, "user": user, "patient": patient, "allow": "yes"}
    back = requests.post(f"{ehr.url}/auth/sign-in", data=form, allow_redirects=False, timeout=10)
    come = server.client.get(back.headers["Location"].removeprefix(BASE))
    assert come.status_code == 302, come.get_data(as_text=True)
    return server.client.get(come.headers["Location"])


def answered(server, page, answer="allow", without=(), **more):
    text = page.get_data(as_text=True)
    secret = re.search(r'name="request" value="([^"]+)"', text)[1]
    offered = [item for item in re.findall(r'name="scope" value="([^"]+)"', text) if item not in without]
    data = urlencode([("request", secret), ("answer", answer), *(("scope", item) for item in offered), *more.items()])
    return server.client.post("/auth/consent", data=data, content_type="application/x-www-form-urlencoded")


def fields_of(answer):
    assert answer.status_code in (302, 303), answer.get_data(as_text=True)
    assert answer.headers["Location"].startswith(REDIRECT)
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def coded(server, ehr, without=(), **more):
    page = signed_in(server, ehr, server.client.get("/auth/authorize", query_string=asked(**more)))
    said = fields_of(answered(server, page, without=without))
    assert said["state"] == STATE
    assert said["iss"] == f"{BASE}/auth"
    return said["code"]


def exchanged(server, code, headers=None, **more):
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    fields |= {"client_id": "public-app"} | more
    return server.token(headers, **fields)


@pytest.fixture
def server(clinic):
    return clinic()


def reads(server, token, path):
    return server.client.get(f"/fhir/{path}", headers={"Authorization": f"Bearer {token}"})


def test_a_person_signs_in_allows_and_the_app_has_their_patient(server, ehr):
    code = coded(server, ehr, nonce="n-1")
    answer = exchanged(server, code)
    assert answer.status_code == 200, answer.json
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
    said = answer.json
    with server.services.database.read() as tx:
        mine = links.our_id(tx, "default", "Patient", "pat-1")
        nurse = links.our_id(tx, "default", "Practitioner", "nurse")
    assert said["patient"] == mine
    assert isinstance(said["expires_in"], int)
    assert said["expires_in"] <= 3600
    assert set(said["scope"].split()) == set(SCOPES.split())
    keys = KeySet.import_key_set(server.client.get("/auth/jwks.json").json)
    claims = jwt.decode(said["id_token"], keys, algorithms=["RS256"]).claims
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (f"{BASE}/auth", "public-app", "n-1")
    assert claims["fhirUser"] == f"{BASE}/fhir/Practitioner/{nurse}"
    assert len(claims["sub"]) < 256
    told = server.form(
        "/auth/introspect", {"Authorization": f"Bearer {said['access_token']}"}, token=said["access_token"]
    )
    assert (told.json["active"], told.json["patient"], told.json["sub"]) == (True, mine, claims["sub"])


def test_post_asks_as_get_does(server, ehr):
    first = server.form("/auth/authorize", **asked())
    assert fields_of(answered(server, signed_in(server, ehr, first)))["code"]


def test_each_scope_can_be_refused_and_all_of_them(server, ehr):
    said = exchanged(server, coded(server, ehr, without=("offline_access", "patient/*.rs"))).json
    assert set(said["scope"].split()) == {"openid", "fhirUser", "launch/patient"}
    assert "refresh_token" not in said
    page = signed_in(server, ehr, server.client.get("/auth/authorize", query_string=asked()))
    assert fields_of(answered(server, page, "refuse"))["error"] == "access_denied"
    page = signed_in(server, ehr, server.client.get("/auth/authorize", query_string=asked()))
    assert fields_of(answered(server, page, without=SCOPES.split()))["error"] == "access_denied"


def test_a_scope_that_was_not_offered_cannot_be_slipped_in(server, ehr):
    page = signed_in(server, ehr, server.client.get("/auth/authorize", query_string=asked(scope="openid fhirUser")))
    text = page.get_data(as_text=True)
    secret = re.search(r'name="request" value="([^"]+)"', text)[1]
    data = [("request", secret), ("answer", "allow"), ("scope", "openid"), ("scope", "patient/*.rs")]
    form = "application/x-www-form-urlencoded"
    back = server.client.post("/auth/consent", data=urlencode(data), content_type=form)
    assert exchanged(server, fields_of(back)["code"]).json["scope"] == "openid"


@pytest.mark.parametrize(
    "more",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/back"},
        {"redirect_uri": f"{REDIRECT}/"},
        {"redirect_uri": f"{REDIRECT}?next=https://evil.example"},
        {"redirect_uri": f"{REDIRECT}#x"},
        {"redirect_uri": f"{REDIRECT}/../evil"},
        {"redirect_uri": "https://app.example.org@evil.example/back"},
        {"redirect_uri": "https://APP.example.org/back"},
        {"redirect_uri": "https://app.example.org.evil.example/back"},
        {"redirect_uri": "https://other.example.org/back"},
        {"redirect_uri": "javascript:alert(1)"},
    ],
    ids=str,
)
def test_open_redirect_is_refused_with_a_page(server, more):
    """Open redirect."""
    answer = server.client.get("/auth/authorize", query_string=asked(**more))
    assert answer.status_code == 400
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"aud": "https://evil.example/fhir"}, "invalid_request"),
        ({"aud": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain", "code_challenge": VERIFIER}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "system/*.rs user/Banana.rs"}, "invalid_scope"),
        ({"launch": "guess"}, "invalid_request"),
        ({"nonce": "n" * 600}, "invalid_request"),
    ],
    ids=str,
)
def test_other_wrong_requests_are_told_to_the_app(server, more, error):
    """PKCE downgrade among them."""
    said = fields_of(server.client.get("/auth/authorize", query_string=asked(**more)))
    assert (said["error"], said["state"]) == (error, STATE)


@pytest.mark.parametrize("method", [None, "plain", "s256", "S512"])
@pytest.mark.parametrize("challenge", [None, VERIFIER, "short"])
def test_pkce_downgrade_gets_no_code(server, method, challenge):
    """Neither without a challenge nor with one that is the verifier itself."""
    answer = server.client.get(
        "/auth/authorize", query_string=asked(code_challenge_method=method, code_challenge=challenge)
    )
    said = fields_of(answer)
    assert (said["error"], "code" in said) == ("invalid_request", False)


@pytest.mark.parametrize("verifier", [None, "v" * 43, "short", CHALLENGE])
def test_pkce_downgrade_trades_no_code_and_ends_it(server, ehr, verifier):
    code = coded(server, ehr)
    answer = exchanged(server, code, code_verifier=verifier)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_grant")
    assert exchanged(server, code).json["error"] == "invalid_grant"


def test_a_state_that_is_missing_is_refused(server):
    said = fields_of(server.client.get("/auth/authorize", query_string=asked(state=None)))
    assert said["error"] == "invalid_request"
    odd = "x\r\nSet-Cookie: a=b" + "y" * 20
    answer = server.client.get("/auth/authorize", query_string=asked(state=odd))
    assert answer.headers.getlist("Set-Cookie") == []
    assert "\n" not in answer.headers["Location"]


def test_code_replay_ends_what_came_of_the_code(server, ehr):
    """Code replay."""
    code = coded(server, ehr)
    said = exchanged(server, code).json
    assert reads(server, said["access_token"], "metadata").status_code == 200
    again = exchanged(server, code)
    assert (again.status_code, again.json["error"]) == (400, "invalid_grant")
    bearer = {"Authorization": f"Bearer {said['access_token']}"}
    assert server.form("/auth/introspect", bearer, token=said["access_token"]).status_code == 401
    assert reads(server, said["access_token"], "CarePlan").status_code == 401
    fields = {"grant_type": "refresh_token", "refresh_token": said["refresh_token"], "client_id": "public-app"}
    assert server.token(**fields).json["error"] == "invalid_grant"


def test_of_many_at_once_one_alone_trades_a_code(server, ehr):
    code = coded(server, ehr)
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}

    def trade(_):
        return server.app.test_client().post("/auth/token", data={**fields, "client_id": "public-app"}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(trade, range(8))) == [200] + [400] * 7


@pytest.mark.parametrize(
    "more",
    [
        {"code_verifier": None},
        {"code_verifier": "w" * 50},
        {"code_verifier": CHALLENGE},
        {"code_verifier": "v" * 42},
        {"redirect_uri": None},
        {"redirect_uri": "https://app.example.org/other"},
        {"client_id": "other-app"},
        {"code": "guess"},
        {"code": None},
    ],
    ids=str,
)
def test_a_code_is_worth_nothing_to_anybody_else(server, ehr, more):
    code = coded(server, ehr)
    answer = exchanged(server, **({"code": code} | more))
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_grant")
    # What was tried with the code itself has used it up.
    assert exchanged(server, code).status_code == (200 if "code" in more else 400)


def test_a_code_ends_after_a_minute(server, ehr):
    code = coded(server, ehr)
    later(server, 61)
    assert exchanged(server, code).json["error"] == "invalid_grant"


def later(server, seconds):
    authority = server.app.extensions[AUTHORITY]
    object.__setattr__(authority, "clock", lambda: int((time.time() + seconds) * 1000))


def test_a_confidential_app_proves_who_it_is(server, ehr, keys):
    code = coded(server, ehr, client_id="secret-app")
    assert exchanged(server, code, client_id="secret-app").status_code == 401
    wrong = {"Authorization": "Basic " + base64.b64encode(b"secret-app:wrong").decode()}
    refused = exchanged(server, code, wrong, client_id=None)
    assert (refused.status_code, refused.json["error"]) == (401, "invalid_client")
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    assert exchanged(server, code, BASIC, client_id=None).status_code == 200
    code = coded(server, ehr, client_id="secret-app")
    assert exchanged(server, code, client_id="secret-app", client_secret="s e:cret").status_code == 200
    code = coded(server, ehr, client_id="key-app")
    proof = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": keys.assertion("RS384", client="key-app"),
    }
    assert exchanged(server, code, client_id=None, **proof).status_code == 200


def refreshed(server, secret, **more):
    return server.token(grant_type="refresh_token", refresh_token=secret, **({"client_id": "public-app"} | more))


def test_a_refresh_token_is_new_each_time_and_an_old_one_ends_the_family(server, ehr):
    first = exchanged(server, coded(server, ehr)).json
    second = refreshed(server, first["refresh_token"])
    assert second.status_code == 200
    assert (second.headers["Cache-Control"], second.headers["Pragma"]) == ("no-store", "no-cache")
    third = refreshed(server, second.json["refresh_token"])
    assert third.status_code == 200
    assert third.json["scope"] == first["scope"]
    assert len({item["refresh_token"] for item in (first, second.json, third.json)}) == 3
    stolen = refreshed(server, first["refresh_token"])
    assert (stolen.status_code, stolen.json["error"]) == (400, "invalid_grant")
    assert refreshed(server, third.json["refresh_token"]).json["error"] == "invalid_grant"
    assert reads(server, third.json["access_token"], "CarePlan").status_code == 401


def test_of_two_at_once_one_alone_renews(server, ehr, monkeypatch):
    """Both saw the token unused, as on a database whose writers do not wait for each other; one used it first."""
    first = exchanged(server, coded(server, ehr)).json
    second = refreshed(server, first["refresh_token"])
    look, seen = tickets.look, []

    def before(*asked):
        seen.append(look(*asked))
        return replace(seen[0], state="good") if len(seen) == 1 else seen[-1]

    monkeypatch.setattr(tickets, "look", before)
    late = refreshed(server, first["refresh_token"])
    assert (late.status_code, late.json["error"]) == (400, "invalid_grant")
    monkeypatch.undo()
    assert refreshed(server, second.json["refresh_token"]).json["error"] == "invalid_grant"


def test_a_refresh_never_gives_more_and_may_give_less(server, ehr):
    said = exchanged(server, coded(server, ehr)).json
    wide = refreshed(server, said["refresh_token"], scope="patient/*.cruds")
    assert wide.status_code == 200
    assert wide.json["scope"] == "patient/*.rs"
    other = refreshed(server, wide.json["refresh_token"], scope="user/CarePlan.cruds")
    assert (other.status_code, other.json["error"]) == (400, "invalid_scope")
    narrow = refreshed(server, wide.json["refresh_token"], scope="patient/CarePlan.r")
    assert narrow.json["scope"] == "patient/CarePlan.r"
    assert set(refreshed(server, narrow.json["refresh_token"]).json["scope"].split()) == set(SCOPES.split())


def test_a_refresh_token_is_its_own_apps(server, ehr):
    said = exchanged(server, coded(server, ehr)).json
    assert refreshed(server, said["refresh_token"], client_id="other-app").json["error"] == "invalid_grant"
    assert refreshed(server, said["refresh_token"]).status_code == 200


def test_a_public_app_may_leave_its_name_out_when_it_refreshes_and_others_may_not(server, ehr):
    said = exchanged(server, coded(server, ehr)).json
    assert refreshed(server, said["refresh_token"], client_id=None).status_code == 200
    assert refreshed(server, "guess", client_id=None).status_code == 401
    code = coded(server, ehr, client_id="secret-app")
    said = exchanged(server, code, BASIC, client_id=None).json
    assert refreshed(server, said["refresh_token"], client_id=None).status_code == 401


def test_revoking_either_token_ends_both(server, ehr):
    for which in ("refresh_token", "access_token"):
        said = exchanged(server, coded(server, ehr)).json
        stranger = server.form("/auth/revoke", token=said[which], client_id="other-app")
        assert stranger.status_code == 200
        assert reads(server, said["access_token"], "CarePlan").status_code != 401
        assert server.form("/auth/revoke", token=said[which], client_id="public-app").status_code == 200
        assert reads(server, said["access_token"], "CarePlan").status_code == 401
        assert refreshed(server, said["refresh_token"]).json["error"] == "invalid_grant"


def test_a_disabled_app_has_nothing_any_more(server, ehr):
    said = exchanged(server, coded(server, ehr)).json
    with server.services.database.write() as tx:
        client = clients.get(tx, "public-app")
        from dataclasses import replace

        clients.change(tx, replace(client, disabled=1))
    assert reads(server, said["access_token"], "CarePlan").status_code == 401
    assert refreshed(server, said["refresh_token"]).status_code == 401
    assert server.client.get("/auth/authorize", query_string=asked()).status_code == 400


def test_csrf_consent_is_asked_and_given_in_one_browser(server, ehr):
    """CSRF and session fixation: the form's secret is of no use without the cookie that it is bound to."""
    page = signed_in(server, ehr, server.client.get("/auth/authorize", query_string=asked()))
    secret = re.search(r'name="request" value="([^"]+)"', page.get_data(as_text=True))[1]
    stranger = server.app.test_client()
    form = {"request": secret, "answer": "allow", "scope": "openid"}
    assert stranger.post("/auth/consent", data=form).status_code == 400
    assert stranger.get(f"/auth/consent?request={secret}").status_code == 400
    cross = {"Origin": "https://evil.example"}
    assert server.client.post("/auth/consent", data=form, headers=cross).status_code == 403
    site = {"Sec-Fetch-Site": "cross-site"}
    assert server.client.post("/auth/consent", data=form, headers=site).status_code == 403
    sandboxed = {"Origin": "null", "Sec-Fetch-Site": "cross-site"}
    assert server.client.post("/auth/consent", data=form, headers=sandboxed).status_code == 403
    assert stranger.post("/auth/consent", data=form, headers={"Origin": "null"}).status_code == 400
    own = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    assert server.client.post("/auth/consent", data=form, headers=own).status_code == 303
    assert server.client.post("/auth/consent", data=form, headers=own).status_code == 400


def test_clickjacking_the_consent_page_is_in_no_frame_and_leads_to_the_app_only(server, ehr):
    """Clickjacking."""
    page = signed_in(server, ehr, server.client.get("/auth/authorize", query_string=asked()))
    policy = page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https://app.example.org;" in policy
    assert "unsafe" not in policy
    text = page.get_data(as_text=True)
    assert "An app" in text
    assert "app.example.org" in text
    assert "Paula One" in text
    assert "You are signed in as: <strong>Nora Nurse</strong>" in text
    assert "<script" not in text


def test_consent_is_not_to_be_had_without_signing_in(server):
    first = server.client.get("/auth/authorize", query_string=asked())
    authority = server.app.extensions[AUTHORITY]
    binding = server.client.get_cookie("__Host-fhirplan-app").value
    secret = asking.ask(authority, asked(), binding)
    assert first.status_code == 302
    assert server.client.get(f"/auth/consent?request={secret}").status_code == 400
    form = {"request": secret, "answer": "allow", "scope": "openid"}
    assert server.client.post("/auth/consent", data=form).status_code == 400


def test_opened_from_our_chart_an_app_has_its_patient_and_its_person(server, ehr):
    authority = server.app.extensions[AUTHORITY]
    with server.services.database.read() as tx:
        client = clients.get(tx, "public-app")
        mine = links.our_id(tx, "default", "Patient", "pat-2")
    page = signed_in(server, ehr, server.client.get("/auth/authorize", query_string=asked(scope="openid fhirUser")))
    code = fields_of(answered(server, page))["code"]
    token = exchanged(server, code).json["id_token"]
    keys = KeySet.import_key_set(server.client.get("/auth/jwks.json").json)
    subject = jwt.decode(token, keys, algorithms=["RS256"]).claims["sub"]
    context = {"subject": subject, "user": "", "patient": mine, "encounter": "enc-1"}
    launch = asking.hand_out_launch(authority, client, context)
    scope = "openid launch patient/*.rs"
    first = server.client.get("/auth/authorize", query_string=asked(scope=scope, launch=launch))
    said = exchanged(server, fields_of(answered(server, signed_in(server, ehr, first)))["code"]).json
    assert (said["patient"], said["encounter"]) == (mine, "enc-1")
    again = server.client.get("/auth/authorize", query_string=asked(scope=scope, launch=launch))
    assert fields_of(again)["error"] == "invalid_request"
    others = asking.hand_out_launch(authority, client, context)
    wrong = server.client.get("/auth/authorize", query_string=asked(scope=scope, launch=others, client_id="secret-app"))
    assert fields_of(wrong)["error"] == "invalid_request"


def test_somebody_else_than_who_opened_the_chart_gets_nothing(server, ehr):
    authority = server.app.extensions[AUTHORITY]
    with server.services.database.read() as tx:
        client = clients.get(tx, "public-app")
    launch = asking.hand_out_launch(authority, client, {"subject": "another", "patient": "p", "encounter": ""})
    first = server.client.get("/auth/authorize", query_string=asked(scope="openid launch", launch=launch))
    page = requests.get(first.headers["Location"], timeout=10).text
    number = re.search(r'name="request" value="([^"]+)"', page)[1]
    form = {"request": number, "user": "Practitioner/nurse", "allow": "yes"}
    back = requests.post(f"{ehr.url}/auth/sign-in", data=form, allow_redirects=False, timeout=10)
    refused = server.client.get(back.headers["Location"].removeprefix(BASE))
    assert refused.status_code == 400
    assert "somebody else" in refused.get_data(as_text=True)


def test_discovery_announces_apps_once_people_can_sign_in(server):
    said = server.client.get("/fhir/.well-known/smart-configuration").json
    assert said["authorization_endpoint"] == f"{BASE}/auth/authorize"
    assert said["issuer"] == f"{BASE}/auth"
    assert {"launch-standalone", "launch-ehr", "sso-openid-connect", "authorize-post"} <= set(said["capabilities"])
    openid = server.client.get("/auth/.well-known/openid-configuration").json
    assert openid["issuer"] == said["issuer"]
    assert "RS256" in openid["id_token_signing_alg_values_supported"]
    assert openid["jwks_uri"] == said["jwks_uri"]


def test_on_an_open_server_the_page_says_that_nobody_was_identified(start):
    server = start(auth="open")
    patient = {"resourceType": "Patient", "id": "p1", "name": [{"text": "<b>Eve</b> & co"}]}
    assert server.client.put("/fhir/Patient/p1", json=patient).status_code == 201
    first = server.client.get("/auth/authorize", query_string=asked())
    assert first.status_code == 303
    page = server.client.get(first.headers["Location"])
    text = page.get_data(as_text=True)
    assert "has not asked who you are" in text
    assert "&lt;b&gt;Eve&lt;/b&gt;" in text
    said = exchanged(server, fields_of(answered(server, page, patient="p1"))["code"]).json
    assert said["patient"] == "p1"
    assert (
        "fhirUser"
        not in jwt.decode(
            said["id_token"], KeySet.import_key_set(server.client.get("/auth/jwks.json").json), algorithms=["RS256"]
        ).claims
    )


def test_without_an_ehr_nobody_can_be_asked_and_the_app_is_told(start):
    said = fields_of(start().client.get("/auth/authorize", query_string=asked()))
    assert said["error"] == "temporarily_unavailable"
