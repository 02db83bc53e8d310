"""What an open element of an XML document holds so far, and the JSON object that it becomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from fhirplan.fhir.codec import Json
from fhirplan.fhir.xml.layout import Place, Slot, slots


@dataclass(slots=True)
class Frame:
    """An element that is open: what it is, and what was found in it so far.

    ``kept`` has the entries (value, extensions) per JSON name; ``step`` is its part of the path.
    """

    form: Literal["primitive", "complex", "wrapper", "resource"]
    slot: Slot | None
    place: Place
    depth: int
    step: str
    value: Json = None
    made: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, list[tuple[Json, dict[str, Any] | None]]] = field(default_factory=dict)
    last: Slot | None = None

    def object(self) -> dict[str, Any]:
        """The JSON object of what was found in it; arrays and their extensions have one length (2.6.2.3)."""
        made: dict[str, Any] = {"resourceType": self.place.type} if self.form == "resource" else {}
        made.update(self.made)
        known = slots(self.place)
        for name, entries in self.kept.items():
            values, extras = [value for value, _ in entries], [extra for _, extra in entries]
            if any(value is not None for value in values):
                made[name] = values if known[name].many else values[0]
            if any(extra is not None for extra in extras):
                made["_" + name] = extras if known[name].many else extras[0]
        return made
