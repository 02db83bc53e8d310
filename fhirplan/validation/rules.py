"""The rules that are not invariants, by the key that a finding of theirs carries, in words.

An invariant carries its own key (``dom-3``, ``cm-tk-3``); what the structure of R4 or of a profile asks for carries
one of these. ``docs/reference/rules.md`` lists them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

STRUCTURAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cm-json": "The text is JSON as FHIR has it: no key twice in one object.",
        "cm-type": "Every element is known, of a type allowed there, and of the JSON type that this has.",
        "cm-card": "Elements occur as often as R4 and the profile say.",
        "cm-value": "A value has the form of its type (dates, ids, URIs, base64 …) and keeps to length and range.",
        "cm-fixed": "A value is the one that the profile fixes, or has what its pattern asks for.",
        "cm-binding": "A code is in the value set that it is bound to. Required: error; extensible: warning.",
        "cm-ref": "A reference is well formed and points to a type, profile and place that is allowed.",
        "cm-id": "Ids are unique in a resource; contained resources have one and are referred to.",
        "cm-slice": "The entries of a list are of the kinds that the profile names, as often as it says, in its order.",
        "cm-extension": "An extension stands where its definition allows; an unknown modifier extension is refused.",
        "cm-profile": "The profiles claimed are here and are for this type.",
        "cm-bundle": "A Bundle's entries have the fullUrl, request and response of its type, and are unique.",
    }
)
"""Key → what it asks for."""
