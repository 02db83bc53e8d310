"""Takes names and free text out of a resource, so that what it shows of a bug can be handed on. Pure.

What is left is structure, codes, ids, references, dates and numbers. Each text becomes a short digest of itself, the
same for the same text, so that what was equal stays equal and what differed differs. Of a birth date the year stays.
Logical ids stay: where an EHR makes them of names or record numbers, the result is not to be handed on.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any, Final

from fhirplan.fhir.codec import Resource
from fhirplan.fhir.structure import Definition, Element, definition

_WORDS: Final = frozenset({"string", "markdown", "xhtml", "base64Binary"})
_KEPT: Final = frozenset({"resourceType", "reference", "id", "url", "etag", "lastModified"})
_NOT_OF_PEOPLE: Final = frozenset({"CapabilityStatement"})
_DIV: Final = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'
_BIRTH: Final = frozenset({"birthDate"})
# What the links of a Bundle are called: without it no page after the first would be found.
_LINK: Final = ("relation", "link.relation")


def scrubbed(resource: Resource, salt: str, *, keep_system: str) -> Resource:
    """A copy without names and text; ``salt`` makes the digests of one recording unlike those of another.

    Identifiers whose system begins with ``keep_system`` are ours and stay.
    """
    if resource.get("resourceType") in _NOT_OF_PEOPLE:
        return resource

    def digest(text: str) -> str:
        return "text-" + hashlib.sha256(f"{salt}{text}".encode()).hexdigest()[:12]

    made: Resource = _Walk(digest, keep_system).resource(resource)
    return made


class _Walk:
    """Goes through a resource by the types of its elements; what R4 does not know is taken for text."""

    def __init__(self, digest: Callable[[str], str], keep_system: str) -> None:
        self._digest = digest
        self._keep = keep_system

    def resource(self, value: Any) -> Any:
        """A resource, or whatever stands where one is expected."""
        known = definition(str(value.get("resourceType"))) if isinstance(value, dict) else None
        return self._object(value, known, "")

    def _object(self, value: Any, of: Definition | None, path: str) -> Any:
        if isinstance(value, list):
            return [self._object(item, of, path) for item in value]
        if not isinstance(value, dict):
            return self._text(value, "string")
        if str(value.get("system", "")).startswith(self._keep):
            return value
        named: dict[str, tuple[Element, str]] = {}
        for element in of.children.get(path, ()) if of else ():
            named |= {name: (element, type_.code) for name, type_ in element.json_names()}
        return {key: self._member(key, item, of, named.get(key.removeprefix("_"))) for key, item in value.items()}

    def _member(self, key: str, value: Any, of: Definition | None, known: tuple[Element, str] | None) -> Any:
        if key in _KEPT and isinstance(value, str):
            return value
        if key in _BIRTH and isinstance(value, str):
            return f"{value[:4]}-01-01" if len(value) >= 10 else value[:4]
        if key.startswith("_"):
            return self._object(value, definition("Element"), "")
        if known is None:
            return self._object(value, None, "")
        element, code = known
        if element.content and of:
            return self._object(value, of, element.content)
        if (key, element.path) == _LINK:
            return value
        if code in ("Resource", "DomainResource"):
            return [self.resource(item) for item in value] if isinstance(value, list) else self.resource(value)
        if code in ("BackboneElement", "Element") and of and of.children.get(element.path):
            return self._object(value, of, element.path)
        if code[:1].isupper():
            return self._object(value, definition(code), "")
        return self._each(value, code)

    def _each(self, value: Any, code: str) -> Any:
        return [self._text(item, code) for item in value] if isinstance(value, list) else self._text(value, code)

    def _text(self, value: Any, code: str) -> Any:
        if not isinstance(value, str) or code not in _WORDS:
            return value
        made = self._digest(value)
        if code == "xhtml":
            return _DIV.format(made)
        return base64.b64encode(made.encode()).decode() if code == "base64Binary" else made
