"""What a Consent permits and forbids, as rules."""

import pytest

from fhirplan.access.consent import rules

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
NOW = 1_800_000_000_000


def consent(**provision):
    return {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "patient": {"reference": "Patient/a"},
        "provision": provision,
    }


def actor(*names):
    return [{"reference": {"reference": name}} for name in names]


def test_a_permission_names_its_readers_labels_and_time():
    [rule] = rules(
        consent(
            type="permit",
            actor=actor("Organization/o"),
            securityLabel=[{"system": ACT, "code": "SUD"}],
            period={"start": "2026-02-01", "end": "2028-02-01"},
            purpose=[{"system": REASON, "code": "COC"}],
        )
    )
    assert rule.permits
    assert rule.labels == {(ACT, "SUD")}
    assert rule.concerns({"Organization/o"}, NOW)
    assert not rule.concerns({"Organization/p"}, NOW)
    assert not rule.concerns({"Organization/o"}, NOW * 2)


@pytest.mark.parametrize(
    "more",
    [
        {"purpose": [{"system": REASON, "code": "HMARKT"}]},
        {"code": [{"coding": [{"code": "x"}]}]},
        {"dataPeriod": {"start": "2020"}},
        {"period": {"end": "soon"}},
        {"period": "always"},
        {"actor": [{"reference": {"display": "the clinic"}}]},
        {"provision": [{"type": "permit"}]},
    ],
)
def test_a_permission_that_is_not_understood_is_none(more):
    assert not rules(consent(**{"type": "permit", "actor": actor("Organization/o"), **more}))


@pytest.mark.parametrize(
    "more",
    [
        {"code": [{"coding": [{"code": "x"}]}]},
        {"dataPeriod": {"start": "2020"}},
        {"period": {"end": "soon"}},
        {"actor": [{"reference": {"display": "the clinic"}}]},
    ],
)
def test_a_prohibition_that_is_not_understood_forbids_more(more):
    [rule] = rules(consent(type="deny", **more))
    assert rule.concerns({"anybody"}, NOW)


def test_a_provision_without_a_type_forbids():
    [rule] = rules(consent(actor=actor("Practitioner/x")))
    assert not rule.permits


@pytest.mark.parametrize("change", [{"status": "inactive"}, {"status": "draft"}, {"patient": {}}, {"provision": 5}])
def test_what_is_not_in_force_says_nothing(change):
    assert rules({**consent(type="deny"), **change}) == ()


def test_what_is_forbidden_inside_a_permission_is_about_no_more_than_it():
    permits, forbids = rules(
        consent(
            type="permit",
            actor=actor("Organization/o"),
            provision=[{"type": "deny", "securityLabel": [{"system": ACT, "code": "PSY"}]}],
        )
    )
    assert permits.permits
    assert not forbids.permits
    assert forbids.actors == {"Organization/o"}
    assert forbids.labels == {(ACT, "PSY")}


def test_what_is_permitted_inside_a_prohibition_is_its_exception():
    [rule] = rules(consent(type="deny", provision=[{"type": "permit", "actor": actor("Practitioner/x")}]))
    assert rule.exceptions[0].actors == {"Practitioner/x"}
