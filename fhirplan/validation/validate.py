"""Validates a resource: R4's own rules, the profiles asked for and declared, extensions, Bundles, invariants.

    >>> validator = Validator.load(Path("profiles"), packages=["hl7.fhir.us.core#6.1.0"])
    >>> for issue in validator.validate(resource, ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-careplan"]):
    ...     print(issue.severity, issue.expression, issue.text)

All problems are found in one pass. Phase A is the structure; phase B the invariants, left out for a resource that
lacks a required element (guide section 0.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from fhirplan.errors import Issue
from fhirplan.fhir import path, structure
from fhirplan.validation import asking, bindings, bundles, extensions, invariants, natives, questionnaires, references
from fhirplan.validation.definitions import Definitions
from fhirplan.validation.elements import Types
from fhirplan.validation.findings import Check, Findings, Place, Scope, shown
from fhirplan.validation.profiles import Profiles
from fhirplan.validation.r4_checks import R4Checks
from fhirplan.validation.settle import settled
from fhirplan.validation.tree import BadProfile
from fhirplan.validation.valuesets import Terminology

Policy = Literal["base", "declared", "case-management"]
CASE_MANAGEMENT: Final = "http://fhirplan.dev/fhir/StructureDefinition/case-management-"
OURS: Final = frozenset({"CarePlan", "Goal", "Task", "CareTeam"})
_EXTENSIONS: Final = frozenset({"extension", extensions.MODIFIER})
_NOT_DOMAIN: Final = frozenset({"Bundle", "Binary", "Parameters"})
_OWN: Final[dict[str, Check]] = {
    "Bundle": bundles.check,
    "Questionnaire": questionnaires.linked,
    "QuestionnaireResponse": questionnaires.check,
}


class Validator:
    """Everything compiled for one set of profiles and packages; build it once, use it from any thread."""

    def __init__(
        self, definitions: Definitions, terminology: bindings.Terminology, ask: asking.Opened | None = None
    ) -> None:
        self.definitions = definitions
        self.terminology = terminology
        self._ask = ask
        self.r4 = R4Checks(definitions, terminology)
        self.types = Types(self.r4)
        self.profiles = Profiles(definitions, terminology)
        self._extensions: dict[str, tuple[extensions.Contexts, Check | None] | None] = {}

    @classmethod
    def load(
        cls,
        profiles_dir: Path | None = None,
        packages: Iterable[Path | str] = (),
        ask: asking.Opened | None = None,
    ) -> Validator:
        """A validator with our profiles (``settings.profiles_folder()`` when no folder is given) and more packages.

        ``ask`` reaches a terminology server, which is asked what cannot be told offline.
        Raises Misconfigured for a package that cannot be used.
        """
        if profiles_dir is None:
            from fhirplan.settings import profiles_folder

            profiles_dir = profiles_folder()
        definitions = Definitions()
        if profiles_dir.is_dir():
            definitions.add(profiles_dir)
        for package in packages:
            definitions.add(package)
        return cls(definitions, Terminology(definitions.terminology), ask)

    def validate(
        self,
        resource: Any,
        profiles: Sequence[str] = (),
        *,
        policy: Policy = "case-management",
        suggest: bool = False,
        rules: bool = True,
    ) -> tuple[Issue, ...]:
        """What is wrong with a resource (parsed JSON), most of all nothing: an empty tuple or no error in it.

        ``profiles`` are canonicals to check against besides; ``policy`` says which others: ``base`` none,
        ``declared`` those in meta.profile, ``case-management`` these and our profile of the type, declared or not.
        ``suggest`` adds, where no profile applied, which known profile the resource conforms to. ``rules`` False
        leaves out the second phase, the FHIRPath invariants. Never raises.
        """
        name = resource.get("resourceType") if isinstance(resource, dict) else None
        if not isinstance(resource, dict) or not isinstance(name, str) or name not in structure.resource_types():
            return (_no_resource(resource, name),)
        findings = Findings(self, Scope(resource, (None, name, -1), None, resource))
        findings.policy = policy
        findings.ask = self._ask() if self._ask is not None else None
        try:
            applied = self._resource(resource, findings.scope.place, findings, profiles)
            for scope in findings.scopes:
                if len(scope.ids) > 1:
                    natives.duplicate_ids(scope, findings)
            if rules:
                invariants.run(findings)
            if suggest and not applied and policy != "base":
                self._suggest(resource, name, findings)
        except RecursionError:
            text = "The resource is nested too deeply to be checked. Flatten it or send it in parts."
            return (*findings.issues, Issue("error", "too-costly", text, name))
        return settled(findings.issues, findings.governed) if findings.issues else ()

    def _resource(
        self, resource: dict[str, Any], place: Place, findings: Findings, profiles: Sequence[str] = ()
    ) -> bool:
        """Checks one resource in its scope; says whether any profile applied."""
        name = resource["resourceType"]
        self.types.check(name)(resource, place, findings)
        if name not in _NOT_DOMAIN:
            natives.domain_resource(resource, place, findings)
        own = _OWN.get(name)
        if own is not None:
            own(resource, place, findings)
        applied = False
        for canonical in self._applicable(resource, name, findings.policy, profiles):
            applied = self.against(canonical, resource, place, findings, canonical in profiles) or applied
        return applied

    def _applicable(self, resource: dict[str, Any], name: str, policy: str, profiles: Sequence[str]) -> list[str]:
        chosen = list(profiles)
        if policy == "base":
            return chosen
        meta = resource.get("meta")
        declared = meta.get("profile") if type(meta) is dict else None
        if type(declared) is list:
            chosen += [one for one in declared if type(one) is str and one not in chosen]
        if policy == "case-management" and name in OURS:
            url = CASE_MANAGEMENT + name.lower()
            if not any(one.partition("|")[0] == url for one in chosen) and self.definitions.find(
                "StructureDefinition", url
            ):
                chosen.append(url)
        return chosen

    def against(
        self, canonical: str, value: dict[str, Any], place: Place, findings: Findings, asked: bool = False
    ) -> bool:
        """Checks a value against a profile; says whether the profile is here."""
        try:
            type_ = self.profiles.type_of(canonical)
            stated = value.get("resourceType")
            if type_ and isinstance(stated, str) and not structure.is_a(stated, type_):
                findings.error(
                    "structure",
                    f"The profile {canonical} is for {type_}; this is a {stated}. Remove the claim.",
                    (place, "meta", -1) if not asked else place,
                    "cm-profile",
                    canonical,
                )
                return True
            check = self.profiles.check(canonical)
        except BadProfile as bad:
            findings.add(
                "error" if asked else "warning",
                "not-found",
                bad.issues[0].text + (" It was not checked." if not asked else ""),
                place,
                "cm-profile",
                canonical,
            )
            return False
        check(value, place, findings)
        return True

    def nested(self, value: Any, place: Place, findings: Findings, contained: bool) -> None:
        """Checks a resource inside another one: contained, or in an entry of a Bundle or a parameter."""
        if not isinstance(value, dict):
            findings.error("structure", f"{shown(value)} stands where a resource is needed.", place, "cm-type")
            return
        name = value.get("resourceType")
        if not isinstance(name, str) or name not in structure.resource_types():
            issue = _no_resource(value, name)
            findings.error(issue.code, issue.text, place, issue.rule)
            return
        scope = findings.enter(value, place, findings.scope.root if contained else None)
        if not contained:
            scope.full_url = bundles.full_url_of(findings, place)
        self._resource(value, place, findings)
        findings.leave()

    def _suggest(self, resource: dict[str, Any], name: str, findings: Findings) -> None:
        for url in self.definitions.profiles.get(name, ())[:100]:
            if self.profiles.conforms(url, resource, findings.scope.place, findings):
                text = f"No profile is declared. This conforms to {url}; declare it in meta.profile if that is meant."
                findings.add("information", "informational", text, findings.scope.place, "cm-profile", url)
                return

    # What the walk asks for.

    def extension(self, value: dict[str, Any], place: Place, findings: Findings) -> None:
        """Checks an extension against its definition where it is known; refuses unknown modifier extensions."""
        url = value.get("url")
        if type(url) is not str:
            return
        if ":" not in url and place[0] is not None and place[0][1] not in _EXTENSIONS:
            text = f"{shown(url)} is no absolute URL. Give the URL of the extension's definition."
            findings.error("value", text, (place, "url", -1), "cm-extension", structure.CORE + "Extension")
            return
        try:
            known = self._extensions[url]
        except KeyError:
            known = self._extensions[url] = self._extension(url)
        if known is None:
            if place[1] == extensions.MODIFIER:
                extensions.unknown_modifier(value, place, findings)
            return
        contexts, check = known
        if contexts and not extensions.allowed_here(contexts, place, findings):
            extensions.misplaced(url, contexts, place, findings)
        if check is not None:
            check(value, place, findings)

    def _extension(self, url: str) -> tuple[extensions.Contexts, Check | None] | None:
        definition = self.definitions.find("StructureDefinition", url) if ":" in url else None
        if definition is None or definition.get("type") != "Extension":
            return None
        try:
            check: Check | None = self.profiles.check(url)
        except BadProfile:
            check = None
        return extensions.contexts_of(definition), check

    def context(self, scope: Scope, findings: Findings) -> path.Context:
        """What invariants of a scope may ask for."""
        made: path.Context | None = scope.context
        if made is None:

            def member_of(item: Any, url: str) -> bool | None:
                return bindings.concept_held(self.terminology, url.partition("|")[0], item)

            def conforms_to(item: Any, url: str) -> bool | None:
                return self.profiles.conforms(url, item, scope.place, findings)

            made = scope.context = path.Context(
                resource=scope.resource,
                root=scope.root,
                resolve=_resolver(scope),
                member_of=member_of,
                conforms_to=conforms_to,
                type_of=type_of,
            )
        return made


def type_of(type_: str, name: str) -> str | None:
    """The type of a type's element where it has only one."""
    definition = structure.definition(type_)
    element = definition.element(name) if definition else None
    return element.types[0].code if element is not None and len(element.types) == 1 else None


def _resolver(scope: Scope) -> Callable[[str], dict[str, Any] | None]:
    return lambda text: references.resolve(text, scope)


def _no_resource(resource: Any, name: Any) -> Issue:
    if not isinstance(resource, dict):
        text = "A FHIR resource is a JSON object; this is " + (
            "a list." if isinstance(resource, list) else "a single value."
        )
        return Issue("error", "structure", text, rule="cm-type")
    if name is None:
        text = 'resourceType is missing. Say what this is, e.g. "resourceType": "CarePlan".'
    elif not isinstance(name, str):
        text = f"resourceType is {shown(name)}; it must be the name of a resource type."
    else:
        text = f"{shown(name)} is no R4 resource type. Correct resourceType."
    return Issue("error", "structure", text, rule="cm-type")


def validate(
    resource: Any,
    profiles: Sequence[str] = (),
    *,
    policy: Policy = "case-management",
) -> tuple[Issue, ...]:
    """Validates with our own profiles and R4 only; see ``Validator`` for more packages.

    >>> [issue.rule for issue in validate({"resourceType": "Goal", "id": "g"}, policy="base")]
    ['cm-card', 'cm-card', 'cm-card', 'dom-6']
    """
    return _default().validate(resource, profiles, policy=policy)


def _default() -> Validator:
    if not _loaded:
        _loaded.append(Validator.load())
    return _loaded[0]


_loaded: Final[list[Validator]] = []
