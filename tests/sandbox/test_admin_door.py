"""The admin door: reset, load, the request log, and who may use it."""

from __future__ import annotations

import pytest

BUNDLE = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [{"resource": {"resourceType": "Task", "id": "t1"}, "request": {"method": "PUT", "url": "Task/t1"}}],
}


def test_load_brings_a_bundle_in_and_reset_forgets_it(ehr):
    assert ehr("POST", "/admin/load", BUNDLE).resource["entry"][0]["response"]["status"] == "201 Created"
    assert ehr.found("Task") == ["t1"]
    assert ehr("POST", "/admin/reset").status_code == 200
    assert ehr.found("Task") == []
    assert ehr("GET", "Task/t1").status_code == 404
    assert ehr.put({"resourceType": "Task", "id": "t1"}).resource["meta"]["versionId"] == "1"


def test_a_bad_bundle_is_refused_by_load(ehr):
    assert ehr("POST", "/admin/load", {"resourceType": "Task"}).status_code == 422
    assert ehr("POST", "/admin/load", b"{").status_code == 400


def test_the_log_tells_each_request_once_with_its_answer(ehr):
    ehr("POST", "Task", {"resourceType": "Task"}, If_None_Exist="identifier=x", X_Sandbox_User="clinic")
    ehr("GET", "Task?status=a%20b")
    ehr.put({"resourceType": "Task", "id": "new-1"}, If_Match='W/"7"')
    listed = ehr("GET", "/admin/requests").resource["requests"]
    assert [(item["method"], item["path"], item["status"]) for item in listed] == [
        ("POST", "/fhir/Task", 201),
        ("GET", "/fhir/Task", 200),
        ("PUT", "/fhir/Task/new-1", 412),
    ]
    assert listed[0].items() >= {"user": "clinic", "ifNoneExist": "identifier=x"}.items()
    assert listed[0]["location"] == "http://localhost/fhir/Task/new-1/_history/1"
    assert listed[1]["query"] == "status=a%20b"
    assert listed[2]["ifMatch"] == 'W/"7"'
    assert all(item["time"].endswith("Z") for item in listed)
    assert ehr("GET", "/admin/requests?last=1").resource["requests"] == listed[-1:]
    assert ehr("GET", "/admin/requests?last=0").resource["requests"] == []
    assert ehr("GET", "/admin/requests?last=x").status_code == 400
    ehr("POST", "/admin/reset")
    assert ehr("GET", "/admin/requests").resource["requests"] == []


def test_who_wrote_is_no_part_of_the_resource(ehr):
    stored = ehr.put({"resourceType": "Task", "id": "t1"}, X_Sandbox_User="clinic")
    assert stored.resource["meta"].keys() == {"versionId", "lastUpdated"}


@pytest.mark.parametrize("path", ["reset", "load", "requests"])
@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("10.0.0.7", {}, 403),
        ("", {}, 403),
        ("127.0.0.1", {"Origin": "http://evil.test"}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.7"}, 403),
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
    ],
)
def test_the_door_opens_to_this_machine_only(ehr, path, peer, headers, status):
    ehr.put({"resourceType": "Task", "id": "kept"})
    answer = ehr.client.open(
        f"/admin/{path}",
        method="GET" if path == "requests" else "POST",
        json=BUNDLE,
        headers=headers,
        environ_base={"REMOTE_ADDR": peer},
    )
    assert answer.status_code == status
    if status == 403:
        assert answer.json["issue"][0]["code"] == "forbidden"
        assert ehr.store.counts() == {"Task": 1}
