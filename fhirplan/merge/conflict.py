"""What two edits collide on, as values and as the parts of a sentence that a nurse would say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from fhirplan.fhir import reference
from fhirplan.fhir.codec import Json, dumps

Kind = Literal["date", "status", "person", "number", "choice", "text", "added", "removed", "other"]
_PEOPLE: Final = frozenset(
    {"CareTeam", "Group", "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson"}
)
_BY_TYPE: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("date", "dateTime", "instant", "time", "Period"), "date"),
    **dict.fromkeys(("decimal", "integer", "positiveInt", "unsignedInt"), "number"),
    **dict.fromkeys(("Age", "Count", "Distance", "Duration", "Money", "Quantity", "Range", "Ratio"), "number"),
    **dict.fromkeys(("boolean", "code", "CodeableConcept", "Coding"), "choice"),
    **dict.fromkeys(("Annotation", "Narrative", "markdown", "string", "xhtml"), "text"),
}
_DATE: Final = re.compile(r"\d{4}-\d\d(-\d\d)?(T.*)?")


@dataclass(frozen=True, slots=True)
class Clash:
    """One unit that both sides changed differently.

    ``path`` is its FHIRPath with local's indexes, as ``Goal.target[0].due``; it begins with ``%base`` where local has
    removed the item. ``element`` is the path without indexes, an extension by the end of its url, as
    ``Task.extension:cm-due-basis.value``. ``base``, ``local`` and ``remote`` are the values, None where there is none;
    where ``grouped``, they are objects of the JSON names in ``names`` (and primitive extensions'), as
    ``{"dueDate": "2026-03-12"}``. ``shown`` are the parts of remote and local that tell what was done, for ``removed``
    the part of base and of the side that kept it. ``both`` says whether both values can stand side by side.
    """

    path: str
    element: str
    kind: Kind
    base: Json
    local: Json
    remote: Json
    shown: tuple[Json, Json]
    datatype: str = ""
    names: tuple[str, ...] = ()
    grouped: bool = False
    both: bool = False

    @property
    def key(self) -> str:
        """The key of its sentence in a catalogue of words, as ``conf.date``."""
        if self.kind == "removed" and self.local is None:
            return "conf.removed_here"
        if self.kind == "text" and self.datatype != "Annotation":
            return "conf.other"
        return f"conf.{self.kind}"

    @property
    def labels(self) -> tuple[str, ...]:
        """The keys its field may be called by, the most telling one first, as ``field.Goal.target.due``, ``field.due``.

        The value of an extension is called by the extension's name, ``field.cm-due-basis``.
        """
        element = self.element.removesuffix(".value") if ":" in self.element else self.element
        last = re.split(r"[.:]", element)[-1]
        return (f"field.{element}", f"field.{last}")


class Words(Protocol):
    """A catalogue of words, as the chart's."""

    def __call__(self, key: str, /, **values: Any) -> str:
        """The sentence of that key."""

    def has(self, key: str) -> bool:
        """Whether the catalogue has that key."""


def plain(value: Json, kind: Kind = "other") -> str:
    """A FHIR value in a few plain words, for a terminal or where a page has no better form of its own."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return _plain_object(value, kind)
    if isinstance(value, list):
        return ", ".join(plain(item, kind) for item in value)
    return "" if value is None else value if isinstance(value, str) else dumps(value).decode()


def sentence(clash: Clash, words: Words, *, clinic: str, show: Callable[[Json, Kind], str] = plain) -> str:
    """What happened, in the words of a catalogue: the clinic first, then you (chart design, section 5).

    ``show`` writes a value for people and is told the kind, so that a page can write its own dates and states.
    """
    a, b = (show(value, clash.kind) for value in clash.shown)
    return words(clash.key, clinic=clinic, field=label(clash, words), a=a, b=b)


def label(clash: Clash, words: Words) -> str:
    """What the field is called in a catalogue, else its own name in plain letters."""
    for key in clash.labels:
        if words.has(key):
            return words(key)
    return re.sub(r"(?<=[a-z])(?=[A-Z])|-", " ", clash.labels[-1].removeprefix("field.").removeprefix("cm-")).lower()


def kind_of(name: str, datatype: str, values: Iterable[Json]) -> Kind:
    """What sort of change it is, from the element's name, its datatype ("" when not known) and the values' form."""
    found = [value for value in values if value is not None]
    if name.lower().endswith("status"):
        return "status"
    if datatype == "Reference" or any(isinstance(value, dict) and "reference" in value for value in found):
        return "person" if any(reference.target_type(value) in _PEOPLE for value in found) else "choice"
    return _BY_TYPE[datatype] if datatype in _BY_TYPE else next((_by_form(value) for value in found), "other")


def _by_form(value: Json) -> Kind:
    if isinstance(value, str):
        return "date" if _DATE.fullmatch(value) else "text"
    if isinstance(value, dict):
        if "coding" in value or {"system", "code"} == value.keys() - {"display", "version", "userSelected"}:
            return "choice"
        if "value" in value and value.keys() <= {"value", "unit", "system", "code", "comparator"}:
            return "number"
        return "text" if "text" in value else "other"
    return "choice" if isinstance(value, bool) else "other" if isinstance(value, list) else "number"


def _plain_object(value: dict[str, Any], kind: Kind) -> str:
    for telling in ("text", "display"):
        if isinstance(value.get(telling), str):
            return str(value[telling])
    for inside in ("coding", "identifier"):
        if value.get(inside):
            return plain(value[inside][0] if isinstance(value[inside], list) else value[inside], kind)
    for telling in ("reference", "code"):
        if isinstance(value.get(telling), str) and "value" not in value:
            return str(value[telling])
    if "value" in value:
        unit = value.get("unit") or value.get("code") or value.get("currency") or ""
        return " ".join(filter(None, (str(value.get("comparator", "")), plain(value["value"]), str(unit))))
    if value.keys() & {"low", "high", "start", "end"}:
        least, most = value.get("low", value.get("start")), value.get("high", value.get("end"))
        return f"{plain(least, kind) or '…'} to {plain(most, kind) or '…'}"
    kept = [item for key, item in value.items() if key not in ("id", "extension", "url") and not key.startswith("_")]
    return ", ".join(filter(None, (plain(item, kind) for item in kept)))
