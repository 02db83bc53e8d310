"""Checks each extension against its definition, where a package or our own profiles have one (R4 section 2.4.0)."""

from __future__ import annotations

from typing import Any, Final

from fhirplan.fhir import structure
from fhirplan.validation import extensions
from fhirplan.validation.definitions import Definitions
from fhirplan.validation.findings import Check, Findings, Place, shown
from fhirplan.validation.profiles import Profiles
from fhirplan.validation.tree import BadProfile

_EXTENSIONS: Final = frozenset({"extension", extensions.MODIFIER})


class KnownExtensions:
    """The definitions of extensions that were met, each looked up and compiled once."""

    def __init__(self, definitions: Definitions, profiles: Profiles) -> None:
        self._definitions, self._profiles = definitions, profiles
        self._known: dict[str, tuple[extensions.Contexts, Check | None] | None] = {}

    def check(self, value: dict[str, Any], place: Place, findings: Findings) -> None:
        """Checks one extension; one that nobody here knows is right, unless it may change the meaning."""
        url = value.get("url")
        if type(url) is not str:
            return
        if ":" not in url and place[0] is not None and place[0][1] not in _EXTENSIONS:
            text = f"{shown(url)} is no absolute URL. Give the URL of the extension's definition."
            findings.error("value", text, (place, "url", -1), "cm-extension", structure.CORE + "Extension")
            return
        try:
            known = self._known[url]
        except KeyError:
            known = self._known[url] = self._definition(url)
        if known is None:
            if place[1] == extensions.MODIFIER:
                extensions.unknown_modifier(value, place, findings)
            return
        contexts, check = known
        if contexts and not extensions.allowed_here(contexts, place, findings):
            extensions.misplaced(url, contexts, place, findings)
        if check is not None:
            check(value, place, findings)

    def _definition(self, url: str) -> tuple[extensions.Contexts, Check | None] | None:
        definition = self._definitions.find("StructureDefinition", url) if ":" in url else None
        if definition is None or definition.get("type") != "Extension":
            return None
        try:
            check: Check | None = self._profiles.check(url)
        except BadProfile:
            check = None
        return extensions.contexts_of(definition), check
