"""Who is let in, what protects answers, and whether the server says how it is."""

import pytest

from fhirplan.store.engine import Database


def test_smart_lets_nobody_in_but_to_metadata_and_health(configured, goal, problem):
    api = configured(auth="smart")
    for response in (
        api.get("Goal/g1"),
        api.get("Goal?patient=p1"),
        api.put(goal),
        api.delete("Goal/g1"),
        api.get("Goal/g1/_history"),
        api.send("POST", "Goal/$validate", goal),
        api.bundle("transaction"),
    ):
        problem(response, 401, "login")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert api.get("metadata").status_code == 200
    assert api.send("GET", "healthz", base="").status_code == 200
    assert api.send("GET", "readyz", base="").status_code == 200


def test_a_batch_lets_nobody_around_the_guard(configured):
    api = configured(auth="smart")
    entry = {"request": {"method": "GET", "url": "Goal/g1"}}
    assert api.bundle("batch", entry).status_code == 401


@pytest.mark.parametrize(
    ("host", "peer", "status"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 200),
        ("localhost", "127.0.0.1", 200),
        ("[::1]:8080", "::1", 200),
        ("evil.example:8080", "127.0.0.1", 403),
        ("127.0.0.1.evil.example", "127.0.0.1", 403),
        ("127.0.0.1:8080", "192.0.2.7", 403),
        ("", "127.0.0.1", 403),
    ],
)
def test_an_open_server_answers_its_own_machine_only(api, host, peer, status):
    response = api.client.get("/fhir/metadata", headers={"Host": host}, environ_overrides={"REMOTE_ADDR": peer})
    assert response.status_code == status
    if status == 403:
        assert response.get_json(force=True)["issue"][0]["code"] == "forbidden"


def test_an_open_server_says_so_and_a_closed_one_does_not(configured):
    assert configured().get("metadata").headers["X-Fhirplan-Auth"] == "open"
    assert "X-Fhirplan-Auth" not in configured(auth="smart").get("metadata").headers


@pytest.mark.parametrize("path", ["/fhir/metadata", "/fhir/Goal/x", "/healthz", "/nowhere", "/fhir//Goal"])
def test_every_answer_carries_the_protective_headers(api, path):
    headers = api.client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert len(headers["X-Request-Id"]) >= 16
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_ready_means_that_the_database_is_there_and_migrated(configured, tmp_path):
    api = configured(database_url=f"sqlite:///{tmp_path / 'missing.db'}")
    assert api.send("GET", "healthz", base="").status_code == 200
    response = api.send("GET", "readyz", base="")
    assert response.status_code == 503
    assert "fhirplan migrate" in response.get_data(as_text=True)
    unready = api.get("Goal/g1")
    assert unready.status_code == 503
    assert "missing.db" not in unready.get_data(as_text=True)
    Database.open(api.services.settings.database).migrate()
    assert api.send("GET", "readyz", base="").status_code == 200
    assert api.get("Goal/g1").status_code == 404


def test_connections_are_kept_apart(configured, goal):
    api = configured(connections={"mercy": {}})
    api.put(goal)
    assert api.send("GET", "Goal/g1", base="/mercy/fhir").status_code == 404
    made = api.send("PUT", "Goal/g1", goal, base="/mercy/fhir")
    assert made.headers["Location"] == "http://127.0.0.1:8080/mercy/fhir/Goal/g1/_history/1"
