"""Writes a resource as FHIR XML: R4's order, digits and strings as they are (R4 section 2.6.1)."""

from __future__ import annotations

import re
from typing import Any, Final

from fhirplan.errors import InvalidResource, Issue
from fhirplan.fhir.codec import Json, Resource, dumps
from fhirplan.fhir.structure import resource_types
from fhirplan.fhir.xml.layout import Place, Slot, slots
from fhirplan.fhir.xml.narrative import NotXhtml, embedded, escaped

FHIR: Final = "http://hl7.org/fhir"
_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>'
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WHOLE: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_INSTEAD: Final = "XML cannot say that exactly: correct the resource, or ask for application/fhir+json."


def to_xml(resource: Resource, *, pretty: bool = False) -> bytes:
    """The resource as XML in UTF-8; ``pretty`` puts each element on a line of its own, indented by two blanks.

    ``from_xml`` gives the same resource back. Raises InvalidResource, naming the element, for what XML cannot say
    exactly: elements R4 does not have, a value of the wrong JSON type (``"true"`` for true), empty objects and arrays,
    control characters, a narrative that is not well-formed.
    """
    return _Writer(pretty=pretty).document(resource).encode()


class _Writer:
    """One document on its way out; ``_trail`` is the path to where it is."""

    def __init__(self, *, pretty: bool) -> None:
        self._out: list[str] = [_DECLARATION]
        self._trail: list[str] = []
        self._pretty = pretty

    def document(self, resource: Resource) -> str:
        """The whole text."""
        if self._pretty:
            self._out.append("\n")
        self._resource(resource, f' xmlns="{FHIR}"', 0)
        if self._pretty:
            self._out.append("\n")
        return "".join(self._out)

    def _resource(self, resource: Json, attributes: str, level: int) -> None:
        type_ = resource.get("resourceType") if isinstance(resource, dict) else None
        if not isinstance(type_, str) or type_ not in resource_types():
            raise self._refused("is no resource of a type that R4 has")
        if not self._trail:
            self._trail.append(type_)
        inside = {name: value for name, value in resource.items() if name != "resourceType"}
        self._element(type_, attributes, inside, Place(type_), level)

    def _element(self, name: str, attributes: str, inside: dict[str, Any], place: Place, level: int) -> None:
        """An element that has children, or none: ``inside`` holds them, and its attributes."""
        written = self._ordered(inside, place)
        start = f"<{name}{attributes}{self._attributes(inside, written)}"
        children = [slot for slot in written if slot.form != "attribute"]
        if not children:
            self._line(f"{start}/>", level)
            return
        self._line(f"{start}>", level)
        for slot in children:
            self._child(slot, inside.get(slot.name), inside.get("_" + slot.name), level + 1)
        self._line(f"</{name}>", level)

    def _line(self, text: str, level: int) -> None:
        if self._pretty and level:
            self._out.append("\n" + "  " * level)
        elif self._pretty and text.startswith("</"):
            self._out.append("\n")
        self._out.append(text)

    def _ordered(self, inside: dict[str, Any], place: Place) -> list[Slot]:
        known = slots(place)
        found: dict[str, Slot] = {}
        for key in inside:
            name = key.removeprefix("_")
            slot = known.get(name)
            if slot is None or (key != name and slot.form != "primitive"):
                raise self._refused(f"has {key[:60]!r}, which R4 does not have", structure=True)
            found[name] = slot
        return sorted(found.values(), key=lambda slot: slot.order)

    def _attributes(self, inside: dict[str, Any], written: list[Slot]) -> str:
        return "".join(
            f' {slot.name}="{self._spelled(slot, inside[slot.name])}"' for slot in written if slot.form == "attribute"
        )

    def _child(self, slot: Slot, value: Json, extra: Json, level: int) -> None:
        if not slot.many:
            self._trail.append("." + slot.name)
            self._one(slot, value, extra, level)
            self._trail.pop()
            return
        self._trail.append("." + slot.name)
        for index, (item, more) in enumerate(self._paired(value, extra)):
            self._trail[-1] = f".{slot.name}[{index}]"
            self._one(slot, item, more, level)
        self._trail.pop()

    def _paired(self, value: Json, extra: Json) -> list[tuple[Json, Json]]:
        """The items of a repeating element, each with its extensions; both arrays have one length (2.6.2.3)."""
        if not isinstance(value or [], list) or not isinstance(extra or [], list):
            raise self._refused("repeats and must be an array")
        values, extras = value or [], extra or []
        length = max(len(values), len(extras))
        if not length:
            raise self._refused("is an empty array")
        if values and extras and len(values) != len(extras):
            raise self._refused("has another number of items than its extensions; fill the shorter array with null")
        return list(zip(values or [None] * length, extras or [None] * length, strict=True))

    def _one(self, slot: Slot, value: Json, extra: Json, level: int) -> None:
        match slot.form:
            case "primitive":
                self._primitive(slot, value, extra, level)
            case "xhtml":
                self._line(self._narrative(value), level)
            case "resource":
                self._line(f"<{slot.name}>", level)
                self._resource(value, "", level + 1)
                self._line(f"</{slot.name}>", level)
            case _:
                if not isinstance(value, dict) or not value:
                    raise self._refused("must be an object that says something")
                self._element(slot.name, "", value, slot.place or Place(slot.type), level)

    def _primitive(self, slot: Slot, value: Json, extra: Json, level: int) -> None:
        attributes = "" if value is None else f' value="{self._spelled(slot, value)}"'
        if extra is not None and (not isinstance(extra, dict) or not extra):
            raise self._refused("has extensions that are no object, or an empty one")
        if value is None and extra is None:
            raise self._refused("has neither a value nor extensions")
        self._element(slot.name, attributes, extra or {}, slot.place or Place(slot.type), level)

    def _spelled(self, slot: Slot, value: Json) -> str:
        """A primitive's value as an attribute's, checked to be of the JSON type that reading it back will give."""
        family = slot.family
        if family == "text" and isinstance(value, str):
            return escaped(self._printable(value))
        if family == "boolean" and isinstance(value, bool):
            return "true" if value else "false"
        if family in ("integer", "decimal") and not isinstance(value, str | bool | dict | list | None):
            digits = dumps(value).decode()
            if family == "decimal" or _WHOLE.fullmatch(digits):
                return digits
        wanted = {"text": "a string", "boolean": "true or false", "integer": "a whole number", "decimal": "a number"}
        raise self._refused(f"must be {wanted[family]}; its type is {slot.type}", below=slot)

    def _printable(self, value: str) -> str:
        bad = _NOT_XML.search(value)
        if bad:
            raise self._refused(f"holds the character U+{ord(bad[0]):04X}, which XML does not allow")
        return value

    def _narrative(self, value: Json) -> str:
        if not isinstance(value, str):
            raise self._refused("must be a string of XHTML")
        try:
            return embedded(self._printable(value))
        except NotXhtml as reason:
            raise self._refused(f"cannot stand in XML: {reason}") from None

    def _refused(self, what: str, *, structure: bool = False, below: Slot | None = None) -> InvalidResource:
        where = "".join(self._trail)
        if below is not None and below.form == "attribute":
            where += "." + below.name
        text = f"{where or 'The resource'} {what}. {_INSTEAD}"
        return InvalidResource(Issue("error", "structure" if structure else "value", text, where))
