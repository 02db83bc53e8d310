"""The declarations are complete, known to R4, and unambiguous."""

import pytest

from fhirplan.catalog import CATALOG, COMMON, spec
from fhirplan.errors import NotSupported
from fhirplan.fhir import structure
from fhirplan.search.paths import compile_path

SERVED = {
    *("CarePlan", "Goal", "Task", "CareTeam", "Patient", "Practitioner", "PractitionerRole", "Organization"),
    *("RelatedPerson", "Condition", "Observation", "Encounter", "ServiceRequest", "Communication", "Consent"),
    *("QuestionnaireResponse", "Coverage", "DocumentReference", "Provenance", "List", "Flag", "RiskAssessment"),
    *("Appointment", "Location", "HealthcareService", "Subscription"),
}
PARAMETERS = [(item.type, parameter) for item in CATALOG.values() for parameter in item.parameters]


def element_at(expression):
    """The element a plain path ends at, through the datatypes on its way; None for any other expression."""
    root, *names = expression.split(".")
    definition, here, found = structure.definition(root), "", None
    for name in names:
        here = f"{here}.{name}".lstrip(".")
        found = definition.element(here) if definition else None
        if found is None:
            return None
        if found.types[0].code not in ("BackboneElement", "Element"):
            definition, here = structure.definition(found.types[0].code), ""
    return found


def test_the_26_types_are_served():
    assert set(CATALOG) == SERVED
    assert all(name == item.type for name, item in CATALOG.items())


@pytest.mark.parametrize(
    ("type", "codes"),
    [
        (
            "CarePlan",
            "activity-code activity-date activity-reference based-on care-team category condition date encounter "
            "goal identifier instantiates-canonical instantiates-uri intent part-of patient performer replaces status "
            "subject acuity",
        ),
        (
            "Goal",
            "achievement-status category identifier lifecycle-status patient start-date subject target-date "
            "description",
        ),
        (
            "Task",
            "authored-on based-on business-status code encounter focus group-identifier identifier intent modified "
            "owner part-of patient performer period priority requester status subject due goal blocked-by",
        ),
        ("CareTeam", "category date encounter identifier participant patient status subject role"),
        ("Flag", "author date encounter identifier patient subject status category code"),
    ],
)
def test_the_parameters_of_the_core_types(type, codes):
    assert {item.code for item in CATALOG[type].search} == set(codes.split())


def test_every_expression_is_about_elements_that_r4_has():
    for type, parameter in PARAMETERS:
        for term in parameter.expression.split(" | "):
            assert term.lstrip("(").startswith((f"{type}.", "Resource.")), parameter
        compile_path(parameter.expression)


def test_codes_are_unique_within_a_type():
    for item in CATALOG.values():
        codes = [parameter.code for parameter in item.parameters]
        assert len(codes) == len(set(codes)), item.type


def test_targets_are_types_and_only_references_have_them():
    for _, parameter in PARAMETERS:
        assert set(parameter.targets) <= structure.resource_types()
        assert parameter.type == "reference" or not parameter.targets


def test_a_parameter_is_named_by_its_canonical_and_described():
    for _, parameter in PARAMETERS:
        assert parameter.url.startswith(
            ("http://hl7.org/fhir/SearchParameter/", "http://fhirplan.dev/fhir/SearchParameter/")
        )
        assert parameter.description


def test_the_system_of_a_code_is_one_that_has_its_codes():
    for _type, parameter in PARAMETERS:
        if parameter.system:
            element = element_at(parameter.expression)
            assert [item.code for item in element.types] == ["code"], parameter
            included = structure.value_set(element.binding.value_set)["compose"]["include"]
            assert parameter.system in {item.get("system") for item in included}, parameter


def test_plain_codes_with_one_system_declare_it():
    for type, parameter in PARAMETERS:
        element = element_at(parameter.expression)
        if parameter.type == "token" and element is not None and element.types[0].code == "code":
            assert parameter.system, (type, parameter.code)


def test_whose_it_is_is_told_by_references():
    for item in CATALOG.values():
        for expression in item.patient:
            if ".extension." in expression:
                continue
            targets = structure.definition(item.type).element(expression.partition(".")[2]).types[0].targets
            assert not targets or "Patient" in targets or "Resource" in targets, expression


def test_what_is_referenced_comes_before_what_refers():
    order = list(CATALOG)
    for before, after in [
        ("Patient", "CareTeam"),
        ("Practitioner", "PractitionerRole"),
        ("Condition", "CarePlan"),
        ("CareTeam", "CarePlan"),
        ("Goal", "CarePlan"),
        ("CarePlan", "Task"),
        ("Task", "Provenance"),
    ]:
        assert order.index(before) < order.index(after)


def test_a_type_that_is_not_served_is_refused_with_what_is():
    with pytest.raises(NotSupported) as refused:
        spec("Banana")
    assert "Banana" in refused.value.text
    assert "CareTeam" in refused.value.text
    assert spec("Task").parameter("due") is not None
    assert spec("Task").parameter("colour") is None
    assert {item.code for item in COMMON} == {"_id", "_lastUpdated", "_profile", "_tag", "_security", "_source"}
