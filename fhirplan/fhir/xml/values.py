"""Reads the value of a primitive from its XML attribute, digit for digit (R4 section 2.24)."""

from __future__ import annotations

import re
from typing import Final

from fhirplan.errors import MalformedRequest
from fhirplan.fhir.codec import Json, loads
from fhirplan.fhir.xml.layout import Slot

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WHOLE: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_WANTED: Final = {
    "boolean": "true or false",
    "integer": "a whole number such as 12",
    "decimal": "a number such as 1.50",
}


class NotAValue(ValueError):
    """A text that is no value of its type; the message says what is wanted, to stand after the name of the element."""


def parsed(slot: Slot, text: str) -> Json:
    """The value as JSON has it; raises NotAValue."""
    match slot.family:
        case "text":
            return text
        case "boolean" if text in ("true", "false"):
            return text == "true"
        case "integer" if _WHOLE.fullmatch(text):
            return _number(text)
        case "integer" if slot.type == "positiveInt" and _WHOLE.fullmatch(text.removeprefix("+")):
            return _number(text.removeprefix("+"))  # R4's own pattern of a positiveInt allows the sign
        case "decimal" if _NUMBER.fullmatch(text):
            return _number(text)
    raise NotAValue(f"must be {_WANTED[slot.family]}, without blanks around it")


def _number(text: str) -> Json:
    try:
        return loads(text)
    except MalformedRequest:
        raise NotAValue("is a number too long or too large to be kept") from None
