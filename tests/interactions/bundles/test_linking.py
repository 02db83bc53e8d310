"""References between the entries of a transaction."""

import copy

import pytest

from fhirplan.errors import InvalidResource
from fhirplan.interactions.bundles.linking import conditional, linked, server

URN = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"


def _not_asked(type_, query):
    raise AssertionError((type_, query))


def _linked(resource, links, full_url="", found=_not_asked):
    return linked({"resourceType": "Goal", **resource}, 2, full_url, links, found)


def test_a_urn_becomes_what_its_entry_becomes_wherever_an_address_may_stand():
    resource = {
        "subject": {"reference": URN},
        "extension": [{"url": "http://x", "valueUri": URN}, {"url": "http://x", "valueString": URN}],
        "text": {"div": f"<div><a href='{URN}'>{URN}</a></div>"},
        "identifier": [{"system": URN, "value": URN}],
    }
    before = copy.deepcopy(resource)
    made = _linked(resource, {URN: "Patient/p1"})
    assert made["subject"]["reference"] == "Patient/p1"
    assert made["extension"][0]["valueUri"] == "Patient/p1"
    assert made["extension"][1]["valueString"] == URN
    assert made["text"]["div"] == f"<div><a href='Patient/p1'>{URN}</a></div>"
    assert made["identifier"] == [{"system": URN, "value": URN}]
    assert resource == before


def test_addresses_in_lists_and_in_policies_are_replaced_too():
    resource = {"instantiatesUri": ["http://x/protocol", URN], "policy": [{"authority": "http://x", "uri": URN}]}
    made = _linked(resource, {URN: "DocumentReference/d1"})
    assert made["instantiatesUri"] == ["http://x/protocol", "DocumentReference/d1"]
    assert made["policy"] == [{"authority": "http://x", "uri": "DocumentReference/d1"}]
    assert _linked({"policy": [URN]}, {URN: "DocumentReference/d1"})["policy"] == ["DocumentReference/d1"]
    assert _linked({"meta": {"source": URN}}, {URN: "Device/d1"})["meta"] == {"source": "Device/d1"}


def test_a_relative_reference_is_read_from_the_server_of_its_entry():
    links = {"http://ehr/fhir/Patient/7": "Patient/p1"}
    subject = {"subject": {"reference": "Patient/7"}}
    assert _linked(subject, links, "http://ehr/fhir/Goal/1")["subject"]["reference"] == "Patient/p1"
    assert _linked(subject, links, "http://other/fhir/Goal/1")["subject"]["reference"] == "Patient/7"
    assert _linked(subject, links, URN)["subject"]["reference"] == "Patient/7"


def test_a_conditional_reference_is_looked_up():
    made = _linked({"subject": {"reference": "Patient?identifier=a|b"}}, {}, found=lambda t, q: f"{t}/{q}")
    assert made["subject"]["reference"] == "Patient/identifier=a|b"
    assert conditional({"subject": {"reference": "Patient?x=1"}})
    assert not conditional({"subject": {"reference": "Patient/1"}})


def test_a_dangling_urn_is_named():
    with pytest.raises(InvalidResource) as refused:
        _linked({"addresses": [{"reference": "Condition/c"}, {"reference": URN}]}, {})
    assert refused.value.issues[0].expression == "Bundle.entry[2].resource.addresses[1]"


def test_the_server_of_a_full_url():
    assert server("http://ehr/fhir/Goal/1") == "http://ehr/fhir"
    assert server(URN) == server("Goal/1") == server("") == ""
