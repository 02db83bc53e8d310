"""What a search parameter is: its code, type, the FHIRPath of what it looks at, and where references may point."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

ParameterType = Literal["token", "reference", "date", "string", "number", "quantity", "uri"]

# Prefixes of R4 section 3.1.1.4.5 per type; a type that is not named takes none.
DATE_PREFIXES: Final = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
NUMBER_PREFIXES: Final = DATE_PREFIXES

# Modifiers of R4 section 3.1.1.4.2 per type. A reference takes besides them the name of a type it may point to.
MODIFIERS: Final[Mapping[str, tuple[str, ...]]] = {
    "token": ("missing", "not", "text", "in", "not-in", "below", "above", "of-type"),
    "reference": ("missing", "identifier"),
    "string": ("missing", "exact", "contains"),
    "uri": ("missing", "below", "above"),
    "date": ("missing",),
    "number": ("missing",),
    "quantity": ("missing",),
}


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """One search parameter of one resource type (R4 section 3.1.1).

    ``expression`` is FHIRPath from the resource's type. ``targets`` are the types a reference may point to, empty for
    any. ``system`` is the code system that a plain ``code`` element's values come from, which
    ``status=http://hl7.org/fhir/task-status|ready`` names and the resource does not. ``url`` is the canonical of the
    SearchParameter resource that defines it.
    """

    code: str
    type: ParameterType
    expression: str
    targets: tuple[str, ...] = ()
    description: str = ""
    url: str = ""
    system: str = ""

    @property
    def definition(self) -> str:
        """All that decides which index rows a resource has for it; when it changes, they must be made anew."""
        made = "2" if self.type in ("token", "string") else ""
        return f"{self.type}{made} {self.expression} {self.system}".strip()


# What may be asked besides a type's own parameters, and how the answer is to look (R4 sections 3.1.1.1 and 3.1.1.5).
SPECIAL: Final = ("_content", "_filter", "_has", "_list", "_text")
RESULTS: Final = (
    "_contained",
    "_count",
    "_elements",
    "_include",
    "_page",
    "_revinclude",
    "_sort",
    "_summary",
    "_total",
)


class Searchable(Hashable, Protocol):
    """A type that can be searched."""

    @property
    def parameters(self) -> tuple[SearchParameter, ...]:
        """All its parameters, the common ones too."""


def modifiers(parameter: SearchParameter) -> tuple[str, ...]:
    """The modifiers that a parameter takes, but for the types of a reference."""
    if parameter is ID:
        return ("not",)
    if parameter is LAST_UPDATED:
        return ()
    offered = MODIFIERS[parameter.type]
    # Only an Identifier is of a type, and only what has a hierarchy is above or below something.
    return tuple(item for item in offered if item != "of-type" or parameter.code.endswith("identifier"))


_RESOURCE: Final = "http://hl7.org/fhir/SearchParameter/Resource-"

# Asked of the resource itself, not of an index table.
ID: Final = SearchParameter("_id", "token", "Resource.id", (), "The id of the resource", _RESOURCE + "id")
LAST_UPDATED: Final = SearchParameter(
    "_lastUpdated", "date", "Resource.meta.lastUpdated", (), "When it last changed here", _RESOURCE + "lastUpdated"
)

# Every type has these (R4 section 3.1.1.2), besides its own.
COMMON: Final = (
    ID,
    LAST_UPDATED,
    SearchParameter(
        "_profile", "uri", "Resource.meta.profile", (), "A profile it claims to follow", _RESOURCE + "profile"
    ),
    SearchParameter("_tag", "token", "Resource.meta.tag", (), "A tag it carries", _RESOURCE + "tag"),
    SearchParameter("_security", "token", "Resource.meta.security", (), "A security label", _RESOURCE + "security"),
    SearchParameter("_source", "uri", "Resource.meta.source", (), "Where it comes from", _RESOURCE + "source"),
)
