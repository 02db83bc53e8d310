"""Invariants of R4 that are met on every resource, written by hand so that they cost little.

Each function checks one type's content after its structure; the rule keys are R4's own. The compiled FHIRPath of the
same invariants is not run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from fhirplan.fhir.structure import CORE
from fhirplan.validation.findings import Check, Findings, Place, Scope, shown
from fhirplan.validation.temporal import compare
from fhirplan.validation.values import is_date_time, is_uri

_HANDLED: Final = "ele-1 ext-1 ref-1 per-1 dom-2 dom-3 dom-4 dom-5 dom-6 txt-1 txt-2 qty-3 att-1 cpt-2 rng-2 sqty-1"
KEYS: Final = frozenset(_HANDLED.split())
# R4, Identifier.value: "if the value is a full URI, then the system SHALL be urn:ietf:rfc:3986".
_ANY_URI: Final = "urn:ietf:rfc:3986"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


def extension(value: dict[str, Any], place: Place, findings: Findings) -> None:
    """ext-1: either extensions or a value, not both and not neither; then what its definition says."""
    nested = "extension" in value
    valued = ""
    for key in value:
        if key.startswith(("value", "_value")):
            if valued and valued != key.removeprefix("_"):
                text = "An extension has one value; this has more than one. Keep one."
                findings.error("structure", text, place, "cm-card", CORE + "Extension")
            valued = key.removeprefix("_")
    if nested == bool(valued):
        text = (
            "An extension has either a value or extensions inside, not both. Remove one of them."
            if nested
            else "An extension needs a value or extensions inside. Give it one."
        )
        findings.error("invariant", text, place, "ext-1", CORE + "Extension")
    findings.engine.extension(value, place, findings)


def coding(value: dict[str, Any], place: Place, findings: Findings) -> None:
    """A coding's system is the URL of a code system, and its code one of the system's where R4 lists them all."""
    system, code = value.get("system"), value.get("code")
    if type(system) is not str or not system:
        return
    here = (place, "system", -1)
    if ":" not in system:
        text = f"{shown(system)} is no absolute URL. Give the code system's canonical URL."
        findings.error("value", text, here, "cm-value", CORE + "Coding")
    elif "/ValueSet/" in system:
        text = f"{shown(system)} is a value set. Give the URL of the code system that the code is of."
        findings.error("value", text, here, "cm-value", CORE + "Coding")
    # A system that is no URI is told as such elsewhere; once met, the shortcut would take it for sound.
    elif not is_uri(system):
        return
    elif type(code) is str and (listed := findings.engine.r4.listed_codes(system)) is not None and code not in listed:
        text = f"{shown(code)} is no code of {system}. Use a code that is."
        findings.error("code-invalid", text, place, "cm-binding", CORE + "Coding")


def identifier(value: dict[str, Any], place: Place, findings: Findings) -> None:
    """An identifier's system is absolute, and so is its value where the system says that values are URIs."""
    system, text = value.get("system"), value.get("value")
    if type(system) is str and system and ":" not in system:
        said = f"{shown(system)} is no absolute URL. Give the namespace as a URL or urn."
        findings.error("value", said, (place, "system", -1), "cm-value", CORE + "Identifier")
    elif system == _ANY_URI and type(text) is str and _SCHEME.match(text) is None:
        said = f"Values of this system are URIs; {shown(text)} has no scheme. Write it in full, or its own system."
        findings.error("value", said, (place, "value", -1), "cm-value", CORE + "Identifier")


def period(value: dict[str, Any], place: Place, findings: Findings) -> None:
    """per-1: a period does not end before it starts."""
    start, end = value.get("start"), value.get("end")
    if type(start) is not str or type(end) is not str or start == end:
        return
    order = compare(start, end)
    if order is None:
        if not (is_date_time(start) and is_date_time(end)):
            return  # told already, as a value
        text = (
            f"Whether the end {shown(end)} is after the start {shown(start)} cannot be told. "
            "Write both to the same precision."
        )
    elif order > 0:
        text = f"The period starts {shown(start)} and ends {shown(end)}, which is earlier. Correct one of them."
    else:
        return
    findings.error("invariant", text, place, "per-1", CORE + "Period")


def quantity(value: dict[str, Any], place: Place, findings: Findings) -> None:
    """qty-3: a coded unit names its system."""
    if "code" in value and "system" not in value:
        text = "A quantity with a code for its unit needs the system of the code. Add system, e.g. UCUM's."
        findings.error("invariant", text, place, "qty-3", CORE + "Quantity")


def simple_quantity(value: dict[str, Any], place: Place, findings: Findings) -> None:
    """sqty-1: no comparator where a simple quantity is meant."""
    if "comparator" in value:
        text = "A comparator is not allowed on this quantity. Remove it."
        findings.error("invariant", text, place, "sqty-1", CORE + "SimpleQuantity")


def attachment(value: dict[str, Any], place: Place, findings: Findings) -> None:
    """att-1: data says what it is; and the stated size is the size of the data."""
    if "data" in value and "contentType" not in value:
        text = "An attachment with data needs a contentType, e.g. text/plain or application/pdf. Add it."
        findings.error("invariant", text, place, "att-1", CORE + "Attachment")
    data, size = value.get("data"), value.get("size")
    if type(data) is str and type(size) is int:
        packed = "".join(data.split())
        length = len(packed) * 3 // 4 - packed.count("=", -2)
        if length != size:
            text = f"size says {size} bytes and data holds {length}. Correct size."
            findings.error("value", text, place, "cm-value", CORE + "Attachment")


def contact_point(value: dict[str, Any], place: Place, findings: Findings) -> None:
    """cpt-2: a contact value says of which kind it is."""
    if "value" in value and "system" not in value:
        text = "A contact with a value needs its system (phone, email, …). Add system."
        findings.error("invariant", text, place, "cpt-2", CORE + "ContactPoint")


def range_(value: dict[str, Any], place: Place, findings: Findings) -> None:
    """rng-2: the low end of a range is not above its high end."""
    low, high = value.get("low"), value.get("high")
    if type(low) is not dict or type(high) is not dict:
        return
    if (low.get("code") or low.get("unit")) != (high.get("code") or high.get("unit")):
        return
    least, most = low.get("value"), high.get("value")
    if isinstance(least, int | Decimal) and isinstance(most, int | Decimal) and least > most:
        text = f"The range's low end {least} is above its high end {most}. Correct one of them."
        findings.error("invariant", text, place, "rng-2", CORE + "Range")


BY_TYPE: Final[Mapping[str, Check]] = {
    "Coding": coding,
    "Extension": extension,
    "Identifier": identifier,
    "Period": period,
    "Quantity": quantity,
    "Age": quantity,
    "Count": quantity,
    "Distance": quantity,
    "Duration": quantity,
    "Attachment": attachment,
    "ContactPoint": contact_point,
    "Range": range_,
}


def domain_resource(value: dict[str, Any], place: Place, findings: Findings) -> None:
    """dom-2 to dom-6: rules on contained resources, and that there is a narrative."""
    contained = value.get("contained")
    if type(contained) is list and contained:
        _contained(value, contained, place, findings)
    if findings.scope.root is value:
        text = value.get("text")
        if type(text) is not dict or not text.get("div"):
            findings.add(
                "warning",
                "invariant",
                "There is no narrative, so a system that does not know this type cannot show it to a person.",
                place,
                "dom-6",
                CORE + "DomainResource",
            )


def _contained(value: dict[str, Any], contained: list[Any], place: Place, findings: Findings) -> None:
    url = CORE + "DomainResource"
    met: dict[str, int] = {}
    used: frozenset[str] | None = None
    for index, one in enumerate(contained):
        if type(one) is not dict:
            continue
        here = (place, "contained", index)
        if "contained" in one:
            text = "A contained resource cannot contain others. Move them to the outer resource."
            findings.error("invariant", text, here, "dom-2", url)
        meta = one.get("meta")
        if type(meta) is dict:
            if "versionId" in meta or "lastUpdated" in meta:
                text = "A contained resource has no version or time of its own. Remove meta.versionId and lastUpdated."
                findings.error("invariant", text, here, "dom-4", url)
            if "security" in meta:
                text = "A contained resource has no security labels of its own. Put them on the outer resource."
                findings.error("invariant", text, here, "dom-5", url)
        id_ = one.get("id")
        if type(id_) is not str:
            text = "A contained resource needs an id, so that it can be referred to. Add it."
            findings.error("invariant", text, here, "dom-3", url)
            continue
        if id_ in met:
            text = f"The id {shown(id_)} is used by another contained resource too. Give each its own."
            findings.error("duplicate", text, (place, "contained", met[id_]), "cm-id", url)
            findings.error("duplicate", text, here, "cm-id", url)
        met.setdefault(id_, index)
        if "#" + id_ in findings.scope.fragments:
            continue
        if used is None:
            used = _fragments(value)
        if "#" + id_ not in used and "#" not in _fragments(one):
            text = f"Nothing refers to this contained resource. Refer to it as #{id_} or remove it."
            findings.error("invariant", text, here, "dom-3", url)


def _fragments(value: Any) -> frozenset[str]:
    """All strings in a value that start with #, which may be references to contained resources."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if type(item) is dict:
            waiting.extend(item.values())
        elif type(item) is list:
            waiting.extend(item)
        elif type(item) is str and item[:1] == "#":
            found.add(item)
    return frozenset(found)


def duplicate_ids(scope: Scope, findings: Findings) -> None:
    """An element's id is unique within its resource (R4 section 2.24.1)."""
    if scope.resource.get("resourceType") == "StructureDefinition":
        return  # its elements have the same ids in snapshot and differential
    met: dict[str, Place] = {}
    told: set[str] = set()
    for id_, place in scope.ids:
        if id_ not in met:
            met[id_] = place
            continue
        text = f"The element id {shown(id_)} is used more than once in this resource. Give each its own."
        if id_ not in told:
            told.add(id_)
            findings.error("duplicate", text, met[id_][0], "cm-id", CORE + "Element")
        findings.error("duplicate", text, place[0], "cm-id", CORE + "Element")
