"""Validates a resource: R4's own rules, the profiles asked for and declared, extensions, Bundles, invariants.

    >>> validator = Validator.load(Path("profiles"), packages=["hl7.fhir.us.core#6.1.0"])
    >>> for issue in validator.validate(resource, ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-careplan"]):
    ...     print(issue.severity, issue.expression, issue.text)

All problems are found in one pass. Phase A is the structure; phase B the invariants, left out for a resource that
lacks a required element (guide section 0.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from fhirplan.errors import Issue
from fhirplan.fhir import structure
from fhirplan.validation import asking, bindings, bundles, invariants, natives, questionnaires, wording
from fhirplan.validation.definitions import Definitions
from fhirplan.validation.elements import Types
from fhirplan.validation.findings import Check, Findings, Place, Scope, shown
from fhirplan.validation.known_extensions import KnownExtensions
from fhirplan.validation.profiles import Profiles
from fhirplan.validation.r4_checks import R4Checks
from fhirplan.validation.settle import settled
from fhirplan.validation.tree import BadProfile
from fhirplan.validation.valuesets import Terminology

Policy = Literal["base", "declared", "case-management"]
CASE_MANAGEMENT: Final = "http://fhirplan.dev/fhir/StructureDefinition/case-management-"
OURS: Final = frozenset({"CarePlan", "Goal", "Task", "CareTeam"})
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
        self.extension = KnownExtensions(definitions, self.profiles).check

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
            return (wording.no_resource(resource, name),)
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
            issue = wording.no_resource(value, name)
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


@lru_cache(maxsize=1)
def _default() -> Validator:
    return Validator.load()
