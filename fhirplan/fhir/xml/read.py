"""Reads FHIR XML into a resource, exactly and safely (R4 section 2.6.1).

Refused at once, before anything is expanded or fetched: document types and with them every entity, encodings other
than UTF-8, documents that are too long or too deep. Comments and processing instructions are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final
from xml.parsers import expat

from fhirplan.errors import InvalidResource, Issue, MalformedRequest, TooCostly
from fhirplan.fhir.codec import MAX_DEPTH, Json, Resource, utf8
from fhirplan.fhir.structure import resource_types
from fhirplan.fhir.xml.frame import Frame
from fhirplan.fhir.xml.layout import PRIMITIVE, Place, Slot, slots
from fhirplan.fhir.xml.narrative import XHTML, NotXhtml, standalone
from fhirplan.fhir.xml.values import NotAValue, parsed
from fhirplan.fhir.xml.write import FHIR

MAX_BYTES: Final = 32 * 1024 * 1024
_TAG: Final = re.compile(rb"<([^\s/>]*)")
_INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance "
_BOM: Final = b"\xef\xbb\xbf"


def from_xml(data: bytes | str, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Resource:
    """The resource of an XML document, as ``codec.loads`` would have given it from JSON.

    Raises, with line and column: MalformedRequest for what is not well-formed XML in UTF-8 or has a document type,
    InvalidResource for what is no FHIR resource (unknown elements, wrong order, a number that is none), TooCostly
    beyond ``max_bytes`` or where the resource would be nested more than ``max_depth`` levels deep.
    """
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    if len(data) > max_bytes:
        raise TooCostly(f"The XML has {len(data)} bytes; at most {max_bytes} are read. Send it in parts.")
    utf8(data, "XML")
    return _Reader(data.removeprefix(_BOM), max_depth).read()


class _Reader:
    """Follows one document from its start to its end."""

    def __init__(self, data: bytes, max_depth: int) -> None:
        self._data = data
        self._max_depth = max_depth
        self._stack: list[Frame] = []
        self._resource: Resource = {}
        self._narrative: tuple[int, int] = (0, 0)  # how deep inside the div, and the byte where it starts
        self._namespaces: dict[str, list[str]] = {}
        self._parser = parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.ProcessingInstructionHandler = self._instruction
        parser.StartNamespaceDeclHandler = self._namespace
        parser.EndNamespaceDeclHandler = self._namespace_ends

    def read(self) -> Resource:
        """The resource; raises as ``from_xml`` does."""
        try:
            self._parser.Parse(self._data, True)
        except expat.ExpatError as error:
            raise self._malformed(_explained(error), error.lineno, error.offset + 1) from None
        return self._resource

    # What expat calls

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.lower() not in ("utf-8", "us-ascii"):
            raise self._malformed(f"The encoding {encoding[:20]} is not read. FHIR XML is always UTF-8.")

    def _doctype(self, *_: object) -> None:
        raise self._malformed("A document type (<!DOCTYPE …>) is not allowed in FHIR XML. Remove it and its entities.")

    def _namespace(self, prefix: str | None, name: str | None) -> None:
        self._namespaces.setdefault(prefix or "", []).append(name or "")

    def _namespace_ends(self, prefix: str | None) -> None:
        self._namespaces[prefix or ""].pop()

    def _instruction(self, *_: object) -> None:
        if self._narrative[0]:
            raise self._refused("The narrative holds a processing instruction. Remove it.")

    def _text(self, text: str) -> None:
        if not self._narrative[0] and not text.isspace():
            raise self._refused(f'{self._here()} has text in it. FHIR puts values in attributes: value="…".')

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        depth, at = self._narrative
        if depth:
            self._narrative = (depth + 1, at)
            if depth > self._max_depth:
                raise TooCostly(self._placed("too-costly", f"A narrative is nested more than {self._max_depth} deep."))
            return
        space, _, local = name.rpartition(" ")
        if not self._stack:
            self._open_resource(space, local, attributes)
            return
        parent = self._stack[-1]
        if parent.form == "wrapper":
            if parent.kept:
                raise self._refused(f"{self._here()} holds two resources. Each needs an element of its own.")
            self._open_resource(space, local, attributes)
            return
        slot = self._slot(parent, local)
        if slot.form == "xhtml":
            self._open_narrative(space, local)
        elif space != FHIR:
            raise self._refused(f"<{local[:60]}> is not in the namespace {FHIR}.")
        else:
            self._open(slot, attributes)

    def _end(self, name: str) -> None:
        depth, at = self._narrative
        if depth:
            self._narrative = (depth - 1, at)
            if depth == 1:
                self._close_narrative(at)
            return
        frame = self._stack.pop()
        if not self._stack:
            self._resource = frame.object()
            return
        parent = self._stack[-1]
        if frame.slot is None:
            parent.kept["resource"] = [(frame.object(), None)]
        elif frame.form == "wrapper":
            if not frame.kept:
                raise self._refused(f"{self._here(frame)} is empty; a resource belongs in it.")
            parent.kept.setdefault(frame.slot.name, []).append(frame.kept["resource"][0])
        else:
            parent.kept.setdefault(frame.slot.name, []).append(self._closed(frame))

    # Opening

    def _open_resource(self, space: str, local: str, attributes: Mapping[str, str]) -> None:
        if space != FHIR:
            raise self._refused(f'<{local[:60]}> is no FHIR resource: its namespace must be xmlns="{FHIR}".')
        if local not in resource_types():
            raise self._refused(f"{local[:60]} is no resource type of R4.{_meant(local, resource_types())}")
        strange = [key for key in attributes if not key.startswith(_INSTANCE)]
        if strange:
            raise self._refused(f"<{local}> has the attribute {strange[0][:60]!r}; a resource has none. Remove it.")
        depth = self._stack[-1].depth if self._stack else 1
        self._push(Frame("resource", None, Place(local), depth, "" if self._stack else local))

    def _open(self, slot: Slot, attributes: dict[str, str]) -> None:
        parent = self._stack[-1]
        count = len(parent.kept.get(slot.name, ()))
        step = f".{slot.name}[{count}]" if slot.many else "." + slot.name
        depth = parent.depth + (2 if slot.many else 1)
        if slot.form == "resource":
            self._push(Frame("wrapper", slot, Place(""), depth, step))
        elif slot.form == "primitive":
            self._push(Frame("primitive", slot, PRIMITIVE, depth, step))
        else:
            self._push(Frame("complex", slot, slot.place or Place(slot.type), depth, step))
        for key, value in attributes.items():
            self._attribute(self._stack[-1], key, value)

    def _push(self, frame: Frame) -> None:
        if frame.depth > self._max_depth:
            text = f"The XML is nested so that the resource has more than {self._max_depth} levels. Flatten it."
            raise TooCostly(self._placed("too-costly", text))
        self._stack.append(frame)

    def _slot(self, parent: Frame, local: str) -> Slot:
        known = slots(parent.place)
        slot = known.get(local)
        if slot is None or slot.form == "attribute":
            names = [one.name for one in known.values() if one.form != "attribute"]
            raise self._refused(f"{self._here()} has no element {local[:60]!r} in R4.{_meant(local, names)}")
        last = parent.last
        if last is not None and slot.order < last.order:
            raise self._refused(f"{self._here()}: <{local}> must stand before <{last.name}>; XML keeps R4's order.")
        if not slot.many and slot.name in parent.kept:  # two types of a choice are JSON, and the validator's to refuse
            raise self._refused(f"{self._here()}.{slot.name} stands twice; it may stand once.")
        parent.last = slot
        return slot

    def _attribute(self, frame: Frame, key: str, value: str) -> None:
        if key == "value" and frame.form == "primitive" and frame.slot is not None:
            try:
                frame.value = parsed(frame.slot, value)
            except NotAValue as reason:
                raise self._refused(f"{self._here()} {reason}.", "value") from None
            return
        slot = slots(frame.place).get(key)
        if slot is None or slot.form != "attribute" or frame.form == "wrapper":
            hint = ' FHIR writes it as a child element: <… value="…"/>.' if slot else " Remove it."
            raise self._refused(f"{self._here()} has the attribute {key[:60]!r}, which R4 does not have.{hint}")
        frame.made[key] = value

    # Closing

    def _closed(self, frame: Frame) -> tuple[Json, dict[str, Any] | None]:
        made = frame.object()
        if frame.form == "primitive":
            if frame.value is None and not made:
                raise self._refused(f"{self._here(frame)} has neither a value nor an extension. Give one or remove it.")
            return frame.value, made or None
        if not made:
            raise self._refused(f"{self._here(frame)} is empty. Fill it or remove it.")
        return made, None

    # The narrative

    def _open_narrative(self, space: str, local: str) -> None:
        if space != XHTML:
            raise self._refused(f'The narrative\'s <{local}> must be in XHTML: <div xmlns="{XHTML}">.')
        self._narrative = (1, self._parser.CurrentByteIndex)

    def _close_narrative(self, start: int) -> None:
        end = self._parser.CurrentByteIndex
        tag = _TAG.match(self._data, start)
        if tag and self._data.startswith(b"</" + tag[1], end):  # else it is <div …/>, which ends before this byte
            end = self._data.index(b">", end) + 1
        cut = self._data[start:end].decode("utf-8")
        scope = {prefix: names[-1] for prefix, names in self._namespaces.items() if names}
        try:
            self._stack[-1].kept["div"] = [(standalone(cut, scope), None)]
        except NotXhtml as reason:
            raise self._refused(f"The narrative cannot be read: {reason}.") from None

    # Saying what is wrong

    def _here(self, frame: Frame | None = None) -> str:
        return "".join(one.step for one in self._stack) + (frame.step if frame else "")

    def _placed(self, code: str, text: str) -> Issue:
        parser = self._parser
        where = self._here()
        return Issue("error", code, text, where, line=parser.CurrentLineNumber, column=parser.CurrentColumnNumber + 1)

    def _refused(self, text: str, code: str = "structure") -> InvalidResource:
        return InvalidResource(self._placed(code, text))

    def _malformed(self, text: str, line: int = 0, column: int = 0) -> MalformedRequest:
        parser = self._parser
        return MalformedRequest(
            Issue(
                "fatal",
                "invalid",
                text,
                line=line or parser.CurrentLineNumber,
                column=column or parser.CurrentColumnNumber + 1,
            )
        )


def _explained(error: expat.ExpatError) -> str:
    said = expat.ErrorString(error.code)
    if error.code == expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]:
        return "An entity is used that XML does not have. Write the character itself or its number (&#160;)."
    if error.code == expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS]:
        return "There is no XML element here."
    return f"This is not well-formed XML: {said}."


def _meant(name: str, known: Any) -> str:
    close = get_close_matches(name[:60], known, n=1)
    return f" Did you mean {close[0]}?" if close else ""
