"""What two copies of a resource are compared by: their content in our ids, without what only a server sets. Pure.

On the EHR's copy of a resource that was born here stands our id as a business identifier (guide section 4.6), so that
it is found again when the reply to its creation was lost. It names the copy and is no part of its content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from fhirplan.fhir import reference
from fhirplan.fhir.codec import Json, Resource, dumps
from fhirplan.fhir.resource import content_hash, without_server_fields

SID: Final = "http://fhirplan.dev/fhir/sid/"
# R4: Provenance has no identifier, and a QuestionnaireResponse has room for one only; a tag serves there.
_WITHOUT_IDENTIFIER: Final = frozenset({"Provenance"})
_ONE_IDENTIFIER: Final = frozenset({"QuestionnaireResponse"})
Values = Counter[tuple[str, bytes]]
"""How often a value stands at a place, as ``.note.text``, wherever in the lists on the way."""
_PATIENT: Final = ("subject", "patient", "for", "beneficiary")


def sid_system(type_: str) -> str:
    """The system of our ids for a type, as a business identifier."""
    return SID + type_.lower()


def comparable(resource: Resource | None) -> Resource | None:
    """The content of a copy in our ids; None (deleted, never there) stays None."""
    return None if resource is None else unmarked(without_server_fields(resource))


def same(one: Resource | None, other: Resource | None) -> bool:
    """Whether two copies say the same; spelling of keys' order, ids of the copies and server fields aside."""
    if one is None or other is None:
        return one is other
    return content_hash(unmarked(one)) == content_hash(unmarked(other))


def patient_element(resource: Resource) -> str:
    """The element by which a resource names its patient, "" where it names none."""
    for key in _PATIENT:
        found = reference.parse(_object(resource.get(key)).get("reference"))
        if found and found.type == "Patient":
            return key
    return ""


def patient_of(resource: Resource) -> str:
    """The id of the patient a resource names as its own, "" when it names none."""
    key = patient_element(resource)
    found = reference.parse(resource[key]["reference"]) if key else None
    return found.id if found else ""


def marked(resource: Resource, our_id: str) -> Resource:
    """A copy that carries our id as a business identifier, or as a tag where the type has no room for one."""
    type_ = str(resource["resourceType"])
    if our_id in marks(resource):
        return resource
    own = {"system": sid_system(type_), "value": our_id}
    if type_ in _ONE_IDENTIFIER and "identifier" not in resource:
        return {**resource, "identifier": own}
    if type_ in _WITHOUT_IDENTIFIER | _ONE_IDENTIFIER:
        meta = _object(resource.get("meta"))
        tag = {"system": sid_system(type_), "code": our_id}
        return {**resource, "meta": {**meta, "tag": [*_list(meta.get("tag")), tag]}}
    return {**resource, "identifier": [*_list(resource.get("identifier")), own]}


def marks(resource: Resource) -> tuple[str, ...]:
    """The ids of ours that a resource carries; it may also carry business ids of ours that are no resource's id."""
    meta = resource.get("meta")
    if "identifier" not in resource and not (isinstance(meta, dict) and "tag" in meta):
        return ()
    system = sid_system(str(resource.get("resourceType")))
    named = [_object(item) for item in _identifiers(resource)]
    tagged = [_object(item) for item in _list(_object(meta).get("tag"))]
    found = [item.get("value") for item in named if item.get("system") == system]
    found += [item.get("code") for item in tagged if item.get("system") == system]
    return tuple(item for item in found if isinstance(item, str))


def mark_search(resource: Resource, our_id: str) -> tuple[str, str]:
    """The search parameter and value that find a marked resource: ("identifier", "system|id") or ("_tag", …)."""
    system = sid_system(str(resource["resourceType"]))
    named = any(
        _object(i).get("system") == system and _object(i).get("value") == our_id for i in _identifiers(resource)
    )
    return ("identifier" if named else "_tag"), f"{system}|{our_id}"


def unmarked(resource: Resource, our_id: str = "") -> Resource:
    """A copy without our id on it; ``our_id`` is the resource's own id where none is given."""
    own = our_id or resource.get("id")
    if not own or own not in marks(resource):
        return resource
    system = sid_system(str(resource["resourceType"]))
    made = dict(resource)
    if isinstance(made.get("identifier"), dict):
        if made["identifier"].get("system") == system and made["identifier"].get("value") == own:
            del made["identifier"]
    else:
        _replace(made, "identifier", _without(made.get("identifier"), system, "value", str(own)))
    meta = dict(_object(made.get("meta")))
    _replace(meta, "tag", _without(meta.get("tag"), system, "code", str(own)))
    _replace(made, "meta", meta)
    return made


def _without(items: Any, system: str, key: str, value: str) -> list[Any]:
    return [i for i in _list(items) if _object(i).get("system") != system or _object(i).get(key) != value]


def _replace(into: dict[str, Any], key: str, value: Any) -> None:
    if value:
        into[key] = value
    elif not isinstance(into.get(key), str | int):
        into.pop(key, None)


def _identifiers(resource: Resource) -> list[Any]:
    found = resource.get("identifier")
    return [found] if isinstance(found, dict) else _list(found)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def values(resource: Resource) -> Values:
    """The values of a copy by their place; narratives are not looked at, since they are made anew."""
    return Counter(_placed("", {key: value for key, value in resource.items() if key != "text"}))


def _placed(place: str, value: Json) -> Iterator[tuple[str, bytes]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _placed(f"{place}.{key}", item)
    elif isinstance(value, list):
        for item in value:
            yield from _placed(place, item)
    else:
        yield place, dumps(value)
