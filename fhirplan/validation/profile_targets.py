"""Checks what a profile says of a Reference's target: its type, and a profile that it conforms to where it is here."""

from __future__ import annotations

from typing import Any, Protocol

from fhirplan.fhir import structure
from fhirplan.validation.discriminators import Content, Item
from fhirplan.validation.findings import Findings, Place
from fhirplan.validation.references import ANY, refused, resolve


class Targets(Protocol):
    """What is asked of the profile compiler about the profiles of targets."""

    def type_of(self, canonical: str) -> str:
        """The R4 type a profile is of, "" when it is not known."""

    def conforms(self, url: str, value: Any, place: Place, findings: Findings) -> bool | None:
        """Whether a value conforms to a profile; None where the profile is not here."""


def reference(targets: tuple[str, ...], url: str, profiles: Targets) -> Content:
    """The check of a Reference that a profile narrows to some types, or to some profiles of them."""
    names: set[str] = set()
    for target in targets:
        name = profiles.type_of(target)
        names.add(name or "Resource")
    allowed = None if names & ANY else frozenset(names)
    narrowed = [one for one in targets if not structure.kind(one.removeprefix(structure.CORE))]

    def checked(item: Item, findings: Findings) -> None:
        value, place, _ = item
        if type(value) is not dict:
            return
        text = value.get("reference")
        name = _target_type(value, findings)
        if name and allowed is not None and name not in allowed:
            refused(name, allowed, place, findings, url)
        elif narrowed and type(text) is str and findings.quiet < 2:
            _of_profile(text, name, targets, (place, findings), url, profiles)

    return checked


def _of_profile(
    text: str, name: str, targets: tuple[str, ...], here: tuple[Place, Findings], url: str, profiles: Targets
) -> None:
    """A target that is here (contained or in the Bundle) conforms to one of the profiles asked for."""
    place, findings = here
    target = resolve(text, findings.scope)
    if target is None or target is findings.scope.root:
        return
    candidates = [one for one in targets if profiles.type_of(one) == name]
    if not candidates or any(structure.kind(one.removeprefix(structure.CORE)) for one in candidates):
        return
    if all(profiles.conforms(one, target, place, findings) is False for one in candidates):
        asked = " or ".join(candidates)
        # In a Bundle the target may be shown in part and checked whole elsewhere.
        findings.add(
            "error" if text.startswith("#") else "warning",
            "structure",
            f"The {name} this points to does not conform to {asked}. Correct it or point elsewhere.",
            place,
            "cm-ref",
            url,
        )


def _target_type(value: dict[str, Any], findings: Findings) -> str:
    """The type a Reference points to, "" where it does not tell; says nothing about its form."""
    text = value.get("reference")
    if type(text) is str:
        for part in reversed(text.partition("/_history/")[0].split("/")[-2:]):
            if part in structure.resource_types():
                return part
        target = resolve(text, findings.scope)
        if target is not None:
            return str(target.get("resourceType") or "")
    stated = value.get("type")
    return stated if type(stated) is str and stated in structure.resource_types() else ""
