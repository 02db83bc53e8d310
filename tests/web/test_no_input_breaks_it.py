"""Whatever is sent, the answer is the resource, a Bundle or an OperationOutcome, and never a failure of ours."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirplan.catalog import CATALOG

WORDS = st.sampled_from(
    ["Goal", "Task", "g1", "_history", "1", "metadata", "$validate", "_search", "", "..", "%00", "Goal ", "Bundle", "ü"]
)
PATHS = st.lists(WORDS, max_size=5).map("/".join)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
NAMES = st.one_of(
    st.sampled_from(sorted({item.code for spec in CATALOG.values() for item in spec.parameters})),
    st.sampled_from(["_count", "_sort", "_page", "_format", "_pretty", "_since", "_before", "_total", "_summary"]),
    st.text(max_size=8),
)
VALUES = st.one_of(
    st.sampled_from(
        ["1", "-1", "g1", "Patient/p1", "ge2026", "a|b", "|", ",", "\\", "1e999", "json", "true", "2026-13"]
    ),
    st.text(max_size=12),
)
QUERIES = st.lists(st.tuples(NAMES, VALUES), max_size=3)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=10))
KEYS = st.sampled_from(
    [
        *("resourceType", "id", "meta", "type", "entry", "request", "resource", "method", "url", "reference"),
        *("status", "subject", "identifier", "fullUrl", "ifMatch", "ifNoneExist", "parameter", "name", "text", "div"),
    ]
)
BODIES = st.recursive(
    SCALARS
    | st.sampled_from(["Goal", "Bundle", "transaction", "batch", "PUT", "Goal/g1", "urn:uuid:x", "Patient?a=b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
HEADERS = st.dictionaries(
    st.sampled_from(["If-Match", "If-None-Match", "If-None-Exist", "Prefer", "Accept"]),
    st.sampled_from(['W/"1"', "*", "identifier=a|b", "return=minimal", "application/json", "?", ",", "x"]),
    max_size=2,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from fhirplan import assembly
    from fhirplan import settings as configuration
    from fhirplan.web.app import create_app

    path = tmp_path_factory.mktemp("fuzz") / "fuzz.db"
    services = assembly.build(configuration.load({}, auth="open", validation="base", database_url=f"sqlite:///{path}"))
    services.database.migrate()
    yield create_app(services).test_client()
    services.database.close()


@settings(max_examples=250)
@given(METHODS, PATHS, QUERIES, BODIES, HEADERS)
def test_no_request_breaks_the_server(server, method, path, query, body, headers):
    headers = {**headers, "Content-Type": "application/fhir+json"}
    data = json.dumps(body) if method in ("POST", "PUT", "PATCH") else None
    response = server.open(f"/fhir/{path}", method=method, query_string=query, data=data, headers=headers)
    assert response.status_code < 500, response.get_data(as_text=True)
    if response.data:
        told = response.get_json(force=True)
        assert told["resourceType"]
        assert response.status_code < 400 or told["resourceType"] == "OperationOutcome"


ENTRIES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "fullUrl": st.sampled_from(["urn:uuid:a", "urn:uuid:b", "http://x/fhir/Goal/1"]) | SCALARS,
            "request": st.fixed_dictionaries(
                {},
                optional={
                    "method": st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH"]) | SCALARS,
                    "url": st.sampled_from(["Goal/g1", "Goal", "Goal?_id=g1", "Patient/p1", "metadata", ""]) | SCALARS,
                    "ifMatch": st.sampled_from(['W/"1"', "*", "x y"]) | SCALARS,
                    "ifNoneExist": st.sampled_from(["identifier=a|b", "_id=g1", "?"]) | SCALARS,
                },
            ),
            "resource": st.fixed_dictionaries(
                {"resourceType": st.sampled_from(["Goal", "Patient"])},
                optional={
                    "id": st.sampled_from(["g1", "p1"]) | SCALARS,
                    "subject": st.fixed_dictionaries(
                        {"reference": st.sampled_from(["urn:uuid:a", "urn:uuid:b", "Patient?_id=p1", "Patient/p1"])}
                    )
                    | SCALARS,
                    "lifecycleStatus": st.just("active"),
                    "description": st.just({"text": "walk"}),
                    "meta": SCALARS,
                },
            ),
        },
    ),
    max_size=4,
)


@settings(max_examples=250)
@given(st.sampled_from(["transaction", "batch"]), ENTRIES)
def test_no_bundle_breaks_the_server(server, kind, entries):
    bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
    response = server.post("/fhir", data=json.dumps(bundle), headers={"Content-Type": "application/fhir+json"})
    assert response.status_code < 500, response.get_data(as_text=True)
    told = response.get_json(force=True)
    if response.status_code == 200:
        assert len(told.get("entry", [])) == len(entries)
        assert all(int(entry["response"]["status"][:3]) < 500 for entry in told.get("entry", []))
