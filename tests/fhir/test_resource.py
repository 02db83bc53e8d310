"""fhir/resource: what the server sets on a resource, and content told from it."""

from fhirplan.fhir.codec import dumps, loads
from fhirplan.fhir.resource import (
    content_hash,
    last_updated,
    profiles,
    stamped,
    version_id,
    without_server_fields,
)

GOAL = {
    "resourceType": "Goal",
    "meta": {"profile": ["http://x.example/p"], "versionId": "9"},
    "status": "x",
    "id": "old",
}


def test_the_server_sets_id_version_and_time_and_keeps_the_rest_of_meta():
    made = stamped(GOAL, "new", 3, "2026-03-09T08:00:00.000Z")
    assert list(made) == ["resourceType", "id", "meta", "status"]
    assert (made["id"], version_id(made), last_updated(made)) == ("new", "3", "2026-03-09T08:00:00.000Z")
    assert profiles(made) == ("http://x.example/p",)
    assert GOAL["id"] == "old"


def test_without_server_fields_nothing_else_is_lost():
    assert without_server_fields(GOAL) == {**GOAL, "meta": {"profile": ["http://x.example/p"]}}
    assert without_server_fields({"resourceType": "Goal", "meta": {"versionId": "1"}}) == {"resourceType": "Goal"}


def test_the_hash_ignores_order_id_and_version_but_no_digit():
    one = {"resourceType": "Goal", "id": "a", "value": 1, "list": [1, 2]}
    two = {"list": [1, 2], "value": 1, "resourceType": "Goal", "id": "b", "meta": {"versionId": "7"}}
    assert content_hash(one) == content_hash(two)
    assert content_hash(one) != content_hash({**one, "list": [2, 1]})
    assert content_hash(loads('{"v": 1.5}')) != content_hash(loads('{"v": 1.50}'))
    assert dumps(loads('{"v": 1.50}')) == b'{"v":1.50}'


def test_odd_meta_is_no_reason_to_fail():
    assert version_id({"meta": "x"}) == ""
    assert profiles({"meta": {"profile": "x"}}) == ()
