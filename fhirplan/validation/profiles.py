"""Compiles a profile to closures that check only what it adds to R4's own types.

The profile's tree is compared with the tree of what is checked already (the R4 type, or for a slice the element it
slices); an element that says nothing more costs nothing. Findings carry the profile's canonical.
"""

from __future__ import annotations

from typing import Any, Final

from fhirplan.fhir import structure
from fhirplan.validation import bindings, element_rules, occurrence, slicing
from fhirplan.validation.definitions import Definitions
from fhirplan.validation.discriminators import Content, Item, extension_url
from fhirplan.validation.findings import Check, Findings, Place, Scope
from fhirplan.validation.invariants import run as run_invariants
from fhirplan.validation.profile_targets import reference
from fhirplan.validation.references import ANY, canonical_check
from fhirplan.validation.slices import Slice, slicer
from fhirplan.validation.snapshot import Snapshots
from fhirplan.validation.tree import BadProfile, Node, type_tree, unusable

MOST_QUIET: Final = 12
_EXTENSIONS: Final = frozenset({"extension", "modifierExtension"})


class Profiles:
    """The compiled profiles of one validator."""

    def __init__(self, definitions: Definitions, terminology: bindings.Terminology) -> None:
        self.definitions = definitions
        self.terminology = terminology
        self.snapshots = Snapshots(definitions)
        self._checks: dict[str, Check] = {}
        self._trees: dict[str, Node] = {}

    def check(self, canonical: str) -> Check:
        """The check of a resource or datatype against a profile; raises BadProfile."""
        found = self._checks.get(canonical)
        if found is None:
            found = self._checks.setdefault(canonical, self._compiled(canonical))
        return found

    def _compiled(self, canonical: str) -> Check:
        url = canonical.partition("|")[0]
        try:
            tree = self.snapshots.tree(canonical)
            return occurrence.runner(self._content(tree, self._base(tree.name), "", url))
        except (TypeError, ValueError, KeyError, AttributeError, LookupError, RecursionError) as error:
            why = f"its elements make no sense ({type(error).__name__})."
            raise unusable(url, why) from None

    def type_of(self, canonical: str) -> str:
        """The R4 type a profile is of, "" when it is not known."""
        url = canonical.partition("|")[0]
        name = url.removeprefix(structure.CORE)
        if name != url and structure.kind(name):
            return name
        definition = self.definitions.find("StructureDefinition", canonical)
        type_ = definition.get("type") if definition else None
        return type_ if isinstance(type_, str) else ""

    def tree(self, canonical: str) -> Node:
        """The tree of a profile; raises BadProfile."""
        return self.snapshots.tree(canonical)

    def children_of(self, node: Node, type_: str = "") -> list[Node]:
        """The children of a node."""
        return self.snapshots.children_of(node, type_)

    def conforms(self, url: str, value: Any, place: Place, findings: Findings) -> bool | None:
        """Whether a resource or datatype conforms to a profile, without saying why not; None where it is not here."""
        if findings.quiet >= MOST_QUIET or not isinstance(value, dict):
            return None
        type_ = self.type_of(url)
        stated = value.get("resourceType")
        if stated is not None and type_ and stated != type_ and not structure.is_a(str(stated), type_):
            return False
        try:
            check = self.check(url)
        except (BadProfile, LookupError):
            return None
        scope = Scope(value if stated else findings.scope.resource, place, findings.scope.parent, findings.scope.root)
        scope.full_url = findings.scope.full_url
        trial = Findings(findings.engine, scope)
        trial.quiet = findings.quiet + 1
        check(value, place, trial)
        if not any(one.is_error for one in trial.issues):
            run_invariants(trial)
        return not any(one.is_error for one in trial.issues)

    def _base(self, name: str) -> Node | None:
        if name not in self._trees and structure.kind(name):
            self._trees[name] = type_tree(name)
        return self._trees.get(name)

    def _content(self, node: Node, above: Node | None, type_: str, url: str) -> list[Content]:
        """The checks of one value of an element, of the type its JSON name tells."""
        made: list[Content] = []
        element = node.element
        said = above.element if above is not None else {}
        made += element_rules.fixed(element, said, node, type_, url)
        restated = bool(made)
        made += element_rules.limits(element, said, url)
        code = type_ or (str(node.types[0].get("code", "")) if node.types else node.name)
        binding = element.get("binding")
        if (
            isinstance(binding, dict)
            and not element_rules.same_binding(binding, said.get("binding"))
            and binding.get("valueSet")
        ):
            bound = bindings.check(
                self.terminology,
                str(binding.get("strength")),
                str(binding["valueSet"]),
                code,
                url,
                element_rules.largest(binding),
            )
            if bound is not None:
                restated = True
                made.append(occurrence.valued(bound))
        if restated and occurrence.recommended(node):
            made.append(occurrence.governed)
        made += self._types(node, above, code, url)
        rules = element_rules.invariants(element, said, code, url)
        if rules:
            made.append(occurrence.deferred(rules, url))
        inner = self._inner(node, above, code, url)
        if inner:
            made.append(occurrence.members(inner))
        return made

    def _types(self, node: Node, above: Node | None, code: str, url: str) -> list[Content]:
        """The checks of targets and type profiles."""
        made: list[Content] = []
        chosen = next((one for one in node.types if one.get("code") == code), None)
        known = next((one for one in above.types if one.get("code") == code), {}) if above is not None else {}
        if chosen is None:
            return made
        targets = tuple(str(one) for one in chosen.get("targetProfile") or ())
        if code == "Reference" and targets and list(targets) != list(known.get("targetProfile") or ()):
            made.append(reference(targets, url, self))
        aggregation = chosen.get("aggregation")
        if code == "Reference" and isinstance(aggregation, list) and aggregation:
            made.append(element_rules.aggregated(frozenset(map(str, aggregation)), url))
        if code == "canonical" and targets and list(targets) != list(known.get("targetProfile") or ()):
            named = canonical_check(self.definitions, targets, url)
            if named is not None:
                made.append(occurrence.valued(named))
        profiles = [str(one) for one in chosen.get("profile") or ()]
        if profiles and profiles != list(known.get("profile") or ()) and node.stem not in _EXTENSIONS:
            made.append(self._profiled(profiles, node, url))
        return made

    def _profiled(self, profiles: list[str], node: Node, url: str) -> Content:
        def checked(item: Item, findings: Findings) -> None:
            value, place, _ = item
            if type(value) is not dict:
                return
            if len(profiles) == 1:
                findings.engine.against(profiles[0], value, place, findings)
            elif all(self.conforms(one, value, place, findings) is False for one in profiles):
                findings.error("structure", f"This conforms to none of {', '.join(profiles)}.", place, "cm-type", url)

        return checked

    def _inner(self, node: Node, above: Node | None, code: str, url: str) -> list[occurrence.Presence]:
        if node.children is None:
            return []
        known: dict[str, Node] = {}
        if above is not None:
            known = {one.name: one for one in self.children_of(above, code)}
            if not known and structure.kind(code):
                known = {one.name: one for one in self.children_of(type_tree(code))}
        made: list[occurrence.Presence] = []
        for child in node.children:
            found = self._presence(child, known.get(child.name), url)
            if found is not None:
                made.append(found)
        return made

    def _presence(self, node: Node, above: Node | None, url: str) -> occurrence.Presence | None:
        """The check of how often an element occurs, and of each occurrence."""
        if node.origin == ("Extension", "url"):
            return None  # it is by its url that an extension came to be checked against this
        least, most = element_rules.bounds(node, above)
        contents, refusal = self._by_type(node, above, url)
        sliced = self._sliced(node, url)
        if not least and most < 0 and not contents and sliced is None and refusal is None:
            return None
        return occurrence.occurrences(node, above, url, (least, most), contents, refusal, sliced)

    def _by_type(self, node: Node, above: Node | None, url: str) -> tuple[dict[str, list[Content]], Content | None]:
        """The content checks per type ("" where the name does not tell it), and the check of the type itself."""
        if not node.name.endswith("[x]"):
            code = str(node.types[0].get("code", "")) if node.types else ""
            made = self._content(node, above, "", url)
            refusal = None
            if (
                code
                and above is not None
                and above.types
                and above.types[0].get("code") in ("Resource", "DomainResource")
            ):
                codes = frozenset(str(one.get("code")) for one in node.types)
                refusal = None if codes & ANY else element_rules.resource_types(codes, url)
            return ({"": made} if made else {}), refusal
        contents: dict[str, list[Content]] = {}
        allowed = [str(one.get("code")) for one in node.types]
        for code in allowed:
            found = self._content(node, above, code, url)
            if found:
                contents[code] = found
        known = [str(one.get("code")) for one in above.types] if above is not None else allowed
        refusal = element_rules.choice_types(frozenset(allowed), url) if allowed and set(known) - set(allowed) else None
        return contents, refusal

    def _sliced(self, node: Node, url: str) -> occurrence.Sliced | None:
        if not node.slices:
            return None
        slicing_ = node.element.get("slicing")
        slicing_ = slicing_ if isinstance(slicing_, dict) else {}
        made: list[Slice] = []
        for one in node.slices:
            test = self._slice_test(node, one, slicing_)
            if test is None:
                continue
            contents: dict[str, list[Content]] = {}
            for code in [str(t.get("code")) for t in one.types] if node.name.endswith("[x]") else [""]:
                found = self._content(one, node, code, url)
                if found:
                    contents[code] = found
            made.append(Slice(one, test, contents))
        if not made:
            return None
        whole = len(made) == len(node.slices)
        return slicer(
            node,
            made,
            str(slicing_.get("rules", "open")) if whole else "open",
            slicing_,
            url,
            occurrence.recommended(node),
        )

    def _slice_test(self, node: Node, one: Node, slicing_: dict[str, Any]) -> slicing.Test | None:
        if node.stem in _EXTENSIONS:
            wanted = extension_url(one, self)
            if wanted:
                return lambda item, findings: type(item[0]) is dict and item[0].get("url") == wanted
        listed = slicing_.get("discriminator")
        discriminators = [d for d in listed if isinstance(d, dict)] if isinstance(listed, list) else []
        if not discriminators and node.name.endswith("[x]"):
            discriminators = [{"type": "type", "path": "$this"}]
        test = slicing.test_of(one, discriminators, self) if discriminators else None
        around, _, _ = one.slice.rpartition("/")
        outer = next((s for s in node.slices if s.slice == around), None) if around else None
        if outer is None or test is None:
            return test
        first, second = self._slice_test(node, outer, slicing_), test
        if first is None:
            return test

        def both(item: Item, findings: Findings) -> bool | None:
            return first(item, findings) and second(item, findings)

        return both
