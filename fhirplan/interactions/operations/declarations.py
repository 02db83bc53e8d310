"""Declares the operations that are served, as data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fhirplan.interactions.operations.operation import Input, Operation, name

_BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/"
_PAGE: Final = (
    Input("start", "date", "only resources of care on this date or later; what tells no date of care is there anyway"),
    Input("end", "date", "only resources of care on this date or before"),
    Input("_since", "instant", "only resources that changed at or after this moment"),
    Input("_type", "code", "only resources of these types, separated by commas", many=True),
    Input("_count", "integer", "how many resources a page has, without the people they refer to"),
)
_META: Final = (Input("meta", "Meta", "profiles, tags and security labels", needed=True),)
_READ: Final = ("GET", "HEAD", "POST")

_APPLY: Final = (
    Input("subject", "string", "the patient, as Patient/[id]", needed=True),
    Input("planDefinition", "PlanDefinition", "the template, where it is not in the address"),
    Input("url", "uri", "the canonical of the template, instead of planDefinition"),
    Input("practitioner", "string", "who leads, as PractitionerRole/[id] or Practitioner/[id]; else who leads now"),
    Input("encounter", "string", "the stay that gives admission and discharge; else the newest one"),
    Input("plan", "string", "the care plan to add to; else the patient's own of this template, or a new one"),
    Input("careTeam", "string", "whose members own the tasks of their role; else the patient's active team"),
    Input(
        "anchor",
        "string",
        "a moment to count from, as name=dateTime, such as discharge=2026-03-06T15:00:00-06:00",
        many=True,
    ),
    Input("leaveOut", "string", "the id of an action that is not wanted", many=True),
    Input(
        "owner",
        "string",
        "who is to do an action, as its id=Type/[id], with nothing behind = for nobody yet; else who has the role",
        many=True,
    ),
    Input("dryRun", "boolean", "true: give the transaction that would be made, and write nothing"),
)
_EXTRACT: Final = (
    Input("store", "boolean", "true: carry the transaction out, and give its response"),
    Input("plan", "string", "the care plan that is to take up what is found, as CarePlan/[id]"),
    Input(
        "leaveOut",
        "string",
        "what is not wanted of the suggestions, as Type/[id]; Patient/[id] for the preferred language",
        many=True,
    ),
)

_ALL: Final = (
    Operation(
        "validate",
        "Validate a resource",
        "Says what is wrong with a resource, or with writing or deleting it, and stores nothing.",
        ("POST",),
        "OperationOutcome",
        at_type=True,
        inputs=(
            Input("resource", "Resource", "what to validate"),
            Input("profile", "uri", "a profile to validate against besides", many=True),
            Input("mode", "code", "create, update, delete or profile"),
        ),
        standard="Resource-validate",
    ),
    Operation(
        "everything",
        "Everything about a patient",
        "The patient, all that is in the patient's compartment, the patient's tasks, the Provenance of each change, "
        "and with each page the people, organizations and places that its resources refer to. Without an id of all "
        "patients that the caller may see. Follow the next links.",
        _READ,
        "Bundle",
        ("Patient",),
        at_type=True,
        inputs=_PAGE,
        standard="Patient-everything",
    ),
    Operation(
        "plan-everything",
        "Everything about a care plan",
        "The plan with its team, goals, tasks and service requests, and what these refer to, in one Bundle unless "
        "_count asks for pages.",
        _READ,
        "Bundle",
        ("CarePlan",),
        inputs=_PAGE,
        called="everything",
    ),
    Operation(
        "as-of",
        "A care plan as it stood",
        "The plan with its goals, tasks and team in the versions that were current at an instant. Tasks are those that "
        "the plan listed or that refer to it, without those that only referred to it and were deleted since.",
        _READ,
        "Bundle",
        ("CarePlan",),
        inputs=(Input("instant", "instant", "the moment; of a partial date, its first", needed=True),),
    ),
    Operation(
        "explain",
        "Explain a search",
        "How a search of the type was understood, how the database reads its page, and, where resource names one, why "
        "that resource is or is not found. Besides resource it takes the parameters of the search, in the query or as "
        "a form. For administrators (the setting of that name): no SMART scope opens it.",
        _READ,
        "Parameters",
        at_type=True,
        at_instance=False,
        inputs=(Input("resource", "string", "a resource of the type, such as Goal/g1"),),
    ),
    Operation(
        "access-explain",
        "Explain who sees what",
        "Which rule allows or hides what of a request, as it would be answered to whoever has a token: scopes, the "
        "patient's record, consents and labels, of each resource that it could show. Nothing is carried out. For "
        "administrators (the setting of that name): no SMART scope opens it.",
        ("POST",),
        "Parameters",
        at_instance=False,
        at_system=True,
        called="explain",
        inputs=(
            Input("url", "uri", "the request's address, such as /fhir/Goal?patient=p1", needed=True),
            Input("method", "code", "its HTTP method; GET where there is none"),
            Input("token", "string", "the access token that it is made with; without one, it is made by nobody"),
            Input("bundle", "Bundle", "the batch or transaction that it sends"),
        ),
    ),
    Operation(
        "meta",
        "Profiles, tags and security labels",
        "Gives the meta of a resource.",
        _READ,
        "Meta",
        standard="Resource-meta",
    ),
    Operation(
        "meta-add",
        "Add profiles, tags and security labels",
        "Adds to the meta of a resource; what is there already is not added again.",
        ("POST",),
        "Meta",
        changes=True,
        inputs=_META,
        standard="Resource-meta-add",
    ),
    Operation(
        "meta-delete",
        "Remove profiles, tags and security labels",
        "Removes from the meta of a resource; what is not there is passed over.",
        ("POST",),
        "Meta",
        changes=True,
        inputs=_META,
        standard="Resource-meta-delete",
    ),
    Operation(
        "break-glass",
        "Declare an emergency",
        "Shows the caller, for a while, what consents and security labels withhold of a patient. For professionals; "
        "the reason is kept in the AuditEvent.",
        ("POST",),
        "Parameters",
        ("Patient",),
        changes=True,
        inputs=(Input("reason", "string", "why it cannot wait for a consent, in at least ten letters", needed=True),),
    ),
    Operation(
        "apply",
        "Apply a template to a patient",
        "Makes a care plan with its goals, tasks and team of a template, in one transaction, with the times that "
        "follow from the patient's stay. Applied again it adds only what is new: a task is dated once its anchor is "
        "known, and what a person has changed is left alone. Gives the plan; with dryRun the transaction that would "
        "be made.",
        ("POST",),
        "CarePlan",
        ("PlanDefinition",),
        at_type=True,
        changes=True,
        inputs=_APPLY,
        standard="PlanDefinition-apply",
    ),
    Operation(
        "subscription-status",
        "How subscriptions stand",
        "The status of one subscription, or of those that the caller may see, with the number of its last event.",
        _READ,
        "Bundle",
        ("Subscription",),
        at_type=True,
        inputs=(
            Input("id", "id", "only subscriptions with one of these ids", many=True),
            Input("status", "code", "only subscriptions with one of these statuses", many=True),
        ),
        called="status",
        defined=_BACKPORT + "backport-subscription-status",
    ),
    Operation(
        "subscription-events",
        "What a subscription was told",
        "Events of a subscription once more, as a notification holds them, as long as they are kept.",
        _READ,
        "Bundle",
        ("Subscription",),
        inputs=(
            Input("eventsSinceNumber", "string", "the first event that is wanted; left out: the oldest that is kept"),
            Input("eventsUntilNumber", "string", "the last event that is wanted; left out: the newest"),
            Input("content", "code", "empty, id-only or full-resource; never more than the subscription gets"),
        ),
        called="events",
        defined=_BACKPORT + "backport-subscription-events",
    ),
    Operation(
        "extract",
        "Turn an assessment into findings, needs and suggestions",
        "Reads the answers to the case management assessment: findings (Observation), needs and barriers (Condition), "
        "the risk tier, suggested goals (proposed) and tasks (draft). Gives them as a transaction, as structured data "
        "capture (SDC) has it; with store it is carried out. Extracted again it makes nothing twice.",
        ("POST",),
        "Bundle",
        ("QuestionnaireResponse",),
        changes=True,
        inputs=_EXTRACT,
    ),
)

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType({item.code: item for item in _ALL})
"""By the kind of interaction that carries them out."""


def found(name_: str, type_: str, *, instance: bool) -> Operation | None:
    """The operation called by ``$name`` on a type or on an instance of it; None where there is none."""
    for item in OPERATIONS.values():
        if name(item) == name_ and item.serves(type_) and (item.at_instance if instance else item.at_type):
            return item
    return None
