"""Attacks by the address: paths that climb, and addresses to go back to that lead elsewhere (open redirect)."""

import re

import pytest


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2f..%2f..%2fetc/passwd",
        "/static/....//app.py",
        "/static//etc/passwd",
        "/static/..\\app.py",
        "/static/chart.css%00.py",
        "/chart/s/0123456789abcdef/static/../../app.py",
        "/chart/s/../patients",
        "/chart/s/0123456789abcdeg/chart/patients",
        "/chart/s/0123456789abcdef/chart/s/0123456789abcdef/chart/patients",
        "/chart/s/0123456789abcdef/../../chart/patients",
    ],
)
@pytest.mark.parametrize("auth", ["open", "smart"])
def test_path_tricks_find_nothing(configured, path, auth):
    api = configured(auth=auth)
    answer = api.client.get(path)
    assert answer.status_code in (400, 401, 404, 308)
    assert "Location" not in answer.headers or answer.headers["Location"].startswith(("/", "http://localhost/"))
    for leak in (b"create_app", b"root:x:0", b"fhirplan.web"):
        assert leak not in answer.data


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/chart/",
        "//evil.example/chart/",
        "/\\evil.example/chart/",
        "/chart//evil.example",
        "/chart/\\evil.example",
        "javascript:alert(1)//chart/",
        "/chartevil",
        "/chart/x\r\nSet-Cookie: a=b",
        "",
    ],
)
def test_going_back_leads_to_our_own_pages_only(api, back):
    page = api.client.get("/chart/view")
    token = re.search(r'name="csrf" value="([^"]+)"', page.get_data(as_text=True))[1]
    answer = api.client.post("/chart/view", data={"csrf": token, "language": "es", "back": back})
    assert answer.status_code == 303
    where = answer.headers["Location"]
    assert re.fullmatch(r"/chart/[\w/%.\-]*", where), where
    assert "a=b" not in str(answer.headers.getlist("Set-Cookie"))
