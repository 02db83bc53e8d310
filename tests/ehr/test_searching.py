"""Pages of a search: followed to the end, on the same host, no resource twice, never in a circle."""

from __future__ import annotations

from typing import Any

import pytest
import responses

from fhirplan.ehr.client import EhrClient
from fhirplan.ehr.discovery import capabilities
from fhirplan.ehr.transport import Transport
from fhirplan.errors import EhrRejected, EhrUnavailable

BASE = "https://ehr.test/fhir"


@pytest.fixture
def client() -> Any:
    with EhrClient(Transport(BASE, timeout=2.0)) as made:
        yield made


def bundle(*ids: str, following: str = "", extra: list[Any] | None = None) -> dict[str, Any]:
    entries = [
        {"resource": {"resourceType": "Goal", "id": id_, "meta": {"versionId": "1"}}, "search": {"mode": "match"}}
        for id_ in ids
    ]
    links = [{"relation": "next", "url": following}] if following else []
    return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries + (extra or [])}


def ids(client: EhrClient) -> list[list[str]]:
    return [[item["id"] for item in page.resources] for page in client.search("Goal", {"_count": "2"})]


@responses.activate
def test_pages_are_followed_to_the_last_which_says_so(client: EhrClient) -> None:
    responses.add("GET", f"{BASE}/Goal", json=bundle("a", "b", following=f"{BASE}/next?p=2"))
    responses.add("GET", f"{BASE}/next", json=bundle("c"))
    found = list(client.search("Goal", {}))
    assert [[item["id"] for item in page.resources] for page in found] == [["a", "b"], ["c"]]
    assert [page.last for page in found] == [False, True]


@responses.activate
def test_a_resource_that_comes_again_on_a_later_page_comes_once(client: EhrClient) -> None:
    responses.add("GET", f"{BASE}/Goal", json=bundle("a", "b", following=f"{BASE}/next"))
    responses.add("GET", f"{BASE}/next", json=bundle("b", "c"))
    assert ids(client) == [["a", "b"], ["c"]]


@responses.activate
def test_a_next_link_to_another_host_is_refused(client: EhrClient) -> None:
    responses.add("GET", f"{BASE}/Goal", json=bundle("a", following="https://elsewhere.test/fhir?p=2"))
    with pytest.raises(EhrRejected):
        ids(client)


@responses.activate
def test_a_next_link_to_plain_http_is_refused(client: EhrClient) -> None:
    responses.add("GET", f"{BASE}/Goal", json=bundle("a", following="http://ehr.test/fhir?p=2"))
    with pytest.raises(EhrRejected):
        ids(client)


@responses.activate
def test_pages_in_a_circle_end(client: EhrClient) -> None:
    responses.add("GET", f"{BASE}/Goal", json=bundle("a", following=f"{BASE}/next"))
    responses.add("GET", f"{BASE}/next", json=bundle("b", following=f"{BASE}/next"))
    with pytest.raises(EhrUnavailable):
        ids(client)


@responses.activate
def test_what_was_included_is_no_match_and_remarks_are_kept_apart(client: EhrClient) -> None:
    remark = {
        "resource": {
            "resourceType": "OperationOutcome",
            "issue": [{"severity": "warning", "code": "informational", "diagnostics": "4122: ignored"}],
        },
        "search": {"mode": "outcome"},
    }
    included = {"resource": {"resourceType": "Goal", "id": "z"}, "search": {"mode": "include"}}
    other = {"resource": {"resourceType": "Patient", "id": "p"}}
    responses.add("GET", f"{BASE}/Goal", json=bundle("a", extra=[remark, included, other, {}, "?"]))
    (page,) = client.search("Goal", {})
    assert [item["id"] for item in page.resources] == ["a"]
    assert [item.text for item in page.remarks] == ["4122: ignored"]


@responses.activate
def test_type_history_tells_who_changed_and_who_is_gone(client: EhrClient) -> None:
    entries = [
        {"request": {"method": "DELETE", "url": "Goal/a"}},
        {"request": {"method": "PUT", "url": "Goal/b"}, "resource": {"resourceType": "Goal", "id": "b"}},
        {"request": {"method": "DELETE", "url": f"{BASE}/Goal/c"}},
        "no entry",
    ]
    responses.add("GET", f"{BASE}/Goal/_history", json={"resourceType": "Bundle", "type": "history", "entry": entries})
    found = list(client.type_history("Goal", "2026-01-01T00:00:00Z"))
    assert found == [("a", "DELETE"), ("b", "PUT"), ("c", "DELETE")]


STATEMENT = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "software": {"name": "An EHR", "version": "9"},
    "rest": [
        {
            "mode": "server",
            "interaction": [{"code": "transaction"}],
            "resource": [
                {
                    "type": "Goal",
                    "interaction": [{"code": "read"}, {"code": "search-type"}],
                    "searchParam": [{"name": "patient"}],
                    "versioning": "versioned-update",
                    "conditionalCreate": True,
                },
                {"type": "Task"},
                "no resource",
            ],
        }
    ],
}


@responses.activate
def test_what_an_ehr_offers_is_read_once_and_again_when_it_is_old() -> None:
    now = [0.0]
    asked = responses.add("GET", f"{BASE}/metadata", json=STATEMENT)
    with EhrClient(Transport(BASE), clock=lambda: now[0]) as client:
        goal = client.capabilities().of("Goal")
        assert (goal.can("read"), goal.can("create"), goal.conditional_create, goal.guards_updates) == (
            True,
            False,
            True,
            True,
        )
        assert client.capabilities().of("CarePlan").interactions == frozenset()
        assert asked.call_count == 1
        now[0] = 4000.0
        client.capabilities()
        assert asked.call_count == 2


@pytest.mark.parametrize(
    "rest", [None, "x", [], [{}], [{"resource": {}}], [{"mode": "client", "resource": [{"type": "Goal"}]}]]
)
def test_a_statement_of_any_shape_offers_nothing_rather_than_failing(rest: Any) -> None:
    assert not capabilities({"resourceType": "CapabilityStatement", "rest": rest}).serves("Goal")
