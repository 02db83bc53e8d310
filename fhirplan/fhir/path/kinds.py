"""Tells whether an item is of a FHIR or System type (FHIRPath N1 section 6.3, R4 section 2.9.1.1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.nodes import Node, Unresolved
from fhirplan.fhir.path.quantity import Quantity
from fhirplan.fhir.path.temporal import Temporal

Test = Callable[[Any], bool]

_SUBTYPES: Final = {
    "string": frozenset({"string", "code", "id", "markdown"}),
    "uri": frozenset({"uri", "url", "canonical", "oid", "uuid"}),
    "integer": frozenset({"integer", "positiveInt", "unsignedInt"}),
    "Quantity": frozenset({"Quantity", "Age", "Count", "Distance", "Duration", "MoneyQuantity", "SimpleQuantity"}),
}
_NOT_DOMAIN: Final = frozenset({"Bundle", "Binary", "Parameters"})

# The System type that each FHIR primitive converts to; ``value is Boolean`` is written where boolean is meant.
_SYSTEM: Final = {
    "Boolean": "boolean",
    "String": "string",
    "Integer": "integer",
    "Decimal": "decimal",
    "Date": "date",
    "DateTime": "dateTime",
    "Time": "time",
}
_TEXTS: Final = frozenset(
    {"string", "code", "id", "markdown", "uri", "url", "canonical", "oid", "uuid", "base64Binary", "xhtml"}
)
_DATE: Final = r"\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?"
_CLOCK: Final = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
_ZONE: Final = r"(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)"
_FORMS: Final = {
    "date": re.compile(_DATE, re.ASCII),
    "dateTime": re.compile(f"{_DATE}(?:T{_CLOCK}{_ZONE})?", re.ASCII),
    "instant": re.compile(rf"\d{{4}}-\d\d-\d\dT{_CLOCK}{_ZONE}", re.ASCII),
    "time": re.compile(_CLOCK, re.ASCII),
}

_QUANTITY: Final = "value comparator unit system code"
# Type -> the elements it has, for an object that nothing but its shape describes.
_ELEMENTS: Final = {
    **dict.fromkeys(_SUBTYPES["Quantity"], _QUANTITY),
    "Address": "use type text line city district state postalCode country period",
    "Annotation": "authorReference authorString time text",
    "Attachment": "contentType language data url size hash title creation",
    "CodeableConcept": "coding text",
    "Coding": "system version code display userSelected",
    "ContactDetail": "name telecom",
    "ContactPoint": "system value use rank period",
    "Extension": "url",
    "HumanName": "use text family given prefix suffix period",
    "Identifier": "use type system value period assigner",
    "Meta": "versionId lastUpdated source profile security tag",
    "Money": "value currency",
    "Narrative": "status div",
    "Period": "start end",
    "Range": "low high",
    "Ratio": "numerator denominator",
    "Reference": "reference type identifier display",
    "SampledData": "origin period factor lowerLimit upperLimit dimensions data",
    "Signature": "type when who onBehalfOf targetFormat sigFormat data",
    "Timing": "event repeat code",
}
_SHAPES: Final = {type_: frozenset(["id", "extension", *elements.split()]) for type_, elements in _ELEMENTS.items()}
_NUMERIC: Final = _SUBTYPES["Quantity"] | {"Money"}


def test_for(name: str) -> Test:
    """A function that tells whether an item is of the type so named, or of a subtype of it.

    Raises NotEvaluable for a namespace other than FHIR and System.
    """
    space, _, plain = name.rpartition(".")
    if space not in ("", "FHIR", "System"):
        raise NotEvaluable(f"{name} names a type of the model {space}, which is not known here.")
    if space == "System":
        return _system_test(plain)
    wanted = _SYSTEM.get(plain, plain) if not space else plain
    accepted = _SUBTYPES.get(wanted, frozenset({wanted}))
    form, shape = _FORMS.get(wanted), _SHAPES.get(wanted)

    def test(item: Any) -> bool:
        kind = type(item)
        if kind is dict:
            resource = item.get("resourceType")
            if resource is not None:
                return resource == wanted or _is_resource(wanted, resource)
            return wanted == "Element" or (shape is not None and _has_shape(item, shape, wanted))
        if kind is Node:
            if item.type:
                return item.type in accepted or wanted == "Element"
            return test(item.value) if item.value is not None else False
        if kind is str:
            return wanted in _TEXTS if form is None else form.fullmatch(item) is not None
        return _is_value(item, wanted)

    return test


def _is_value(item: Any, wanted: str) -> bool:
    match item:
        case Unresolved(type=type_):
            return type_ == wanted or _is_resource(wanted, type_)
        case bool():
            return wanted == "boolean"
        case int():
            return wanted in _SUBTYPES["integer"]
        case Decimal():
            return wanted == "decimal"
        case Temporal():
            return wanted == item.kind
        case Quantity():
            return wanted == "Quantity"
    return False


def _system_test(name: str) -> Test:
    if name == "Any":
        return lambda item: True
    if name != "Quantity" and name not in _SYSTEM:
        return lambda item: False
    plain = test_for("FHIR." + _SYSTEM.get(name, name))
    kinds: dict[str, tuple[type, ...]] = {"String": (str,), "Quantity": (Quantity,)}
    expected = kinds.get(name, (bool, int, Decimal, Temporal))
    # A str may be a FHIR date; only FHIRPath's own temporal values are System ones.
    return lambda item: isinstance(item, expected) and plain(item)


def _is_resource(wanted: str, actual: str) -> bool:
    return wanted == "Resource" or (wanted == "DomainResource" and actual not in _NOT_DOMAIN)


def _has_shape(item: dict[str, Any], shape: frozenset[str], wanted: str) -> bool:
    if wanted == "Extension":
        return "url" in item and all(key in shape or key.lstrip("_").startswith("value") for key in item)
    if wanted in _NUMERIC and isinstance(item.get("value"), str):
        return False
    return all(key in shape or key.lstrip("_") in shape for key in item)


def name_of(item: Any) -> tuple[str, str]:
    """The namespace and name of an item's type, as ``type()`` gives them: ("FHIR", "Quantity")."""
    match item:
        case Node(type=type_) if type_:
            return ("FHIR", type_)
        case Node(value=value):
            return name_of(value)
        case {"resourceType": str(type_)} | Unresolved(type=type_):
            return ("FHIR", type_)
        case dict():
            fits = [type_ for type_, shape in _SHAPES.items() if _has_shape(item, shape, type_)]
            return ("FHIR", "Quantity" if "Quantity" in fits else fits[0] if fits else "Element")
        case bool():
            return ("System", "Boolean")
        case int():
            return ("System", "Integer")
        case Decimal():
            return ("System", "Decimal")
        case Temporal(kind=kind):
            return ("System", kind[0].upper() + kind[1:])
        case Quantity():
            return ("System", "Quantity")
    return ("System", "String")
