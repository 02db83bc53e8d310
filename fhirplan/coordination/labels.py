"""Gives what is derived from other resources their security labels, so that it tells nobody what they must not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from fhirplan.coordination.elements import child, objects
from fhirplan.fhir.codec import Resource

CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
# What is confidential as everything in a record is, or less (HL7 v3 Confidentiality), calls for no label.
_USUAL: Final = frozenset({"U", "L", "M", "N"})


def labelled(made: Resource, sources: Iterable[Resource]) -> Resource:
    """A derived resource with the labels of all that it is derived from, each once, and no other (R4 section 6.1.1)."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for source in sources:
        for item in objects(child(source, "meta", "security")):
            name = str(item.get("system") or ""), str(item.get("code") or "")
            if name[0] != CONFIDENTIALITY or name[1] not in _USUAL:
                found.setdefault(name, item)
    meta = {key: value for key, value in (made.get("meta") or {}).items() if key != "security"}
    if found:
        meta["security"] = [found[name] for name in sorted(found)]
    return {**made, "meta": meta}
