"""Guards substance-use records: they go out only with a consent that names the recipient (cm-x-25, 42 CFR Part 2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from fhirplan.coordination.elements import (
    child,
    code,
    codes,
    current,
    local,
    moment,
    objects,
    patient_of,
    target,
    targets,
    word,
)
from fhirplan.coordination.vocabulary import ACT_CODE, IO_TYPE, PART_2_CONSENT, SENSITIVE, TASK_TYPE
from fhirplan.coordination.world import Change, World
from fhirplan.errors import Issue
from fhirplan.fhir import reference
from fhirplan.fhir.codec import Json, Resource

_RECIPIENTS: Final = frozenset({"Organization", "HealthcareService", "Practitioner", "PractitionerRole", "CareTeam"})


def sensitive(resource: Resource | None) -> bool:
    """Whether a resource carries a label of substance-use records."""
    return bool(codes(child(resource, "meta", "security"), ACT_CODE) & SENSITIVE)


def sensitive_at(world: World, resource: Resource) -> str:
    """Where a resource carries such a label or points at one that does, as FHIRPath; "" when it does not."""
    kind = resource["resourceType"]
    if sensitive(resource):
        return f"{kind}.meta.security"
    for path, element in reference.walk(resource):
        pointed = reference.parse(element["reference"])
        if pointed and not pointed.server and sensitive(world.get(pointed.local)):
            return path
    return ""


def consents(world: World, patient: str) -> list[Resource]:
    """The active permissions of a patient to share substance-use records."""
    return [
        item
        for item in world.of_patient(patient, "Consent")
        if word(item) == "active"
        and PART_2_CONSENT in codes(item.get("category"), ACT_CODE)
        and word(item.get("provision"), "type") == "permit"
    ]


def consent_end(consent: Resource, zone: ZoneInfo) -> datetime | None:
    """When a consent ends; None when it has no end."""
    return moment(child(consent, "provision", "period", "end"), zone)


def undisclosed(change: Change, world: World, now: datetime, zone: ZoneInfo) -> Iterator[Issue]:
    """An error code forbidden when a change sends such records to somebody whom no current consent names.

    What was sent already is not judged again: only a new sending, a new recipient or new content is.
    """
    new = change.after
    if new is None or not _sent(new):
        return
    where = sensitive_at(world, new)
    if not where or (change.before is not None and _as_before(change.before, new, world)):
        return
    named = _named(world, patient_of(new), now, zone)
    for recipient in recipients(world, new):
        if not named & {recipient, *_behind(world, recipient)}:
            yield Issue(
                "error",
                "forbidden",
                f"This sends substance-use records to {recipient} without a current consent of the patient that "
                "permits it (42 CFR Part 2). Record a new consent that names the recipient, or leave the records out.",
                where,
                "cm-x-25",
            )
            return


def recipients(world: World, resource: Resource) -> list[str]:
    """Whom a resource goes to, people and organizations other than the one that sends."""
    kind = resource["resourceType"]
    if kind == "ServiceRequest":
        listed, sender = targets(resource.get("performer")), target(resource.get("requester"))
    elif kind == "Communication":
        listed, sender = targets(resource.get("recipient")), target(resource.get("sender"))
    else:
        inputs = [item for item in objects(resource.get("input")) if _is_recipient(item)]
        listed = (
            *targets([item.get("valueReference") for item in inputs]),
            *targets(child(resource, "restriction", "recipient")),
            *(targets(resource.get("owner")) if _type(resource) == "arrange-service" else ()),
        )
        sender = target(resource.get("requester"))
    own = {sender, *_behind(world, sender)}
    return [ref for ref in listed if ref.partition("/")[0] in _RECIPIENTS and not own & {ref, *_behind(world, ref)}]


def _is_recipient(item: Json) -> bool:
    return code(item.get("type"), IO_TYPE) == "receiving-organization"


def _type(task: Resource) -> str:
    return code(task.get("code"), TASK_TYPE)


def _sent(resource: Resource) -> bool:
    """Whether this is something that goes out: an order that is given, a handoff that is done, a message."""
    kind, status = resource["resourceType"], word(resource)
    if kind == "ServiceRequest":
        return status in ("active", "completed")
    if kind == "Communication":
        return status in ("in-progress", "completed")
    if kind == "Task" and _type(resource) == "send-handoff":
        return status == "completed"
    ended_unsent = ("draft", "rejected", "cancelled", "failed", "entered-in-error")
    return kind == "Task" and _type(resource) == "arrange-service" and status not in ended_unsent


def _as_before(before: Resource, new: Resource, world: World) -> bool:
    """Whether the stored version had been sent to the same recipients with the same references."""
    same_content = [item["reference"] for _, item in reference.walk(before)] == [
        item["reference"] for _, item in reference.walk(new)
    ]
    return (
        _sent(before)
        and same_content
        and sensitive(before) == sensitive(new)
        and recipients(world, before) == recipients(world, new)
    )


def _behind(world: World, ref: str) -> set[str]:
    """The person and the organization that a role or a service stands for."""
    kind, found = ref.partition("/")[0], world.get(ref) if ref else None
    if found is None:
        return set()
    if kind == "PractitionerRole":
        # The person alone would let one consent reach her other employers, so the organization counts if there is one.
        return set(targets(found.get("organization")) or targets(found.get("practitioner")))
    if kind == "HealthcareService":
        return set(targets(found.get("providedBy")))
    return set(targets(found.get("managingOrganization"))) if kind == "CareTeam" else set()


def _named(world: World, patient: str, now: datetime, zone: ZoneInfo) -> set[str]:
    """Whom the current consents of a patient permit to receive the records."""
    return {
        ref
        for item in consents(world, patient)
        if current(child(item, "provision", "period"), now, zone)
        for ref in _actors(item)
    }


def _actors(consent: Resource) -> set[str]:
    return {ref for actor in objects(child(consent, "provision", "actor")) for ref in targets(actor.get("reference"))}


def lapsing(world: World, sending: Resource, limit: datetime, zone: ZoneInfo) -> str:
    """What to look at when the consent that a sending needs is missing or ends before ``limit``; "" when it holds.

    That is the consent that lasts longest for a recipient, or the sending itself where there is none. A consent
    without end never lapses.
    """
    if not sensitive_at(world, sending):
        return ""
    for recipient in recipients(world, sending):
        wanted = {recipient, *_behind(world, recipient)}
        fitting = [item for item in consents(world, patient_of(sending)) if wanted & _actors(item)]
        dated = [(end, local(item)) for item in fitting if (end := consent_end(item, zone)) is not None]
        if len(dated) == len(fitting) and (not dated or max(dated)[0] < limit):
            return max(dated)[1] if dated else local(sending)
    return ""
