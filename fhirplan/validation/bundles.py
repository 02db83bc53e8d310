"""Checks what is special to Bundles: fullUrl, ids, entries, references between them (R4 section 2.36)."""

from __future__ import annotations

import re
from typing import Any, Final

from fhirplan.fhir.reference import walk
from fhirplan.fhir.structure import CORE
from fhirplan.validation.findings import Findings, Place, expression, shown

_ABSOLUTE: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*:\S+")
_URN: Final = re.compile(r"urn:(?:uuid:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|oid:[0-2](?:\.\d+)+)")
URL: Final = CORE + "Bundle"


def full_url_of(findings: Findings, place: Place) -> str:
    """The fullUrl of the Bundle entry that a place (``entry[n].resource``) is in, or ""."""
    entry = place[0]
    scope = findings.scope.parent
    if entry is None or scope is None or entry[1] != "entry" or entry[0] is not scope.place:
        return ""
    listed = scope.resource.get("entry")
    one = listed[entry[2]] if type(listed) is list and 0 <= entry[2] < len(listed) else None
    url = one.get("fullUrl") if type(one) is dict else None
    return url if type(url) is str else ""


def check(bundle: dict[str, Any], place: Place, findings: Findings) -> None:
    """Says what is wrong with a Bundle beyond its elements."""
    links(bundle, place, findings)
    listed = bundle.get("entry")
    if type(listed) is not list:
        return
    kind = bundle.get("type")
    _borrowed_uuids(listed, place, findings)
    bound = kind == "document"
    if bound:
        document(bundle, listed, place, findings)
    seen: dict[tuple[str, str], int] = {}
    for index, entry in enumerate(listed):
        if type(entry) is not dict:
            continue
        here = (place, "entry", index)
        url = entry.get("fullUrl")
        resource = entry.get("resource")
        if type(url) is str:
            _full_url(url, resource, bound, here, findings)
            _unique(url, resource, index, kind, seen, here, findings)
        if kind == "searchset":
            found_resource(entry, here, findings)


def _borrowed_uuids(entries: list[Any], place: Place, findings: Findings) -> None:
    """A reference Type/uuid that means an entry by the uuid of its urn names the type that the entry has."""
    types: dict[str, str] = {}
    for entry in entries:
        url = entry.get("fullUrl") if type(entry) is dict else None
        resource = entry.get("resource") if type(entry) is dict else None
        if type(url) is str and url.startswith("urn:uuid:") and type(resource) is dict:
            types[url.removeprefix("urn:uuid:")] = str(resource.get("resourceType", ""))
    if not types:
        return
    for index, entry in enumerate(entries):
        resource = entry.get("resource") if type(entry) is dict else None
        if type(resource) is not dict:
            continue
        for path, reference in walk(resource, f"{expression((place, 'entry', index))}.resource"):
            name, _, id_ = reference["reference"].partition("/")
            if types.get(id_, name) != name:
                text = f"This names a {name}, and the entry with that uuid is a {types[id_]}. Refer to its fullUrl."
                findings.error("structure", text, path, "cm-ref", URL)


def _full_url(url: str, resource: Any, bound: bool, place: Place, findings: Findings) -> None:
    at = (place, "fullUrl", -1)
    if not _ABSOLUTE.fullmatch(url):
        text = f"{shown(url)} is no absolute URL. Write https://… or urn:uuid:…."
        findings.error("value", text, at, "cm-bundle", URL)
        return
    if url.startswith(("urn:uuid:", "urn:oid:")) and not _URN.fullmatch(url):
        findings.error("value", f"{shown(url)} is no valid urn. Correct it.", at, "cm-bundle", URL)
        return
    if type(resource) is not dict or not url.startswith(("http://", "https://")):
        return
    id_, name = resource.get("id"), resource.get("resourceType")
    if type(id_) is str and type(name) is str and not url.endswith(f"/{name}/{id_}"):
        parts = url.rstrip("/").split("/")
        if len(parts) >= 2 and parts[-2] == name:
            text = f"The fullUrl ends in {shown(parts[-1])} and the resource's id is {shown(id_)}. Make them agree."
            # A document is kept and signed as it is, so that its addresses must be right.
            findings.add("error" if bound else "warning", "value", text, at, "cm-bundle", URL)


def _unique(
    url: str,
    resource: Any,
    index: int,
    kind: Any,
    seen: dict[tuple[str, str], int],
    place: Place,
    findings: Findings,
) -> None:
    """bdl-7 in words: the same fullUrl only for different versions."""
    meta = resource.get("meta") if type(resource) is dict else None
    version = str(meta.get("versionId", "")) if type(meta) is dict else ""
    before = seen.setdefault((url, version), index)
    if before != index and kind not in ("history", "batch", "transaction"):
        text = f"The fullUrl {shown(url)} stands at entry {before} too. Give each entry its own."
        findings.error("duplicate", text, place, "cm-bundle", URL)


_ONCE: Final = frozenset({"self", "first", "previous", "prev", "next", "last"})


def links(bundle: dict[str, Any], place: Place, findings: Findings) -> None:
    """A relation like self or next is given once (R4 section 2.36.4, paging)."""
    listed = bundle.get("link")
    seen: set[str] = set()
    for index, one in enumerate(listed if type(listed) is list else ()):
        relation = one.get("relation") if type(one) is dict else None
        if type(relation) is not str or relation not in _ONCE:
            continue
        if relation in seen:
            text = f"There is a link {relation!r} before this one. Keep one."
            findings.error("duplicate", text, (place, "link", index), "cm-bundle", URL)
        seen.add(relation)


def found_resource(entry: dict[str, Any], place: Place, findings: Findings) -> None:
    """A resource in a searchset has an id, unless it is an OperationOutcome (R4 section 3.1.1.1)."""
    resource = entry.get("resource")
    if type(resource) is dict and "id" not in resource and resource.get("resourceType") != "OperationOutcome":
        text = "A resource that a search found has an id. Add it."
        findings.error("required", text, (place, "resource", -1), "cm-bundle", URL)
        findings.scope.incomplete = False


def document(bundle: dict[str, Any], entries: list[Any], place: Place, findings: Findings) -> None:
    """A document's entries are reached from its Composition, over references in either direction (R4 section 2.42)."""
    targets: dict[str, int] = {}
    for index, entry in enumerate(entries):
        if type(entry) is dict and type(entry.get("fullUrl")) is str:
            targets.setdefault(entry["fullUrl"], index)
    edges: dict[int, set[int]] = {index: set() for index in range(len(entries))}
    for index, entry in enumerate(entries):
        resource = entry.get("resource") if type(entry) is dict else None
        if type(resource) is not dict:
            continue
        base = _server(entry.get("fullUrl"))
        for path, reference in walk(resource, f"{expression((place, 'entry', index))}.resource"):
            text = reference["reference"]
            met = targets.get(text, targets.get(base + text if base else "", -1))
            if met >= 0:
                edges[index].add(met)
                edges[met].add(index)
            elif (same := _same(text, entries)) is not None:
                message = (
                    f"{shown(text)} matches no fullUrl here, though entry {same} has that type and id. "
                    "Refer to its fullUrl."
                )
                # What the Composition itself refers to is in the document (R4 section 2.42.1); the rest may be.
                findings.add("warning" if index else "error", "not-found", message, path, "cm-bundle", URL)
    for text in (one.get("url") for one in bundle.get("link") or () if type(one) is dict):
        if type(text) is str and text in targets:
            edges[0].add(targets[text])
    reached, waiting = {0}, [0]
    while waiting:
        for other in edges.get(waiting.pop(), ()):
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    for index in range(len(entries)):
        if index not in reached:
            text = "Nothing in the document leads to this entry. Refer to it or remove it."
            findings.error("informational", text, (place, "entry", index), "cm-bundle", URL)


def _server(url: Any) -> str:
    if type(url) is not str or not url.startswith(("http://", "https://")):
        return ""
    return "/".join(url.split("/")[:-2]) + "/"


def _same(text: str, entries: list[Any]) -> int | None:
    """The entry whose resource has the type and id that a relative reference names."""
    type_, _, id_ = text.partition("/")
    for index, entry in enumerate(entries):
        resource = entry.get("resource") if type(entry) is dict else None
        if type(resource) is dict and id_ and (resource.get("resourceType"), resource.get("id")) == (type_, id_):
            return index
    return None
