"""Reads the Parameters resource of a FHIRPath Patch into operations (R4, FHIRPath Patch)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from fhirplan.errors import MalformedRequest
from fhirplan.fhir.codec import Json
from fhirplan.fhir.patch.failures import Refusal, expect_few
from fhirplan.fhir.xml.layout import Place, Slot, slots

# What each type of operation must say besides its type, and may say nothing else.
REQUIRED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "add": ("path", "name", "value"),
        "insert": ("path", "index", "value"),
        "delete": ("path",),
        "replace": ("path", "value"),
        "move": ("path", "source", "destination"),
        "test": ("path", "value"),
    }
)
_VALUE: Final = Place("Parameters", "parameter")


@dataclass(frozen=True, slots=True)
class Given:
    """The value an operation gives: its type ("" for one in parts), JSON, and a primitive's id and extensions.

    ``parts`` are the parts of an element that has no type of its own, such as Patient.contact.
    """

    type: str
    value: Json = None
    extra: dict[str, Any] | None = None
    parts: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class PathOperation:
    """One operation; ``index`` is where to insert, ``source`` and ``destination`` where to move from and to."""

    type: str
    path: str
    refusal: Refusal
    name: str = ""
    index: int = 0
    source: int = 0
    destination: int = 0
    given: Given | None = None


def operations(parameters: Json, most: int) -> list[PathOperation]:
    """The operations of a Parameters resource; raises MalformedRequest, naming the operation, where it is none."""
    if not isinstance(parameters, dict) or parameters.get("resourceType") != "Parameters":
        raise MalformedRequest("A FHIRPath Patch is a Parameters resource whose parameters are named operation.")
    listed = parameters.get("parameter", [])
    if not isinstance(listed, list):
        raise MalformedRequest("Parameters.parameter repeats, so it must be an array.")
    expect_few(len(listed), most)
    return [_operation(number, item) for number, item in enumerate(listed)]


def _operation(number: int, item: Json) -> PathOperation:
    refusal = Refusal(number, "no operation")
    if not isinstance(item, dict) or item.get("name") != "operation":
        raise refusal.malformed("each parameter of a FHIRPath Patch is named operation.")
    parts = _parts(item.get("part"), refusal)
    type_ = _string(parts, "type", refusal)
    if type_ not in REQUIRED:
        raise refusal.malformed(f"type must be one of {', '.join(REQUIRED)}.")
    path = _string(parts, "path", refusal)
    refusal = Refusal(number, f"{type_} {path}")
    strange = [name for name in parts if name not in ("type", *REQUIRED[type_])]
    if strange:
        raise refusal.malformed(f"{type_} takes no part {strange[0][:60]!r}, only {', '.join(REQUIRED[type_])}.")
    wanted = REQUIRED[type_]
    return PathOperation(
        type_,
        path,
        refusal,
        name=_string(parts, "name", refusal) if "name" in wanted else "",
        index=_count(parts, "index", refusal) if "index" in wanted else 0,
        source=_count(parts, "source", refusal) if "source" in wanted else 0,
        destination=_count(parts, "destination", refusal) if "destination" in wanted else 0,
        given=given(_part(parts, "value", refusal), refusal) if "value" in wanted else None,
    )


def _parts(listed: Json, refusal: Refusal) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for part in listed if isinstance(listed, list) else ():
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str):
            raise refusal.malformed("each part of an operation has a name.")
        if name in made:
            raise refusal.malformed(f"the part {name[:60]!r} stands twice. Give it once.")
        made[name] = part
    return made


def _part(parts: Mapping[str, dict[str, Any]], name: str, refusal: Refusal) -> dict[str, Any]:
    if name not in parts:
        raise refusal.malformed(f"the part {name} is missing.")
    return parts[name]


def _string(parts: Mapping[str, dict[str, Any]], name: str, refusal: Refusal) -> str:
    return str(_primitive(_part(parts, name, refusal), name, ("valueString", "valueCode"), _is_text, refusal))


def _count(parts: Mapping[str, dict[str, Any]], name: str, refusal: Refusal) -> int:
    keys = ("valueInteger", "valueUnsignedInt", "valuePositiveInt")
    return int(_primitive(_part(parts, name, refusal), name, keys, _is_count, refusal))


def _primitive(
    part: dict[str, Any], name: str, keys: tuple[str, ...], fits: Callable[[Json], bool], refusal: Refusal
) -> Any:
    found = [part[key] for key in keys if key in part]
    if len(found) != 1 or not fits(found[0]):
        wanted = "a string" if fits is _is_text else "a whole number from 0"
        raise refusal.malformed(f"the part {name} must have {keys[0]}, {wanted}.")
    return found[0]


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and bool(value)


def _is_count(value: Json) -> bool:
    return type(value) is int and value >= 0


def given(part: dict[str, Any], refusal: Refusal) -> Given:
    """The value of a part: one value[x], a resource, or parts; raises MalformedRequest for none or several."""
    known = slots(_VALUE)
    said = {key.removeprefix("_") for key in part if key.removeprefix("_").startswith("value")}
    said |= {key for key in ("resource", "part") if key in part}
    if len(said) != 1:
        raise refusal.malformed("a value is one of value[x], resource or part; give exactly one of them.")
    name = said.pop()
    if name == "part":
        parts = part["part"]
        if not isinstance(parts, list) or not parts or not all(_is_named(one) for one in parts):
            raise refusal.malformed("the parts of a value are an array of objects, each with a name.")
        return Given("", parts=tuple(parts))
    if name == "resource":
        resource = part["resource"]
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            raise refusal.malformed("resource must be a FHIR resource.")
        return Given(resource["resourceType"], resource)
    if name not in known:
        raise refusal.malformed(f"{name[:60]} is no value[x] that R4 has.")
    return _typed(known[name], part, refusal)


def _typed(slot: Slot, part: dict[str, Any], refusal: Refusal) -> Given:
    value, extra = part.get(slot.name), part.get("_" + slot.name)
    if extra is not None and (slot.form != "primitive" or not isinstance(extra, dict)):
        raise refusal.malformed(f"_{slot.name} must be an object with the extensions of a primitive.")
    if value is None and extra is None:
        raise refusal.malformed(f"{slot.name} is null. Give a value, or delete the element instead.")
    if slot.form == "complex" and (not isinstance(value, dict) or not value):
        raise refusal.malformed(f"{slot.name} must be an object that says something.")
    return Given(slot.type, value, extra)


def _is_named(part: Json) -> bool:
    return isinstance(part, dict) and isinstance(part.get("name"), str)
