"""US Core's CarePlan, CareTeam and Goal, held to the published packages; FHIRPLAN_TEST_PACKAGES says where these are.

It names a folder with the ``hl7.fhir.us.core`` packages as ``.tgz``, or single ones, separated as in PATH.
"""

import copy
import json
import os
import tarfile
from pathlib import Path

import pytest

from fhirplan.fhir.codec import loads
from fhirplan.settings import fixtures_folder
from fhirplan.validation import Validator

TYPES = ("CarePlan", "CareTeam", "Goal")
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"


def _packages():
    for given in filter(None, os.environ.get("FHIRPLAN_TEST_PACKAGES", "").split(os.pathsep)):
        path = Path(given)
        yield from sorted(path.glob("hl7.fhir.us.core-*.tgz")) if path.is_dir() else [path]


PACKAGES = list(_packages())
pytestmark = pytest.mark.skipif(not PACKAGES, reason="FHIRPLAN_TEST_PACKAGES names no published US Core package")


@pytest.fixture(scope="module", params=PACKAGES, ids=lambda path: path.stem)
def package(request):
    """A validator with one published package, and the package's own examples of the three types."""
    with tarfile.open(request.param) as archive:
        examples = [
            loads(archive.extractfile(member).read())
            for member in archive
            if "/example/" in member.name and Path(member.name).name.partition("-")[0] in TYPES
        ]
    return Validator.load(Path("no-profiles-of-ours"), [request.param]), examples


def _errors(validator, resource):
    profile = US_CORE + resource["resourceType"].lower()
    return [one for one in validator.validate(resource, [profile], policy="declared") if one.is_error]


def test_the_packages_own_examples_are_valid(package):
    validator, examples = package
    assert {one["resourceType"] for one in examples} == set(TYPES)
    assert {one["id"]: _errors(validator, one) for one in examples} == {one["id"]: [] for one in examples}


def test_the_sample_resources_that_claim_us_core_keep_it(package):
    validator, _ = package
    checked = 0
    for file in sorted((fixtures_folder() / "bundles").rglob("*.json")):
        for entry in json.loads(file.read_bytes())["entry"]:
            resource = entry["resource"]
            claims = [one for one in resource.get("meta", {}).get("profile", ()) if one.startswith(US_CORE)]
            if resource["resourceType"] in TYPES and claims:
                checked += 1
                assert _errors(validator, resource) == [], resource["id"]
    assert checked > 5


DAMAGE = {
    "CarePlan": [
        ("category", lambda one: one.pop("category"), "CarePlan.category"),
        ("subject", lambda one: one.update(subject={"reference": "Practitioner/1"}), "CarePlan.subject"),
    ],
    "CareTeam": [
        ("participant", lambda one: one.pop("participant"), "CareTeam.participant"),
        ("role", lambda one: one["participant"][0].pop("role"), "CareTeam.participant[0].role"),
        ("subject", lambda one: one.update(subject={"reference": "Practitioner/1"}), "CareTeam.subject"),
    ],
    "Goal": [
        ("description", lambda one: one.pop("description"), "Goal.description"),
        ("subject", lambda one: one.update(subject={"reference": "Practitioner/1"}), "Goal.subject"),
    ],
}
CASES = [(type_, *case) for type_, cases in DAMAGE.items() for case in cases]


@pytest.mark.parametrize(("type_", "_name", "damage", "where"), CASES, ids=[f"{t}-{n}" for t, n, _, _ in CASES])
def test_a_damaged_example_is_refused_at_the_place(package, type_, _name, damage, where):
    validator, examples = package
    sound = next(one for one in examples if one["resourceType"] == type_)
    broken = copy.deepcopy(sound)
    damage(broken)
    assert where in {one.expression for one in _errors(validator, broken)}


def test_a_broken_us_core_rule_names_the_us_core_profile(package):
    validator, examples = package
    plan = copy.deepcopy(next(one for one in examples if one["resourceType"] == "CarePlan"))
    plan["category"] = [{"text": "None of US Core's"}]
    assert {one.profile for one in _errors(validator, plan)} == {f"{US_CORE}careplan"}
