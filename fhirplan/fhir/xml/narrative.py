"""Takes a narrative's XHTML in and out of XML as it stands (R4 sections 2.4 and 2.6.1.2).

Both directions keep the text character for character. Only what another XML reader could not understand is spelled
anew: an HTML entity (``&nbsp;``) becomes its number, a missing namespace is added, blanks around the div go, and
prefixes that were declared outside the div are written out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.entities import name2codepoint
from typing import Final
from xml.parsers import expat

XHTML: Final = "http://www.w3.org/1999/xhtml"
XML: Final = "http://www.w3.org/XML/1998/namespace"
_ENTITY: Final = re.compile(r"<!\[CDATA\[.*?\]\]>|<!--.*?-->|&([A-Za-z][A-Za-z0-9]*);", re.DOTALL)
_OWN: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})
_BARE: Final = re.compile(r"<div(?=[\s/>])")
_SPECIAL: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_IN_TEXT: Final = re.compile("[&<>\r]")
_IN_VALUE: Final = re.compile('[&<>"\t\n\r]')


class NotXhtml(ValueError):
    """The text is no single XHTML div; says why in plain words, without quoting it."""


def escaped(value: str) -> str:
    """A string as an attribute's value, so that every reader gets back each character."""
    return _IN_VALUE.sub(lambda found: _SPECIAL[found[0]], value)


def embedded(text: str) -> str:
    """The div of a narrative as it can stand inside XML; raises NotXhtml when it cannot."""
    made = _ENTITY.sub(_numbered, text.strip(" \t\r\n"))
    root = _checked(made)
    if root == "div":  # no namespace at all: JSON often leaves it out
        made = _BARE.sub(f'<div xmlns="{XHTML}"', made, count=1)
        root = _checked(made)
    if root != f"{XHTML} div":
        raise NotXhtml(f'it does not start with <div xmlns="{XHTML}">')
    return made


def standalone(text: str, namespaces: Mapping[str, str]) -> str:
    """The div cut out of a document in which ``namespaces`` (prefix to name) were declared around it."""
    try:
        if _checked(text) == f"{XHTML} div":
            return text
    except NotXhtml:  # a prefix that is declared further out; what is wrong in itself is found by the next lines
        pass
    return _Respelled(namespaces).read(text)


def _numbered(found: re.Match[str]) -> str:
    name = found[1]
    return found[0] if name is None or name in _OWN or name not in name2codepoint else f"&#{name2codepoint[name]};"


def _checked(text: str) -> str:
    """The root's name of a text that is one well-formed element and nothing else."""
    if not text.startswith("<") or text.startswith(("<?", "<!")) or not text.endswith(">"):
        raise NotXhtml("it is not one <div> element")
    roots: list[str] = []
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")

    def start(name: str, _: dict[str, str]) -> None:
        if not roots:
            roots.append(name)

    parser.StartElementHandler = start
    parser.ProcessingInstructionHandler = _refuse_instruction
    try:
        parser.Parse(text.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        raise NotXhtml(f"it is not well-formed ({expat.ErrorString(error.code)})") from None
    if text.endswith("-->"):
        raise NotXhtml("a comment follows its <div> element")
    return roots[0]


def _refuse_instruction(*_: object) -> None:
    """For expat: a processing instruction has no business in a narrative."""
    raise NotXhtml("it holds a processing instruction")


class _Respelled:
    """Writes a div anew with its namespaces on it; comments go, as they cannot matter to a reader."""

    def __init__(self, namespaces: Mapping[str, str]) -> None:
        self._namespaces = namespaces
        self._made: list[str] = []
        self._depth = 0

    def read(self, text: str) -> str:
        """The div of a text whose prefixes are declared outside it."""
        declared = "".join(
            f' xmlns{":" + prefix if prefix else ""}="{escaped(name)}"' for prefix, name in self._namespaces.items()
        )
        parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.ProcessingInstructionHandler = _refuse_instruction
        try:
            parser.Parse(f"<around{declared}>{text}</around>".encode(), True)
        except expat.ExpatError as error:
            raise NotXhtml(f"it is not well-formed ({expat.ErrorString(error.code)})") from None
        return "".join(self._made)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            return
        written = "".join(f' {_plain(key, XML, "xml:")}="{escaped(value)}"' for key, value in attributes.items())
        own = f' xmlns="{XHTML}"' if self._depth == 2 else ""
        self._made.append(f"<{_plain(name, XHTML)}{own}{written}>")

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._depth:
            self._made.append(f"</{_plain(name, XHTML)}>")

    def _text(self, text: str) -> None:
        self._made.append(_IN_TEXT.sub(lambda found: _SPECIAL[found[0]], text))


def _plain(name: str, namespace: str, prefix: str = "") -> str:
    """A name without its namespace, which must be the expected one (or none, for an attribute)."""
    space, _, local = name.rpartition(" ")
    if not space and prefix:
        return local
    if space != namespace:
        raise NotXhtml("it uses elements or attributes that are not XHTML")
    return prefix + local
