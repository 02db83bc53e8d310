"""Extensions against their definitions, Bundles as wholes, and QuestionnaireResponses against Questionnaires."""

import pytest

ACUITY = "http://example.org/StructureDefinition/acuity"


@pytest.fixture
def acuity(profile, element):
    return profile(
        "Extension",
        element("Extension.extension", max="0"),
        element("Extension.url", fixedUri=ACUITY),
        element("Extension.value[x]", min=1, type=[{"code": "code"}]),
        name="acuity",
        kind="complex-type",
        context=[{"type": "element", "expression": "CarePlan"}, {"type": "element", "expression": "CarePlan.activity"}],
    )


def test_an_extension_keeps_to_its_definition(with_definitions, acuity, plan, errors):
    validator = with_definitions(acuity)
    plan["extension"] = [{"url": ACUITY, "valueCode": "high"}]
    assert errors(validator.validate(plan, policy="base")) == []
    plan["extension"] = [{"url": ACUITY, "valueInteger": 3}]
    assert errors(validator.validate(plan, policy="base")) == [("cm-type", "structure", "CarePlan.extension[0].value")]


def test_an_extension_stands_where_it_may(with_definitions, acuity, plan, errors):
    validator = with_definitions(acuity)
    said = [{"url": ACUITY, "valueCode": "high"}]
    plan["activity"] = [{"extension": said, "progress": [{"text": "x"}]}]
    assert errors(validator.validate(plan, policy="base")) == []
    plan["period"]["extension"] = said
    assert errors(validator.validate(plan, policy="base")) == [
        ("cm-extension", "extension", "CarePlan.period.extension[0]")
    ]


def test_a_modifier_extension_that_is_known_is_accepted(with_definitions, acuity, plan, errors):
    plan["modifierExtension"] = [{"url": ACUITY, "valueCode": "high"}]
    assert errors(with_definitions(acuity).validate(plan, policy="base")) == []


def test_r4s_own_extensions_are_known(plain, plan, errors):
    plan["extension"] = [{"url": "http://hl7.org/fhir/StructureDefinition/request-statusReason", "valueString": "x"}]
    found = errors(plain.validate(plan, policy="base"))
    assert ("cm-extension", "extension", "CarePlan.extension[0]") in found  # not on a CarePlan
    assert ("cm-type", "structure", "CarePlan.extension[0].value") in found  # and a CodeableConcept


def bundle(kind, *entries, **more):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries), **more}


def patient(id_="p1", **more):
    return {"resourceType": "Patient", "id": id_, **more}


def test_entries_are_resources_of_their_own(plain, plan, errors):
    plan["status"] = "nope"
    found = errors(plain.validate(bundle("collection", {"resource": plan}), policy="base"))
    assert found == [("cm-binding", "code-invalid", "Bundle.entry[0].resource.status")]


def test_a_full_url_is_absolute_and_stands_once(plain, errors):
    url = "http://example.org/fhir/Patient/p1"
    one, other = {"fullUrl": url, "resource": patient()}, {"fullUrl": url, "resource": patient()}
    found = errors(plain.validate(bundle("collection", one, other), policy="base"))
    assert ("cm-bundle", "duplicate", "Bundle.entry[1]") in found
    found = errors(
        plain.validate(bundle("collection", {"fullUrl": "Patient/p1", "resource": patient()}), policy="base")
    )
    assert ("cm-bundle", "value", "Bundle.entry[0].fullUrl") in found


def test_references_are_followed_inside_a_bundle(plain, plan, errors):
    plan["subject"] = {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}
    goal = {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "Walk"},
        "subject": {"reference": "Patient/p"},
    }
    entry = {"fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "resource": goal}
    found = errors(plain.validate(bundle("collection", {"resource": plan}, entry), policy="base"))
    assert found == [("cm-ref", "structure", "Bundle.entry[0].resource.subject")]


def test_a_reference_by_an_entrys_uuid_names_its_type(plain, errors):
    uuid = "5d9588d8-3cd6-4b32-8fb7-ad13694e069d"
    one = {"resource": patient(generalPractitioner=[{"reference": f"Practitioner/{uuid}"}])}
    other = {"fullUrl": f"urn:uuid:{uuid}", "resource": {"resourceType": "Organization", "name": "A"}}
    assert errors(plain.validate(bundle("collection", one, other), policy="base")) == [
        ("cm-ref", "structure", "Bundle.entry[0].resource.generalPractitioner[0]")
    ]


def test_a_link_of_a_kind_stands_once(plain, errors):
    links = [{"relation": "self", "url": "a"}, {"relation": "self", "url": "b"}]
    whole = {"resourceType": "Bundle", "type": "searchset", "total": 0, "link": links}
    assert errors(plain.validate(whole, policy="base")) == [("cm-bundle", "duplicate", "Bundle.link[1]")]


def test_a_found_resource_has_an_id(plain, errors):
    entry = {"fullUrl": "http://example.org/x", "resource": {"resourceType": "Patient"}, "search": {"mode": "match"}}
    assert errors(plain.validate(bundle("searchset", entry, total=1), policy="base")) == [
        ("cm-bundle", "required", "Bundle.entry[0].resource")
    ]


def test_a_documents_entries_are_reached_from_its_composition(plain, errors):
    base = "http://example.org/fhir/"
    composition = {
        "resourceType": "Composition",
        "id": "c",
        "status": "final",
        "type": {"text": "Plan"},
        "date": "2026-03-02",
        "title": "Plan",
        "author": [{"display": "Ana"}],
        "subject": {"reference": "Patient/p1"},
    }
    entries = [
        {"fullUrl": base + "Composition/c", "resource": composition},
        {"fullUrl": base + "Patient/p1", "resource": patient()},
        {"fullUrl": base + "Patient/p2", "resource": patient("p2")},
    ]
    whole = bundle("document", *entries, timestamp="2026-03-02T10:00:00Z", identifier={"system": "urn:x", "value": "1"})
    assert [place for _, _, place in errors(plain.validate(whole, policy="base"))] == ["Bundle.entry[2]"]


ASKED = {
    "resourceType": "Questionnaire",
    "url": "http://example.org/Questionnaire/q",
    "status": "active",
    "item": [
        {"linkId": "1", "type": "boolean", "required": True},
        {
            "linkId": "2",
            "type": "choice",
            "answerOption": [{"valueCoding": {"system": "urn:x", "code": "a"}}],
            "enableWhen": [{"question": "1", "operator": "=", "answerBoolean": True}],
        },
        {"linkId": "3", "type": "group", "item": [{"linkId": "3.1", "type": "integer"}]},
    ],
}


def response(*items, status="completed"):
    made = {"resourceType": "QuestionnaireResponse", "questionnaire": ASKED["url"], "status": status}
    return {**made, "item": [*items]} if items else made


YES = {"linkId": "1", "answer": [{"valueBoolean": True}]}
NO = {"linkId": "1", "answer": [{"valueBoolean": False}]}
A = {"linkId": "2", "answer": [{"valueCoding": {"system": "urn:x", "code": "a"}}]}
B = {"linkId": "2", "answer": [{"valueCoding": {"system": "urn:x", "code": "b"}}]}
TEXT = {"linkId": "2", "answer": [{"valueString": "a"}]}
THREE = {"linkId": "3", "item": [{"linkId": "3.1", "answer": [{"valueInteger": 0}]}]}


@pytest.mark.parametrize(
    ("items", "places"),
    [
        ((YES, A, THREE), []),
        ((NO,), []),
        ((), ["QuestionnaireResponse"]),
        ((YES, B), ["QuestionnaireResponse.item[1].answer[0].value"]),
        ((YES, TEXT), ["QuestionnaireResponse.item[1].answer[0].value"]),
        ((NO, A), ["QuestionnaireResponse.item[1]"]),
        ((A, YES), ["QuestionnaireResponse.item[1]"]),
        ((YES, {"linkId": "9"}), ["QuestionnaireResponse.item[1]"]),
        ((YES, {"linkId": "3.1", "answer": [{"valueInteger": 0}]}), ["QuestionnaireResponse.item[1]"]),
    ],
)
def test_answers_agree_with_the_questionnaire(with_definitions, errors, items, places):
    found = errors(with_definitions(ASKED).validate(response(*items), policy="base"))
    assert [place for _, _, place in found] == places


def test_an_unfinished_response_may_leave_things_out(with_definitions, errors):
    assert errors(with_definitions(ASKED).validate(response(status="in-progress"), policy="base")) == []


def test_a_questionnaire_that_is_not_here_is_information(plain):
    issues = plain.validate(response(YES), policy="base")
    assert {(issue.severity, issue.expression) for issue in issues if issue.expression.endswith("questionnaire")} == {
        ("information", "QuestionnaireResponse.questionnaire")
    }
