"""profiles/ and fixtures: every canonical leads somewhere, and every code of ours is in its code system."""

import json
import re
from pathlib import Path

import pytest

from fhirplan.fhir import structure

HERE = Path(__file__).resolve().parents[2]
ROOT = "http://fhirplan.dev/fhir/"
ARTIFACTS = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((HERE / "profiles").rglob("*.json"))]
BY_URL = {one["url"]: one for one in ARTIFACTS}
FIXTURES = [
    path
    for folder in ("profiles", "invalid", "illegal-updates")
    for path in sorted((HERE / "fixtures" / folder).rglob("*.json"))
]

# Definitions of others that are too large to copy (SNOMED CT, LOINC, procedure codes) or belong to a package.
OTHERS = {
    "http://hl7.org/fhir/ValueSet/observation-codes",
    "http://hl7.org/fhir/us/core/ValueSet/us-core-goal-description",
    "http://hl7.org/fhir/us/core/ValueSet/us-core-condition-code",
    "http://hl7.org/fhir/us/core/ValueSet/us-core-procedure-code",
    "http://terminology.hl7.org/ValueSet/v3-ActCode",
    "http://hl7.org/fhir/StructureDefinition/workflow-statusReason",
    "http://hl7.org/fhir/StructureDefinition/request-statusReason",
    "http://hl7.org/fhir/StructureDefinition/careplan-activity-title",
    "http://hl7.org/fhir/StructureDefinition/resource-pertainsToGoal",
    "http://hl7.org/fhir/StructureDefinition/goal-acceptance",
    "http://hl7.org/fhir/StructureDefinition/goal-relationship",
    "http://hl7.org/fhir/StructureDefinition/task-replaces",
    "http://hl7.org/fhir/StructureDefinition/flag-detail",
    "http://hl7.org/fhir/StructureDefinition/flag-priority",
}


def _known(canonical):
    url = canonical.partition("|")[0]
    bare = url.removeprefix(structure.CORE)
    return url in BY_URL or url in OTHERS or (bare != url and structure.kind(bare) != "")


def _walk(value, path=()):
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            yield from _walk(item, (*path, key))
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, path)


def _definitions(kind):
    return [one for one in ARTIFACTS if one["resourceType"] == kind]


@pytest.mark.parametrize("definition", _definitions("StructureDefinition"), ids=lambda one: one["id"])
def test_the_canonicals_of_a_definition_resolve(definition):
    assert definition["baseDefinition"] == structure.CORE + definition["type"]
    for element in definition["differential"]["element"]:
        named = [element["binding"]["valueSet"]] if "binding" in element else []
        for type_ in element.get("type", ()):
            named += type_.get("targetProfile", []) + type_.get("profile", [])
        assert [url for url in named if not _known(url)] == []
        assert {rule["source"] for rule in element.get("constraint", ())} <= {definition["url"]}


@pytest.mark.parametrize("definition", _definitions("StructureDefinition"), ids=lambda one: one["id"])
def test_a_required_binding_can_be_checked_without_a_network(definition):
    for element in definition["differential"]["element"]:
        if element.get("binding", {}).get("strength") == "required":
            value_set = BY_URL[element["binding"]["valueSet"]]
            for include in value_set["compose"]["include"]:
                assert "concept" in include or BY_URL.get(_system_url(include["system"]))


def _system_url(system):
    return next((one["url"] for one in _definitions("CodeSystem") if one["url"] == system), None)


@pytest.mark.parametrize("value_set", _definitions("ValueSet"), ids=lambda one: one["id"])
def test_a_value_set_lists_each_code_once_and_only_codes_that_exist(value_set):
    for include in value_set["compose"]["include"]:
        codes = [concept["code"] for concept in include.get("concept", ())]
        assert len(codes) == len(set(codes))
        if include["system"] in BY_URL:
            assert set(codes) <= _codes_of(include["system"])


def _codes_of(system):
    def walk(concepts):
        for concept in concepts:
            yield concept["code"]
            yield from walk(concept.get("concept", ()))

    return set(walk(BY_URL[system]["concept"]))


def _codings(value):
    for _, item in _walk(value):
        if isinstance(item.get("system"), str) and isinstance(item.get("code"), str):
            yield item["system"], item["code"], item.get("display")


DISPLAYS = {
    (one["url"], concept["code"]): concept["display"]
    for one in _definitions("CodeSystem")
    for concept in one["concept"]
}
# What each of these names is the fault it shows, or the slot of a code that must not exist.
WRONG_ON_PURPOSE = {
    "http://fhirplan.dev/fhir/CodeSystem/cm-acuity|severe",
    "http://fhirplan.dev/fhir/CodeSystem/cm-alert|high-noise",
    "http://fhirplan.dev/fhir/CodeSystem/cm-business-status|booked",
    "http://fhirplan.dev/fhir/CodeSystem/cm-contact-outcome|hung-up",
    "http://fhirplan.dev/fhir/CodeSystem/cm-entry-flag|alarm",
    "http://fhirplan.dev/fhir/CodeSystem/cm-task-outcome|all-good",
    "http://fhirplan.dev/fhir/CodeSystem/cm-task-type|post-discharge-fax",
    "http://fhirplan.dev/fhir/CodeSystem/cm-transition-stage|gone",
    "http://terminology.hl7.org/CodeSystem/goal-achievement|on-target",
}


def _wrong(value):
    return {
        f"{system}|{code}"
        for system, code, _ in _codings(value)
        if (system in BY_URL or system.startswith(ROOT + "CodeSystem/")) and code not in _codes_of(system)
    }


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_codes_of_a_fixture_exist(path):
    wrong = _wrong(json.loads(path.read_text(encoding="utf-8")))
    fails_on_purpose = path.name.endswith(".fail.json") or path.parent.name == "invalid"
    assert wrong <= (WRONG_ON_PURPOSE if fails_on_purpose else set())


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_display_in_a_fixture_is_that_of_the_code_system(path):
    for system, code, display in _codings(json.loads(path.read_text(encoding="utf-8"))):
        if display is not None and (system, code) in DISPLAYS:
            assert display == DISPLAYS[system, code]


@pytest.mark.parametrize(
    "artifact", [*_definitions("PlanDefinition"), *_definitions("Questionnaire")], ids=lambda one: one["id"]
)
def test_templates_and_the_assessment_use_codes_that_exist(artifact):
    assert _wrong(artifact) == set()
    for system, code, display in _codings(artifact):
        if (system, code) in DISPLAYS:
            assert display == DISPLAYS[system, code]


@pytest.mark.parametrize("template", _definitions("PlanDefinition"), ids=lambda one: one["id"])
def test_the_actions_of_a_template_fit_together(template):
    anchors = {one["id"] for one in template["action"] if "trigger" in one}
    goals = {one["id"] for one in template["goal"]}
    ids = [one["id"] for one in template["action"]]
    assert anchors
    assert len(ids) == len(set(ids))
    for action in template["action"]:
        if action["id"] in anchors:
            assert action["trigger"] == [{"type": "named-event", "name": action["id"]}]
            continue
        (related,) = action["relatedAction"]
        low, high = related["offsetRange"]["low"], related["offsetRange"]["high"]
        assert related["actionId"] in anchors
        assert related["relationship"] in ("after-end", "before-start")
        assert low["code"] == high["code"]
        assert 0 <= low["value"] <= high["value"]
        assert set(action.get("goalId", ())) <= goals
        assert action["requiredBehavior"] in ("must", "could", "must-unless-documented")
    assert goals <= {goal for action in template["action"] for goal in action.get("goalId", ())}


@pytest.mark.parametrize("parameter", _definitions("SearchParameter"), ids=lambda one: one["id"])
def test_a_search_parameter_belongs_to_one_type_and_names_its_targets(parameter):
    (base,) = parameter["base"]
    assert parameter["expression"].startswith(base + ".")
    assert parameter["id"].startswith("cm-" + base.lower())
    assert parameter["id"].endswith("-" + parameter["code"])
    assert ("comparator" in parameter) == (parameter["type"] == "date")
    assert all(structure.kind(target) == "resource" for target in parameter.get("target", ()))


def test_every_base_rule_of_the_types_in_our_fixtures_has_its_code():
    keys, todo, met = set(), [], set()
    for path in FIXTURES:
        todo += [
            item["resourceType"]
            for _, item in _walk(json.loads(path.read_text(encoding="utf-8")))
            if "resourceType" in item
        ]
    while todo:
        name = todo.pop()
        definition = structure.definition(name)
        if name in met or definition is None:
            continue
        met.add(name)
        todo.append(definition.base)
        for element in definition.elements:
            keys |= {rule.key for rule in element.constraints}
            todo += [type_.code for type_ in element.types]
    assert {"cpl-3", "ele-1", "per-1"} <= keys
    assert keys <= _codes_of(ROOT + "CodeSystem/cm-rule")


def test_every_rule_that_the_validator_reports_has_its_code():
    reported = {
        key
        for path in (HERE / "fhirplan" / "validation").glob("*.py")
        for key in re.findall(r'"(cm-[a-z]+)"', path.read_text(encoding="utf-8"))
    }
    assert {"cm-card", "cm-binding", "cm-slice", "cm-ref"} <= reported
    assert reported <= _codes_of(ROOT + "CodeSystem/cm-rule")
