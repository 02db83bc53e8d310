"""What is wrong with a narrative: the XHTML that R4 allows in Narrative.div (R4 section 2.4.0, txt-1 and txt-2)."""

from __future__ import annotations

import re
from html.entities import name2codepoint
from typing import Final
from xml.parsers import expat

MAX_LENGTH: Final = 5_000_000
MAX_DEPTH: Final = 200
_NAMESPACE: Final = "http://www.w3.org/1999/xhtml"
_ELEMENT_NAMES: Final = (
    "a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd dfn div dl dt em "
    "h1 h2 h3 h4 h5 h6 hr i img kbd li map ol p pre q samp small span strong sub sup table tbody td tfoot th thead "
    "tr tt ul var"
)
_ATTRIBUTE_NAMES: Final = (
    "title style class id lang xml:lang dir accesskey tabindex xmlns "
    "span width align valign char charoff abbr axis headers scope rowspan colspan"
)
_ELEMENTS: Final = frozenset(_ELEMENT_NAMES.split())
_ATTRIBUTES: Final = frozenset(_ATTRIBUTE_NAMES.split())
_OWN: Final = {
    "a": frozenset(["charset", "type", "name", "href", "hreflang", "rel", "rev", "shape", "coords"]),
    "area": frozenset(["shape", "coords", "href", "nohref", "alt"]),
    "blockquote": frozenset({"cite"}),
    "img": frozenset(["src", "alt", "longdesc", "height", "width", "usemap", "ismap", "border"]),
    "map": frozenset({"name"}),
    "pre": frozenset({"space", "xml:space"}),
    "q": frozenset({"cite"}),
    "table": frozenset(["summary", "width", "border", "frame", "rules", "cellspacing", "cellpadding"]),
    "td": frozenset({"nowrap"}),
    "th": frozenset({"nowrap"}),
}
_ENTITY: Final = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_XML: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})


def problems(text: str) -> tuple[str, ...]:
    """What keeps a ``div`` from being a narrative, in plain words; empty when it is one."""
    if len(text) > MAX_LENGTH:
        return (f"The narrative has {len(text)} characters; at most {MAX_LENGTH} are read.",)
    reader = _Reader()
    try:
        reader.read(_ENTITY.sub(_numeric, text))
    except expat.ExpatError as error:
        return (f"The narrative is not well-formed XHTML: {expat.ErrorString(error.code)}.",)
    except _Refused as refused:
        return (str(refused),)
    if not reader.has_content:
        reader.found.append("The narrative says nothing: it needs some text or an image.")
    return tuple(dict.fromkeys(reader.found))


def _numeric(found: re.Match[str]) -> str:
    name = found[1]
    return found[0] if name in _XML or name not in name2codepoint else f"&#{name2codepoint[name]};"


class _Refused(Exception):
    pass


class _Reader:
    """Follows one parse and notes what is not allowed."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.has_content = False
        self._depth = 0

    def read(self, text: str) -> None:
        parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype
        parser.ProcessingInstructionHandler = self._instruction
        parser.Parse(text.encode("utf-8", "replace"), True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Refused(f"The narrative is nested more than {MAX_DEPTH} elements deep.")
        if self._depth == 1 and name != "div":
            self.found.append(f"The narrative starts with <{name[:40]}>; it must be one <div>.")
        if self._depth == 1 and attributes.get("xmlns", _NAMESPACE) != _NAMESPACE:
            self.found.append(f"The narrative's <div> must have xmlns={_NAMESPACE!r}.")
        if name not in _ELEMENTS:
            self.found.append(f"<{name[:40]}> is not allowed in a narrative.")
        for attribute in attributes:
            if attribute not in _ATTRIBUTES and attribute not in _OWN.get(name, ()):
                self.found.append(f"The attribute {attribute[:40]} is not allowed on <{name[:40]}> in a narrative.")
        if any(value.strip().lower().startswith("javascript:") for value in attributes.values()):
            self.found.append("A link of the narrative runs a script.")
        if name == "img":
            self.has_content = True

    def _end(self, _: str) -> None:
        self._depth -= 1

    def _text(self, data: str) -> None:
        if data.strip():
            self.has_content = True

    def _doctype(self, *_: object) -> None:
        raise _Refused("The narrative declares a document type or entities, which is not allowed.")

    def _instruction(self, *_: object) -> None:
        self.found.append("The narrative holds a processing instruction, which is not allowed.")
