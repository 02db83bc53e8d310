"""The OpenAPI description says what is served, and nothing that is made from it breaks the server."""

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from fhirplan.catalog import CATALOG
from fhirplan.catalog.compartment import BESIDE, PATIENT
from fhirplan.interactions.address import address

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed; pip install schemathesis")
# Examples for each of the operations below; make fuzz asks for many more and for every type.
EXAMPLES = int(os.environ.get("FHIRPLAN_FUZZ_EXAMPLES", "1"))
TYPES = "Goal|Patient|CarePlan" if EXAMPLES < 10 else "[A-Za-z]+"


def test_each_path_of_the_description_is_served_and_each_type_described(api):
    described = api.get("openapi.json").get_json(force=True)
    for path, calls in described["paths"].items():
        for method in calls:
            assert address(method.upper(), path.strip("/").replace("{id}", "x1").replace("{vid}", "1")).kind
    assert {path.split("/")[1] for path in described["paths"]} >= set(CATALOG)
    for type_ in CATALOG:
        named = {one.get("name") for one in described["paths"][f"/{type_}"]["get"]["parameters"]}
        assert named >= {item.code for item in CATALOG[type_].parameters}
    for type_ in (*PATIENT, *BESIDE, "*"):
        assert {f"/Patient/{{id}}/{type_}", f"/Patient/{{id}}/{type_}/_search"} <= described["paths"].keys()
    ids = [call["operationId"] for calls in described["paths"].values() for call in calls.values()]
    assert len(ids) == len(set(ids))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from fhirplan import assembly
    from fhirplan import settings as configuration
    from fhirplan.web.app import create_app

    path = tmp_path_factory.mktemp("fuzz") / "openapi.db"
    services = assembly.build(configuration.load({}, auth="open", validation="base", database_url=f"sqlite:///{path}"))
    services.database.migrate()
    yield create_app(services)
    services.database.close()


def test_nothing_made_from_the_description_breaks_the_server(server):
    described = schemathesis.openapi.from_wsgi("/fhir/openapi.json", server)
    chosen = described.include(path_regex=rf"^/((_history|metadata)?$|({TYPES})(/|$))")
    tried = 0
    for found in chosen.get_all_operations():

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @given(case=found.ok().as_strategy())
        def send(case):
            response = case.call(headers={"Accept-Encoding": "identity"})
            assert response.status_code < 500, response.text
            assert response.status_code < 400 or not response.content or b"OperationOutcome" in response.content

        send()
        tried += 1
    assert tried > 40
