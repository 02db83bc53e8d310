"""What is wrong with a narrative: the XHTML that R4 allows in Narrative.div (R4 section 2.4.0, txt-1 and txt-2).

Well formed, only elements and attributes that format, link or name, and some content.
"""

from __future__ import annotations

import re
from typing import Final
from xml.parsers import expat

XHTML: Final = "http://www.w3.org/1999/xhtml"
_ELEMENT_NAMES: Final = (
    "p br div h1 h2 h3 h4 h5 h6 a span b em i strong small big tt dfn q var abbr acronym cite blockquote hr address "
    "bdo kbd sub sup ul ol li dl dt dd pre table caption colgroup col thead tr tfoot tbody th td code samp img map "
    "area del ins s u strike center font"
)
_ATTRIBUTE_NAMES: Final = (
    "title style class id lang dir accesskey tabindex span width align valign char charoff abbr axis headers scope "
    "rowspan colspan border cellpadding cellspacing summary frame rules href name target rel rev src alt height "
    "longdesc usemap ismap shape coords cite datetime type start value compact color face size bgcolor nowrap noshade "
    "clear hspace vspace bordercolor char hreflang charset xml:lang xml:space xmlns idref"
)
_ELEMENTS: Final = frozenset(_ELEMENT_NAMES.split())
_ATTRIBUTES: Final = frozenset(_ATTRIBUTE_NAMES.split())
_ENTITIES: Final = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)(\w+);")
_SCRIPT_URL: Final = re.compile(r"(?:javascript|vbscript):|data:(?!image/)", re.IGNORECASE)
# Browsers pass over these anywhere in the scheme of an address (WHATWG URL, basic URL parser).
_PASSED_OVER: Final = re.compile(r"[\x00-\x20]+")
_ADDRESSES: Final = frozenset({"href", "src", "cite", "longdesc"})
_TAG: Final = re.compile(r"<([^>]*)>")
_SHAPE: Final = re.compile(r"([a-z][a-z0-9]*)((?:\s+[A-Za-z:\-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*)\s*/?")
_ASSIGNED: Final = re.compile(r"([A-Za-z:\-]+)\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_SAID: Final = re.compile(r">[^<]*[^\s<]")
_ROOT: Final = f'div xmlns="{XHTML}"'
_BARE: Final = frozenset(
    {_ROOT} | {spelled for name in _ELEMENTS for spelled in (name, f"/{name}", f"{name}/", f"{name} /")}
)


def _plainly_sound(text: str) -> bool:
    """Whether a div is seen to be sound without looking at its elements one by one; False leaves it open."""
    if not text.startswith(f"<{_ROOT}") or text.count("xmlns") != 1 or _SAID.search(text) is None:
        return False
    for tag in set(_TAG.findall(text)) - _BARE:
        shape = _SHAPE.fullmatch(tag)
        if shape is None or shape[1] not in _ELEMENTS:
            return False
        assigned = _ASSIGNED.findall(shape[2])
        low = tag.lower()
        # What a reference such as &#58; stands for is known to a parser only.
        if not _ATTRIBUTES.issuperset(assigned) or "script:" in low or "data:" in low or "&" in low:
            return False
    try:
        expat.ParserCreate().Parse(text, True)
    except (expat.ExpatError, UnicodeEncodeError):
        return False
    return True


def problem(text: str) -> tuple[str, str] | None:
    """The rule that a div breaks and why, or None when it is sound."""
    if _plainly_sound(text):
        return None
    reader = _Reader()
    try:
        reader.parse(text)
    except expat.ExpatError as error:
        return "txt-1", f"The div is not well-formed XHTML ({expat.ErrorString(error.code)}, line {error.lineno})."
    except _Found as found:
        return "txt-1", found.args[0]
    if not reader.content:
        return "txt-2", "The div has no content. Say something in it or remove the narrative."
    return None


class _Found(Exception):
    """What is not allowed; carries it out of the parser and never escapes."""


class _Reader:
    """Reads a div once, without following entities or DTDs."""

    def __init__(self) -> None:
        self.content = False
        self.depth = 0
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.parser.UseForeignDTD(False)

    def parse(self, text: str) -> None:
        """Raises ExpatError or _Found at the first fault."""
        named = _ENTITIES.search(text)
        if named:
            raise _Found(f"The entity &{named[1][:20]}; is not known in XHTML within FHIR. Write the character itself.")
        self.parser.Parse(text.encode("utf-8", "surrogatepass"), True)

    def doctype(self, *_: object) -> None:
        """A DTD could hold entities that grow without end."""
        raise _Found("The div has a DOCTYPE, which is not allowed.")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element opens."""
        namespace, _, local = name.rpartition(" ")
        self.depth += 1
        if self.depth == 1 and (local != "div" or namespace != XHTML):
            raise _Found(
                f"The narrative is <{local[:30]}>"
                + (f" in namespace {namespace[:60]}" if namespace else "")
                + f'; it must be <div xmlns="{XHTML}">.'
            )
        if namespace != XHTML:
            raise _Found(f"<{local[:30]}> is in the wrong namespace; XHTML's is {XHTML}.")
        if local not in _ELEMENTS:
            raise _Found(f"<{local[:30]}> is not allowed in a narrative. Use plain formatting only.")
        if local == "img":
            self.content = True
        for key, value in attributes.items():
            self.attribute(local, key, value)

    def attribute(self, element: str, key: str, value: str) -> None:
        """An attribute is one of those that only format, link or name."""
        bare = key.rpartition(" ")[2]
        if key.startswith("http://www.w3.org/XML/1998/namespace ") or bare.startswith("data-"):
            return
        if bare.lower().startswith("on") or bare not in _ATTRIBUTES:
            raise _Found(f"The attribute {bare[:30]} on <{element}> is not allowed in a narrative. Remove it.")
        if bare in _ADDRESSES and _SCRIPT_URL.match(_PASSED_OVER.sub("", value)):
            raise _Found(f"The {bare} of <{element}> is a script, which is not allowed in a narrative.")

    def end(self, name: str) -> None:
        """An element closes."""
        self.depth -= 1

    def text(self, data: str) -> None:
        """Characters between elements."""
        if not self.content and not data.isspace():
            self.content = True
