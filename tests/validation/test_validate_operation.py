"""The operation $validate: modes, profiles in the query and in Parameters, and where in the text a finding stands."""

import pytest

from fhirplan import assembly, settings
from fhirplan.fhir.codec import dumps
from fhirplan.web.app import create_app

OURS = "http://fhirplan.dev/fhir/StructureDefinition/case-management-goal"
GOAL = {
    "resourceType": "Goal",
    "id": "g1",
    "lifecycleStatus": "active",
    "description": {"text": "Walk to the corner"},
    "subject": {"reference": "Patient/p1"},
}
HEADERS = {"Content-Type": "application/fhir+json"}


@pytest.fixture
def client(tmp_path):
    given = {"auth": "open", "validation": "base", "database_url": f"sqlite:///{tmp_path}/one.db"}
    services = assembly.build(settings.load({}, **given))
    services.database.migrate()
    yield create_app(services).test_client()
    services.database.close()


@pytest.fixture
def told(client):
    def ask(path, body=None):
        data = body if isinstance(body, bytes) else dumps(body) if body else None
        answer = client.post(f"/fhir/{path}", data=data, headers=HEADERS if data else {})
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json(force=True)["issue"]

    return ask


def _errors(issues):
    return [one for one in issues if one["severity"] in ("error", "fatal")]


def _parameters(**named):
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": name, **({"resource": value} if name == "resource" else {key: value})}
            for name, (key, value) in named.items()
        ],
    }


@pytest.mark.parametrize("mode", ["create", "update", "profile"])
def test_a_sound_resource_passes_in_each_mode(told, mode):
    assert _errors(told(f"Goal/g1/$validate?mode={mode}", GOAL)) == []
    assert _errors(told("Goal/g1/$validate", _parameters(resource=("", GOAL), mode=("valueCode", mode)))) == []


def test_an_update_is_of_the_resource_at_the_address(told):
    assert _errors(told("Goal/other/$validate?mode=update", GOAL))[0]["expression"] == ["Goal.id"]
    assert _errors(told("Goal/$validate?mode=create", {**GOAL, "id": "any"})) == []


def test_a_delete_needs_no_resource(told, client):
    assert told("Goal/g1/$validate?mode=delete")[0]["code"] == "not-found"
    assert told("Goal/g1/$validate", _parameters(mode=("valueCode", "delete")))[0]["code"] == "not-found"
    client.put("/fhir/Goal/g1", data=dumps(GOAL), headers=HEADERS)
    assert told("Goal/g1/$validate", _parameters(mode=("valueCode", "delete")))[0]["code"] == "informational"


def test_a_profile_is_asked_for_in_the_query_or_in_parameters(told):
    assert _errors(told("Goal/$validate", GOAL)) == []
    assert _errors(told(f"Goal/$validate?profile={OURS}", GOAL))
    for key in ("valueUri", "valueCanonical"):
        assert _errors(told("Goal/$validate", _parameters(resource=("", GOAL), profile=(key, OURS))))


def test_the_stored_resource_is_validated_against_a_profile_without_a_body(told, client):
    assert client.post(f"/fhir/Goal/g1/$validate?mode=profile&profile={OURS}").status_code == 404
    client.put("/fhir/Goal/g1", data=dumps(GOAL), headers=HEADERS)
    assert _errors(told(f"Goal/g1/$validate?mode=profile&profile={OURS}"))


def test_a_finding_says_its_line_and_column_of_the_text_sent(told, client):
    text = dumps(GOAL).replace(b'"lifecycleStatus":"active"', b'\n  "lifecycleStatus": "nope"')
    [issue] = _errors(told("Goal/$validate", text))
    assert issue["location"] == ["line 2, column 3"]
    refused = client.put("/fhir/Goal/g1", data=text, headers=HEADERS)
    assert refused.status_code == 422
    assert refused.get_json(force=True)["issue"][0]["location"] == ["line 2, column 3"]


def test_no_position_is_told_of_a_resource_inside_parameters(told):
    [issue] = _errors(told("Goal/$validate", _parameters(resource=("", {**GOAL, "lifecycleStatus": "nope"}))))
    assert issue["expression"] == ["Goal.lifecycleStatus"]
    assert "location" not in issue
