"""Replaces the references between the entries of a transaction by those to what the entries become.

R4 sections 2.36.4 (resolving references in Bundles), 3.2.0.11.2 (transaction processing: elements of type Reference,
uri, url, oid and uuid, and links in the narrative are replaced) and 3.2.0.11.2.2 (conditional references).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from fhirplan.errors import InvalidResource, Issue
from fhirplan.fhir.codec import Json, Resource
from fhirplan.fhir.reference import parse, walk
from fhirplan.interactions.bundles.entries import place

# Elements of type uri, url, oid and uuid that may hold the address of another entry; what only names a system may not.
_URIS: Final = frozenset(
    {"valueUri", "valueUrl", "valueOid", "valueUuid", "url", "uri", "instantiatesUri", "policy", "source"}
)
_IN_DIV: Final = re.compile(r'\b(href|src)=(["\'])([^"\']+)\2')
_URN: Final = ("urn:uuid:", "urn:oid:")
_MAYBE_CONDITIONAL: Final = re.compile(rb'"reference"\s*:\s*"[^"/:#]*\?')
_CONDITIONAL: Final = re.compile(r"(?P<type>[A-Z][A-Za-z]+)\?(?P<query>.+)", re.DOTALL)

Found = Callable[[str, str], str]
"""The type/id that a type and a search find; raises when it is not exactly one."""


def linked(resource: Resource, index: int, full_url: str, links: Mapping[str, str], found: Found) -> Resource:
    """The resource of entry ``index``, or a copy of it, in which each reference names what it points to.

    ``links`` is from each fullUrl of the Bundle to type/id. Raises InvalidResource, naming the element, for a urn
    that no entry carries, since nothing could ever resolve it.
    """
    base = server(full_url)

    def target(text: str) -> str:
        direct = links.get(text) or (links.get(f"{base}/{text}") if base else None)
        if direct:
            return direct
        if text.startswith(_URN):
            dangling.append(text)
        condition = _CONDITIONAL.fullmatch(text)
        return found(condition["type"], condition["query"]) if condition else text

    dangling: list[str] = []
    if not _names_any(resource, links, base):
        return resource
    made: Resource = _copy(resource, target, links)
    if dangling:
        raise _dangling(made, index)
    return made


def server(full_url: str) -> str:
    """The base of the server that a fullUrl is on, or "" for a urn and for none."""
    return found.server if (found := parse(full_url)) else ""


def may_have_conditional(body: bytes | Resource) -> bool:
    """Whether a body may hold a reference such as ``Patient?identifier=x``; most texts tell at once that not."""
    return isinstance(body, dict) or _MAYBE_CONDITIONAL.search(body) is not None


def conditional(resource: Json) -> bool:
    """Whether a resource has a reference such as ``Patient?identifier=x``."""
    return any(_CONDITIONAL.fullmatch(element["reference"]) for _, element in walk(resource))


def refuse_conditional(resource: Resource) -> None:
    """Raises InvalidResource for a conditional reference outside of a transaction (R4 section 3.2.0.11.2.2)."""
    issues = [
        Issue(
            "error",
            "not-supported",
            f"The reference {element['reference'][:80]} is looked up in transactions only. Refer by type and id, or "
            "send this in a transaction Bundle.",
            path,
        )
        for path, element in walk(resource)
        if _CONDITIONAL.fullmatch(element["reference"])
    ]
    if issues:
        raise InvalidResource(issues)


def _names_any(value: Any, links: Mapping[str, str], base: str) -> bool:
    """Whether anything in a value may stand for something else: a reference, an element of type uri, or a narrative."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if item.__class__ is list:
            waiting += item
        elif item.__class__ is dict:
            for key, child in item.items():
                if child.__class__ is dict or child.__class__ is list:
                    if key in _URIS and child.__class__ is list and any(isinstance(one, str) for one in child):
                        return True
                    waiting.append(child)
                elif key == "reference":
                    if child.__class__ is str and _stands_for_another(child, links, base):
                        return True
                elif key == "div" or (key in _URIS and child in links):
                    return True
    return False


def _stands_for_another(text: str, links: Mapping[str, str], base: str) -> bool:
    return text in links or "?" in text or text.startswith(_URN) or (bool(base) and f"{base}/{text}" in links)


def _copy(value: Any, target: Callable[[str], str], links: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_copy(item, target, links) for item in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, list) and key in _URIS:
            made[key] = [links.get(one, one) if isinstance(one, str) else _copy(one, target, links) for one in item]
        elif not isinstance(item, str):
            made[key] = _copy(item, target, links) if isinstance(item, dict | list) else item
        elif key == "reference":
            made[key] = target(item)
        elif key == "div" and links:
            made[key] = _IN_DIV.sub(
                lambda found: f"{found[1]}={found[2]}{links.get(found[3], found[3])}{found[2]}", item
            )
        else:
            made[key] = links.get(item, item) if key in _URIS else item
    return made


def _dangling(resource: Resource, index: int) -> InvalidResource:
    return InvalidResource(
        Issue(
            "error",
            "not-found",
            f"This points to {element['reference'][:80]}, which is the fullUrl of no entry in this Bundle. Add the "
            "entry, or refer to a resource by type and id.",
            f"{place(index)}.resource{path.removeprefix(resource['resourceType'])}",
        )
        for path, element in walk(resource)
        if element["reference"].startswith(_URN)
    )
