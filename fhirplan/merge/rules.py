"""How R4's elements are merged, as data: what names a list's item, what stands or falls as one unit, what is a set.

Elements are named as in R4's definitions (``CareTeam.participant``, ``Observation.value[x]``), datatypes by their
name (``Annotation``). A path inside an item is written from the item on (``detail.code``, ``value[x]``); the empty
path is the item itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

Alternatives = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two items of a list the same thing, besides being equal or having the same element id.

    ``names``: paths whose values together name an item; the alternatives are tried in turn, and one counts only where
    an item has a value at all of its paths and no other item left over has the same.
    ``likely``: the same for a looser likeness (another person in the same role). What is matched so is one unit.
    ``added``: what makes two items that both sides added the same thing; the first of ``names`` where none is given.
    ``paired``: whether items without any name are matched by what they have in common, else by their order.
    ``shown``: the paths that tell a person which item is meant or what was changed in it; the first one present.
    """

    names: Alternatives = ()
    likely: Alternatives = ()
    added: Alternatives = ()
    paired: bool = True
    shown: tuple[str, ...] = ()

    @property
    def addition(self) -> Alternatives:
        """The alternatives by which two added items are the same thing."""
        return self.added or self.names[:1]


BY_VALUE: Final = Identity(paired=False)
_ITSELF: Final = Identity(names=(("",),), paired=False)
# What usually names an item of a type that has no line of its own below.
_USUAL: Final = Identity(names=(("linkId",), ("identifier",), ("code",), ("type",), ("reference",), ("name",)))

_DATATYPES: Final[Mapping[str, Identity]] = {
    "Address": Identity(names=(("use", "type"), ("use",)), shown=("text", "line")),
    "Annotation": Identity(
        names=(("time", "author[x]"), ("time",), ("author[x]",)),
        added=(("time", "author[x]", "text"),),
        shown=("text",),
    ),
    "Attachment": Identity(names=(("url",), ("hash",)), shown=("title", "url")),
    "BackboneElement": _USUAL,
    "CodeableConcept": _ITSELF,
    "Coding": _ITSELF,
    "ContactPoint": Identity(names=(("system", "value"),), likely=(("system", "use"),), shown=("value",)),
    "Element": _USUAL,
    "Extension": Identity(names=(("url",),), shown=("value[x]",)),
    "HumanName": Identity(names=(("use",),), shown=("text", "family")),
    "Identifier": Identity(names=(("system", "value"),), likely=(("system", "type"), ("system",)), shown=("value",)),
    "Period": BY_VALUE,
    "Quantity": BY_VALUE,
    "Reference": _ITSELF,
    "Resource": Identity(paired=False),
    "Signature": Identity(names=(("who", "when"),)),
    "UsageContext": Identity(names=(("code",),), shown=("value[x]",)),
}

_TYPED_VALUE: Final = Identity(names=(("type", "value[x]"), ("type",)), added=(("type",),), shown=("value[x]", "type"))

_ELEMENTS: Final[Mapping[str, Identity]] = {
    "Appointment.participant": Identity(names=(("actor",),), likely=(("type",),), shown=("actor", "type")),
    "CarePlan.activity": Identity(
        names=(("reference",), ("detail.code", "detail.scheduled[x]"), ("detail.code",)),
        shown=("detail.description", "detail.code", "reference"),
    ),
    "CareTeam.participant": Identity(
        names=(("member", "role"), ("member",)), likely=(("role",),), shown=("member", "role")
    ),
    "Condition.evidence": Identity(names=(("code",), ("detail",)), shown=("code", "detail")),
    "Condition.stage": Identity(names=(("type",), ("summary",)), shown=("summary", "type")),
    "Consent.policy": Identity(names=(("authority", "uri"), ("uri",)), shown=("uri", "authority")),
    "Consent.provision.actor": Identity(names=(("reference", "role"), ("reference",)), shown=("reference", "role")),
    "Consent.provision.data": Identity(names=(("reference",),), shown=("reference",)),
    "Consent.verification": Identity(names=(("verifiedWith", "verificationDate"), ("verifiedWith",))),
    "Coverage.class": Identity(names=(("type", "value"), ("type",)), added=(("type",),), shown=("name", "value")),
    "Coverage.costToBeneficiary": _TYPED_VALUE,
    "DocumentReference.content": Identity(
        names=(("attachment.url",), ("attachment.hash",), ("format",)), shown=("attachment.title", "attachment.url")
    ),
    "DocumentReference.relatesTo": Identity(names=(("target", "code"), ("target",)), shown=("target",)),
    "Encounter.classHistory": Identity(names=(("class", "period.start"),), shown=("class",)),
    "Encounter.diagnosis": Identity(names=(("condition", "use"), ("condition",)), shown=("condition",)),
    "Encounter.location": Identity(
        names=(("location", "period.start"), ("location",)), added=(("location",),), shown=("location",)
    ),
    "Encounter.participant": Identity(
        names=(("individual", "type"), ("individual",)), likely=(("type",),), shown=("individual", "type")
    ),
    "Encounter.statusHistory": Identity(names=(("status", "period.start"),), shown=("status",)),
    "Goal.target": Identity(
        names=(("measure", "due[x]"), ("measure",)), added=(("measure",),), shown=("detail[x]", "due[x]", "measure")
    ),
    "HealthcareService.availableTime": Identity(names=(("daysOfWeek",),)),
    "HealthcareService.eligibility": Identity(names=(("code",),), shown=("code", "comment")),
    "HealthcareService.notAvailable": Identity(names=(("description",),), shown=("description",)),
    "List.entry": Identity(names=(("item",),), shown=("item",)),
    "Location.hoursOfOperation": Identity(names=(("daysOfWeek",),)),
    "Observation.component": Identity(names=(("code",),), shown=("value[x]", "dataAbsentReason", "code")),
    "Observation.referenceRange": Identity(names=(("type", "appliesTo"), ("type",)), shown=("text", "low", "high")),
    "Organization.contact": Identity(names=(("purpose",),), shown=("name", "purpose")),
    "Patient.communication": Identity(names=(("language",),), shown=("language",)),
    "Patient.contact": Identity(
        names=(("name", "relationship"), ("name",), ("organization",)),
        likely=(("relationship",),),
        shown=("name", "organization", "relationship"),
    ),
    "Patient.link": Identity(names=(("other",),), shown=("other",)),
    "Practitioner.qualification": Identity(names=(("identifier",), ("code",)), shown=("code",)),
    "PractitionerRole.availableTime": Identity(names=(("daysOfWeek",),)),
    "PractitionerRole.notAvailable": Identity(names=(("description",),), shown=("description",)),
    "Provenance.agent": Identity(names=(("who", "type"), ("who",)), shown=("who",)),
    "Provenance.entity": Identity(names=(("what", "role"), ("what",)), shown=("what",)),
    "QuestionnaireResponse.item": Identity(names=(("linkId",),), shown=("text", "linkId")),
    "QuestionnaireResponse.item.answer": Identity(shown=("value[x]",)),
    "RelatedPerson.communication": Identity(names=(("language",),), shown=("language",)),
    "RiskAssessment.prediction": Identity(names=(("outcome",),), shown=("qualitativeRisk", "outcome")),
    "Task.input": _TYPED_VALUE,
    "Task.output": _TYPED_VALUE,
}

_WHOLE: Final = frozenset(
    {
        *("Address", "Age", "Annotation", "Attachment", "CodeableConcept", "Coding", "Count", "Distance", "Dosage"),
        *("Duration", "HumanName", "Money", "Narrative", "Quantity", "Range", "Ratio", "Reference", "SampledData"),
        *("Signature", "Timing", "UsageContext"),
    }
)

_SETS: Final = frozenset(
    {"Meta.profile", "Meta.security", "Meta.tag"}
    | {
        f"{type_}.category"
        for type_ in (
            *("CarePlan", "CareTeam", "Communication", "Condition", "Consent", "DocumentReference", "Flag", "Goal"),
            *("HealthcareService", "Observation", "ServiceRequest"),
        )
    }
)

_BOUND: Final[Mapping[str, Alternatives]] = {
    "CarePlan.activity.detail": (("status", "statusReason"),),
    "ContactPoint": (("system", "value"),),
    "Goal": (("lifecycleStatus", "statusReason"),),
    "Identifier": (("system", "value"),),
    "Observation": (("value[x]", "dataAbsentReason"),),
    "Observation.component": (("value[x]", "dataAbsentReason"),),
    "Task": (("status", "statusReason"),),
}

# Extensions that our profiles and R4 allow more than once on one element: two sides may each add one.
_REPEATING: Final = frozenset(
    {
        "http://fhirplan.dev/fhir/StructureDefinition/cm-barrier",
        "http://fhirplan.dev/fhir/StructureDefinition/cm-blocked-by",
        "http://fhirplan.dev/fhir/StructureDefinition/cm-entry-state",
        "http://hl7.org/fhir/StructureDefinition/flag-detail",
        "http://hl7.org/fhir/StructureDefinition/goal-acceptance",
        "http://hl7.org/fhir/StructureDefinition/goal-relationship",
        "http://hl7.org/fhir/StructureDefinition/resource-pertainsToGoal",
        "http://hl7.org/fhir/StructureDefinition/task-replaces",
        "http://hl7.org/fhir/StructureDefinition/workflow-statusReason",
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """How elements are merged. Two are never equal: one is made once and is a cheap key for what is compiled from it.

    ``identities``: what names an item, by element or by datatype; the element's own line counts first.
    ``whole``: datatypes and elements that are taken from one side as they are, never mixed.
    ``sets``: lists of which only belonging counts: a member that both sides added is one, as the fuller side says it.
    ``bound``: members of an element or datatype that stand or fall together; the first one names the unit.
    ``repeating``: urls of extensions that may stand more than once.
    """

    identities: Mapping[str, Identity] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()
    sets: frozenset[str] = frozenset()
    bound: Mapping[str, Alternatives] = field(default_factory=dict)
    repeating: frozenset[str] = frozenset()

    def identity(self, element: str, datatype: str) -> Identity:
        """What names an item of this list; by value alone where nothing is declared."""
        return self.identities.get(element) or self.identities.get(datatype) or BY_VALUE


R4: Final = Rules(
    identities=MappingProxyType({**_DATATYPES, **_ELEMENTS}),
    whole=_WHOLE,
    sets=_SETS,
    bound=MappingProxyType(dict(_BOUND)),
    repeating=_REPEATING,
)
