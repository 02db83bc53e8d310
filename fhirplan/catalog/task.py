"""Task: what it is searched by, and how it belongs to a patient."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import OURS, PROFILES, R4, ResourceSpec, SearchParameter

TASK: Final = ResourceSpec(
    "Task",
    profile=PROFILES + "case-management-task",
    patient=("Task.for",),
    search=(
        SearchParameter(
            "authored-on", "date", "Task.authoredOn", (), "Search by creation date", R4 + "Task-authored-on"
        ),
        SearchParameter(
            "based-on",
            "reference",
            "Task.basedOn",
            (),
            "Search by requests this task is based on",
            R4 + "Task-based-on",
        ),
        SearchParameter(
            "blocked-by",
            "reference",
            "Task.extension.where(url = 'http://fhirplan.dev/fhir/StructureDefinition/cm-blocked-by').value",
            (),
            "What keeps it from being done",
            OURS + "cm-task-blocked-by",
        ),
        SearchParameter(
            "business-status",
            "token",
            "Task.businessStatus",
            (),
            "Search by business status",
            R4 + "Task-business-status",
        ),
        SearchParameter("code", "token", "Task.code", (), "Search by task code", R4 + "Task-code"),
        SearchParameter("due", "date", "Task.restriction.period", (), "When it is due", OURS + "cm-task-due"),
        SearchParameter(
            "encounter", "reference", "Task.encounter", ("Encounter",), "Search by encounter", R4 + "Task-encounter"
        ),
        SearchParameter("focus", "reference", "Task.focus", (), "Search by task focus", R4 + "Task-focus"),
        SearchParameter(
            "goal",
            "reference",
            "Task.extension.where(url = 'http://hl7.org/fhir/StructureDefinition/resource-pertainsToGoal').value",
            ("Goal",),
            "The goal it serves",
            OURS + "cm-task-goal",
        ),
        SearchParameter(
            "group-identifier",
            "token",
            "Task.groupIdentifier",
            (),
            "Search by group identifier",
            R4 + "Task-group-identifier",
        ),
        SearchParameter(
            "identifier",
            "token",
            "Task.identifier",
            (),
            "Search for a task instance by its business identifier",
            R4 + "Task-identifier",
        ),
        SearchParameter(
            "intent",
            "token",
            "Task.intent",
            (),
            "Search by task intent",
            R4 + "Task-intent",
            "http://hl7.org/fhir/request-intent",
        ),
        SearchParameter(
            "modified", "date", "Task.lastModified", (), "Search by last modification date", R4 + "Task-modified"
        ),
        SearchParameter(
            "owner",
            "reference",
            "Task.owner",
            (
                "Practitioner",
                "Organization",
                "CareTeam",
                "Device",
                "Patient",
                "HealthcareService",
                "PractitionerRole",
                "RelatedPerson",
            ),
            "Search by task owner",
            R4 + "Task-owner",
        ),
        SearchParameter(
            "part-of", "reference", "Task.partOf", ("Task",), "Search by task this task is part of", R4 + "Task-part-of"
        ),
        SearchParameter(
            "patient",
            "reference",
            "Task.for.where(resolve() is Patient)",
            ("Patient",),
            "Search by patient",
            R4 + "Task-patient",
        ),
        SearchParameter(
            "performer",
            "token",
            "Task.performerType",
            (),
            "Search by recommended type of performer",
            R4 + "Task-performer",
        ),
        SearchParameter(
            "period", "date", "Task.executionPeriod", (), "Search by period Task is/was underway", R4 + "Task-period"
        ),
        SearchParameter(
            "priority",
            "token",
            "Task.priority",
            (),
            "Search by task priority",
            R4 + "Task-priority",
            "http://hl7.org/fhir/request-priority",
        ),
        SearchParameter(
            "requester",
            "reference",
            "Task.requester",
            ("Practitioner", "Organization", "Device", "Patient", "PractitionerRole", "RelatedPerson"),
            "Search by task requester",
            R4 + "Task-requester",
        ),
        SearchParameter(
            "status",
            "token",
            "Task.status",
            (),
            "Search by task status",
            R4 + "Task-status",
            "http://hl7.org/fhir/task-status",
        ),
        SearchParameter("subject", "reference", "Task.for", (), "Search by subject", R4 + "Task-subject"),
    ),
)
