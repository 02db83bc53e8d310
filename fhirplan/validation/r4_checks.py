"""What R4 itself asks of its types and elements besides their structure: bindings, targets, invariants."""

from __future__ import annotations

from typing import Any, Final

from fhirplan.fhir import structure
from fhirplan.fhir.structure import Element
from fhirplan.validation import bindings, natives, references
from fhirplan.validation.definitions import Definitions
from fhirplan.validation.findings import Check, Findings, Place
from fhirplan.validation.invariants import Rule
from fhirplan.validation.shortcuts import Lists

_R4_SYSTEMS: Final = "http://hl7.org/fhir/"  # others change after R4
_MOST_NAMES: Final = 10_000


class R4Checks:
    """The checks of one validator that R4's own definitions call for, made when they are asked for."""

    def __init__(self, definitions: Definitions, terminology: bindings.Terminology) -> None:
        self.definitions = definitions
        self.terminology = terminology
        self.code_lists: Lists = {}

    def binding(self, element: Element, type_: str, owner: str) -> Check | None:
        """The check of a base binding of a type, whose canonical is ``owner``."""
        bound = element.binding
        if bound is None:
            return None
        return bindings.check(self.terminology, bound.strength, bound.value_set, type_, owner, bound.largest)

    def listed(self, element: Element) -> frozenset[str] | None:
        """All codes of a base binding, None where they cannot be listed."""
        bound = element.binding
        return self.terminology.codes(bound.value_set) if bound and bound.strength == "required" else None

    def reference(self, targets: tuple[str, ...]) -> Check:
        """The check of a Reference's target."""
        return references.check(targets)

    def canonical(self, targets: tuple[str, ...]) -> Check | None:
        """The check of a canonical's target."""
        return references.canonical_check(self.definitions, targets, structure.CORE + "canonical")

    def profile_check(self, url: str) -> Check | None:
        """The check of a datatype profile that R4 names, SimpleQuantity for the most part."""
        if url == structure.CORE + "SimpleQuantity":
            return natives.simple_quantity
        if structure.structure_definition(url) is None:
            return None

        def check(value: Any, place: Place, findings: Findings) -> None:
            findings.engine.against(url, value, place, findings)

        return check

    def rules(self, type_: str, element: Element) -> list[Rule]:
        """The invariants of a type or element but those written by hand."""
        focus = ""
        if element.types and structure.kind(element.types[0].code) == "primitive-type" and len(element.types) == 1:
            focus = element.types[0].code
        made = [one for one in element.constraints if one.key not in natives.KEYS]
        if not element.path and type_:
            definition = structure.definition(type_)
            base = structure.definition(definition.base) if definition and definition.base else None
            while base is not None:
                made += [one for one in base.elements[0].constraints if one.key not in natives.KEYS]
                base = structure.definition(base.base) if base.base else None
        return [Rule(one, structure.CORE + type_ if type_ else "", focus) for one in made]

    def natively(self, type_: str) -> Check | None:
        """The check written by hand for a type."""
        return natives.BY_TYPE.get(type_)

    def listed_codes(self, system: str) -> frozenset[str] | None:
        """All codes of a code system that R4 itself defines and lists in full, None for any other."""
        if system not in self.code_lists:
            if len(self.code_lists) > _MOST_NAMES:
                self.code_lists.clear()
            self.code_lists[system] = _codes(system) if system.startswith(_R4_SYSTEMS) else None
        return self.code_lists[system]


def _codes(system: str) -> frozenset[str] | None:
    """The codes of a case-sensitive, complete code system of R4."""
    found = structure.code_system(system)
    if found is None or found["content"] != "complete" or not found["caseSensitive"]:
        return None
    codes: set[str] = set()
    waiting = list(found["concept"])
    while waiting:
        one = waiting.pop()
        codes.add(one["code"])
        waiting.extend(one.get("concept", ()))
    return frozenset(codes)
