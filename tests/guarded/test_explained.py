"""Which rule allowed or hid what, in words for an operator."""

from fhirplan.interactions.access_explained import access_explained


def told(server, caller, url, method="GET"):
    return "\n".join(access_explained(server.services, f"Bearer {caller.token}" if caller else "", method, url))


def test_it_says_which_scope_lets_a_resource_be_seen_and_which_limit_hides_one(two_patients):
    a = two_patients.caller("patient/Goal.rs", patient="a")
    text = told(two_patients, a, "/fhir/Goal/ga")
    assert "patient/Goal.rs speaks of it" in text
    assert "Goal/ga: seen" in text
    assert "Goal/gb: hidden by the limits of the scopes" in told(two_patients, a, "/fhir/Goal/gb")
    assert "nothing is stored there" in told(two_patients, a, "/fhir/Goal/gz")
    assert "refused: You may not read Task" in told(two_patients, a, "/fhir/Task/ta")
    assert "refused:" in told(two_patients, None, "/fhir/Task/ta")


def test_it_says_that_a_label_hides_a_resource(two_patients):
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SUD"}
    root = two_patients.root
    labelled = {**root.get("Goal/ga").get_json(force=True), "meta": {"security": [label]}}
    assert root.put(labelled).status_code == 403
    trusted = two_patients.services
    from fhirplan.store.commit import Change, Origin, commit

    with trusted.database.write() as tx:
        origin = Origin("t", "t", "api", push=False)
        commit(tx, "default", [Change("update", "Goal", "ga", labelled)], now=trusted.clock(), origin=origin)
    a = two_patients.caller("patient/Goal.rs", patient="a")
    assert "Goal/ga: hidden by a consent or a label" in told(two_patients, a, "/fhir/Goal/ga")
