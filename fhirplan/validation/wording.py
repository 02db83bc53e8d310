"""Says in words what is wrong with the form of a resource or element, with the repair where only one is possible."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fhirplan.errors import Issue
from fhirplan.fhir import structure
from fhirplan.fhir.structure import Element
from fhirplan.validation import repairs, values
from fhirplan.validation.findings import Findings, Place, expression, shown


def no_resource(resource: Any, name: Any) -> Issue:
    """Why a value, whose resourceType is ``name``, is no resource of R4."""
    if not isinstance(resource, dict):
        text = "A FHIR resource is a JSON object; this is " + (
            "a list." if isinstance(resource, list) else "a single value."
        )
        return Issue("error", "structure", text, rule="cm-type")
    if name is None:
        text = 'resourceType is missing. Say what this is, e.g. "resourceType": "CarePlan".'
    elif not isinstance(name, str):
        text = f"resourceType is {shown(name)}; it must be the name of a resource type."
    else:
        text = f"{shown(name)} is no R4 resource type. Correct resourceType."
    return Issue("error", "structure", text, rule="cm-type")


def null(place: Place, findings: Findings, url: str) -> None:
    """Says that null stands where a value or nothing should."""
    text = "null is no value in FHIR. Give a value or remove the element."
    findings.error("structure", text, place, "cm-type", url, repairs.removed(findings.root, expression(place)))


def bad_primitive(value: Any, key: str, code: str, place: Place, findings: Findings, url: str) -> None:
    """Says why a value is no good for a primitive element."""
    if value is None:
        null(place, findings, url)
    elif isinstance(value, list):
        findings.error(
            "structure",
            f"{key} takes one value, not a list. Take the value out of the brackets.",
            place,
            "cm-type",
            url,
            repairs.mended(findings.root, expression(place), value, code),
        )
    else:
        rule = "cm-value" if values.fits(value, code) else "cm-type"
        patch = repairs.mended(findings.root, expression(place), value, code)
        findings.error("value", values.wrong(value, code), place, rule, url, patch)


def no_object(value: Any, label: str, place: Place, findings: Findings, url: str) -> None:
    """Says that something else stands where an object should."""
    if value is None:
        null(place, findings, url)
    elif isinstance(value, list):
        findings.error(
            "structure",
            f"{place[1]} takes one {label}, not a list. Take it out of the brackets.",
            place,
            "cm-type",
            url,
        )
    else:
        findings.error(
            "structure", f"{shown(value)} stands where an object ({label}) is needed.", place, "cm-type", url
        )


def no_list(value: Any, key: str, place: Place, findings: Findings, url: str) -> None:
    """Says that one value stands where a list should."""
    if value is None:
        null(place, findings, url)
    else:
        text = f"{key} is a list in JSON. Put its value in brackets [ ]."
        patch = repairs.replaced(findings.root, expression(place), [value])
        findings.error("structure", text, place, "cm-type", url, patch)


def empty_list(key: str, place: Place, findings: Findings, url: str) -> None:
    """Says that a list has nothing in it."""
    text = f"{key} is an empty list. Give it a value or remove it."
    findings.error("structure", text, place, "cm-type", url, repairs.removed(findings.root, expression(place)))


def empty(value: dict[str, Any], place: Place, findings: Findings, is_resource: bool, url: str) -> None:
    """Says that an object has nothing in it."""
    if is_resource:
        return
    findings.error(
        "structure",
        "This object says nothing. Give it content or remove it.",
        place,
        "ele-1",
        structure.CORE + "Element",
    )


def too_many(name: str, count: int, most: int, place: Place, findings: Findings, url: str) -> None:
    """Says that an element occurs too often."""
    findings.error("structure", f"{name} occurs {count} times; at most {most} allowed.", place, "cm-card", url)


def missing(name: str, place: Place, findings: Findings, url: str) -> None:
    """Says that an element must be given."""
    findings.error(
        "required",
        f"{name} is missing. It must be given.",
        (place, name, -1),
        "cm-card",
        url,
    )


def chosen(
    name: str, met: Collection[str], least: int, value: dict[str, Any], place: Place, findings: Findings, url: str
) -> None:
    """Says that a choice has more than one form, or none where one must be."""
    if len(met) > 1:
        findings.error(
            "structure",
            f"{', '.join(sorted(met))} stand together; only one form of {name}[x] is allowed. Keep one.",
            (place, name, -1),
            "cm-card",
            url,
        )
    elif least and not any(key.startswith("_" + name) for key in value):
        missing(name, place, findings, url)


def unknown_name(
    key: str, owner: dict[str, Any], children: tuple[Element, ...], place: Place, findings: Findings, url: str
) -> None:
    """Says that a type has no such element, and which one may be meant."""
    names = {name.lower(): name for one in children for name, _ in one.json_names()}
    meant = names.get(key.lower().removeprefix("_"))
    if key == "resourceType":
        text = "resourceType belongs to a resource; this is a part of one. Remove it."
    elif meant and meant != key:
        text = f"There is no element {key!r} here; it is spelled {meant!r}."
    else:
        choice = next((one for one in children if one.choice and key.startswith(one.name)), None)
        if choice is not None:
            allowed = ", ".join(name for name, _ in choice.json_names()[:12])
            text = f"There is no element {key!r} here. {choice.name}[x] may be: {allowed}."
        else:
            text = (
                f"There is no element {_clip(key)!r} in {url.rpartition('/')[2]} here. Remove it or use an extension."
            )
    here = (place, _clip(key), -1)
    patch: repairs.Patch = ()
    if meant and not key.startswith("_") and meant not in owner:
        patch = repairs.renamed(findings.root, expression(here), meant, owner[key])
    findings.error("structure", text, here, "cm-type", url, patch)


def _clip(key: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in key[:64])
