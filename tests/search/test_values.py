"""What is indexed of a resource: the values its parameters look at, and nothing that nobody asks for."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.catalog import CATALOG
from fhirplan.fhir import path
from fhirplan.fhir.codec import loads
from fhirplan.fhir.dates import BEGINNING, END, span
from fhirplan.fhir.reference import target_type
from fhirplan.search import paths
from fhirplan.search.paths import compile_path
from fhirplan.search.values import LONGEST, extractor, folded, key

BASE = "http://here/fhir"
FIXTURES = sorted((Path(__file__).parents[2] / "fixtures").rglob("*.json"))


def rows(resource, *codes):
    spec = CATALOG[resource["resourceType"]]
    return {row for row in extractor(spec.parameters, BASE)(resource) if row[0] in codes}


def values(resource, code, kind=None):
    """The values of a parameter; of its own kind, or of another one."""
    kind = kind or CATALOG[resource["resourceType"]].parameter(code).type
    return {row[2] for row in rows(resource, code) if row[1] == kind}


def task(**more):
    return {"resourceType": "Task", **more}


def test_tokens_carry_their_system():
    coding = [{"system": "http://s", "code": "a"}, {"code": "b"}, {"system": "http://s"}, {"display": "nothing"}]
    assert values(task(code={"coding": coding, "text": "x"}), "code") == {
        ("a", "http://s"),
        ("b", ""),
        ("", "http://s"),
    }
    assert values(task(status="ready"), "status") == {("ready", "http://hl7.org/fhir/task-status")}
    assert values(task(identifier=[{"system": "http://s", "value": "1"}]), "identifier") == {("1", "http://s")}
    patient = {"resourceType": "Patient", "active": False, "telecom": [{"system": "phone", "value": "555"}]}
    assert values(patient, "active") == {("false", "http://terminology.hl7.org/CodeSystem/special-values")}
    assert values(patient, "phone") == values(patient, "telecom") == {("555", "")}
    assert values(patient, "email") == set()


@pytest.mark.parametrize(
    ("reference", "patient", "subject"),
    [
        ({"reference": "Patient/1"}, {("Patient", "1")}, {("Patient", "1")}),
        ({"reference": "Patient/1/_history/2"}, {("Patient", "1")}, {("Patient", "1")}),
        ({"reference": f"{BASE}/Patient/1"}, {("Patient", "1")}, {("Patient", "1")}),
        (
            {"reference": "http://there/fhir/Patient/1"},
            {("", "http://there/fhir/Patient/1")},
            {("", "http://there/fhir/Patient/1")},
        ),
        ({"reference": "Group/1"}, set(), {("Group", "1")}),
        ({"reference": "urn:uuid:5c9ad2a8-4b8b-4d7e-8f6b-0a4f6b7c8d9e", "type": "Patient"}, set(), set()),
        ({"reference": "#contained", "type": "Patient"}, set(), set()),
        ({"display": "somebody"}, set(), set()),
        ("Patient/1", set(), set()),
    ],
)
def test_references_by_where_they_point(reference, patient, subject):
    resource = task(**{"for": reference})
    assert values(resource, "patient") == patient
    assert values(resource, "subject") == subject


def test_a_logical_reference_is_kept_by_its_identifier():
    logical = {"type": "Patient", "identifier": {"system": "http://mrn", "value": "7"}}
    assert rows(task(**{"for": logical}), "patient", "subject") == {
        ("patient", "token", ("7", "http://mrn")),
        ("subject", "token", ("7", "http://mrn")),
    }


def test_canonicals_are_found_with_and_without_their_version():
    plan = {"resourceType": "CarePlan", "instantiatesCanonical": ["http://p/PlanDefinition/1|2.0"]}
    assert values(plan, "instantiates-canonical") == {
        ("", "http://p/PlanDefinition/1|2.0"),
        ("", "http://p/PlanDefinition/1"),
    }


def test_dates_are_spans_and_periods_say_so():
    day = span("2026-03-02")
    assert values(task(authoredOn="2026-03-02"), "authored-on") == {(day.low, day.high, 0)}
    assert values(task(restriction={"period": {"end": "2026-03-02"}}), "due") == {(BEGINNING, day.high, 1)}
    assert values(task(restriction={"period": {"start": "2026-03-02"}}), "due") == {(day.low, END, 1)}
    goal = {
        "resourceType": "Goal",
        "startCodeableConcept": {"text": "at once"},
        "target": [{"dueDate": "2026-03-02"}, {"dueDuration": {"value": 2}}],
    }
    assert values(goal, "start-date") == set()
    assert values(goal, "target-date") == {(day.low, day.high, 0)}


def test_names_and_addresses_are_found_by_each_part():
    patient = {
        "resourceType": "Patient",
        "name": [{"family": "Søren-Ünal", "given": ["Ana  Maria"]}],
        "address": [{"line": ["1 High St"], "city": "York", "use": "home"}],
    }
    assert values(patient, "name") == {("søren-unal",), ("ana maria",)}
    assert values(patient, "family") == {("søren-unal",)}
    assert values(patient, "address") == {("1 high st",), ("york",)}
    assert values(patient, "address-city") == {("york",)}


def test_numbers_and_quantities():
    risk = {
        "resourceType": "RiskAssessment",
        "prediction": [{"probabilityDecimal": loads("0.5")}, {"probabilityRange": {"low": {"value": 1}}}],
    }
    assert values(risk, "probability") == {(0.5, 0.5), (1.0, float("inf"))}
    seen = {
        "resourceType": "Observation",
        "valueQuantity": {"value": 5, "comparator": "<", "unit": "kilo", "system": "http://u", "code": "kg"},
    }
    assert values(seen, "value-quantity") == {(float("-inf"), 5.0, "http://u", "kg", "kilo")}
    huge = {"resourceType": "Observation", "valueQuantity": {"value": int("9" * 400)}}
    assert values(huge, "value-quantity") == {(float("inf"), float("inf"), "", "", "")}


@given(st.text(max_size=2 * LONGEST), st.text(max_size=2 * LONGEST))
def test_keys_are_bounded_and_tell_texts_apart(one, other):
    one, other = one.replace("\0", ""), other.replace("\0", "")
    assert len(key(one)) <= LONGEST
    assert (key(one) == key(other)) == (one == other)


@given(st.text())
def test_folding_again_changes_nothing(text):
    assert folded(folded(text)) == folded(text) or len(folded(text)) == LONGEST
    assert folded(text.upper()) == folded(text.upper().lower())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "coding",
                    "code",
                    "system",
                    "value",
                    "reference",
                    "start",
                    "end",
                    "identifier",
                    "period",
                    "family",
                    "low",
                    "event",
                    "repeat",
                    "extension",
                    "url",
                    "target",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(sorted(CATALOG)).flatmap(
        lambda type: st.tuples(
            st.just(type),
            st.dictionaries(
                st.sampled_from(
                    [
                        "status",
                        "code",
                        "subject",
                        "for",
                        "identifier",
                        "effectivePeriod",
                        "effectiveTiming",
                        "valueQuantity",
                        "name",
                        "telecom",
                        "deceasedBoolean",
                        "participant",
                        "meta",
                        "extension",
                        "target",
                        "period",
                        "authoredOn",
                    ]
                ),
                JSON,
            ),
        )
    )
)
def test_an_import_of_any_shape_can_be_indexed(case):
    type, resource = case
    for row in extractor(CATALOG[type].parameters, BASE)({**resource, "resourceType": type}):
        hash(row)


def every_resource():
    for file in FIXTURES:
        text = file.read_text()
        found = json.loads(text) if text.lstrip().startswith("{") else {}
        if found.get("resourceType") == "Bundle":
            yield from (entry["resource"] for entry in loads(text)["entry"] if "resource" in entry)
        elif found.get("resourceType"):
            yield loads(text)


def through_fhirpath(expression, resource):
    """The same values by the FHIRPath engine; ``resolve() is X`` by the reference, as nothing is fetched."""
    head, where, tail = expression.partition(".where(resolve() is ")
    found = path.compile(head).evaluate(resource, path.Context(resource=resource))
    found = [getattr(item, "value", item) for item in found]
    return [item for item in found if target_type(item) == tail.rstrip(")")] if where else found


def test_direct_steps_give_what_fhirpath_gives():
    compared = 0
    for resource in every_resource():
        if (spec := CATALOG.get(resource["resourceType"])) is None:
            continue
        for parameter in spec.parameters:
            for expression in parameter.expression.split(" | "):
                if paths._parse(expression) is None:
                    continue
                ours = [value for _, value in compile_path(expression).values(resource)]
                assert ours == through_fhirpath(expression, resource), (expression, resource.get("id"))
                compared += bool(ours)
    assert compared > 1000


def test_an_element_that_r4_does_not_have_is_a_mistake():
    with pytest.raises(ValueError, match="no element"):
        compile_path("Task.colour")
