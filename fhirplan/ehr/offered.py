"""Puts what an EHR offers into words, one for each thing, so that two looks at it can be compared. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from fhirplan.ehr.discovery import Capabilities
from fhirplan.ehr.routes import Method, told
from fhirplan.ehr.vendors.vendor import Vendor

_INTERACTIONS: Final = ("read", "search-type", "history-type", "create", "update", "patch", "delete")
_PARAMETERS: Final = ("_lastUpdated", "_id", "identifier", "patient", "subject", "category")
_WRITES: Final[tuple[Method, ...]] = ("create", "update", "delete")


def things(found: Capabilities, vendor: Vendor, types: Iterable[str]) -> dict[str, str]:
    """Each thing the EHR offers for these types, as ``CarePlan update``, and how; the rest is not among them."""
    made = {"software": found.software, "FHIR version": found.fhir_version}
    made |= {name: "yes" for name, is_so in (("transactions", found.transaction), ("batches", found.batch)) if is_so}
    for type_ in types:
        item = found.of(type_)
        made |= {f"{type_} {name.removesuffix('-type')}": "yes" for name in _INTERACTIONS if item.can(name)}
        made |= {f"{type_} search by {name}": "yes" for name in _PARAMETERS if name in item.search}
        if item.conditional_create:
            made[f"{type_} conditional create"] = "yes"
        if item.versioning:
            made[f"{type_} versions"] = item.versioning
        made |= {f"our {method} of {type_}": told(found, vendor, type_, method) for method in _WRITES}
    return {name: how for name, how in made.items() if how}


def said(thing: str, was: str, now: str) -> str:
    """A change of one thing in a sentence; "" is what is not offered."""
    if not now:
        return f"{thing} disappeared."
    if not was:
        return f"{thing} appeared."
    return f"{thing}: was {was}, is {now}."


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """What is not as it was: each thing with what was and what is."""
    names = [*before, *(name for name in after if name not in before)]
    return {
        name: (before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name, "") != after.get(name, "")
    }
