"""Reads what PlanDefinition/$apply is given: patient, template, leader, stay, plan, team, anchors, owners (R4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fhirplan.errors import MalformedRequest
from fhirplan.interactions.operations.inputs import inputs
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction

# Task.owner may refer to these (R4 Task), of which a Device does nothing that a template asks for.
_OWNERS: Final = (
    *("Practitioner", "PractitionerRole", "Organization", "CareTeam"),
    *("HealthcareService", "Patient", "RelatedPerson"),
)


@dataclass(frozen=True, slots=True)
class Given:
    """The parameters; references are ``Type/id``, "" where one is not given."""

    patient: str
    url: str = ""
    lead: str = ""
    encounter: str = ""
    plan: str = ""
    team: str = ""
    anchors: tuple[tuple[str, str], ...] = ()
    left_out: frozenset[str] = frozenset()
    owners: tuple[tuple[str, str], ...] = ()
    dry: bool = False

    @classmethod
    def of(cls, services: Services, interaction: Interaction) -> Given:
        """What a call of the operation gives; raises MalformedRequest."""
        listed = inputs(services, interaction)
        one = dict(listed)
        dry = one.get("dryRun", "false")
        if dry not in ("true", "false"):
            raise MalformedRequest(f"dryRun is {dry[:20]!r}; it is true or false.", expression="http.dryRun")
        anchors = tuple(_anchor(value) for name, value in listed if name == "anchor")
        return cls(
            _reference(one["subject"], "subject", ("Patient",)),
            one.get("url", ""),
            _reference(one.get("practitioner", ""), "practitioner", ("PractitionerRole", "Practitioner")),
            _reference(one.get("encounter", ""), "encounter", ("Encounter",)),
            _reference(one.get("plan", ""), "plan", ("CarePlan",)),
            _reference(one.get("careTeam", ""), "careTeam", ("CareTeam",)),
            anchors,
            frozenset(value for name, value in listed if name == "leaveOut"),
            tuple(_owner(value) for name, value in listed if name == "owner"),
            dry == "true",
        )


def _reference(text: str, name: str, types: tuple[str, ...]) -> str:
    """``Type/id``; of one possible type the id alone will do."""
    full = text if "/" in text or not text or len(types) > 1 else f"{types[0]}/{text}"
    if full and (full.partition("/")[0] not in types or full.count("/") != 1 or full.endswith("/")):
        raise MalformedRequest(
            f"{name} is {text[:80]!r}; it is {' or '.join(f'{item}/[id]' for item in types)}.",
            expression=f"http.{name}",
        )
    return full


def _anchor(text: str) -> tuple[str, str]:
    name, equals, at = text.partition("=")
    if not equals or not name:
        raise MalformedRequest(
            f"anchor is {text[:80]!r}; it is a name and a moment, such as discharge=2026-03-06T15:00:00-06:00.",
            expression="http.anchor",
        )
    return name, at.replace(" ", "+")


def _owner(text: str) -> tuple[str, str]:
    action, equals, ref = text.partition("=")
    if not equals or not action:
        raise MalformedRequest(
            f"owner is {text[:80]!r}; it is the id of an action and who is to do it, such as visit=PractitionerRole/7.",
            expression="http.owner",
        )
    return action, _reference(ref, "owner", _OWNERS)
