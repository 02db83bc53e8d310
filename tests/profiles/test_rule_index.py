"""fixtures/profiles/index.json: every rule of the profiles has one resource that keeps it and one that breaks it."""

import json
from pathlib import Path

import pytest

from fhirplan.fhir import structure

HERE = Path(__file__).resolve().parents[2]
FOLDER = HERE / "fixtures" / "profiles"
RULES = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))["rules"]
DEFINITIONS = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((HERE / "profiles" / "structuredefinitions").glob("*.json"))
]
BASE_RULES = {"cpl-3", "gol-1", "inv-1", "con-4", "lst-1", "ppc-1"}
OURS = "http://fhirplan.dev/fhir/StructureDefinition/"


def _read(name):
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def test_each_invariant_of_the_profiles_has_its_pair():
    authored = {
        rule["key"]: (definition["url"], rule["severity"])
        for definition in DEFINITIONS
        for element in definition["differential"]["element"]
        for rule in element.get("constraint", ())
    }
    listed = {one["rule"]: (one["profile"], one["severity"]) for one in RULES if one["kind"] == "invariant"}
    assert {key: said for key, said in listed.items() if key not in BASE_RULES} == authored
    assert listed.keys() >= BASE_RULES
    assert len(listed) == 79


def _tightened(definition, r4_element):
    """What a differential asks for beyond R4, as (element id, kind)."""
    elements = definition["differential"]["element"]
    discriminators = {
        f"{element['id']}:{one['sliceName']}.{by['path']}"
        for element in elements
        for by in element.get("slicing", {}).get("discriminator", ())
        for one in elements
        if one.get("sliceName") and one["id"] == f"{element['id']}:{one['sliceName']}"
    }
    for element in elements:
        if element["id"] not in discriminators and not element["id"].endswith((".url", "Extension")):
            base = r4_element(element["path"])
            yield from ((element["id"], kind) for kind in _kinds(element, base, definition["type"] == "Extension"))
    if definition["type"] == "Extension":
        yield "Extension", "context"


def _kinds(element, base, in_extension):
    sliced = "sliceName" in element
    part = in_extension and ":" in element["id"]
    least = 0 if sliced else base.least
    most = -1 if sliced else base.most
    if element.get("min", 0) > least and not (part and not sliced):
        yield "min"
    if element.get("max", "*") not in ("*", str(most)) and not (part and not sliced):
        yield "max"
    by_membership = sliced and element["path"].endswith(".category")
    if element.get("binding", {}).get("strength") == "required" and not by_membership:
        said = (element["binding"]["strength"], element["binding"]["valueSet"])
        if base.binding is None or (base.binding.strength, base.binding.value_set.partition("|")[0]) != said:
            yield "binding"
    types = {type_.code: {structure.CORE + name for name in type_.targets} for type_ in base.types}
    authored = element.get("type", ())
    if authored and not sliced and {type_["code"] for type_ in authored} < types.keys():
        yield "type"
    # A target that is a profile of ours can only be checked where the other resource is at hand.
    named = {url for type_ in authored for url in type_.get("targetProfile", ())}
    open_targets = {url for targets in types.values() for url in targets} or {structure.CORE + "Resource"}
    if named and not any(url.startswith(OURS) for url in named) and named != open_targets:
        yield "target"
    if not sliced or in_extension:
        yield from (kind for kind in ("fixed", "pattern") if any(key.startswith(kind) for key in element))


# cm-reported-at stands in the profiles themselves; test_structure_definitions looks at each use of it.
CARRIED = [one for one in DEFINITIONS if one["id"] != "cm-reported-at"]


@pytest.mark.parametrize("definition", CARRIED, ids=lambda one: one["id"])
def test_each_structural_rule_beyond_r4_has_its_pair(definition, r4_element):
    listed = {
        (one["element"], one["kind"])
        for one in RULES
        if one["kind"] != "invariant" and one.get("definition", one["profile"]) == definition["url"]
    }
    assert listed == set(_tightened(definition, r4_element))


@pytest.mark.parametrize("one", RULES, ids=lambda one: f"{one['fail'].removesuffix('.fail.json')}")
def test_a_pair_is_of_one_type_and_differs(one):
    good, bad = _read(one["pass"]), _read(one["fail"])
    assert good != bad
    assert good["resourceType"] == bad["resourceType"] == one["expression"].partition(".")[0]
    (definition,) = [each for each in DEFINITIONS if each["url"] == one["profile"]]
    assert definition["type"] == good["resourceType"]


def test_every_file_of_the_folder_is_listed():
    listed = {one[side] for one in RULES for side in ("pass", "fail")} | {"index.json"}
    present = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.json")}
    assert present - listed <= {name for name in present if name.endswith(("/full.json", "/fixture.json"))}
    assert listed <= present


def test_no_resource_fails_for_two_rules():
    failing = [one["fail"] for one in RULES]
    assert len(failing) == len(set(failing))
