"""How strict validation is, for each connection and each profile: what refuses a write and what is only recorded."""

import pytest

from fhirplan import assembly, settings
from fhirplan.errors import Misconfigured
from fhirplan.fhir.codec import dumps, loads
from fhirplan.interactions.incoming import checked
from fhirplan.settings import Connection
from fhirplan.store import findings, versions
from fhirplan.web.app import create_app

GOAL = {
    "resourceType": "Goal",
    "id": "g1",
    "lifecycleStatus": "active",
    "description": {"text": "Walk to the corner"},
    "subject": {"reference": "Patient/p1"},
}
OURS = "http://fhirplan.dev/fhir/StructureDefinition/case-management-goal"


@pytest.fixture
def server(tmp_path):
    """Makes a server with a connection named mercy besides the default one."""
    opened = []

    def make(mercy=None, **given):
        path = tmp_path / f"{len(opened)}.db"
        chosen = {"auth": "open", "database_url": f"sqlite:///{path}", "connections": {"mercy": mercy or {}}, **given}
        services = assembly.build(settings.load({}, **chosen))
        services.database.migrate()
        opened.append(services.database)
        return services

    yield make
    for database in opened:
        database.close()


def put(services, goal=GOAL, connection="default", **headers):
    path = "/fhir" if connection == "default" else f"/{connection}/fhir"
    client = create_app(services).test_client()
    headers = {"Content-Type": "application/fhir+json", **headers}
    return client.put(f"{path}/Goal/{goal['id']}", data=dumps(goal), headers=headers)


def kept(services, connection="default"):
    with services.database.read() as tx:
        version = versions.current(tx, connection, "Goal", "g1")
        return findings.of(tx, version.rid, version.version)


def test_a_connection_may_demand_less_or_more_than_the_server(server):
    services = server({"api_validation": "base"}, validation="case-management")
    assert put(services).status_code == 422
    assert put(services, connection="mercy").status_code == 201
    services = server({"api_validation": "case-management"}, validation="base")
    assert put(services).status_code == 201
    assert put(services, connection="mercy").status_code == 422


def test_imports_have_a_strictness_of_their_own(server):
    services = server({"api_validation": "base", "import_validation": "case-management"}, validation="declared")
    mercy = services.settings.connections["mercy"]
    assert not any(one.is_error for one in checked(services, GOAL, connection=mercy))
    assert any(one.is_error for one in checked(services, GOAL, connection=mercy, imported=True))


def test_an_error_of_a_profile_that_is_recorded_lets_the_write_through_and_is_kept(server):
    services = server({"validation_profiles": [f"{OURS}=record"]}, validation="declared")
    answer = put(services, connection="mercy", Prefer="return=OperationOutcome")
    assert answer.status_code == 201
    told = {issue["severity"] for issue in answer.get_json(force=True)["issue"]}
    assert "error" in told
    assert any(one.is_error for one in kept(services, "mercy"))
    assert put(services, connection="mercy").status_code == 200  # the same again writes nothing and keeps nothing twice


def test_an_error_of_r4_itself_is_refused_whatever_is_recorded(server):
    services = server(validation_profiles=[f"{OURS}=record"])
    assert put(services).status_code == 201
    assert put(services, {**GOAL, "lifecycleStatus": "nope"}).status_code == 422


def test_a_profile_may_be_demanded_of_every_resource_of_its_type(server):
    services = server(validation_profiles=[f"{OURS}=refuse"], validation="base")
    assert put(services).status_code == 422
    assert kept_nothing(services)


def kept_nothing(services):
    with services.database.read() as tx:
        return versions.current(tx, "default", "Goal", "g1") is None


def test_a_transaction_is_held_to_the_same(server):
    entry = {"resource": GOAL, "request": {"method": "PUT", "url": "Goal/g1"}}
    bundle = dumps({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    headers = {"Content-Type": "application/fhir+json"}
    strict = server()
    assert create_app(strict).test_client().post("/fhir", data=bundle, headers=headers).status_code == 422
    services = server(validation_profiles=[f"{OURS}=record"])
    assert create_app(services).test_client().post("/fhir", data=bundle, headers=headers).status_code == 200
    assert any(one.is_error for one in kept(services))


def test_validate_says_what_a_write_would_meet(server):
    services = server({"api_validation": "base"})
    client = create_app(services).test_client()
    headers = {"Content-Type": "application/fhir+json"}
    for path, errors in (("/fhir", True), ("/mercy/fhir", False)):
        answer = client.post(f"{path}/Goal/$validate", data=dumps(GOAL), headers=headers)
        assert any(one["severity"] == "error" for one in loads(answer.data)["issue"]) is errors


def test_a_profile_that_is_not_here_or_an_act_that_is_none_stops_the_start(server):
    with pytest.raises(Misconfigured) as nowhere:
        server(validation_profiles=["http://example.org/nowhere=refuse"])
    assert "no profile http://example.org/nowhere is here" in nowhere.value.text
    with pytest.raises(Misconfigured) as hush:
        server(validation_profiles=[f"{OURS}=hush"])
    assert "Accepted acts: refuse, record" in hush.value.text


def test_a_write_is_not_lost_when_the_terminology_server_is_down(server):
    services = server(terminology_url="http://127.0.0.1:9/r4", terminology_timeout=0.2, validation="base")
    bound = {"text": "t", "coding": [{"system": "http://snomed.info/sct", "code": "73211009"}]}
    answer = put(services, {**GOAL, "startCodeableConcept": bound, "description": bound})
    assert answer.status_code == 201


def test_the_defaults_are_those_of_the_server():
    assert (Connection().api_validation, Connection().import_validation) == ("server", "server")
