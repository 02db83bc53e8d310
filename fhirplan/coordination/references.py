"""Judges references: one patient throughout, targets that exist, nothing that contains itself (cm-x-01, 02, 23)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from fhirplan.coordination.case import Case, Findings, issue
from fhirplan.coordination.elements import PATIENT, extension_targets, local, patient_of, targets, word
from fhirplan.coordination.vocabulary import BLOCKED_BY
from fhirplan.coordination.world import POINTERS
from fhirplan.fhir import reference
from fhirplan.fhir.codec import Resource

_OF_ONE_PATIENT: Final = frozenset(
    {"CarePlan", "CareTeam", "Goal", "Task", "ServiceRequest", "Condition", "Communication"}
)
_OURS: Final = frozenset({"CarePlan", "Goal", "CareTeam", "Task", "ServiceRequest"})


def _based(resource: Resource | None, element: str) -> Iterable[str]:
    return targets(resource.get(element)) if resource else ()


_CHAINS: Final[tuple[tuple[str, str, Callable[[Resource | None], Iterable[str]]], ...]] = (
    ("Task", "Task.partOf", lambda item: _based(item, "partOf")),
    ("Task", "Task.extension", lambda item: extension_targets(item, BLOCKED_BY)),
    ("CarePlan", "CarePlan.partOf", lambda item: _based(item, "partOf")),
    ("CarePlan", "CarePlan.replaces", lambda item: _based(item, "replaces")),
)


def one_patient(case: Case) -> Findings:
    """cm-x-01. Reads what the change refers to and, when its patient changed, what points to it."""
    new, kind = case.new, case.change.type
    if kind not in _OF_ONE_PATIENT or not (patient := patient_of(new)):
        return
    where = f"{kind}.{PATIENT[kind]}"
    wrong = {
        item.local: other
        for item in case.pointed
        if item.type in _OF_ONE_PATIENT
        and (other := case.world.get(item.local)) is not None
        and _differs(patient, other)
    }
    if wrong:
        first = next(ref for ref in _pointed(new) if ref in wrong)
        yield issue(
            "error",
            "cm-x-01",
            f"This is about {patient}, but the {first} that it refers to is about {patient_of(wrong[first])}. "
            "Refer to a resource of the same patient.",
            where,
        )
        return
    if case.change.before is None or patient_of(case.change.before) == patient:
        return
    for type_, element in POINTERS:
        for other in case.world.points(type_, element, case.change.ref):
            if type_ in _OF_ONE_PATIENT and _differs(patient, other):
                yield issue(
                    "error",
                    "cm-x-01",
                    f"This cannot move to {patient}: {local(other)}, which refers to it, is about {patient_of(other)}.",
                    where,
                )
                return


def _differs(patient: str, other: Resource) -> bool:
    return bool(patient_of(other)) and patient_of(other) != patient


def _pointed(resource: Resource | None) -> list[str]:
    found = (reference.parse(element["reference"]) for _, element in reference.walk(resource))
    return [item.local for item in found if item is not None and not item.server]


def resolves(case: Case) -> Findings:
    """cm-x-02. A reference that the stored version had already, and whose target has gone since, only warns, so that
    work on what is left can go on."""
    if all(
        item.type not in _OURS or ((other := case.world.get(item.local)) is not None and not _mistaken(other))
        for item in case.pointed
    ):
        return
    stood = set(_pointed(case.change.before))
    for path, element in reference.walk(case.new):
        found = reference.parse(element["reference"])
        if found is None or found.server or found.type not in _OURS:
            continue
        other = case.world.get(found.local)
        if other is None:
            yield issue(
                "warning" if found.local in stood else "error",
                "cm-x-02",
                f"There is no {found.local} here. Send it in the same transaction, or refer to one that is here.",
                path,
                "not-found",
            )
        elif _mistaken(other):
            yield issue("warning", "cm-x-02", f"{found.local} was entered in error. Refer to the right one.", path)


def _mistaken(resource: Resource) -> bool:
    return "entered-in-error" in (word(resource), word(resource, "lifecycleStatus"))


def no_cycle(case: Case) -> Findings:
    """cm-x-23. Follows each chain from the change until it ends or comes back."""
    type_ = case.change.type
    for kind, where, following in _CHAINS:
        if type_ != kind:
            continue
        seen: set[str] = set()
        waiting = list(following(case.new))
        while waiting:
            ref = waiting.pop()
            if ref == case.change.ref:
                yield issue(
                    "error",
                    "cm-x-23",
                    f"{ref} would in the end contain, replace or block itself. Take out one of the references.",
                    where,
                    "structure",
                )
                break
            if ref not in seen and ref.startswith(f"{kind}/"):
                seen.add(ref)
                waiting.extend(following(case.world.get(ref)))
