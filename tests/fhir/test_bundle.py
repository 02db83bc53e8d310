"""Bundles are built from JSON that stays as it is, and are JSON themselves."""

import json

from hypothesis import given
from hypothesis import strategies as st

from fhirplan.fhir.bundle import Answer, Step, history, responses, searchset
from fhirplan.fhir.codec import loads

BASE = "http://127.0.0.1:8080/fhir"
BODY = b'{"resourceType":"Observation","id":"o1","valueQuantity":{"value":1.50}}'


def test_stored_bytes_go_into_a_searchset_as_they_are():
    bundle = searchset(BASE, [("Observation", "o1", BODY)], [("self", f"{BASE}/Observation?x=1")], 7)
    assert BODY in bundle
    read = loads(bundle)
    assert (read["type"], read["total"]) == ("searchset", 7)
    assert read["entry"][0]["fullUrl"] == f"{BASE}/Observation/o1"
    assert read["entry"][0]["search"] == {"mode": "match"}
    assert read["link"] == [{"relation": "self", "url": f"{BASE}/Observation?x=1"}]


def test_what_is_empty_is_left_out():
    assert json.loads(searchset(BASE, [], [])) == {"resourceType": "Bundle", "type": "searchset"}
    assert json.loads(responses("batch", [])) == {"resourceType": "Bundle", "type": "batch-response"}


def test_a_history_tells_what_was_done():
    steps = [
        Step(f"{BASE}/Goal/g1", b"", "DELETE", "Goal/g1", "204", 'W/"2"', "2026-03-09T08:00:00.000Z"),
        Step(f"{BASE}/Goal/g1", BODY, "POST", "Goal", "201", 'W/"1"', "2026-03-08T08:00:00.000Z"),
    ]
    deleted, made = json.loads(history(steps, [], 2))["entry"]
    assert "resource" not in deleted
    assert deleted["request"] == {"method": "DELETE", "url": "Goal/g1"}
    assert deleted["response"]["etag"] == 'W/"2"'
    assert made["resource"]["id"] == "o1"


def test_a_response_has_what_it_knows():
    place, at = "Goal/g1/_history/1", "2026-03-09T08:00:00.000Z"
    full = Answer("201 Created", place, 'W/"1"', at, BODY, BODY, f"{BASE}/Goal/g1")
    [bare, entry] = json.loads(responses("transaction", [Answer("204 No Content"), full]))["entry"]
    assert bare == {"response": {"status": "204 No Content"}}
    assert entry["response"]["outcome"] == entry["resource"] == json.loads(BODY)
    assert entry["fullUrl"] == f"{BASE}/Goal/g1"


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_breaks_the_json(url, word):
    surrogates = any("\ud800" <= letter <= "\udfff" for letter in url + word)
    if not surrogates:
        read = json.loads(searchset(f"http://x/{url}", [("Goal", "g1", BODY)], [("self", word)]))
        assert read["entry"][0]["fullUrl"] == f"http://x/{url}/Goal/g1"
        assert read["link"][0]["url"] == word
