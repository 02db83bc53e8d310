"""Says a text of a resource in a viewer's language, where the resource carries its translation."""

from __future__ import annotations

from typing import Any, Final

from fhirplan.coordination.elements import child, objects

_TRANSLATION: Final = "http://hl7.org/fhir/StructureDefinition/translation"


def translation(element: Any, name: str, language: str) -> str:
    """The text ``element[name]`` in a language, by R4's extension translation; "" where it has none in that."""
    for extension in objects(child(element, f"_{name}", "extension")):
        if extension.get("url") != _TRANSLATION:
            continue
        parts = {str(item.get("url")): item for item in objects(extension.get("extension"))}
        if str(parts.get("lang", {}).get("valueCode") or "").partition("-")[0] == language:
            return str(parts.get("content", {}).get("valueString") or "")
    return ""


def said(element: Any, name: str, language: str) -> str:
    """The text ``element[name]`` in a language, as it stands where it has no translation."""
    return translation(element, name, language) or str(child(element, name) or "")
