"""profiles/structuredefinitions: each differential stands on R4, tightens it and never loosens it."""

import json
from pathlib import Path

import pytest

from fhirplan.fhir import structure

FOLDER = Path(__file__).resolve().parents[2] / "profiles" / "structuredefinitions"
DEFINITIONS = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]
PROFILES = [one for one in DEFINITIONS if one["kind"] == "resource"]
EXTENSIONS = [one for one in DEFINITIONS if one["type"] == "Extension"]
STRENGTH = ("example", "preferred", "extensible", "required")
REPORTED_AT = "http://fhirplan.dev/fhir/StructureDefinition/cm-reported-at"
COMPLIES = "http://hl7.org/fhir/StructureDefinition/structuredefinition-compliesWithProfile"


def _id(one):
    return one["id"]


def _most(written):
    return float("inf") if written in ("*", -1) else int(written)


def _order(element, r4_element):
    """Where R4 puts an element, so that a differential can be laid over it in one pass."""
    steps, made = element["path"].split("."), []
    for end in range(2, len(steps) + 1):
        found = r4_element(".".join(steps[:end]))
        owner = structure.definition(steps[0])
        siblings = owner.elements if found in owner.elements else ()
        made.append(siblings.index(found) if siblings else -1)
    return made


@pytest.mark.parametrize("definition", DEFINITIONS, ids=_id)
def test_ids_agree_with_paths_and_slice_names(definition):
    ids = [element["id"] for element in definition["differential"]["element"]]
    assert len(ids) == len(set(ids))
    for element in definition["differential"]["element"]:
        steps = element["id"].split(".")
        assert ".".join(step.partition(":")[0] for step in steps) == element["path"]
        assert element.get("sliceName", "") == steps[-1].partition(":")[2]


@pytest.mark.parametrize("definition", DEFINITIONS, ids=_id)
def test_every_slice_has_its_slicing_before_it(definition):
    sliced = set()
    for element in definition["differential"]["element"]:
        if "slicing" in element:
            assert element["slicing"]["rules"] == "open"
            assert element["slicing"]["ordered"] is False
            sliced.add(element["id"])
        if "sliceName" in element:
            assert element["id"].rpartition(":")[0] in sliced


@pytest.mark.parametrize("definition", PROFILES, ids=_id)
def test_elements_come_in_the_order_of_r4(definition, r4_element):
    orders = [
        _order(element, r4_element) for element in definition["differential"]["element"] if ":" not in element["id"]
    ]
    assert orders == sorted(orders)


@pytest.mark.parametrize("definition", DEFINITIONS, ids=_id)
def test_cardinalities_tighten_r4(definition, r4_element):
    for element in definition["differential"]["element"]:
        base = r4_element(element["path"])
        assert _most(element.get("max", "*")) <= _most(base.most) or "max" not in element
        assert element.get("min", base.least) >= base.least or "sliceName" in element
        assert element.get("min", 0) <= _most(element.get("max", base.most))


@pytest.mark.parametrize("definition", DEFINITIONS, ids=_id)
def test_types_and_targets_are_among_those_of_r4(definition, r4_element):
    for element in definition["differential"]["element"]:
        base = {type_.code: set(type_.targets) for type_ in r4_element(element["path"]).types}
        for type_ in element.get("type", ()):
            assert type_["code"] in base
            targets = {_resource(url) for url in type_.get("targetProfile", ())}
            allowed = base[type_["code"]]
            assert not allowed or "Resource" in allowed or targets <= allowed


def _resource(url):
    name = url.removeprefix(structure.CORE)
    return name if name != url else next(one["type"] for one in DEFINITIONS if one["url"] == url)


@pytest.mark.parametrize("definition", DEFINITIONS, ids=_id)
def test_bindings_are_as_strict_as_in_r4(definition, r4_element):
    for element in definition["differential"]["element"]:
        base = r4_element(element["path"]).binding
        if "binding" in element and base is not None and base.strength in STRENGTH:
            assert STRENGTH.index(element["binding"]["strength"]) >= STRENGTH.index(base.strength)


@pytest.mark.parametrize("definition", PROFILES, ids=_id)
def test_a_rule_names_its_element_and_the_place_of_its_finding(definition, r4_element):
    paths = {element["path"] for element in definition["differential"]["element"]}
    for element in definition["differential"]["element"]:
        for rule in element.get("constraint", ()):
            assert rule["severity"] in ("error", "warning")
            assert rule["human"].endswith(".")
            for extension in rule.get("extension", ()):
                assert extension["url"] == REPORTED_AT
                assert extension["valueString"] != element["path"]
                assert r4_element(extension["valueString"])
    assert definition["type"] in paths


def test_the_73_rules_of_ours_are_each_on_one_profile():
    keys = [
        rule["key"]
        for definition in PROFILES
        for element in definition["differential"]["element"]
        for rule in element.get("constraint", ())
    ]
    assert len(keys) == len(set(keys)) == 73
    assert all(key.startswith("cm-") for key in keys)


@pytest.mark.parametrize(
    ("profile", "us_core"),
    [
        ("careplan", "us-core-careplan"),
        ("goal", "us-core-goal"),
        ("careteam", "us-core-careteam"),
        ("need", "us-core-condition-problems-health-concerns"),
        ("assessment", "us-core-observation-screening-assessment"),
        ("referral", "us-core-servicerequest"),
        ("task", None),
        ("contact", None),
        ("coordination-list", None),
        ("alert", None),
        ("consent", None),
        ("risk", None),
    ],
)
def test_a_profile_states_the_us_core_versions_it_meets(profile, us_core):
    (definition,) = [one for one in PROFILES if one["id"] == f"case-management-{profile}"]
    stated = [one["valueCanonical"] for one in definition.get("extension", ()) if one["url"] == COMPLIES]
    url = f"http://hl7.org/fhir/us/core/StructureDefinition/{us_core}"
    assert stated == ([f"{url}|{version}" for version in ("6.1.0", "7.0.0", "8.0.0")] if us_core else [])


@pytest.mark.parametrize("definition", EXTENSIONS, ids=_id)
def test_an_extension_has_a_context_and_either_a_value_or_parts(definition):
    elements = {element["id"]: element for element in definition["differential"]["element"]}
    assert definition["context"]
    assert all(one["type"] == "element" for one in definition["context"])
    assert elements["Extension.url"]["fixedUri"] == definition["url"]
    parts = [element for element in elements.values() if "sliceName" in element]
    if parts:
        assert elements["Extension.value[x]"]["max"] == "0"
        for part in parts:
            assert elements[f"{part['id']}.url"]["fixedUri"] == part["sliceName"]
            assert elements[f"{part['id']}.value[x]"]["min"] == 1
    else:
        assert elements["Extension.extension"]["max"] == "0"
        assert elements["Extension.value[x]"]["min"] == 1


def test_the_code_of_a_rule_says_the_same_as_the_rule():
    path = FOLDER.parent / "codesystems" / "CodeSystem-cm-rule.json"
    concepts = {one["code"]: one for one in json.loads(path.read_text(encoding="utf-8"))["concept"]}
    for definition in PROFILES:
        for element in definition["differential"]["element"]:
            for rule in element.get("constraint", ()):
                concept = concepts[rule["key"]]
                said = {one["code"]: one.get("valueCode", one.get("valueString")) for one in concept["property"]}
                place = rule["extension"][0]["valueString"] if "extension" in rule else element["path"]
                assert concept["display"] == rule["human"]
                assert (said["severity"], said["reportedAt"]) == (rule["severity"], place)
                assert said.get("restates", "cpl-3") in concepts
