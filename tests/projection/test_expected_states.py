"""The whole server: each sample bundle is loaded, projected, and read over HTTP as any FHIR client would read it."""

import pytest

from fhirplan.store.coordination import caseload
from fhirplan.store.coordination.caseload_rows import EVERYTHING

SUMMARY = "http://fhirplan.dev/fhir/StructureDefinition/cm-coordination-summary"
STATE = "http://fhirplan.dev/fhir/StructureDefinition/cm-entry-state"
CODE = "http://fhirplan.dev/fhir/CodeSystem/cm-list-code|coordination-worklist"
FLAGS = {"overdue": "overdue", "blocked": "blocked", "dueSoon": "due-soon", "unassigned": "unassigned"}


def summary(resource):
    [found] = [item for item in resource["extension"] if item["url"] == SUMMARY]
    said = {}
    for item in found["extension"]:
        [value] = [value for key, value in item.items() if key.startswith("value")]
        said[item["url"]] = value["code"] if isinstance(value, dict) and "code" in value else value
    return said


@pytest.fixture
def loaded(clinic, scenario):
    made = clinic(scenario["now"], scenario["timeZone"])
    made.load(scenario["file"])
    assert made.project() == 1
    return made


def test_the_list_of_each_sample_says_exactly_the_expected_state(loaded, scenario):
    [made] = loaded.found(f"List?item={scenario['plan']}&code={CODE}")
    said = summary(made)
    assert said.pop("plan") == {"reference": scenario["plan"]}
    assert said.pop("owner") == {"reference": scenario["owner"]}
    assert said.pop("acuity") == scenario["acuity"]
    assert said.pop("readmissionRisk", None) == scenario.get("readmissionRisk")
    assert said == scenario["expected"]
    assert made in loaded.found(f"List?patient={scenario['patient'].split('/')[1]}&code={CODE}&status=current")
    assert made["entry"][0]["item"] == {"reference": scenario["plan"]}
    for kind, flag in FLAGS.items():
        held = {
            entry["item"]["reference"]
            for entry in made["entry"]
            for mark in entry.get("extension", ())
            if mark["url"] == STATE and mark["valueCoding"]["code"] == flag
        }
        assert held == set(scenario["tasks"][kind]), kind


def test_what_is_derived_is_valid_and_projecting_again_changes_nothing(loaded, scenario):
    [made] = loaded.found(f"List?item={scenario['plan']}")
    flags = loaded.found("Flag?author=Device/fhirplan")
    for resource in (made, *flags):
        issues = loaded.services.validator.validate(resource, policy="case-management")
        assert [item.text for item in issues if item.is_error] == []
    assert loaded.project() == 0
    alerts = [entry["item"]["reference"] for entry in made["entry"] if entry["flag"]["coding"][0]["code"] == "alert"]
    own = scenario["plan"].partition("/")[2]
    active = [
        flag
        for flag in loaded.found("Flag?status=active")
        if flag.get("identifier", [{"value": own}])[0]["value"].split("/")[0] == own
    ]
    assert sorted(alerts) == sorted(f"Flag/{flag['id']}" for flag in active)


def test_the_row_of_each_sample_says_the_same(loaded, scenario):
    with loaded.services.database.read() as tx:
        [row] = [
            item
            for item in caseload.page(tx, "default", EVERYTHING, loaded.now, count=10)
            if f"CarePlan/{item.plan}" == scenario["plan"]
        ]
    expected = scenario["expected"]
    assert (row.overall, row.stage, row.acuity) == (expected["overall"], expected.get("stage", ""), scenario["acuity"])
    assert (row.open, row.overdue, row.blocked, row.unassigned, row.due_soon, row.planned) == tuple(
        expected[f"{name}Tasks"] for name in ("open", "overdue", "blocked", "unassigned", "dueSoon", "planned")
    )
    assert (row.unacknowledged, row.referrals) == (expected["unacknowledgedChanges"], expected["openReferrals"])
    assert scenario["program"] in row.programs
    assert scenario["setting"] in row.settings
    assert row.lead == scenario["owner"]
    assert row.name
