"""Whatever the CapabilityStatement claims is done for real: each parameter finds, each modifier and include works.

For each parameter of each type a resource is made that has just the element it looks at, from R4's own structure; it
must be found over HTTP by its value, and another that has nothing must not.
"""

import itertools
import re
from dataclasses import replace
from decimal import Decimal

import pytest

from fhirplan.catalog import CATALOG
from fhirplan.fhir import structure
from fhirplan.search.values import extractor
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.versions import current

OURS = Origin(actor="test", request_id="", source="api", push=False)
VALUES = {
    "CodeableConcept": {"coding": [{"system": "urn:s", "code": "c1"}], "text": "Some words"},
    "Coding": {"system": "urn:s", "code": "c1", "display": "Some words"},
    "Identifier": {"system": "urn:i", "value": "v1"},
    "code": "c1",
    "id": "c1",
    "string": "Some words",
    "markdown": "Some words",
    "uri": "http://example.org/u",
    "url": "http://example.org/u",
    "canonical": "http://example.org/u",
    "dateTime": "2026-03-09T10:00:00Z",
    "instant": "2026-03-09T10:00:00Z",
    "date": "2026-03-09",
    "Period": {"start": "2026-03-09", "end": "2026-03-10"},
    "Timing": {"event": ["2026-03-09T10:00:00Z"]},
    "Quantity": {"value": Decimal("5.5"), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    "SimpleQuantity": {"value": Decimal("5.5"), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    "Age": {"value": Decimal("5.5"), "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"},
    "Duration": {"value": Decimal("5.5"), "unit": "h", "system": "http://unitsofmeasure.org", "code": "h"},
    "Range": {"low": {"value": Decimal("5.5")}, "high": {"value": Decimal("5.5")}},
    "decimal": Decimal("0.5"),
    "integer": 5,
    "positiveInt": 5,
    "boolean": True,
    "Money": {"value": Decimal("5.5"), "currency": "USD"},
    "HumanName": {"family": "Some words"},
    "Address": {"city": "Some words"},
    "ContactPoint": {"system": "phone", "value": "5550100"},
    "Attachment": {"url": "http://example.org/u"},
}
# What no path alone tells.
BY_HAND = {
    ("Patient", "deceased"): lambda _: {"deceasedBoolean": True},
    ("Condition", "asserted-date"): lambda _: {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate",
                "valueDateTime": "2026-03-09T10:00:00Z",
            }
        ]
    },
    ("Task", "blocked-by"): lambda target: {
        "extension": [
            {
                "url": "http://fhirplan.dev/fhir/StructureDefinition/cm-blocked-by",
                "valueReference": {"reference": f"{target or 'Task'}/x1"},
            }
        ]
    },
}
CALL = re.compile(r"\.(?:where|as|ofType)\(((?:'[^']*'|\(\)|[^()'])*)\)")


def term(expression, item):
    """One path of an expression as names, with the type, the equal elements and the target that it narrows to."""
    kind, equals, target = "", {}, item.targets[0] if item.targets else "Organization"
    found = re.fullmatch(r"\(([\w.]+) as (\w+)\)((?:\.\w+)*)", expression)
    if found:
        expression, kind = found[1] + found[3], found[2]
    for argument in CALL.findall(expression):
        if re.fullmatch(r"\w+", argument):
            kind = argument
        elif " is " in argument:
            target = argument.rpartition(" ")[2]
        else:
            name, value = re.fullmatch(r"(\w+)\s*=\s*'([^']*)'", argument).groups()
            equals[name] = value
    return CALL.sub("", expression).split("."), kind, equals, target


def value_of(kind, target):
    if kind == "Reference":
        return {"reference": f"{target}/x1"}
    return VALUES[kind]


def fragment(type_, names, kind, equals, target):
    """The JSON below a type that has a value at the end of a path."""
    name, *rest = names
    definition = structure.definition(type_.partition(".")[0])
    above = type_.partition(".")[2]
    element = definition.element(f"{above}.{name}" if above else name)
    listed = [(key, one.code.rpartition("/")[2]) for key, one in element.json_names()]
    usable = [(key, code) for key, code in listed if code == kind or (not kind and (code in VALUES or rest))]
    if not usable and kind == "Reference":
        usable = [(key, code) for key, code in listed if code in VALUES]
    key, code = (usable or listed)[0]
    below = f"{definition.name}.{element.path}" if code in ("BackboneElement", "Element", "") else code
    made = fragment(below, rest, kind, {}, target) if rest else value_of(code, target)
    if equals and isinstance(made, dict):
        made = {**made, **equals}
    return {key: made if element.most == 1 else [made]}


def sample(type_, item):
    """A resource with what a parameter looks at, and one of its rows."""
    rows = extractor([item])
    if (type_, item.code) in BY_HAND:
        made = {"resourceType": type_, **BY_HAND[type_, item.code](item.targets[0] if item.targets else "")}
        return made, next(row[2] for row in rows(made) if row[1] == item.type)
    for expression in item.expression.split(" | "):
        names, kind, equals, target = term(expression.strip(), item)
        if names[0] in ("Resource", "DomainResource"):
            names[0] = type_
        try:
            wanted = kind or ("Reference" if item.type == "reference" else "")
            made = {"resourceType": type_, **fragment(type_, names[1:], wanted, equals, target)}
        except (KeyError, IndexError, AttributeError):
            continue
        found = sorted((row for row in rows(made) if row[1] == item.type), key=repr)
        if found:
            return made, found[0][2]
    raise AssertionError(f"nothing can be made for {type_}.{item.code}: {item.expression}")


def asked(item, row):
    """The text that looks for a row."""
    match item.type:
        case "token":
            return f"{row[1]}|{row[0]}" if row[1] else row[0]
        case "reference":
            return "/".join(part for part in row if part)
        case "date":
            return "2026-03"
        case "number":
            return "0.5"
        case "quantity":
            return "5.5"
    return row[0]


@pytest.mark.parametrize("type_", sorted(CATALOG))
def test_each_parameter_finds_what_has_its_value_and_nothing_else(api, type_):
    known = [item for item in CATALOG[type_].parameters if item.code not in ("_id", "_lastUpdated")]
    samples = [(item, *sample(type_, item)) for item in known]
    base = {"resourceType": type_}
    with api.services.database.write() as tx:
        changes = [Change("create", type_, f"s{number}", made) for number, (_, made, _) in enumerate(samples)]
        changes.append(Change("create", type_, "nothing", base))
        commit(tx, "default", changes, now=1_773_000_000_000, origin=OURS)
    for number, (item, made, row) in enumerate(samples):
        answer = api.client.get(f"/fhir/{type_}", query_string={item.code: asked(item, row), "_count": 500})
        assert answer.status_code == 200, (item.code, answer.get_data(as_text=True))
        ids = {entry["resource"]["id"] for entry in answer.get_json(force=True).get("entry", [])}
        assert f"s{number}" in ids, (item.code, asked(item, row), made)
        assert "nothing" not in ids, item.code
        if item.code == "deceased":
            # It is true or false of everybody, by its expression, and so never missing.
            continue
        missing = api.client.get(f"/fhir/{type_}", query_string={f"{item.code}:missing": "true", "_count": 500})
        ids = {entry["resource"]["id"] for entry in missing.get_json(force=True).get("entry", [])}
        assert f"s{number}" not in ids, item.code
        assert "nothing" in ids, item.code


@pytest.mark.parametrize("type_", sorted(CATALOG))
def test_each_include_that_is_claimed_brings_what_it_names(api, type_):
    statement = api.get("metadata").get_json(force=True)
    [claimed] = [item for item in statement["rest"][0]["resource"] if item["type"] == type_]
    references = {item.code: item for item in CATALOG[type_].search if item.type == "reference"}
    served = {code: item for code, item in references.items() if not item.targets or set(item.targets) & set(CATALOG)}
    with api.services.database.write() as tx:
        numbers = itertools.count()
        for item in served.values():
            target = next((one for one in (item.targets or ("Patient",)) if one in CATALOG), "")
            made, _ = sample(type_, _to(item, target))
            number = next(numbers)
            changes = [Change("create", type_, f"s{number}", made)]
            if _lacks(tx, target):
                changes.append(Change("create", target, "x1", {"resourceType": target}))
            commit(tx, "default", changes, now=1_773_000_000_000, origin=OURS)
    for number, item in enumerate(served.values()):
        query = {"_id": f"s{number}", "_include": f"{type_}:{item.code}"}
        answer = api.client.get(f"/fhir/{type_}", query_string=query)
        assert answer.status_code == 200, (item.code, answer.get_data(as_text=True))
        modes = [entry["search"]["mode"] for entry in answer.get_json(force=True)["entry"]]
        assert modes == ["match", "include"], item.code
    assert set(claimed["searchInclude"]) == {"*", *(f"{type_}:{code}" for code in references)}
    for include in (*claimed["searchInclude"], *(f"{type_}:{code}" for code in references)):
        assert api.client.get(f"/fhir/{type_}", query_string={"_include": include}).status_code == 200
    for include in claimed["searchRevInclude"]:
        answer = api.client.get(f"/fhir/{type_}", query_string={"_revinclude": include})
        assert answer.status_code == 200, include


def _to(item, target):
    """The parameter, narrowed to one target that is served."""
    return replace(item, targets=(target,)) if target else item


def _lacks(tx, type_):
    return current(tx, "default", type_, "x1") is None


@pytest.mark.parametrize("type_", sorted(CATALOG))
def test_each_modifier_that_is_claimed_is_answered(api, type_):
    statement = api.get("metadata").get_json(force=True)
    [claimed] = [item for item in statement["rest"][0]["resource"] if item["type"] == type_]
    done = 0
    for stated in claimed["searchParam"]:
        item = CATALOG[type_].parameter(stated["name"])
        for modifier in stated["documentation"].partition("Modifiers: ")[2].split():
            name = modifier.removeprefix(":")
            value = {"missing": "true", "of-type": "urn:s|MR|1", "identifier": "urn:s|1"}.get(name)
            if name in ("in", "not-in"):
                value = "http://hl7.org/fhir/ValueSet/goal-status"
            if value is None:
                value = "x1" if item.type == "reference" else "http://example.org/u" if item.type == "uri" else "x"
            answer = api.client.get(f"/fhir/{type_}", query_string={f"{item.code}{modifier}": value})
            text = answer.get_data(as_text=True)
            if name in ("above", "below") and answer.status_code == 400:
                # Of a code system that is not here no hierarchy is known, which is said.
                assert "hierarchy" in text or "system" in text, text
            else:
                assert answer.status_code == 200, (item.code, modifier, text)
            done += 1
    assert done > len(claimed["searchParam"])
