"""FHIR elements: choices, primitive extensions, types by shape and by hook, references, narratives."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhirplan.fhir.path import Context, NotEvaluable, compile, typed

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "effectiveDateTime": "2026-03",
    "valueQuantity": {"value": Decimal("7.10"), "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"},
    "_valueQuantity": None,
    "component": [{"valueString": "a"}, {"valueInteger": 3}, {"valueCodeableConcept": {"text": "b"}}],
}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "_birthDate": {"extension": [{"url": "u:absent", "valueCode": "unknown"}]},
    "gender": "female",
    "_gender": {"id": "g1"},
    "name": [
        {
            "given": ["Ana", None, "Luz"],
            "_given": [None, {"extension": [{"url": "u:masked", "valueBoolean": True}]}, None],
        }
    ],
    "extension": [{"url": "u:a", "valueString": "x"}, {"url": "u:b", "extension": [{"url": "c", "valueInteger": 1}]}],
}


def gives(expression: str, focus: Any, context: Context | None = None) -> list[Any]:
    return compile(expression).evaluate(focus, context or Context())


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("value.value", [Decimal("7.10")]),
        ("value.unit", ["%"]),
        ("value is Quantity", [True]),
        ("value is string", [False]),
        ("value.as(Quantity).code", ["%"]),
        ("(value as CodeableConcept).text", []),
        ("component.value.ofType(string)", ["a"]),
        ("component.value.ofType(integer)", [3]),
        ("component.value.ofType(CodeableConcept).text", ["b"]),
        ("component.value.count()", [3]),
        ("effective.ofType(dateTime).toString().length()", [7]),
        ("effective.ofType(Period).exists()", [False]),
        ("Observation.value.ofType(FHIR.Quantity).exists()", [True]),
        ("children().ofType(Quantity).unit", ["%"]),
        ("descendants().ofType(CodeableConcept).text", ["b"]),
    ],
)
def test_choice_elements_are_found_by_their_short_name_and_keep_their_type(
    expression: str, expected: list[Any]
) -> None:
    assert gives(expression, OBSERVATION) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("birthDate", []),
        ("birthDate.exists()", [True]),
        ("birthDate.hasValue()", [False]),
        ("birthDate.extension('u:absent').value", ["unknown"]),
        ("birthDate.extension.where(url = 'u:absent').exists()", [True]),
        ("birthDate.hasExtension('u:other')", [False]),
        ("gender", ["female"]),
        ("gender = 'female'", [True]),
        ("gender.id", ["g1"]),
        ("gender.hasValue()", [True]),
        ("gender.getValue()", ["female"]),
        ("name.given", ["Ana", "Luz"]),
        ("name.given.count()", [3]),
        ("name.given[1].extension('u:masked').value", [True]),
        ("name.given.where(hasValue()).count()", [2]),
        ("birthDate = @2000", []),
        ("extension('u:a').value", ["x"]),
        ("extension('u:b').extension('c').value is integer", [True]),
        ("extension.all(extension.exists() != value.exists())", [True]),
        ("hasValue() or (children().count() > id.count())", [True]),
    ],
)
def test_primitives_with_extensions(expression: str, expected: list[Any]) -> None:
    assert gives(expression, PATIENT) == expected


def test_a_choice_that_has_extensions_only() -> None:
    focus = {"_valueString": {"extension": [{"url": "u", "valueCode": "masked"}]}}
    assert gives("value.exists()", focus) == [True]
    assert gives("value is string", focus) == [True]
    assert gives("value.hasValue()", focus) == [False]


@pytest.mark.parametrize(
    ("element", "type_", "is_so"),
    [
        ({"value": 1, "unit": "mg"}, "Quantity", True),
        ({"value": 1, "unit": "mg"}, "Identifier", False),
        ({"system": "s", "value": "1"}, "Quantity", False),
        ({"system": "s", "value": "1", "assigner": {}}, "Identifier", True),
        ({"coding": [{"code": "x"}]}, "CodeableConcept", True),
        ({"code": "x", "system": "s", "display": "d"}, "Coding", True),
        ({"reference": "Patient/1"}, "Reference", True),
        ({"start": "2020", "_end": {}}, "Period", True),
        ({"url": "u", "valueDecimal": 1}, "Extension", True),
        ({"resourceType": "Bundle"}, "DomainResource", False),
        ({"resourceType": "Bundle"}, "Resource", True),
        ("2020-01-01", "date", True),
        ("2020-01-01T10:00:00Z", "date", False),
        ("2020-01-01T10:00:00Z", "instant", True),
        ("hello", "dateTime", False),
        (True, "boolean", True),
        (True, "integer", False),
        (Decimal("1.0"), "decimal", True),
    ],
)
def test_an_element_of_unknown_type_is_known_by_its_shape(element: Any, type_: str, is_so: bool) -> None:
    assert compile(f"$this is {type_}").holds(element) is is_so


@pytest.mark.parametrize(
    ("given", "type_", "is_so"),
    [
        ("code", "string", True),
        ("string", "code", False),
        ("canonical", "uri", True),
        ("positiveInt", "integer", True),
        ("Age", "Quantity", True),
        ("dateTime", "DateTime", True),
        ("date", "dateTime", False),
    ],
)
def test_a_focus_of_known_type_is_judged_by_it(given: str, type_: str, is_so: bool) -> None:
    assert compile(f"$this is {type_}").holds(typed("2020", given)) is is_so


def test_the_context_tells_types_that_json_does_not() -> None:
    def type_of(owner: str, name: str) -> str | None:
        return {("Patient", "gender"): "code", ("Observation", "status"): "code"}.get((owner, name))

    context = Context(type_of=type_of)
    assert gives("gender is code", PATIENT, context) == [True]
    assert gives("gender is uri", PATIENT, context) == [False]
    assert compile("gender").typed(PATIENT) == [("", "female")]


def test_typed_results_name_what_is_known() -> None:
    found = compile("value | effective").typed(OBSERVATION)
    assert found == [("Quantity", OBSERVATION["valueQuantity"]), ("dateTime", "2026-03")]


PLAN: dict[str, Any] = {
    "resourceType": "CarePlan",
    "contained": [{"resourceType": "Goal", "id": "g"}],
    "subject": {"reference": "Patient/p"},
    "goal": [{"reference": "#g"}, {"reference": "#nope"}],
    "careTeam": [{"type": "CareTeam", "identifier": {"value": "x"}}],
    "author": {"reference": "urn:uuid:1"},
}


def store(reference: str) -> dict[str, Any] | None:
    return {"resourceType": "Patient", "id": "p", "active": True} if reference == "Patient/p" else None


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("subject.where(resolve() is Patient).reference", ["Patient/p"]),
        ("subject.where(resolve() is Group).reference", []),
        ("goal.resolve().id", ["g"]),
        ("goal.resolve().ofType(Goal).exists()", [True]),
        ("careTeam.where(resolve() is CareTeam).exists()", [True]),
        ("author.resolve().exists()", [False]),
        ("'#'.resolve().resourceType", ["CarePlan"]),
    ],
)
def test_references_are_resolved_as_far_as_is_known(expression: str, expected: list[Any]) -> None:
    assert gives(expression, PLAN) == expected
    assert gives(expression, PLAN, Context(resource=PLAN, root=PLAN, resolve=store)) == expected


def test_the_content_of_a_resource_that_is_not_here_is_not_made_up() -> None:
    with pytest.raises(NotEvaluable):
        gives("subject.resolve().active", PLAN)
    assert gives("subject.resolve().active", PLAN, Context(resolve=store)) == [True]


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ({"reference": "Practitioner/1"}, True),
        ({"reference": "PractitionerRole/1"}, False),
        ({"reference": "urn:uuid:1"}, True),
        ({"display": "somebody"}, True),
    ],
)
def test_ctm_1_is_decided_by_the_reference_itself(member: dict[str, Any], expected: bool) -> None:
    rule = "onBehalfOf.exists() implies (member.resolve().iif(empty(), true, ofType(Practitioner).exists()))"
    assert compile(rule).holds({"member": member, "onBehalfOf": {"reference": "Organization/1"}}) is expected


REF_1 = (
    "reference.startsWith('#').not() or (reference.substring(1).trace('url') in "
    "%rootResource.contained.id.trace('ids'))"
)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"reference": "#g"}, True),
        ({"reference": "#x"}, False),
        ({"reference": "Goal/1"}, True),
        ({"display": "d"}, True),
    ],
)
def test_ref_1_as_r5_corrected_it(reference: dict[str, Any], expected: bool) -> None:
    assert compile(REF_1).holds(reference, Context(resource=PLAN, root=PLAN)) is expected


DOM_3 = (
    "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | "
    "%resource.descendants().as(uri) | %resource.descendants().as(url))) or "
    "descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or "
    "descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()"
)


def test_dom_3_finds_a_contained_resource_that_nothing_refers_to() -> None:
    assert compile(DOM_3).holds(PLAN)
    assert not compile(DOM_3).holds(PLAN | {"goal": []})


def test_member_of_and_conforms_to_ask_the_context() -> None:
    def is_member(item: Any, url: str) -> bool | None:
        return {"in": True, "out": False}.get(url)

    context = Context(member_of=is_member, conforms_to=is_member)
    assert gives("status.memberOf('in')", OBSERVATION, context) == [True]
    assert gives("conformsTo('out')", OBSERVATION, context) == [False]
    assert gives("nothing.memberOf('in')", OBSERVATION, context) == []
    with pytest.raises(NotEvaluable):
        gives("status.memberOf('unknown')", OBSERVATION, context)


@pytest.mark.parametrize(
    ("div", "expected"),
    [
        ('<div xmlns="http://www.w3.org/1999/xhtml"><p>Plan&#160;of care</p></div>', True),
        ('<div xmlns="http://www.w3.org/1999/xhtml"><img src="#i" alt=""/></div>', True),
        ('<div xmlns="http://www.w3.org/1999/xhtml"> </div>', False),
        ('<div xmlns="http://www.w3.org/1999/xhtml"><script>x</script></div>', False),
        ('<div xmlns="http://www.w3.org/1999/xhtml"><p onclick="x">a</p></div>', False),
        ('<div xmlns="http://www.w3.org/1999/xhtml"><a href="javascript:x">a</a></div>', False),
        ('<div xmlns="urn:other">a</div>', False),
        ("<p>a</p>", False),
        ("<div>open", False),
        ('<!DOCTYPE d [<!ENTITY a "b">]><div>&a;</div>', False),
        ("", False),
    ],
)
def test_narratives(div: str, expected: bool) -> None:
    assert compile("htmlChecks()").holds(div) is expected


# The shapes of R4's and US Core's search parameters.
@pytest.mark.parametrize(
    ("expression", "focus", "expected"),
    [
        ("CarePlan.subject.where(resolve() is Patient)", PLAN, [("Reference", {"reference": "Patient/p"})]),
        ("Goal.goal | CarePlan.careTeam", PLAN, [("Reference", PLAN["careTeam"][0])]),
        ("(Observation.value as Quantity) | (Observation.value as SampledData)", OBSERVATION, 1),
        ("Observation.effective", OBSERVATION, [("dateTime", "2026-03")]),
        ("(Observation.value as CodeableConcept).text", OBSERVATION, []),
        ("Condition.abatement.as(Age) | Condition.abatement.as(Range)", OBSERVATION, []),
        ("Patient.extension.where(url = 'u:a').value", PATIENT, [("string", "x")]),
        ("Patient.deceased.exists() and Patient.deceased != false", {"resourceType": "Patient"}, [("", False)]),
        ("Bundle.entry[0].resource", {"resourceType": "Bundle", "entry": [{"resource": PLAN}]}, [("CarePlan", PLAN)]),
    ],
)
def test_search_parameter_expressions(expression: str, focus: Any, expected: Any) -> None:
    found = compile(expression).typed(focus)
    assert len(found) == expected if isinstance(expected, int) else found == expected
