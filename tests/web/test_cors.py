"""Pages of registered apps may read answers of ours in a browser; pages of anybody else may not."""

import pytest

from fhirplan.store.access import clients
from fhirplan.store.access.clients import Client

APP, EVIL = "https://app.example.org", "https://evil.example"


@pytest.fixture
def app(api):
    with api.services.database.write() as tx:
        clients.add(
            tx,
            Client("a", "default", "An app", "public", ("openid",), redirect_uris=(f"{APP}/back", "org.example:/back")),
        )
    return api.client


@pytest.mark.parametrize("path", ["/fhir/Goal", "/fhir/Goal/none", "/auth/token", "/auth/revoke"])
def test_a_registered_origin_is_named_and_no_other(app, path):
    send = app.get if path.startswith("/fhir") else app.post
    for origin in (APP, EVIL, "null", "https://app.example.org.evil.example", "org.example:"):
        headers = send(path, headers={"Origin": origin}).headers
        assert headers.get("Access-Control-Allow-Origin") == (APP if origin == APP else None)
        assert "Origin" in headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in headers
    assert "Access-Control-Allow-Origin" not in send(path).headers


def test_a_preflight_needs_no_token_and_opens_for_registered_origins_only(app):
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,if-match"}
    yes = app.options("/fhir/Goal/g", headers={"Origin": APP, **asked})
    assert yes.status_code == 204
    assert yes.headers["Access-Control-Allow-Origin"] == APP
    assert "PUT" in yes.headers["Access-Control-Allow-Methods"]
    assert "If-Match" in yes.headers["Access-Control-Allow-Headers"]
    no = app.options("/fhir/Goal/g", headers={"Origin": EVIL, **asked})
    assert "Access-Control-Allow-Origin" not in no.headers
    assert "Access-Control-Allow-Methods" not in no.headers


def test_pages_are_read_by_nobody_else(app):
    assert "Access-Control-Allow-Origin" not in app.get("/chart/patients", headers={"Origin": APP}).headers


def test_what_is_public_is_for_every_origin(app):
    for path in ("/fhir/metadata", "/fhir/.well-known/smart-configuration", "/auth/jwks.json"):
        assert app.get(path, headers={"Origin": EVIL}).headers["Access-Control-Allow-Origin"] == "*"
