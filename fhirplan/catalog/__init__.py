"""The resource types that we serve, declared as data: one module a type, nothing else knows their names.

The order is the one in which new resources are best sent to somebody else: what is referenced comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fhirplan.catalog.appointment import APPOINTMENT
from fhirplan.catalog.care_plan import CARE_PLAN
from fhirplan.catalog.care_team import CARE_TEAM
from fhirplan.catalog.communication import COMMUNICATION
from fhirplan.catalog.condition import CONDITION
from fhirplan.catalog.consent import CONSENT
from fhirplan.catalog.coverage import COVERAGE
from fhirplan.catalog.document_reference import DOCUMENT_REFERENCE
from fhirplan.catalog.encounter import ENCOUNTER
from fhirplan.catalog.flag import FLAG
from fhirplan.catalog.goal import GOAL
from fhirplan.catalog.healthcare_service import HEALTHCARE_SERVICE
from fhirplan.catalog.list import LIST
from fhirplan.catalog.location import LOCATION
from fhirplan.catalog.observation import OBSERVATION
from fhirplan.catalog.organization import ORGANIZATION
from fhirplan.catalog.patient import PATIENT
from fhirplan.catalog.practitioner import PRACTITIONER
from fhirplan.catalog.practitioner_role import PRACTITIONER_ROLE
from fhirplan.catalog.provenance import PROVENANCE
from fhirplan.catalog.questionnaire_response import QUESTIONNAIRE_RESPONSE
from fhirplan.catalog.related_person import RELATED_PERSON
from fhirplan.catalog.risk_assessment import RISK_ASSESSMENT
from fhirplan.catalog.service_request import SERVICE_REQUEST
from fhirplan.catalog.spec import COMMON, ResourceSpec, SearchParameter
from fhirplan.catalog.subscription import SUBSCRIPTION, topic
from fhirplan.catalog.task import TASK
from fhirplan.errors import NotSupported

__all__ = ["CATALOG", "COMMON", "TOPICS", "ResourceSpec", "SearchParameter", "spec"]

CATALOG: Final[Mapping[str, ResourceSpec]] = MappingProxyType(
    {
        item.type: item
        for item in (
            LOCATION,
            ORGANIZATION,
            HEALTHCARE_SERVICE,
            PRACTITIONER,
            PRACTITIONER_ROLE,
            PATIENT,
            RELATED_PERSON,
            COVERAGE,
            CONSENT,
            ENCOUNTER,
            CONDITION,
            OBSERVATION,
            FLAG,
            RISK_ASSESSMENT,
            QUESTIONNAIRE_RESPONSE,
            DOCUMENT_REFERENCE,
            SERVICE_REQUEST,
            APPOINTMENT,
            CARE_TEAM,
            GOAL,
            CARE_PLAN,
            TASK,
            COMMUNICATION,
            LIST,
            PROVENANCE,
            SUBSCRIPTION,
        )
    }
)
# What nobody subscribes to: Subscriptions themselves, and what is made of other types' versions when it is read.
_UNTOLD: Final = frozenset({"Provenance", "Subscription"})
TOPICS: Final[Mapping[str, str]] = MappingProxyType({topic(name): name for name in CATALOG if name not in _UNTOLD})
"""The type that each topic tells of, by the topic's canonical url."""


def spec(type: str) -> ResourceSpec:
    """What is declared of a type. Raises NotSupported, naming it and listing what is served."""
    found = CATALOG.get(type)
    if found is None:
        raise NotSupported(
            f"The resource type {type!r:.80} is not served here. Served are: {', '.join(sorted(CATALOG))}."
        )
    return found
