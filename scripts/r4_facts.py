"""Writes the compact table of R4 facts in ``fhirplan/fhir/r4`` from R4's published definitions package.

    python scripts/r4_facts.py hl7.fhir.r4.core-4.0.1.tgz [--out fhirplan/fhir/r4]

Facts only: paths, order, cardinalities, types, targets, bindings, formats, flags, invariants, codes. No prose but the
one-line text of an invariant. The output is deterministic: the same package gives the same bytes.

    types/NAME.json    one per resource and data type; a row is [path below the type, min, max, types, details]:
                       types    [[code, [target types], [profiles]], ...], shortened where nothing follows
                       details  b [strength, value set, largest value set], c [[key, severity, human, expression], ...],
                                r content reference, f format (regex), l longest length, v lowest and highest value,
                                m modifier, s summary
    index.json         every type: kind, base, abstract
    profiles.json      R4's own profiles and extension definitions, as differentials without prose
    systems.json       code systems: content, case-sensitive, codes ([code, [children]] where a code has children)
    valuesets.json     value sets: their compose as includes and excludes
"""

from __future__ import annotations

import argparse
import json
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CORE = "http://hl7.org/fhir/StructureDefinition/"
VALUE_SET = "http://hl7.org/fhir/ValueSet/"
REGEX = "http://hl7.org/fhir/StructureDefinition/regex"
MAXIMUM = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"

# Known errors of the published 4.0.1 definitions; each value replaces what the package says.
EXPRESSIONS = {
    # The published test says more than two where its own text says more than one.
    "que-12": "enableWhen.count() > 1 implies enableBehavior.exists()",
    # `is` on nothing gives nothing, which is not true, so a prediction without a probability would be refused.
    "ras-2": "probability.ofType(decimal).empty() or probability.ofType(decimal) <= 100",
    # `Boolean` is FHIRPath's own type; the answer is FHIR's, so the published test is never true.
    "que-7": "operator = 'exists' implies (answer is boolean)",
    # `as` takes one item, and descendants are many; uses type selection, and looks for the canonical with its hash.
    "dom-3": (
        "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().ofType(canonical) "
        "| %resource.descendants().ofType(uri) | %resource.descendants().ofType(url))) "
        "or descendants().where(reference = '#').exists() "
        "or descendants().where(ofType(canonical) = '#').exists()).not()).empty()"
    ),
    # trace() prints; it says nothing of the rule.
    "ref-1": (
        "reference.startsWith('#').not() or (reference.substring(1) in %rootResource.contained.id) or reference = '#'"
    ),
}
# Extensions that R4's own definitions use where their published context does not let them stand.
CONTEXTS = {
    "structuredefinition-fhir-type": ["ElementDefinition.type"],
    "regex": ["ElementDefinition.type"],
    "capabilitystatement-expectation": ["Element"],
    "structuredefinition-normative-version": ["Element"],
    "valueset-concept-comments": ["CodeSystem.concept"],
}
# Value sets of R4's extensions that grow with HL7's work groups, so that a required binding refuses later codes.
GROWING = {"http://hl7.org/fhir/ValueSet/hl7-work-group"}
# Types in the package that R4 does not have: SubscriptionStatus is of R4B.
NOT_R4 = {"SubscriptionStatus"}
# The published regex backtracks without bound on long data; this one says the same and cannot.
FORMATS = {"base64Binary": "(\\s*[0-9a-zA-Z+/=]){4}(\\s*[0-9a-zA-Z+/=]\\s*)*"}


def main() -> None:
    """Reads the package and writes the data set."""
    options = argparse.ArgumentParser(description="Write the compact table of R4 facts.")
    options.add_argument("package", type=Path)
    options.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "fhirplan/fhir/r4")
    chosen = options.parse_args()
    found = read(chosen.package)
    definitions = found["StructureDefinition"]
    (chosen.out / "types").mkdir(parents=True, exist_ok=True)
    index = {}
    for definition in definitions:
        if definition.get("derivation") == "constraint" or definition["kind"] == "logical":
            continue
        if definition["name"] in NOT_R4:
            continue
        name = definition["name"]
        index[name] = [definition["kind"], short(definition.get("baseDefinition", "")), int(definition["abstract"])]
        write(chosen.out / "types" / f"{name}.json", {"elements": rows(definition)}, lines="elements")
    write(chosen.out / "index.json", index, lines="")
    derived = [d for d in definitions if d.get("derivation") == "constraint"]
    write(chosen.out / "profiles.json", {d["url"]: profile(d) for d in derived}, lines="")
    systems = {d["url"]: system(d) for d in found["CodeSystem"] if d["content"] in ("complete", "fragment", "example")}
    value_sets = {d["url"]: value_set(d) for d in found["ValueSet"] if d.get("compose")}
    write(chosen.out / "systems.json", systems, lines="")
    write(chosen.out / "valuesets.json", value_sets, lines="")
    print(f"{len(index)} types, {len(derived)} profiles, {len(systems)} code systems, {len(value_sets)} value sets")


def read(package: Path) -> dict[str, list[dict[str, Any]]]:
    """The package's definitions by type, each list in the order of their canonicals."""
    found: dict[str, list[dict[str, Any]]] = {"StructureDefinition": [], "CodeSystem": [], "ValueSet": []}
    with tarfile.open(package) as archive:
        for member in archive:
            kind = Path(member.name).name.partition("-")[0]
            content = archive.extractfile(member) if kind in found else None
            if content is not None:
                found[kind].append(json.load(content))
    return {kind: sorted(items, key=lambda item: item["url"]) for kind, items in found.items()}


def rows(definition: dict[str, Any]) -> list[list[Any]]:
    """One row per element of a type's snapshot."""
    made = []
    root = definition["snapshot"]["element"][0]["path"]
    for element in definition["snapshot"]["element"]:
        details = facts(element, definition["url"])
        types = [type_row(item) for item in element.get("type", ())]
        if definition["kind"] == "resource" and element["path"] == f"{root}.id":
            types = [["id"]]  # published as string, which contradicts the text of Resource.id
        row: list[Any] = [element["path"][len(root) + 1 :], element["min"], element["max"], types]
        made.append([*row, details] if details else row)
    return made


def facts(element: dict[str, Any], source: str) -> dict[str, Any]:
    """What a row says beyond cardinality and types."""
    details: dict[str, Any] = {}
    binding = element.get("binding")
    if binding and binding.get("valueSet"):
        details["b"] = [binding["strength"], binding["valueSet"].partition("|")[0].replace(VALUE_SET, "")]
        details["b"] += [one["valueCanonical"] for one in binding.get("extension", ()) if one["url"] == MAXIMUM]
    # Rules of the type itself, or of the datatype an element has, are said once, in that type's own file.
    own = [c for c in element.get("constraint", ()) if c.get("source", source) == source and "expression" in c]
    if own:
        details["c"] = [[c["key"], c["severity"], c["human"], EXPRESSIONS.get(c["key"], c["expression"])] for c in own]
    if element.get("contentReference"):
        details["r"] = element["contentReference"].lstrip("#").partition(".")[2]
    for item in element.get("type", ()):
        for extension in item.get("extension", ()):
            if extension["url"] == REGEX:
                details["f"] = FORMATS.get(element["path"].partition(".")[0], extension["valueString"])
    if "maxLength" in element:
        details["l"] = element["maxLength"]
    lowest, highest = element.get("minValueInteger"), element.get("maxValueInteger")
    if lowest is not None or highest is not None:
        details["v"] = [lowest, highest]
    if element.get("isModifier"):
        details["m"] = 1
    if element.get("isSummary"):
        details["s"] = 1
    return details


def type_row(item: dict[str, Any]) -> list[Any]:
    """A type with the types a reference may point to and the profiles its content has, in short."""
    code = item["code"]
    for extension in item.get("extension", ()):
        if extension["url"] == FHIR_TYPE:  # the published code is FHIRPath's; the extension names FHIR's own type
            code = extension["valueUrl"]
    made: list[Any] = [
        "string" if code.startswith("http://hl7.org/fhirpath/") else code,  # only xhtml.id says nothing more
        [short(target) for target in item.get("targetProfile", ())],
        [short(one) for one in item.get("profile", ())],
    ]
    while made and made[-1] == []:
        made.pop()
    return made


KEPT = re.compile(
    "id|path|sliceName|slicing|min|max|type|contentReference|maxLength|mustSupport|isModifier|"
    "(fixed|pattern|minValue|maxValue)[A-Z].*"
)


def profile(definition: dict[str, Any]) -> dict[str, Any]:
    """A profile or extension definition without its prose."""
    made = {key: definition[key] for key in ("type", "kind", "baseDefinition") if key in definition}
    made["abstract"] = definition.get("abstract", False)
    made["name"] = definition["name"]
    if definition.get("context"):
        made["context"] = [[item["type"], item["expression"]] for item in definition["context"]]
        made["context"] += [["element", path] for path in CONTEXTS.get(short(definition["url"]), ())]
    if definition.get("contextInvariant"):
        made["contextInvariant"] = definition["contextInvariant"]
    made["element"] = narrowed(definition)
    return made


def narrowed(definition: dict[str, Any]) -> list[dict[str, Any]]:
    """The differential, with the choices it names by type spelled out: R4's snapshots leave them that type only."""
    listed = [bare(item, definition["url"]) for item in definition["differential"]["element"]]
    said = {item["path"] for item in listed}
    made = []
    for item in listed:
        for whole in definition["snapshot"]["element"]:
            stem = whole["path"].removesuffix("[x]")
            if whole["path"] == stem or whole["path"] in said or not item["path"].startswith(stem):
                continue
            if item["path"][len(stem) : len(stem) + 1].isupper() and "sliceName" not in whole:
                said.add(whole["path"])
                made.append(
                    {key: whole[key] for key in ("id", "path", "min", "max")} | {"type": bare(whole, "")["type"]}
                )
        made.append(item)
    return made


def bare(element: dict[str, Any], source: str) -> dict[str, Any]:
    """An element of a differential with its facts only."""
    made = {key: value for key, value in element.items() if KEPT.fullmatch(key)}
    if "slicing" in made:
        made["slicing"] = {key: value for key, value in made["slicing"].items() if key != "description"}
    if "type" in made:
        made["type"] = [{k: v for k, v in item.items() if k != "extension"} for item in made["type"]]
    binding = element.get("binding")
    if binding:
        made["binding"] = {key: binding[key] for key in ("strength", "valueSet") if key in binding}
        if binding.get("valueSet", "").partition("|")[0] in GROWING:
            made["binding"]["strength"] = "extensible"
        largest = [one for one in binding.get("extension", ()) if one["url"] == MAXIMUM]
        if largest:
            made["binding"]["extension"] = largest
    rules = [c for c in element.get("constraint", ()) if c.get("source", source) == source and "expression" in c]
    if rules:
        made["constraint"] = [{k: c[k] for k in ("key", "severity", "human", "expression")} for c in rules]
    return made


def system(definition: dict[str, Any]) -> list[Any]:
    """A code system as [content, whether case matters, concepts]."""
    return [
        definition["content"],
        int(definition.get("caseSensitive", True)),
        [concept(item) for item in definition.get("concept", ())],
    ]


def concept(item: dict[str, Any]) -> Any:
    """A code, or [code, [codes below it]]."""
    below = item.get("concept")
    return [item["code"], [concept(one) for one in below]] if below else item["code"]


def value_set(definition: dict[str, Any]) -> list[Any]:
    """A value set's compose as [includes, excludes]; each is [system, codes, filters, value sets], shortened."""
    compose = definition["compose"]
    return [includes(compose.get("include", ())), includes(compose.get("exclude", ()))]


def includes(items: Iterable[dict[str, Any]]) -> list[list[Any]]:
    """The parts of a compose."""
    made = []
    for item in items:
        part: list[Any] = [
            item.get("system", ""),
            [one["code"] for one in item.get("concept", ())],
            [[one["property"], one["op"], one["value"]] for one in item.get("filter", ())],
            item.get("valueSet", []),
        ]
        while len(part) > 1 and part[-1] == []:
            part.pop()
        made.append(part)
    return made


def short(canonical: str) -> str:
    """A canonical of R4's own definitions by its name."""
    return canonical.replace(CORE, "") if canonical.startswith(CORE) else canonical


def write(path: Path, value: dict[str, Any], lines: str) -> None:
    """JSON with one row (``lines`` names the list) or one key a line, so that a change shows as a small difference."""
    dump = lambda item: json.dumps(item, ensure_ascii=False, separators=(",", ":"))  # noqa: E731
    if lines:
        text = f'{{"{lines}":[\n' + ",\n".join(dump(row) for row in value[lines]) + "\n]}\n"
    else:
        text = "{\n" + ",\n".join(f"{dump(key)}:{dump(value[key])}" for key in sorted(value)) + "\n}\n"
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
