"""Leaves out parts of a resource, and says so by a tag (R4 sections 3.1.1.5.8 and 3.1.1.5.9).

What must be there is never left out: mandatory elements, and those that change the meaning of others.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any, Final

from fhirplan.fhir import structure
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.structure import Definition, Element

SUBSETTED: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "Resource encoded in summary mode",
}
_ALWAYS: Final = frozenset({"resourceType", "id", "meta"})


def elements(resource: Resource, names: Collection[str]) -> Resource:
    """A copy with only these elements of its root, and those that must not be left out."""
    kept = _ALWAYS | set(names)
    return _tagged(
        {
            key: value
            for key, value in resource.items()
            if ((element := _root(resource).get(key.lstrip("_"))) is None and key in kept)
            or (element is not None and (element.name in kept or element.least > 0 or element.modifier))
        }
    )


def summary(resource: Resource) -> Resource:
    """A copy with the elements that R4 marks as its summary, at every level."""
    definition = structure.definition(str(resource.get("resourceType")))
    if definition is None:
        return _tagged(resource)
    made = _summary(resource, definition, "")
    return _tagged({**{key: resource[key] for key in ("resourceType",) if key in resource}, **made})


def text(resource: Resource) -> Resource:
    """A copy with the narrative and the mandatory elements only."""
    return elements(resource, ("text",))


def data(resource: Resource) -> Resource:
    """A copy without the narrative."""
    return _tagged({key: value for key, value in resource.items() if key != "text"})


def _tagged(resource: Resource) -> Resource:
    meta = resource.get("meta")
    given: dict[str, Any] = dict(meta) if isinstance(meta, dict) else {}
    tags = given.get("tag")
    made = {**given, "tag": [*(tags if isinstance(tags, list) else []), SUBSETTED]}
    tagged = {key: made if key == "meta" else value for key, value in resource.items()}
    return tagged if "meta" in tagged else {**tagged, "meta": made}


def _root(resource: Resource) -> dict[str, Element]:
    return _children(str(resource.get("resourceType")), "")


@cache
def _children(type: str, path: str) -> dict[str, Element]:
    """The elements below a path of a type by the names they may have in JSON."""
    definition = structure.definition(type)
    listed = definition.children.get(path, ()) if definition is not None else ()
    return {name: item for item in listed for name, _ in item.json_names()}


def _summary(value: dict[str, Any], definition: Definition, path: str) -> dict[str, Any]:
    known = _children(definition.name, path)
    made: dict[str, Any] = {}
    for key, item in value.items():
        element = known.get(key.lstrip("_"))
        if element is not None and (element.summary or element.least > 0 or element.modifier or key in _ALWAYS):
            made[key] = item if key.startswith("_") else _below(item, definition, element, key)
    return made


def _below(value: Any, definition: Definition, element: Element, key: str) -> Any:
    if isinstance(value, list):
        return [_below(item, definition, element, key) for item in value]
    if not isinstance(value, dict):
        return value
    type_ = next((item.code for name, item in element.json_names() if name == key), "")
    if element.content:
        return _summary(value, definition, element.content)
    if type_ in ("BackboneElement", "Element", ""):
        return _summary(value, definition, element.path)
    found = structure.definition(type_)
    # Meta and Extension are kept whole: they are about the resource as it is.
    return _summary(value, found, "") if found is not None and type_ not in ("Meta", "Extension") else value
