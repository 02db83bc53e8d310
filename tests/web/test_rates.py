"""One caller that asks too often is told to wait, and the others are not."""

import pytest

from fhirplan.web.rates import Rates


def test_a_bucket_fills_evenly_and_never_beyond_a_minutes_worth():
    now = [0.0]
    rates = Rates(60, lambda: now[0])
    assert [rates.spend("a") for _ in range(60)] == [0.0] * 60
    assert rates.spend("a") == pytest.approx(1.0)
    assert rates.spend("b") == 0.0
    now[0] = 1.0
    assert rates.spend("a") == 0.0
    assert rates.spend("a") > 0
    now[0] = 10_000.0
    assert [rates.spend("a") for _ in range(60)] == [0.0] * 60
    assert rates.spend("a") > 0


def test_too_much_is_429_with_retry_after_and_counts_for_each_caller(configured, problem):
    api = configured(auth="smart", rate_limit=5)
    for _ in range(5):
        assert api.get("Goal/g").status_code == 401
    refused = api.get("Goal/g")
    problem(refused, 429, "throttled")
    assert 1 <= int(refused.headers["Retry-After"]) <= 12
    # Tokens that somebody makes up are no callers of their own.
    assert api.get("Goal/g", Authorization="Bearer another").status_code == 429
    assert api.client.get("/healthz").status_code == 200
    form = {"grant_type": "x"}
    assert api.client.post("/auth/token", data=form).status_code == 429


def test_an_open_server_and_one_without_a_limit_hold_nobody(configured):
    for given in ({"auth": "open", "rate_limit": 1}, {"auth": "smart", "rate_limit": 0}):
        api = configured(**given)
        assert {api.get("metadata").status_code for _ in range(5)} == {200}
