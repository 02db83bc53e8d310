"""Names the codes, systems and extensions that the coordination rules read (guide sections 2.1 and 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

_CODES: Final = "http://fhirplan.dev/fhir/CodeSystem/"
_STRUCTURES: Final = "http://fhirplan.dev/fhir/StructureDefinition/"
_R4: Final = "http://hl7.org/fhir/StructureDefinition/"

TASK_TYPE: Final = _CODES + "cm-task-type"
BUSINESS_STATUS: Final = _CODES + "cm-business-status"
TRANSITION_STAGE: Final = _CODES + "cm-transition-stage"
STATUS_REASON: Final = _CODES + "cm-task-status-reason"
CONTACT_OUTCOME_CODES: Final = _CODES + "cm-contact-outcome"
ACUITY_CODES: Final = _CODES + "cm-acuity"
PLAN_CATEGORY: Final = _CODES + "cm-careplan-category"
PROGRAM: Final = _CODES + "cm-program"
SETTING: Final = _CODES + "cm-setting"
CARE_TEAM_ROLE: Final = _CODES + "cm-care-team-role"
NEED_DOMAIN: Final = _CODES + "cm-need-domain"
NEED_TYPE: Final = _CODES + "cm-need-type"
GOAL_DOMAIN: Final = _CODES + "cm-goal-domain"
IO_TYPE: Final = _CODES + "cm-io-type"
ENTRY_FLAG: Final = _CODES + "cm-entry-flag"
LIST_CODE: Final = _CODES + "cm-list-code"
ALERT: Final = _CODES + "cm-alert"
SYNC_TAG: Final = _CODES + "cm-sync-tag"

BLOCKED_BY: Final = _STRUCTURES + "cm-blocked-by"
CONTACT_OUTCOME: Final = _STRUCTURES + "cm-contact-outcome"
ACUITY: Final = _STRUCTURES + "cm-acuity"
SUMMARY: Final = _STRUCTURES + "cm-coordination-summary"
ENTRY_STATE: Final = _STRUCTURES + "cm-entry-state"
DUE_BASIS: Final = _STRUCTURES + "cm-due-basis"
PERTAINS_TO_GOAL: Final = _R4 + "resource-pertainsToGoal"
FLAG_DETAIL: Final = _R4 + "flag-detail"

TASK_CODE: Final = "http://hl7.org/fhir/CodeSystem/task-code"
GOAL_ACHIEVEMENT: Final = "http://terminology.hl7.org/CodeSystem/goal-achievement"
GOAL_PRIORITY: Final = "http://terminology.hl7.org/CodeSystem/goal-priority"
RISK_PROBABILITY: Final = "http://terminology.hl7.org/CodeSystem/risk-probability"
ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
FLAG_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/flag-category"
DISCHARGE_SYSTEMS: Final = (
    "https://www.nubc.org/CodeSystem/PatDischargeStatus",
    "http://www.nubc.org/patient-discharge",
)

TERMINAL: Final = frozenset({"completed", "rejected", "cancelled", "failed", "entered-in-error"})
# A task that nobody has begun: what a revoked plan cancels (cm-x-03) and a cancelled parent proposes to (cm-x-22).
NOT_STARTED: Final = frozenset({"draft", "requested", "received", "accepted", "ready"})
NOT_WORK: Final = frozenset({"manage-transition", "acknowledge-change"})
GRAVE: Final = frozenset({"urgent", "asap", "stat"})
SOON: Final = timedelta(hours=48)

# Each business status: its group and the task statuses that it goes with.
BUSINESS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    name: (group, frozenset(statuses.split()))
    for name, group, statuses in (
        ("awaiting-owner", "wait", "draft requested"),
        ("awaiting-authorization", "wait", "received accepted ready in-progress on-hold"),
        ("awaiting-information", "wait", "received accepted ready in-progress on-hold"),
        ("awaiting-patient", "wait", "accepted ready in-progress on-hold"),
        ("awaiting-provider", "wait", "requested received accepted ready in-progress on-hold"),
        ("awaiting-transport", "wait", "accepted ready in-progress on-hold"),
        ("waitlisted", "wait", "accepted in-progress on-hold"),
        ("contact-attempted", "active", "ready accepted in-progress"),
        ("scheduled", "active", "accepted ready in-progress"),
        ("service-started", "active", "in-progress"),
        ("partially-complete", "active", "in-progress on-hold"),
        ("outcome-pending", "done", "completed"),
        ("loop-closed", "done", "completed"),
        ("patient-declined", "stop", "rejected cancelled failed"),
        ("not-eligible", "stop", "rejected cancelled failed"),
        ("no-capacity", "stop", "rejected failed cancelled"),
        ("authorization-denied", "stop", "rejected failed cancelled"),
        ("unable-to-reach", "stop", "failed cancelled"),
        ("superseded", "stop", "cancelled"),
    )
}
WAITING: Final = frozenset(name for name, (group, _) in BUSINESS.items() if group == "wait")

INTERACTIVE: Final = frozenset({"reached", "reached-representative", "declined", "rescheduled", "acknowledged"})
ATTEMPTS: Final = frozenset({"left-message", "delivered", "no-answer", "wrong-number", "disconnected", "undeliverable"})
# Days between contacts at most, by acuity (property maxContactIntervalDays).
CONTACT_DAYS: Final[Mapping[str, int]] = {"low": 90, "moderate": 30, "high": 14, "intensive": 7}

INPATIENT: Final = frozenset({"IMP", "OBSENC"})
FACILITY: Final = INPATIENT | {"ACUTE", "NONAC", "SS"}
COMMUNITY_DISPOSITIONS: Final = frozenset({"01", "06", "81", "86"})
SENSITIVE: Final = frozenset({"SUD", "ETH", "ETHUD"})
PART_2_CONSENT: Final = "42CFRPart2CD"

OPEN_REQUEST: Final = frozenset({"draft", "active", "on-hold"})
# What a resource that blocks a task must have become to block it no more; Condition is read from clinicalStatus.
FINISHED: Final[Mapping[str, frozenset[str]]] = {
    "Task": TERMINAL,
    "ServiceRequest": frozenset({"completed", "revoked"}),
    "Condition": frozenset({"inactive", "remission", "resolved"}),
    "CommunicationRequest": frozenset({"completed"}),
    "Appointment": frozenset({"fulfilled", "cancelled", "noshow"}),
}
