"""The table of R4 facts: what it says, and how it agrees with fhir.resources.R4B element by element."""

import re

import pytest

from fhirplan.fhir import structure

SERVED = (
    "CarePlan Goal Task CareTeam Patient Practitioner PractitionerRole Organization RelatedPerson Condition "
    "Observation Encounter ServiceRequest Communication Consent QuestionnaireResponse Coverage DocumentReference "
    "Provenance List Flag RiskAssessment Appointment Location HealthcareService PlanDefinition Questionnaire"
)
# What R4B has and R4 4.0.1 has not; each is refused by the typed view or cannot be met in R4 JSON.
ONLY_IN_R4B = {("PlanDefinition", "subjectCanonical")}
# R4B lets an Observation be about more than R4 does.
WIDER_IN_R4B = {("Observation", "subject"): {"Procedure", "Medication", "Organization", "Practitioner", "Substance"}}


def test_facts_of_the_care_plan():
    plan = structure.definition("CarePlan")
    assert (plan.kind, plan.base, plan.url) == (
        "resource",
        "DomainResource",
        "http://hl7.org/fhir/StructureDefinition/CarePlan",
    )
    status = plan.element("status")
    assert (status.least, status.most, status.modifier, status.summary) == (1, 1, True, True)
    assert status.binding == structure.Binding("required", "http://hl7.org/fhir/ValueSet/request-status")
    assert plan.element("subject").types[0].targets == ("Patient", "Group")
    assert [one.key for one in plan.element("activity").constraints] == ["cpl-3"]
    assert plan.element("activity.detail.scheduled").choice


def test_the_order_of_elements_is_that_of_r4():
    names = [one.name for one in structure.definition("Goal").children[""]]
    assert names.index("lifecycleStatus") < names.index("description") < names.index("target")


def test_all_resource_types_are_there():
    assert len(structure.resource_types()) == 146
    assert {"CarePlan", "Bundle", "EffectEvidenceSynthesis"} <= structure.resource_types()
    assert "Resource" not in structure.resource_types()


def test_kinds_and_ancestors():
    assert (structure.kind("code"), structure.kind("Coding"), structure.kind("Banana")) == (
        "primitive-type",
        "complex-type",
        "",
    )
    assert structure.is_a("Age", "Quantity")
    assert structure.is_a("Task", "DomainResource")
    assert not structure.is_a("Bundle", "DomainResource")
    assert structure.definition("Banana") is None


def test_known_errors_of_the_published_definitions_are_corrected():
    conditions = structure.definition("Questionnaire").element("item")
    assert "> 1" in next(one.expression for one in conditions.constraints if one.key == "que-12")
    assert "answer is boolean" in next(
        one.expression
        for one in structure.definition("Questionnaire").element("item.enableWhen").constraints
        if one.key == "que-7"
    )
    assert structure.definition("CarePlan").element("id").types[0].code == "id"
    regex = structure.structure_definition("http://hl7.org/fhir/StructureDefinition/regex")
    assert {"type": "element", "expression": "ElementDefinition.type"} in regex["context"]


def test_code_systems_and_value_sets_in_fhirs_own_form():
    found = structure.value_set("http://hl7.org/fhir/ValueSet/request-status")
    assert found["compose"]["include"] == [{"system": "http://hl7.org/fhir/request-status"}]
    codes = {one["code"] for one in structure.code_system("http://hl7.org/fhir/request-status")["concept"]}
    assert {"draft", "active", "revoked"} <= codes
    assert structure.value_set("http://example.org/none") is None


def test_r4s_own_extensions_are_definitions():
    found = structure.structure_definition("http://hl7.org/fhir/StructureDefinition/request-statusReason")
    assert found["type"] == "Extension"
    assert {"type": "element", "expression": "ServiceRequest"} in found["context"]
    assert structure.structure_definition("http://example.org/none") is None


def test_every_published_format_compiles_and_every_type_is_known():
    for name in structure._index():
        for element in structure.definition(name).elements:
            if element.format:
                re.compile(element.format)
            for one in element.types:
                assert structure.kind(one.code), (name, element.path)
            if element.content:
                assert element.content in structure.definition(name).by_path


@pytest.mark.parametrize("name", SERVED.split())
def test_the_facts_agree_with_fhir_resources(name):
    from fhirplan.fhir.typed import model_class

    fields = {
        field.alias or key: field
        for key, field in model_class(name).model_fields.items()
        if (field.json_schema_extra or {}).get("element_property")
    }
    theirs = set(fields) - {one for type_, one in ONLY_IN_R4B if type_ == name}
    ours = {json for one in structure.definition(name).children[""] for json, _ in one.json_names()}
    assert theirs - ours == set()
    assert ours - theirs <= {"id", "implicitRules", "language", "meta", "text", "contained", "extension"} | {
        "modifierExtension"
    }
    for key, field in fields.items():
        if key not in ours:
            continue
        element = next(
            one for one in structure.definition(name).children[""] if key in {json for json, _ in one.json_names()}
        )
        repeats = str(field.annotation).replace("typing.", "").startswith(("Optional[List", "List", "list"))
        repeats = repeats or "List[" in str(field.annotation) or "list[" in str(field.annotation)
        assert repeats is (element.most != 1), (name, key)
        targets = (field.json_schema_extra or {}).get("enum_reference_types")
        if targets and element.types[0].code == "Reference":
            wider = WIDER_IN_R4B.get((name, key), set())
            assert set(targets) - wider == set(element.types[0].targets), (name, key)
