"""profiles/: every artifact of the guide is there once, under the name and with the metadata the guide asks for."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

PROFILES = Path(__file__).resolve().parents[2] / "profiles"
ROOT = "http://fhirplan.dev/fhir/"
FILES = sorted(PROFILES.rglob("*.json"))
ARTIFACTS = {path: json.loads(path.read_text(encoding="utf-8")) for path in FILES}
OURS = {path: one for path, one in ARTIFACTS.items() if one["url"].startswith(ROOT)}
COPIES = {path: one for path, one in ARTIFACTS.items() if path not in OURS}

COUNTS = {
    "structuredefinitions": 12 + 8 + 1,  # profiles, extensions, and cm-reported-at
    "codesystems": 27 + 4,  # ours, and copies that are small enough to check codes against
    "valuesets": 27 + 5 + 37 + 3,  # one per code system, composed ones, R4 copies, US Core copies
    "searchparameters": 13,
    "plandefinitions": 3,
    "questionnaires": 1,
}
FOLDERS = {
    "StructureDefinition": "structuredefinitions",
    "CodeSystem": "codesystems",
    "ValueSet": "valuesets",
    "SearchParameter": "searchparameters",
    "PlanDefinition": "plandefinitions",
    "Questionnaire": "questionnaires",
}


def _name(path):
    return path.name


def test_there_are_as_many_artifacts_as_the_inventory_says():
    assert Counter(path.parent.name for path in FILES) == COUNTS


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_the_file_is_named_by_type_and_id(path):
    artifact = ARTIFACTS[path]
    assert path.name == f"{artifact['resourceType']}-{artifact['id']}.json"
    assert path.parent.name == FOLDERS[artifact["resourceType"]]
    assert artifact["url"].endswith(f"/{artifact['resourceType']}/{artifact['id']}")


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_the_file_is_indented_by_two_spaces(path):
    text = path.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_the_metadata_is_complete(path):
    artifact = ARTIFACTS[path]
    assert artifact["status"] == "active"
    assert artifact["experimental"] is False
    assert artifact["date"] == "2026-11-21"
    assert artifact["description"]
    assert re.fullmatch("[A-Z][A-Za-z0-9]*", artifact["name"])
    if artifact["resourceType"] != "SearchParameter":  # R4 gives it no title
        assert artifact["title"]
    if artifact["resourceType"] == "StructureDefinition":
        assert artifact["fhirVersion"] == "4.0.1"
    if path in OURS:
        assert (artifact["version"], artifact["publisher"]) == ("1.0.0", "fhirplan")
    else:
        assert artifact["publisher"] == "HL7 International (local copy by fhirplan)"
        assert artifact["url"].startswith(("http://hl7.org/fhir/", "http://terminology.hl7.org/"))


def test_urls_and_names_are_unique():
    assert len({one["url"] for one in ARTIFACTS.values()}) == len(FILES)
    assert len({(one["resourceType"], one["name"]) for one in ARTIFACTS.values()}) == len(FILES)
    assert len({(one["resourceType"], one["id"]) for one in ARTIFACTS.values()}) == len(FILES)


def _codes(concepts):
    for concept in concepts:
        yield concept["code"]
        yield from _codes(concept.get("concept", ()))


SYSTEMS = [one for one in ARTIFACTS.values() if one["resourceType"] == "CodeSystem"]


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda one: one["id"])
def test_a_code_system_is_complete_counted_and_each_code_explained(system):
    codes = list(_codes(system["concept"]))
    assert system["content"] == "complete"
    assert system["caseSensitive"] is True
    assert system["count"] == len(codes) == len(set(codes))
    assert all(concept["display"] and concept["definition"] for concept in system["concept"])


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda one: one["id"])
def test_the_properties_of_a_concept_are_declared(system):
    declared = {one["code"]: one["type"] for one in system.get("property", ())}
    for concept in system["concept"]:
        for item in concept.get("property", ()):
            kind = declared[item["code"]]
            assert set(item) == {"code", f"value{kind[0].upper()}{kind[1:]}"}


@pytest.mark.parametrize("system", [one for one in SYSTEMS if one["url"].startswith(ROOT)], ids=lambda one: one["id"])
def test_each_of_our_code_systems_has_its_value_set(system):
    value_set = ARTIFACTS[PROFILES / "valuesets" / f"ValueSet-{system['id']}.json"]
    assert system["valueSet"] == value_set["url"]
    assert value_set["compose"] == {"include": [{"system": system["url"]}]}
