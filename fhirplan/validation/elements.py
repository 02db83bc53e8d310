"""Compiles R4's own types to closures over plain dicts: names, cardinality, JSON types, formats, codes, references.

A closure is made when an element is first met, so a start costs only what is used. Findings of this layer carry the
type's canonical as their profile and the rules ``cm-card``, ``cm-type``, ``cm-value``, ``cm-binding``, ``cm-ref``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fhirplan.fhir import structure
from fhirplan.fhir.structure import Definition, Element, TypeRef
from fhirplan.validation import companions, entries, shortcuts, values, wording
from fhirplan.validation.entries import Entry
from fhirplan.validation.findings import Check, Findings, Place
from fhirplan.validation.r4_checks import R4Checks
from fhirplan.validation.references import type_names

_SHORT: Final = {"CodeableConcept": shortcuts.concept, "Coding": shortcuts.coding}
_NESTED: Final = frozenset({"Resource", "DomainResource"})


class Types:
    """The compiled R4 types of one validator; safe to share between threads, for making a closure twice is harmless."""

    def __init__(self, r4: R4Checks) -> None:
        self._r4 = r4
        self._checks: dict[tuple[str, str], Check] = {}

    def check(self, type_: str, path: str = "") -> Check:
        """The check of a complex type, a resource type, or the part of one at a path."""
        found = self._checks.get((type_, path))
        if found is None:
            found = self._object(type_, path)
            if not path and type_ in _SHORT:
                found = _SHORT[type_](found, self._r4.code_lists)
            found = self._checks.setdefault((type_, path), found)
        return found

    def _object(self, type_: str, path: str) -> Check:
        definition = structure.definition(type_)
        if definition is None:
            raise LookupError(type_)
        root = definition.by_path[path]
        children = definition.children.get(root.content or path, ())
        required, choices = _demanded(children)
        rules = self._r4.rules(type_, root)
        natively = self._r4.natively(type_) if not path else None
        is_resource = definition.kind == "resource" and not path
        beside = type_ == "Element"  # what stands beside a primitive's value may be an id alone
        label = path.rpartition(".")[2] or type_
        members = _Members(lambda key: self._entry(definition, children, key, is_resource))

        def check(value: Any, place: Place, findings: Findings) -> None:
            if type(value) is not dict:
                wording.no_object(value, label, place, findings, definition.url)
                return
            if len(value) < 2 and (not value or ("id" in value and not beside)):
                wording.empty(value, place, findings, is_resource, definition.url)
            for key, item in value.items():
                entry = members[key]
                if entry is None:
                    wording.unknown_name(key, value, children, place, findings, definition.url)
                else:
                    entry(item, value, place, findings)
            for name in required:
                if name not in value and "_" + name not in value:
                    wording.missing(name, place, findings, definition.url)
            for name, names, least in choices:
                met = names.intersection(value)
                if (len(met) != 1) and (met or least):
                    wording.chosen(name, met, least, value, place, findings, definition.url)
            if rules:
                findings.scope.later.append((rules, value, place, definition.url))
            if natively is not None:
                natively(value, place, findings)

        return check

    def _entry(
        self, definition: Definition, children: tuple[Element, ...], key: str, is_resource: bool
    ) -> Entry | None:
        if key == "resourceType" and is_resource:
            return entries.nothing
        bare = key.removeprefix("_")
        for element in children:
            for name, type_ in element.json_names():
                if name == bare:
                    primitive = structure.kind(type_.code) == "primitive-type"
                    if key != bare:
                        return self._companion(element, bare) if primitive else None
                    return self._member(definition, element, type_, key, primitive)
        return None

    def _member(self, definition: Definition, element: Element, type_: TypeRef, key: str, primitive: bool) -> Entry:
        name = element.name
        if primitive:
            return self._primitive(definition, element, type_, key)
        item = self._content(definition, element, type_)
        if element.most == 1:
            return entries.single(name, item)
        return entries.listed(name, key, item, element.most, definition.url)

    def _content(self, definition: Definition, element: Element, type_: TypeRef) -> Check:
        """The check of one value of a complex element: the type's own, then what this element adds."""
        r4 = self._r4
        if type_.code in _NESTED:
            contained = element.name == "contained"

            def nested(value: Any, place: Place, findings: Findings) -> None:
                findings.engine.nested(value, place, findings, contained)

            return nested
        here = definition.children.get(element.content or element.path)
        if element.content or (here and type_.code in ("BackboneElement", "Element")):
            target = definition.by_path[element.content or element.path]
            return self.check(definition.name, target.path)
        item = self._late(type_.code)
        more: list[Check] = []
        if type_.code == "Reference":
            item = shortcuts.reference(type_names(type_.targets), entries.all_of(item, [r4.reference(type_.targets)]))
        bound = r4.binding(element, type_.code, definition.url)
        if bound is not None:
            more.append(bound)
        for profile in type_.profiles:
            narrowed = r4.profile_check(profile if ":" in profile else structure.CORE + profile)
            if narrowed is not None:
                more.append(narrowed)
        if element.constraints and element.name != "extension":
            rules = r4.rules("", element)
            if rules:
                more.append(entries.later(rules, definition.url))
        return entries.all_of(item, more)

    def _late(self, type_: str) -> Check:
        found = self._checks.get((type_, ""))
        if found is not None:
            return found
        if type_ != "Extension":
            return self.check(type_)

        # An extension may hold extensions: bound when first met, so that making the check ends.
        def check(value: Any, place: Place, findings: Findings) -> None:
            self.check(type_)(value, place, findings)

        return check

    def _primitive(self, definition: Definition, element: Element, type_: TypeRef, key: str) -> Entry:
        r4 = self._r4
        name, code = element.name, type_.code
        test = values.TESTS[code]
        more: list[Check] = []
        bound = r4.binding(element, code, definition.url)
        if bound is not None:
            more.append(bound)
        listed = r4.listed(element) if code == "code" and element.most == 1 else None
        if code == "canonical" and type_.targets:
            target = r4.canonical(type_.targets)
            if target is not None:
                more.append(target)
        if element.constraints:
            rules = r4.rules("", element)
            if rules:
                more.append(entries.later(rules, definition.url))
        if name == "id" and element.least == 0:
            more.append(entries.identified)
        if code == "xhtml":
            from fhirplan.validation.narrative import check_div

            more.append(check_div)
        url = definition.url
        if element.most == 1:
            entry = entries.single_primitive(name, key, code, test, more, url)
            return entry if listed is None or len(more) > 1 else entries.one_of(listed, entry)
        return entries.listed_primitive(name, key, code, test, more, element.most, url)

    def _companion(self, element: Element, bare: str) -> Entry:
        made = companions.single if element.most == 1 else companions.listed
        return made(element.name, bare, self._late("Element"))


class _Members(dict[str, Entry | None]):
    """The entries of a type by the names of its JSON members, each made when first met; None for what it has not."""

    def __init__(self, make: Callable[[str], Entry | None]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: str) -> Entry | None:
        entry = self._make(key)
        # What callers made up is not kept: there is no end to it.
        if entry is not None:
            self[key] = entry
        return entry


def _demanded(children: tuple[Element, ...]) -> tuple[tuple[str, ...], tuple[tuple[str, frozenset[str], int], ...]]:
    required = tuple(one.name for one in children if one.least and not one.choice)
    choices = tuple(
        (one.name, frozenset(name for name, _ in one.json_names()), one.least) for one in children if one.choice
    )
    return required, choices
