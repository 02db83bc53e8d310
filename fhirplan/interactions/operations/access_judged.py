"""Says of stored resources whether a caller may see them, and which rule hides those that are hidden."""

from __future__ import annotations

from collections.abc import Iterator

from fhirplan.fhir.codec import Resource
from fhirplan.fhir.reference import parse
from fhirplan.interactions.sight import Sight
from fhirplan.store import versions
from fhirplan.store.access.recipients import labels
from fhirplan.store.access.withheld import DERIVED
from fhirplan.store.provenance import current
from fhirplan.store.search.visible import belongs
from fhirplan.store.versions import Version


def judged(eyes: Sight, bundle: Resource) -> Iterator[str]:
    """A line for each resource in what a request gives to somebody without limits."""
    for entry in bundle.get("entry", []):
        name = _named(entry, eyes.base)
        if name is not None:
            type_, id_, number = name
            mode = entry.get("search", {}).get("mode", "")
            about = " (included)" if mode == "include" else ""
            yield f"{one(eyes, type_, id_, number)}{about}"


def one(eyes: Sight, type_: str, id_: str, number: int = 0) -> str:
    """Whether the caller sees a resource, or its version of that number, and what hides it."""
    found = current(eyes.tx, eyes.connection, type_, id_)
    if found is None:
        return f"{type_}/{id_}: nothing is stored there"
    then = versions.at(eyes.tx, eyes.connection, type_, id_, number) if number else found
    if then is None:
        return f"{type_}/{id_}/_history/{number}: nothing is stored there"
    earlier = then.version != found.version
    name = f"{type_}/{id_}" + (f"/_history/{number}" if number else "")
    if not eyes.sees(found):
        return f"{name}: {_why(eyes, found)}"
    if earlier and not eyes.saw(then):
        return f"{name}: hidden as it was then, though the resource is seen as it is now"
    return f"{name}: seen"


def _why(eyes: Sight, version: Version) -> str:
    if version.rid < 0:
        return "hidden with the write that it tells of"
    if not eyes.in_scope(version):
        return "hidden by the limits of the scopes"
    if version.deleted:
        return "hidden as what was deleted was"
    return f"hidden by a consent or a label{_rule(eyes, version)}"


def _rule(eyes: Sight, version: Version) -> str:
    """Which consents forbid it, or which label guards it."""
    resource = version.resource()
    forbidding = [
        rule.consent
        for rule in eyes.withheld.rules
        if not rule.permits
        and (not rule.types or version.type in rule.types or version.type in DERIVED)
        and (
            (version.type, version.id) == ("Patient", rule.patient)
            or belongs(eyes.tx, eyes.connection, version, rule.patient)
        )
    ]
    guarded = labels(eyes.services.settings)
    held = [
        str(item.get("code"))
        for item in resource.get("meta", {}).get("security", [])
        if (item.get("system"), item.get("code")) in guarded
    ]
    said = [f"the label {code}, which nobody lets this reader see" for code in held if not eyes.withheld.reader.trusted]
    said += [f"{name}, which forbids it" for name in dict.fromkeys(forbidding)]
    return f": {' and '.join(said)}" if said else ""


def _named(entry: Resource, base: str) -> tuple[str, str, int] | None:
    """What an entry of a Bundle is about: type, id, and the version in a history, else 0."""
    full = str(entry.get("fullUrl", ""))
    found = parse(full.removeprefix(f"{base}/"))
    if found is None or not found.id or "OperationOutcome" in found.type:
        return None
    etag = str(entry.get("response", {}).get("etag", "")).strip('W/"')
    return found.type, found.id, int(etag) if etag.isdigit() else 0
