"""Snapshots made from differentials, and what cannot be made is refused in words."""

import pytest

from fhirplan.validation.definitions import Definitions
from fhirplan.validation.snapshot import Snapshots
from fhirplan.validation.snapshot_elements import elements_of
from fhirplan.validation.tree import BadProfile


@pytest.fixture
def snapshot(profile):
    def make(*definitions):
        known = Definitions()
        for one in definitions:
            known.add_resource(one)
        return {one["id"]: one for one in elements_of(Snapshots(known).tree(definitions[-1]["url"]))}

    return make


def test_all_elements_of_the_base_are_there(snapshot, profile):
    made = snapshot(profile("CarePlan"))
    assert made["CarePlan.activity.detail.status"]["min"] == 1
    assert made["CarePlan.status"]["binding"]["strength"] == "required"
    assert all({"path", "min", "max", "base", "definition"} <= set(one) for one in made.values())


def test_a_new_slice_does_not_inherit_how_often_the_element_must_occur(snapshot, profile, element):
    made = snapshot(profile("CarePlan", element("CarePlan.category", min=2), element("CarePlan.category:a", max="1")))
    assert (made["CarePlan.category"]["min"], made["CarePlan.category:a"]["min"]) == (2, 0)


def test_data_types_are_grafted_in_where_a_profile_goes_into_them(snapshot, profile, element):
    made = snapshot(profile("CarePlan", element("CarePlan.period.start", min=1)))
    assert made["CarePlan.period.start"]["type"] == [{"code": "dateTime"}]
    assert "CarePlan.identifier.system" not in made


def test_constraints_add_up(snapshot, profile, element):
    rule = {"key": "x-1", "severity": "error", "human": "x", "expression": "true"}
    made = snapshot(profile("CarePlan", element("CarePlan.activity", constraint=[rule])))
    assert {one["key"] for one in made["CarePlan.activity"]["constraint"]} == {"cpl-3", "x-1"}


def test_a_binding_keeps_what_is_not_said_anew(snapshot, profile, element):
    made = snapshot(profile("CarePlan", element("CarePlan.category", binding={"strength": "extensible"})))
    assert made["CarePlan.category"]["binding"] == {
        "strength": "extensible",
        "valueSet": "http://hl7.org/fhir/ValueSet/care-plan-category",
    }


def test_an_element_that_the_base_does_not_have(snapshot, profile, element):
    with pytest.raises(BadProfile):
        snapshot(profile("CarePlan", element("CarePlan.nonsense", min=1)))


def test_a_base_that_is_not_here(snapshot, profile):
    with pytest.raises(BadProfile):
        snapshot(profile("CarePlan", base="http://example.org/StructureDefinition/gone"))


def test_ids_are_worked_out_where_a_definition_has_none(snapshot, profile, element):
    one = profile("CarePlan", element("CarePlan.category:a", min=1), element("CarePlan.category:a.text", min=1))
    for said in one["differential"]["element"]:
        del said["id"]
    made = snapshot(one)
    assert made["CarePlan.category:a.text"]["min"] == 1
    assert made["CarePlan.category.text"]["min"] == 0 if "CarePlan.category.text" in made else True


def test_the_version_asked_for_is_the_one_found(profile):
    known = Definitions()
    for version in ("1.0.0", "2.0.0"):
        known.add_resource({**profile("CarePlan"), "version": version})
    url = profile("CarePlan")["url"]
    assert known.find("StructureDefinition", url + "|1.0.0")["version"] == "1.0.0"
    assert known.find("StructureDefinition", url)["version"] == "2.0.0"
    assert known.find("StructureDefinition", url + "|3.0.0") is None
