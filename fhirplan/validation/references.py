"""Checks where references point: the form of the text, the type of the target, contained and bundled targets.

Nothing is fetched: a target is looked at where it is contained, in the same Bundle, or told by url and type.
"""

from __future__ import annotations

import re
from typing import Any, Final

from fhirplan.fhir import structure
from fhirplan.validation.definitions import Definitions
from fhirplan.validation.findings import Check, Findings, Place, Scope, shown

_REST: Final = re.compile(
    r"(?P<server>[a-z][a-z0-9+.\-]*://.+/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})"
    r"(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?"
)
_CONDITIONAL: Final = re.compile(r"(?:[a-z][a-z0-9+.\-]*://\S+/)?([A-Z][A-Za-z]+)\?\S+")
_ABSOLUTE: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*:\S+")
ANY: Final = frozenset({"Resource", "Any", "DomainResource"})


def type_names(targets: tuple[str, ...]) -> frozenset[str] | None:
    """The resource types a reference may point to, or None where any will do."""
    names = frozenset(target.removeprefix(structure.CORE) for target in targets)
    return None if not names or names & ANY else names


def check(targets: tuple[str, ...]) -> Check:
    """The base check of a Reference element with these targets."""
    allowed = type_names(targets)
    types = structure.resource_types()

    def checked(value: dict[str, Any], place: Place, findings: Findings) -> None:
        text = value.get("reference")
        if type(text) is str:
            found = _REST.fullmatch(text)
            if found is not None and found["type"] in types:
                name = found["type"]
            else:
                name = other(text, place, findings, found)
        else:
            name = ""
        stated = value.get("type")
        if stated is not None and type(stated) is str:
            if stated not in types and ":" not in stated:
                text = f"{shown(stated)} is no R4 resource type. Name one, or give the URL of a logical model."
                findings.error("value", text, (place, "type", -1), "cm-ref")
            if name and name != stated and stated in types:
                findings.error(
                    "structure",
                    f"The reference points to a {name} and its type says {shown(stated)}. Make them agree.",
                    place,
                    "cm-ref",
                )
            name = name or (stated if stated in types else "")
        if name and allowed is not None and name not in allowed:
            refused(name, allowed, place, findings, structure.CORE + "Reference")

    return checked


def canonical_check(definitions: Definitions, targets: tuple[str, ...], profile: str) -> Check | None:
    """The check that a canonical does not name a definition of another kind; None where any will do.

    What it names need not be here; then nothing is said.
    """
    allowed = type_names(targets)
    if allowed is None:
        return None

    def checked(value: Any, place: Place, findings: Findings) -> None:
        if type(value) is not str or value.startswith("#"):
            return
        kind = definitions.kind_of(value, allowed)
        if kind and kind not in allowed:
            refused(kind, allowed, place, findings, profile)

    return checked


def refused(name: str, allowed: frozenset[str], place: Place, findings: Findings, profile: str) -> None:
    """Says that a reference points to a type that is not allowed there."""
    findings.error(
        "structure",
        f"This points to a {name}; allowed is {' or '.join(sorted(allowed))}. Point it to one of these.",
        place,
        "cm-ref",
        profile,
    )


def other(text: str, place: Place, findings: Findings, found: re.Match[str] | None) -> str:
    """The type behind a reference that is no plain Type/id, after saying what is wrong with its form."""
    here = (place, "reference", -1)
    if text.startswith("#"):
        findings.scope.fragments.add(text)
        target = contained(text, findings.scope)
        if target is None:
            findings.error(
                "not-found",
                f"{shown(text)} points to a contained resource that is not here. Contain it or correct the id.",
                here,
                "ref-1",
                structure.CORE + "Reference",
            )
            return ""
        return str(target.get("resourceType") or "")
    if not text or any(c.isspace() for c in text):
        findings.error(
            "value",
            f"{shown(text)} has a blank in it; a reference is a URL without blanks, like Patient/123.",
            here,
            "cm-ref",
            structure.CORE + "Reference",
        )
        return ""
    conditional = _CONDITIONAL.fullmatch(text)
    if conditional:
        return conditional[1] if conditional[1] in structure.resource_types() else ""
    if _ABSOLUTE.fullmatch(text):
        target = resolve(text, findings.scope)
        return str(target.get("resourceType") or "") if target is not None else ""
    if found is not None:
        message = f"{shown(text)} names {found['type']}, which is no R4 resource type."
        findings.error("value", message, here, "cm-ref", structure.CORE + "Reference")
    else:
        message = f"{shown(text)} is neither Type/id nor an absolute URL. Write it like Patient/123."
        findings.add("warning", "value", message, here, "cm-ref", structure.CORE + "Reference")
    return ""


def contained(text: str, scope: Scope) -> dict[str, Any] | None:
    """The resource that ``#id`` means: one contained in the root resource, or for ``#`` the root itself."""
    root = scope.root
    if text == "#":
        return root
    listed = root.get("contained")
    if type(listed) is list:
        wanted = text[1:]
        for one in listed:
            if type(one) is dict and one.get("id") == wanted:
                return one
    if root.get("id") == text[1:]:
        return root
    return None


def resolve(text: str, scope: Scope) -> dict[str, Any] | None:
    """The resource a literal reference means, where it is contained or in the same Bundle; else None."""
    if text.startswith("#"):
        return contained(text, scope)
    around = enclosing_bundle(scope)
    if around is None:
        return None
    bundle, full_url = around
    index = bundle.entries
    if index is None:
        index = bundle.entries = _index(bundle.resource)
    plain = text.partition("/_history/")[0]
    found = _REST.fullmatch(plain)
    relative = found is not None and not found["server"]
    if relative:
        home = _REST.fullmatch(full_url)
        met = index.get(home["server"] + plain) if home is not None and home["server"] else None
        return met or index.get(plain) or index.get(f"{plain} of {bool(full_url.startswith('http'))}")
    return index.get(plain)


def _index(bundle: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The resources of a Bundle by fullUrl, and by type and id where an entry has no RESTful fullUrl."""
    made: dict[str, dict[str, Any]] = {}
    listed = bundle.get("entry")
    for entry in listed if type(listed) is list else ():
        resource = entry.get("resource") if type(entry) is dict else None
        if type(resource) is not dict:
            continue
        url = entry.get("fullUrl")
        if type(url) is str:
            made.setdefault(url, resource)
        local = f"{resource.get('resourceType')}/{resource.get('id')}"
        if type(url) is not str or not url.startswith("http") or url.endswith("/" + local):
            made.setdefault(f"{local} of False", resource)
            if type(url) is not str:
                made.setdefault(f"{local} of True", resource)
    return made


def enclosing_bundle(scope: Scope) -> tuple[Scope, str] | None:
    """The scope of the Bundle around a scope, and the fullUrl of the entry the scope is in."""
    full_url, at = scope.full_url, scope.parent
    while at is not None:
        if at.resource.get("resourceType") == "Bundle":
            return at, full_url
        full_url, at = at.full_url, at.parent
    return (scope, "") if scope.resource.get("resourceType") == "Bundle" else None
