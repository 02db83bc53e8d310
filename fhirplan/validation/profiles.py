"""Compiles a profile to closures that check only what it adds to R4's own types.

The profile's tree is compared with the tree of what is checked already (the R4 type, or for a slice the element it
slices); an element that says nothing more costs nothing. Findings carry the profile's canonical.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fhirplan.fhir import structure
from fhirplan.validation import bindings, element_rules, slicing
from fhirplan.validation.definitions import Definitions
from fhirplan.validation.findings import Check, Findings, Place, Scope
from fhirplan.validation.invariants import Rule
from fhirplan.validation.invariants import run as run_invariants
from fhirplan.validation.references import ANY, canonical_check, refused, resolve
from fhirplan.validation.slices import Slice, slicer
from fhirplan.validation.slicing import Content, Item
from fhirplan.validation.snapshot import BadProfile, Node, Snapshots, type_tree, unusable

Presence = Callable[[dict[str, Any], Place, Findings], None]
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
            return _runner(self._content(tree, self._base(tree.name), "", url))
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
                made.append(_valued(bound))
        if restated and _recommended(node):
            made.append(_governed)
        made += self._types(node, above, code, url)
        rules = element_rules.invariants(element, said, code, url)
        if rules:
            made.append(_deferred(rules, url))
        inner = self._inner(node, above, code, url)
        if inner:
            made.append(_members(inner))
        return made

    def _bound(self, binding: dict[str, Any], code: str, url: str) -> Check | None:
        if not binding.get("valueSet"):
            return None
        strength, largest = str(binding.get("strength")), element_rules.largest(binding)
        return bindings.check(self.terminology, strength, str(binding["valueSet"]), code, url, largest)

    def _types(self, node: Node, above: Node | None, code: str, url: str) -> list[Content]:
        """The checks of targets and type profiles."""
        made: list[Content] = []
        chosen = next((one for one in node.types if one.get("code") == code), None)
        known = next((one for one in above.types if one.get("code") == code), {}) if above is not None else {}
        if chosen is None:
            return made
        targets = tuple(str(one) for one in chosen.get("targetProfile") or ())
        if code == "Reference" and targets and list(targets) != list(known.get("targetProfile") or ()):
            made.append(self._reference(targets, url))
        aggregation = chosen.get("aggregation")
        if code == "Reference" and isinstance(aggregation, list) and aggregation:
            made.append(element_rules.aggregated(frozenset(map(str, aggregation)), url))
        if code == "canonical" and targets and list(targets) != list(known.get("targetProfile") or ()):
            named = canonical_check(self.definitions, targets, url)
            if named is not None:
                made.append(_valued(named))
        profiles = [str(one) for one in chosen.get("profile") or ()]
        if profiles and profiles != list(known.get("profile") or ()) and node.stem not in _EXTENSIONS:
            made.append(self._profiled(profiles, node, url))
        return made

    def _reference(self, targets: tuple[str, ...], url: str) -> Content:
        names: set[str] = set()
        for target in targets:
            name = self.type_of(target)
            names.add(name or "Resource")
        allowed = None if names & ANY else frozenset(names)
        narrowed = [one for one in targets if not structure.kind(one.removeprefix(structure.CORE))]

        def checked(item: Item, findings: Findings) -> None:
            value, place, _ = item
            if type(value) is not dict:
                return
            text = value.get("reference")
            name = target_type(value, findings)
            if name and allowed is not None and name not in allowed:
                refused(name, allowed, place, findings, url)
            elif narrowed and type(text) is str and findings.quiet < 2:
                self._target(text, name, targets, place, findings, url)

        return checked

    def _target(
        self, text: str, name: str, targets: tuple[str, ...], place: Place, findings: Findings, url: str
    ) -> None:
        """A target that is here (contained or in the Bundle) conforms to one of the profiles asked for."""
        target = resolve(text, findings.scope)
        if target is None or target is findings.scope.root:
            return
        candidates = [one for one in targets if self.type_of(one) == name]
        if not candidates or any(structure.kind(one.removeprefix(structure.CORE)) for one in candidates):
            return
        if all(self.conforms(one, target, place, findings) is False for one in candidates):
            asked = " or ".join(candidates)
            # In a Bundle the target may be shown in part and checked whole elsewhere.
            findings.add(
                "error" if text.startswith("#") else "warning",
                "structure",
                f"The {name} this points to does not conform to {asked}. Correct it or point elsewhere.",
                place,
                "cm-ref",
                url,
            )

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

    def _inner(self, node: Node, above: Node | None, code: str, url: str) -> list[Presence]:
        if node.children is None and not node.element.get("contentReference"):
            return []
        if node.children is None:
            return []
        known: dict[str, Node] = {}
        if above is not None:
            known = {one.name: one for one in self.children_of(above, code)}
            if not known and structure.kind(code):
                known = {one.name: one for one in self.children_of(type_tree(code))}
        made: list[Presence] = []
        for child in node.children:
            found = self._presence(child, known.get(child.name), url)
            if found is not None:
                made.append(found)
        return made

    def _presence(self, node: Node, above: Node | None, url: str) -> Presence | None:
        """The check of how often an element occurs, and of each occurrence."""
        if node.origin == ("Extension", "url"):
            return None  # it is by its url that an extension came to be checked against this
        least, most = element_rules.bounds(node, above)
        contents, refusal = self._by_type(node, above, url)
        sliced = self._sliced(node, url)
        if not least and most < 0 and not contents and sliced is None and refusal is None:
            return None
        name, choice = node.stem, node.name.endswith("[x]")
        names = _choice_names(node, above) if choice else {}
        under = "_" + name

        def items_of(owner: dict[str, Any], place: Place) -> list[Item]:
            if choice:
                return [(owner[key], (place, name, -1), names[key]) for key in owner if key in names]
            value = owner.get(name)
            if type(value) is list:
                return [(one, (place, name, index), "") for index, one in enumerate(value) if one is not None]
            return [] if value is None else [(value, (place, name, -1), "")]

        def present(owner: dict[str, Any], place: Place, findings: Findings) -> None:
            if not choice:
                value = owner.get(name)
                if value is None:
                    if least and under not in owner:
                        element_rules.missing(name, least, place, findings, url)
                    elif sliced is not None and under not in owner:
                        sliced([], (place, name, -1), findings)
                    return
            items = items_of(owner, place)
            count = len(items)
            if count < least and not (count == 0 and _only_extended(owner, name, choice)):
                element_rules.missing(name, least, place, findings, url, count)
            elif 0 <= most < count:
                element_rules.too_many(name, count, most, place, findings, url)
            if refusal is not None:
                for item in items:
                    refusal(item, findings)
            if contents:
                for item in items:
                    for check in contents.get(item[2], ()):
                        check(item, findings)
            if sliced is not None:
                sliced(items, (place, name, -1), findings)

        return present

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

    def _sliced(self, node: Node, url: str) -> Callable[[list[Item], Place, Findings], None] | None:
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
            node, made, str(slicing_.get("rules", "open")) if whole else "open", slicing_, url, _recommended(node)
        )

    def _slice_test(self, node: Node, one: Node, slicing_: dict[str, Any]) -> slicing.Test | None:
        if node.stem in _EXTENSIONS:
            wanted = slicing.extension_url(one, self)
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


def target_type(value: dict[str, Any], findings: Findings) -> str:
    """The type a Reference points to, "" where it does not tell; says nothing about its form."""
    text = value.get("reference")
    if type(text) is str:
        for part in reversed(text.partition("/_history/")[0].split("/")[-2:]):
            if part in structure.resource_types():
                return part
        target = resolve(text, findings.scope)
        if target is not None:
            return str(target.get("resourceType") or "")
    stated = value.get("type")
    return stated if type(stated) is str and stated in structure.resource_types() else ""


def _recommended(node: Node) -> bool:
    """Whether R4 only recommends the codes of an element, so that a profile may say which are meant."""
    definition = structure.definition(node.origin[0]) if node.origin[0] else None
    plain = definition.by_path.get(node.origin[1]) if definition is not None else None
    return plain is not None and plain.binding is not None and plain.binding.strength != "required"


def _governed(item: Item, findings: Findings) -> None:
    """Notes that a profile says which codes are meant here."""
    findings.governed.append(item[1])


def _runner(contents: list[Content]) -> Check:
    def check(value: Any, place: Place, findings: Findings) -> None:
        item = (value, place, "")
        for one in contents:
            one(item, findings)

    return check


def _members(inner: list[Presence]) -> Content:
    def check(item: Item, findings: Findings) -> None:
        value, place, _ = item
        if type(value) is dict:
            for one in inner:
                one(value, place, findings)

    return check


def _valued(bound: Check) -> Content:
    def check(item: Item, findings: Findings) -> None:
        bound(item[0], item[1], findings)

    return check


def _deferred(rules: list[Rule], url: str) -> Content:
    def check(item: Item, findings: Findings) -> None:
        findings.scope.later.append((rules, item[0], item[1], url))

    return check


def _choice_names(node: Node, above: Node | None) -> dict[str, str]:
    codes = [str(one.get("code", "")) for one in (above.types if above is not None else [])]
    codes += [str(one.get("code", "")) for one in node.types]
    return {node.stem + code[:1].upper() + code[1:]: code for code in codes if code}


def _only_extended(owner: dict[str, Any], name: str, choice: bool) -> bool:
    """Whether a primitive has extensions only, which counts as present."""
    if not choice:
        return "_" + name in owner
    return any(key.startswith("_" + name) for key in owner)
