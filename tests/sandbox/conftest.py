"""An empty sandbox EHR for each test, and short ways to ask it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fhirplan.fhir import codec
from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.resources import Store

NOON = 1_793_620_800_000  # 2026-11-02T12:00:00.000Z


class Clock:
    """Milliseconds that a test moves by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


class Ehr:
    """The sandbox through Flask's test client; resources in and out as dicts."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self.client = create_app(store).test_client()

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if body is None or isinstance(body, bytes) else codec.dumps(body)
        said.setdefault("Content-Type", "application/fhir+json")
        answer = self.client.open(
            path if path.startswith("/") else f"/fhir/{path}", method=method, data=data, headers=said
        )
        answer.resource = codec.loads(answer.get_data()) if answer.get_data() else None
        return answer

    def put(self, resource: dict[str, Any], **headers: str) -> Any:
        return self("PUT", f"{resource['resourceType']}/{resource['id']}", resource, **headers)

    def found(self, search: str) -> list[str]:
        """The ids of the matches of all pages, in order."""
        ids: list[str] = []
        path: str | None = search
        while path:
            answer = self("GET", path)
            assert answer.status_code == 200, answer.resource
            ids += [
                entry["resource"]["id"]
                for entry in answer.resource.get("entry", [])
                if entry["search"]["mode"] == "match"
            ]
            path = next_path(answer.resource)
        return ids


def next_path(bundle: dict[str, Any]) -> str | None:
    """The next link of a Bundle, as a path on this server."""
    for link in bundle.get("link", []):
        if link["relation"] == "next":
            assert link["url"].startswith("http://localhost/fhir/")
            return str(link["url"].removeprefix("http://localhost"))
    return None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Any:
    numbers = itertools.count(1)
    made = Store(clock=clock, new_id=lambda: f"new-{next(numbers)}")
    yield made
    made.close()


@pytest.fixture
def ehr(store: Store, clock: Clock) -> Ehr:
    return Ehr(store, clock)
