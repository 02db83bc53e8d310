"""QuestionnaireResponse: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import R4, ResourceSpec, SearchParameter

QUESTIONNAIRE_RESPONSE: Final = ResourceSpec(
    "QuestionnaireResponse",
    patient=("QuestionnaireResponse.subject",),
    search=(
        SearchParameter(
            "author",
            "reference",
            "QuestionnaireResponse.author",
            ("Practitioner", "Organization", "Device", "Patient", "PractitionerRole", "RelatedPerson"),
            "The author of the questionnaire response",
            R4 + "QuestionnaireResponse-author",
        ),
        SearchParameter(
            "authored",
            "date",
            "QuestionnaireResponse.authored",
            (),
            "When the questionnaire response was last changed",
            R4 + "QuestionnaireResponse-authored",
        ),
        SearchParameter(
            "based-on",
            "reference",
            "QuestionnaireResponse.basedOn",
            ("CarePlan", "ServiceRequest"),
            "Plan/proposal/order fulfilled by this questionnaire response",
            R4 + "QuestionnaireResponse-based-on",
        ),
        SearchParameter(
            "encounter",
            "reference",
            "QuestionnaireResponse.encounter",
            ("Encounter",),
            "Encounter associated with the questionnaire response",
            R4 + "QuestionnaireResponse-encounter",
        ),
        SearchParameter(
            "identifier",
            "token",
            "QuestionnaireResponse.identifier",
            (),
            "The unique identifier for the questionnaire response",
            R4 + "QuestionnaireResponse-identifier",
        ),
        SearchParameter(
            "part-of",
            "reference",
            "QuestionnaireResponse.partOf",
            ("Observation", "Procedure"),
            "Procedure or observation this questionnaire response was performed as a part of",
            R4 + "QuestionnaireResponse-part-of",
        ),
        SearchParameter(
            "patient",
            "reference",
            "QuestionnaireResponse.subject.where(resolve() is Patient)",
            ("Patient",),
            "The patient that is the subject of the questionnaire response",
            R4 + "QuestionnaireResponse-patient",
        ),
        SearchParameter(
            "questionnaire",
            "reference",
            "QuestionnaireResponse.questionnaire",
            ("Questionnaire",),
            "The questionnaire the answers are provided for",
            R4 + "QuestionnaireResponse-questionnaire",
        ),
        SearchParameter(
            "source",
            "reference",
            "QuestionnaireResponse.source",
            ("Practitioner", "Patient", "PractitionerRole", "RelatedPerson"),
            "The individual providing the information reflected in the questionnaire respose",
            R4 + "QuestionnaireResponse-source",
        ),
        SearchParameter(
            "status",
            "token",
            "QuestionnaireResponse.status",
            (),
            "The status of the questionnaire response",
            R4 + "QuestionnaireResponse-status",
            "http://hl7.org/fhir/questionnaire-answers-status",
        ),
        SearchParameter(
            "subject",
            "reference",
            "QuestionnaireResponse.subject",
            (),
            "The subject of the questionnaire response",
            R4 + "QuestionnaireResponse-subject",
        ),
    ),
)
