"""The operation $validate."""


def _issues(response):
    assert response.status_code == 200
    outcome = response.get_json(force=True)
    assert outcome["resourceType"] == "OperationOutcome"
    return outcome["issue"]


def _errors(response):
    return [issue for issue in _issues(response) if issue["severity"] in ("error", "fatal")]


def test_a_valid_resource_is_told_to_be_valid_and_is_not_stored(api, goal):
    assert _errors(api.send("POST", "Goal/$validate", goal)) == []
    assert api.get("Goal/g1").status_code == 404


def test_an_invalid_resource_is_answered_with_its_findings(api, goal):
    [issue] = _errors(api.send("POST", "Goal/$validate", {**goal, "lifecycleStatus": "nope"}))
    assert (issue["code"], issue["expression"]) == ("code-invalid", ["Goal.lifecycleStatus"])


def test_parameters_carry_the_resource_and_the_mode(api, goal):
    def parameters(mode):
        return {
            "resourceType": "Parameters",
            "parameter": [{"name": "resource", "resource": goal}, {"name": "mode", "valueCode": mode}],
        }

    assert _errors(api.send("POST", "Goal/$validate", parameters("create"))) == []
    assert _errors(api.send("POST", "Goal/g1/$validate", parameters("update"))) == []
    assert _errors(api.send("POST", "Goal/g2/$validate", parameters("update")))[0]["expression"] == ["Goal.id"]


def test_a_profile_that_is_asked_for_is_checked(configured, goal):
    api = configured(validation="base")
    profile = "http://fhirplan.dev/fhir/StructureDefinition/no-such-profile"
    found = _issues(api.send("POST", f"Goal/$validate?profile={profile}", goal))
    assert any(profile in issue["details"]["text"] for issue in found)


def test_deletion_is_validated_without_a_body(api, goal):
    assert _issues(api.send("POST", "Goal/g1/$validate?mode=delete"))[0]["code"] == "not-found"
    api.put(goal)
    assert _issues(api.send("POST", "Goal/g1/$validate?mode=delete"))[0]["code"] == "informational"
    assert api.get("Goal/g1").status_code == 200


def test_a_resource_of_another_type_is_a_finding(api, goal):
    assert _errors(api.send("POST", "Task/$validate", goal))


def test_what_cannot_be_read_is_refused(api, problem):
    problem(api.send("POST", "Goal/$validate", "{"), 400, "invalid")
    problem(api.send("POST", "Goal/$validate", {"resourceType": "Parameters", "parameter": []}), 400, "invalid")
    problem(api.send("POST", "Goal/$validate?mode=guess", {"resourceType": "Goal"}), 400, "invalid")
    nameless = {"resourceType": "Parameters", "parameter": [{"name": "colour", "valueCode": "green"}]}
    problem(api.send("POST", "Goal/$validate", nameless), 400, "invalid")


def test_the_strictness_of_writes_is_that_of_the_setting(configured, goal):
    strict, declared = configured(validation="case-management"), configured(validation="declared")
    profile = "http://fhirplan.dev/fhir/StructureDefinition/case-management-goal"
    assert strict.put(goal).status_code == 422
    assert declared.put(goal).status_code == 201
    assert declared.put({**goal, "meta": {"profile": [profile]}}).status_code == 422
