"""Our pages opened from a chart of the sandbox EHR: by each way of proving who we are, and by each way of cheating."""

import re
import time
from contextlib import contextmanager
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import RSAKey

from fhirplan.launch import finish
from fhirplan.launch.begin import connection_of
from fhirplan.launch.refusals import PageRefused
from fhirplan.store import audit
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.sync import links
from fhirplan.web.sessions import AUTHORITY

BASE = "http://127.0.0.1:8080"
SECRET = "a very s:ecret/secret"


def opened(server, ehr, client=None, **launch):
    """The answer to the callback of a launch; the browser is ``client``."""
    client = client or server.client
    first = client.get("/auth/launch", query_string={"iss": ehr.iss, "launch": ehr.launch(**launch)})
    assert first.status_code == 302, first.get_data(as_text=True)
    return client.get(came_back(first.headers["Location"]))


def came_back(url):
    """Where the EHR sends the browser, as a path of ours."""
    answer = requests.get(url, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    assert answer.headers["Location"].startswith(f"{BASE}/auth/callback?")
    return answer.headers["Location"].removeprefix(BASE)


def csrf(page):
    return re.search(r'name="csrf" value="([^"]+)"', page.get_data(as_text=True))[1]


@contextmanager
def ahead(server, ms):
    """Our clocks, that much ahead."""
    authority = server.app.extensions[AUTHORITY]
    known = authority.clock
    object.__setattr__(authority, "clock", lambda: int(known() + ms))
    yield
    object.__setattr__(authority, "clock", known)


def chart(server, answer, client=None):
    assert answer.status_code == 302, answer.get_data(as_text=True)
    return (client or server.client).get(answer.headers["Location"])


@pytest.fixture
def server(clinic):
    # How idle sessions end is seen in test_signed_in.py.
    made = clinic(session_idle_minutes="0")
    made.client = made.app.test_client()
    return made


def test_the_chart_of_the_right_patient_is_opened_and_only_that(server, ehr):
    answer = opened(server, ehr)
    where = answer.headers["Location"]
    assert re.fullmatch(r"(http://127.0.0.1:8080)?/chart/s/[0-9a-f]{16}/chart/patients/[^/]+", where)
    page = chart(server, answer)
    assert page.status_code == 200
    assert "Paula One" in page.get_data(as_text=True)
    origin = ehr.url
    assert f"frame-ancestors 'self' {origin}" in page.headers["Content-Security-Policy"]
    with server.services.database.read() as tx:
        other = links.our_id(tx, "default", "Patient", "pat-2")
    root = where[: where.index("/chart/patients")]
    assert server.client.get(f"{root}/chart/patients/{other}").status_code == 403
    assert server.client.get("/chart/patients").status_code == 401
    assert server.app.test_client().get(where).status_code == 401


def test_what_a_label_guards_is_on_no_page_of_the_chart_and_each_look_is_kept(server, ehr):
    answer = opened(server, ehr)
    with server.services.database.read() as tx:
        patient = links.our_id(tx, "default", "Patient", "pat-1")
    private = {
        "resourceType": "Task",
        "id": "private",
        "status": "ready",
        "intent": "order",
        "code": {"text": "Very Private Matter"},
        "for": {"reference": f"Patient/{patient}"},
    }
    where = answer.headers["Location"]
    pages = [where, f"{where}/tasks", f"{where}/changes?all=1", f"{where}/sync"]

    def texts():
        return "".join(server.client.get(page).get_data(as_text=True) for page in pages)

    write(server, Change("create", "Task", "private", private))
    assert "Very Private Matter" in texts()
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SUD"}
    write(server, Change("update", "Task", "private", {**private, "meta": {"security": [label]}}))
    assert "Very Private Matter" not in texts()
    server.services.accesses.keep()
    with server.services.database.read() as tx:
        looks = audit.found(tx, "default", patient=patient, before=2**62, count=20)
    assert {item.actor for item in looks if item.kind == "everything"} == {"Practitioner/nurse"}


def write(server, change):
    origin = Origin("tests", "r", "api", push=False)
    with server.services.database.write() as tx:
        commit(tx, "default", [change], now=server.services.clock(), origin=origin)


def test_the_cookie_is_partitioned_and_for_this_host_only(server, ehr):
    cookies = opened(server, ehr).headers.getlist("Set-Cookie")
    session = next(item for item in cookies if re.match(r"__Host-fhirplan-[0-9a-f]{16}=", item))
    for part in ("Secure", "HttpOnly", "SameSite=None", "Partitioned", "Path=/", "Max-Age="):
        assert part in session
    assert "Domain" not in session
    assert any(item.startswith("__Host-fhirplan-in-") and "Max-Age=0" in item for item in cookies)


@pytest.mark.parametrize(
    "given",
    [
        {"launch_client_id": "us-secret", "launch_auth": "client-secret-basic", "launch_client_secret": SECRET},
        {"launch_client_id": "us-key", "launch_auth": "private-key-jwt"},
    ],
    ids=["secret", "key"],
)
def test_we_prove_who_we_are_as_registered(start, ehr, keys, tmp_path, given):
    if "key" in given["launch_client_id"]:
        path = tmp_path / "ours.pem"
        path.write_bytes(keys.ec.as_pem(private=True))
        # The key id is the thumbprint where a PEM names none; the EHR knows this one by it.
        from fhirplan.ehr.keys import load_key

        shown = {**keys.ec.as_dict(private=False), "kid": load_key(path).kid}
        import json

        ehr.jwks.write_text(json.dumps({"keys": [shown]}))
        given = {**given, "ehr_private_key": str(path)}
    server = start(ehr_url=ehr.iss, **given)
    client = server.client
    first = client.get("/auth/launch", query_string={"iss": ehr.iss, "launch": ehr.launch()})
    assert client.get(came_back(first.headers["Location"])).status_code == 302


def test_two_charts_of_two_people_in_one_browser_do_not_mix(server, ehr):
    one, two = opened(server, ehr), opened(server, ehr, patient="pat-2", user="Practitioner/other")
    assert one.headers["Location"] != two.headers["Location"]
    assert "Paula One" in chart(server, one).get_data(as_text=True)
    assert "Peter Two" in chart(server, two).get_data(as_text=True)
    assert "Paula One" in chart(server, one).get_data(as_text=True)


def test_leaving_one_chart_leaves_the_other_open(server, ehr):
    one, two = opened(server, ehr), opened(server, ehr, patient="pat-2")
    root = one.headers["Location"].partition("/chart/patients")[0]
    form = {"csrf": csrf(chart(server, one))}
    assert server.client.post(f"{root}/chart/leave").status_code == 403
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert server.client.post(f"{root}/chart/leave", data=form, headers=cross).status_code == 403
    left = server.client.post(f"{root}/chart/leave", data=form)
    assert left.status_code == 200
    assert any("Max-Age=0" in item for item in left.headers.getlist("Set-Cookie"))
    assert chart(server, one).status_code == 401
    assert chart(server, two).status_code == 200


def typed(server, opened, text):
    """A form of the call page with this text in it, as the browser would send it."""
    page = f"{opened.headers['Location']}/contacts/new"
    return page, {"csrf": csrf(server.client.get(page)), "form": "call", "how": "left-message", "said": text}


def test_what_was_typed_when_the_session_ended_is_there_in_the_next(server, ehr):
    first = opened(server, ehr)
    page, form = typed(server, first, "Half a sentence")
    ends = server.app.extensions[AUTHORITY].settings.session_hours * 3_600_000
    with ahead(server, ends + 60_000):
        saved = server.client.post(page, data=form)
        assert saved.status_code == 401
        assert saved.headers["X-Draft"] == "kept"
        assert "Half a sentence" not in saved.get_data(as_text=True)
        more = server.client.post(page.replace("contacts/new", "draft"), data=form | {"said": "A whole sentence"})
        assert (more.status_code, more.headers["X-Draft"]) == (401, "kept")
        assert server.client.get(page).status_code == 401
    again = server.client.get(f"{opened(server, ehr).headers['Location']}/contacts/new").get_data(as_text=True)
    assert "A whole sentence" in again
    with ahead(server, ends + 13 * 3_600_000):
        assert "X-Draft" not in server.client.post(page, data=form).headers


def test_a_session_that_was_left_or_is_anothers_keeps_nothing(server, ehr):
    first = opened(server, ehr)
    page, form = typed(server, first, "Planted")
    stranger = server.app.test_client()
    stranger.set_cookie("fhirplan_form", server.client.get_cookie("fhirplan_form", path="/chart").value, path="/chart")
    with ahead(server, 11 * 3_600_000):
        assert "X-Draft" not in stranger.post(page, data=form).headers
        assert "X-Draft" not in server.client.post(page.replace("/patients/", "/patients/other-"), data=form).headers
    server.client.post(f"{page.partition('/chart/patients')[0]}/chart/leave", data=form)
    kept = server.client.post(page, data=form)
    assert kept.status_code == 401
    assert "X-Draft" not in kept.headers


def test_a_cookie_from_another_launch_opens_nothing(server, ehr):
    one, two = opened(server, ehr), opened(server, ehr, patient="pat-2")
    sids = [re.search(r"/s/([0-9a-f]{16})", item.headers["Location"])[1] for item in (one, two)]
    stranger = server.app.test_client()
    value = server.client.get_cookie(f"__Host-fhirplan-{sids[0]}").value
    stranger.set_cookie(f"__Host-fhirplan-{sids[1]}", value)
    assert stranger.get(two.headers["Location"]).status_code == 401
    stranger.set_cookie(f"__Host-fhirplan-{sids[0]}", value)
    assert stranger.get(one.headers["Location"]).status_code == 200


def test_session_fixation_takes_nothing_over(server, ehr):
    """Session fixation: whatever the browser brings along, signing in makes a new session with a new secret."""
    server.client.set_cookie("__Host-fhirplan-0123456789abcdef", "planted")
    answer = opened(server, ehr)
    assert "0123456789abcdef" not in answer.headers["Location"]
    assert server.client.get("/chart/s/0123456789abcdef/chart/patients").status_code == 401


def test_an_answer_is_taken_once_and_only_in_the_browser_that_asked(server, ehr):
    first = server.client.get("/auth/launch", query_string={"iss": ehr.iss, "launch": ehr.launch()})
    back = came_back(first.headers["Location"])
    stranger = server.app.test_client()
    refused = stranger.get(back)
    assert refused.status_code == 400
    assert "another browser" in refused.get_data(as_text=True)
    # The attempt is spent: whoever has the address has nothing.
    assert server.client.get(back).status_code == 400
    assert server.client.get("/auth/callback?state=guess&code=x").status_code == 400
    assert server.client.get("/auth/callback").status_code == 400


def test_a_launch_cannot_be_replayed(server, ehr):
    launch = ehr.launch()
    for expected in (302, 400):
        first = server.client.get("/auth/launch", query_string={"iss": ehr.iss, "launch": launch})
        answer = requests.get(first.headers["Location"], allow_redirects=False, timeout=10)
        back = answer.headers["Location"].removeprefix(BASE)
        got = server.client.get(back).status_code
        assert got == expected or (expected == 400 and got == 403)


@pytest.mark.parametrize(
    "iss",
    [
        "http://127.0.0.1:22/fhir",
        "http://localhost:6379",
        "http://169.254.169.254/latest/meta-data",
        "https://evil.example/fhir",
        "file:///etc/passwd",
        "//evil.example",
        "http://[::1]:80/",
    ],
)
def test_ssrf_an_iss_that_nobody_configured_is_never_called(server, ehr, iss, monkeypatch):
    """SSRF: the address is looked up in the settings before anything is fetched."""
    monkeypatch.setattr("fhirplan.launch.begin.place", lambda _: pytest.fail("it was called"))
    answer = server.client.get("/auth/launch", query_string={"iss": iss, "launch": "x"})
    assert answer.status_code == 403
    for trick in (f"{ehr.iss}@evil.example", f"{ehr.iss}/../evil", f"{ehr.iss}.evil.example", ehr.iss.upper()):
        assert server.client.get("/auth/launch", query_string={"iss": trick, "launch": "x"}).status_code == 403


def test_the_request_asks_for_what_smart_wants_and_keeps_the_secret_here(server, ehr):
    first = server.client.get("/auth/launch", query_string={"iss": ehr.iss, "launch": "abc"})
    asked = {name: values[0] for name, values in parse_qs(urlsplit(first.headers["Location"]).query).items()}
    assert asked["response_type"] == "code"
    assert (asked["aud"], asked["launch"]) == (ehr.iss, "abc")
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert len(asked["state"]) >= 22
    assert "launch" in asked["scope"].split()
    assert "launch/patient" not in asked["scope"]
    assert "verifier" not in first.headers["Location"]
    standalone = server.client.get("/auth/login").headers["Location"]
    scopes = parse_qs(urlsplit(standalone).query)["scope"][0].split()
    assert "launch/patient" in scopes
    assert "launch" not in scopes


def test_standalone_a_person_signs_in_and_picks_a_patient(server, ehr):
    first = server.client.get("/auth/login")
    page = requests.get(first.headers["Location"], timeout=10).text
    number = re.search(r'name="request" value="([^"]+)"', page)[1]
    assert "Peter Two" in page
    form = {"request": number, "user": "Practitioner/nurse", "patient": "pat-2", "allow": "yes"}
    back = requests.post(f"{ehr.url}/auth/sign-in", data=form, allow_redirects=False, timeout=10)
    answer = server.client.get(back.headers["Location"].removeprefix(BASE))
    assert "Peter Two" in chart(server, answer).get_data(as_text=True)


def test_a_person_who_refuses_is_told_so(server, ehr):
    first = server.client.get("/auth/login")
    page = requests.get(first.headers["Location"], timeout=10).text
    number = re.search(r'name="request" value="([^"]+)"', page)[1]
    back = requests.post(
        f"{ehr.url}/auth/sign-in", data={"request": number, "allow": "no"}, allow_redirects=False, timeout=10
    )
    answer = server.client.get(back.headers["Location"].removeprefix(BASE))
    assert answer.status_code == 403
    assert "did not allow" in answer.get_data(as_text=True)


def test_with_post_the_browser_sends_a_form(clinic, ehr):
    server = clinic(launch_authorize="post")
    answer = server.client.get("/auth/launch", query_string={"iss": ehr.iss, "launch": ehr.launch()})
    assert answer.status_code == 200
    text = answer.get_data(as_text=True)
    assert f"form-action 'self' {ehr.url}" in answer.headers["Content-Security-Policy"]
    fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', text))
    back = requests.post(f"{ehr.url}/auth/authorize", data=fields, allow_redirects=False, timeout=10)
    assert server.client.get(back.headers["Location"].removeprefix(BASE)).status_code == 302


def changed(monkeypatch, **more):
    """Has the EHR's token response say something else."""
    real = finish.ask_for_token

    def answer(*given):
        told = real(*given)
        told.value.update(more)
        return told

    monkeypatch.setattr(finish, "ask_for_token", answer)


def forged(ehr, claims, key=None, header=None):
    now = int(time.time())
    said = {"iss": f"{ehr.url}/auth", "aud": "us", "sub": "x", "iat": now, "exp": now + 100, **claims}
    key = key or ehr.desk._key
    alg = {"alg": "RS256", "kid": "sandbox-1", **(header or {})}
    return jwt.encode(alg, said, key, algorithms=["RS256"])


@pytest.mark.parametrize(
    "case", ["none", "issuer", "audience", "expired", "future", "nonce", "key", "alg", "not-a-jwt", "nobody"]
)
def test_an_id_token_that_does_not_fit_signs_nobody_in(server, ehr, monkeypatch, case):
    now = int(time.time())
    token = {
        "none": lambda: None,
        "issuer": lambda: forged(ehr, {"iss": "https://evil.example"}),
        "audience": lambda: forged(ehr, {"aud": "another"}),
        "expired": lambda: forged(ehr, {"exp": now - 100}),
        "future": lambda: forged(ehr, {"iat": now + 1000}),
        "nonce": lambda: forged(ehr, {"nonce": "of another sign-in"}),
        "key": lambda: forged(ehr, {}, RSAKey.generate_key(2048)),
        "alg": lambda: "eyJhbGciOiJub25lIn0.e30.",
        "not-a-jwt": lambda: "x",
        "nobody": lambda: forged(ehr, {"sub": ""}),
    }[case]()
    changed(monkeypatch, id_token=token)
    answer = opened(server, ehr)
    assert answer.status_code == 400
    assert "Who you are could not be established" in answer.get_data(as_text=True)


def test_mixed_up_issuers_are_refused(server, ehr):
    """Mixed-up issuers (RFC 9207)."""
    first = server.client.get("/auth/launch", query_string={"iss": ehr.iss, "launch": ehr.launch()})
    back = came_back(first.headers["Location"])
    answer = server.client.get(f"{back}&{urlencode({'iss': 'https://evil.example'})}")
    assert answer.status_code == 400
    assert "another EHR" in answer.get_data(as_text=True)


def test_pkce_downgrade_an_ehr_without_s256_opens_nothing(server, ehr, monkeypatch):
    """PKCE downgrade."""
    from fhirplan.ehr import sign_in
    from fhirplan.ehr.fetching import Fetched

    said = requests.get(f"{ehr.iss}/.well-known/smart-configuration", timeout=10).json()
    monkeypatch.setattr(sign_in, "_places", {})
    for methods in ([], ["plain"], None):
        said["code_challenge_methods_supported"] = methods
        monkeypatch.setattr(sign_in, "fetch", lambda *_, **__: Fetched(said, None))
        answer = server.client.get("/auth/launch", query_string={"iss": ehr.iss, "launch": "x"})
        assert answer.status_code == 503
    said["code_challenge_methods_supported"] = ["S256"]
    said["token_endpoint"] = "http://evil.example/token"
    assert server.client.get("/auth/launch", query_string={"iss": ehr.iss, "launch": "x"}).status_code == 503


def test_a_patient_who_is_not_here_yet_opens_nobody_elses_chart(server, ehr):
    answer = opened(server, ehr, patient="nobody-here")
    page = chart(server, answer)
    assert page.status_code == 401
    assert "has not come here" in page.get_data(as_text=True)


def test_context_of_the_wrong_kind_is_left_out():
    told = {
        "fhirContext": ["ServiceRequest/1", {"reference": "Task/2"}, 7],
        "intent": 3,
        "need_patient_banner": "yes",
        "smart_style_url": "javascript:alert(1)",
    }
    assert finish.context(told) == {
        "fhirContext": [{"reference": "ServiceRequest/1"}, {"reference": "Task/2"}],
        "intent": "",
        "need_patient_banner": True,
        "smart_style_url": "",
    }


def sid_of(answer):
    return re.search(r"/s/([0-9a-f]{16})", answer.headers["Location"])[1]


def test_the_ehrs_token_is_renewed_ahead_of_its_end(server, ehr, monkeypatch, clock):
    answer = opened(server, ehr)
    asked = []
    from fhirplan.launch import renewal

    real = renewal.ask_for_token
    monkeypatch.setattr(renewal, "ask_for_token", lambda *given: asked.append(given[2]["grant_type"]) or real(*given))
    assert chart(server, answer).status_code == 200
    assert asked == []
    _later(server, 3590)
    assert chart(server, answer).status_code == 200
    assert chart(server, answer).status_code == 200
    assert asked == ["refresh_token"]
    _later(server, 7150)
    assert chart(server, answer).status_code == 200
    assert asked == ["refresh_token"] * 2


def _later(server, seconds):
    """Moves our clock, which the sessions see, so many seconds from now."""
    authority = server.app.extensions[AUTHORITY]
    object.__setattr__(authority, "clock", lambda: int((time.time() + seconds) * 1000))


def test_a_session_ends_when_the_ehr_ends_it_or_its_time_is_over(server, ehr):
    answer = opened(server, ehr)
    ehr.desk.end_grants()
    assert chart(server, answer).status_code == 200
    _later(server, 3590)
    ended = chart(server, answer)
    assert ended.status_code == 401
    assert "Open" in ended.get_data(as_text=True)
    _later(server, 0)
    assert chart(server, answer).status_code == 401
    again = opened(server, ehr)
    _later(server, 11 * 3600)
    assert chart(server, again).status_code == 401


def test_an_ehr_that_is_down_ends_nothing_before_its_token_does(server, ehr, monkeypatch):
    from fhirplan.errors import EhrUnavailable
    from fhirplan.launch import renewal

    answer = opened(server, ehr)

    def down(*_):
        raise EhrUnavailable("down")

    monkeypatch.setattr(renewal, "ask_for_token", down)
    _later(server, 3545)
    assert chart(server, answer).status_code == 200
    _later(server, 3700)
    assert chart(server, answer).status_code == 401


def test_tokens_of_the_ehr_are_not_in_the_database_as_they_are(server, ehr, monkeypatch, tmp_path):
    changed(monkeypatch, access_token="FINDME-access-token-of-the-ehr", refresh_token="FINDME-refresh")
    assert opened(server, ehr).status_code == 302
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("*.db*"))
    assert b"FINDME" not in kept


def test_only_configured_issuers_belong_to_a_connection(server, ehr):
    authority = server.app.extensions[AUTHORITY]
    assert connection_of(authority, ehr.iss + "/").name == "default"
    with pytest.raises(PageRefused):
        connection_of(authority, "")


@pytest.mark.parametrize("path", ["/auth/launch", "/auth/launch?iss=x", "/auth/launch?launch=x&launch=y&iss=z"])
def test_an_address_that_is_no_launch_says_what_it_is_for(server, path):
    answer = server.client.get(path)
    assert answer.status_code == 400
    assert answer.content_type.startswith("text/html")


def test_header_injection_adds_no_header(server, ehr):
    for value in ("x\r\nSet-Cookie: a=b", "x%0d%0aSet-Cookie: a=b"):
        answer = server.client.get("/auth/launch", query_string={"iss": ehr.iss, "launch": value})
        assert "a=b" not in answer.headers.getlist("Set-Cookie")
        assert "\n" not in answer.headers.get("Location", "")
