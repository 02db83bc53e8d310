"""The closures that look at what stands beside a primitive (``_birthDate``): its id and extensions."""

from __future__ import annotations

from typing import Any

from fhirplan.validation.entries import Entry
from fhirplan.validation.findings import Check, Findings, Place, shown


def single(name: str, bare: str, check: Check) -> Entry:
    """The entry of what stands beside ``bare``, a form of the element ``name`` that occurs once."""

    def entry(value: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
        here = (place, name, -1)
        if type(value) is not dict:
            findings.error(
                "structure",
                f"_{bare} is {shown(value)}; it must be an object with id or extension.",
                here,
                "cm-type",
            )
        elif not value or (len(value) == 1 and "id" in value and bare not in owner):
            findings.error("structure", f"_{bare} says nothing. Give it an extension or remove it.", here, "ele-1")
        else:
            check(value, here, findings)

    return entry


def listed(name: str, bare: str, check: Check) -> Entry:
    """The entry of the list that stands beside ``bare``, with null where a value has nothing beside it."""

    def entry(value: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
        if type(value) is not list or not value:
            findings.error(
                "structure",
                f"_{bare} is {shown(value)}; it must be a list, with null where nothing is added.",
                (place, name, -1),
                "cm-type",
            )
            return
        plain = owner.get(bare)
        count = len(plain) if type(plain) is list else 0
        for index, item in enumerate(value):
            here = (place, name, index)
            alone = index >= count or plain is None or plain[index] is None
            if item is None:
                if alone:
                    findings.error("structure", "null stands for nothing here. Remove it.", here, "cm-type")
            elif type(item) is not dict or not item:
                findings.error("structure", f"{shown(item)} must be an object with extension.", here, "cm-type")
            elif alone and len(item) == 1 and "id" in item:
                text = f"_{bare}[{index}] has an id and nothing that it is of. Give it an extension or remove it."
                findings.error("structure", text, here, "ele-1")
            else:
                check(item, here, findings)

    return entry
