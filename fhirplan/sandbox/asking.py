"""Reads a search as one EHR does: what it needs, refuses, ignores or warns of, before the sandbox's own search runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from fhirplan.errors import InvalidSearch
from fhirplan.sandbox.calls import Pairs
from fhirplan.sandbox.page import Cursor
from fhirplan.sandbox.persona import Offer, Persona
from fhirplan.sandbox.query import CURSOR, IGNORED
from fhirplan.sandbox.refusals import VendorRefused

_INCLUDES: Final = ("_include", "_revinclude")


@dataclass(frozen=True, slots=True)
class Remark:
    """A warning that comes with the results: in words, and the EHR's own code, "" for none."""

    text: str
    code: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A search as an EHR understood it: the parameters it goes by, and what it has to say."""

    pairs: Pairs
    remarks: tuple[Remark, ...] = ()


def heard(persona: Persona, offer: Offer, pairs: Pairs) -> Heard:
    """What this EHR makes of these parameters; raises VendorRefused, InvalidSearch."""
    pairs = tuple(pair for pair in pairs if pair[0] not in IGNORED)
    by_id = any(name == "_id" for name, _ in pairs)
    if by_id and persona.id_alone:
        return Heard(tuple(_paged(persona, pair) for pair in pairs if pair[0] in ("_id", persona.page)))
    given = {name.partition(":")[0] for name, _ in pairs}
    _refuse_combinations(persona, given)
    if not by_id:
        _refuse_missing(persona, offer, given)
    kept: list[tuple[str, str]] = []
    remarks: list[Remark] = []
    for name, value in pairs:
        if _is_known(persona, offer, name, value):
            kept.append(_paged(persona, (name, value)))
        else:
            remarks.extend(_unknown(persona, offer, name))
    _check_values(offer, kept)
    kept = [pair for pair in kept if pair[0] != "_sort"]
    return Heard((*kept, *(pair for pair in offer.narrowed if pair not in kept)), tuple(remarks))


def _paged(persona: Persona, pair: tuple[str, str]) -> tuple[str, str]:
    """The pair, the EHR's paging parameter under our own name; raises VendorRefused when it leads nowhere."""
    if pair[0] != persona.page:
        return pair
    try:
        Cursor.read(pair[1])
    except InvalidSearch as error:
        raise expired(persona, error.text) from None
    return CURSOR, pair[1]


def expired(persona: Persona, text: str) -> VendorRefused:
    """The refusal of a page link that is no longer known."""
    return VendorRefused(text, coding=(persona.code_system, persona.code("expired")), code="expired")


def _refuse_combinations(persona: Persona, given: set[str]) -> None:
    for one, other in persona.exclusive:
        if {one, other} <= given:
            raise VendorRefused(f"The parameters {one} and {other} exclude each other. Send one of them.")


def _refuse_missing(persona: Persona, offer: Offer, given: set[str]) -> None:
    for group in offer.required:
        if not given & set(group):
            raise VendorRefused(
                f"The search needs the parameter {' or '.join(group)}.",
                coding=(persona.code_system, persona.code("missing", offer.family)),
                code="required",
            )


def _is_known(persona: Persona, offer: Offer, name: str, value: str) -> bool:
    code = name.partition(":")[0]
    if code in offer.refused:
        raise VendorRefused(f"The parameter {code} is refused. Leave it out.", code="not-supported")
    if name == "_lastUpdated":
        return _is_dated(offer, value)
    if name in _INCLUDES:
        return value in (persona.includes if name == "_include" else persona.revincludes)
    return code in (*offer.search, "_id", "_count", "_sort", persona.page)


def _is_dated(offer: Offer, value: str) -> bool:
    if offer.last_updated == "date" and "T" in value:
        raise VendorRefused(f"_lastUpdated is {value[:40]!r}. It is taken as a date only, such as ge2026-11-21.")
    return bool(offer.last_updated)


def _unknown(persona: Persona, offer: Offer, name: str) -> Iterator[Remark]:
    """What an EHR says of a parameter it does not know: nothing, a warning, or no to the whole search."""
    wanted = persona.unknown_include if name in _INCLUDES else persona.unknown
    text = f"The parameter {name[:80]!r} is not known, or not with this value"
    if wanted == "error":
        raise VendorRefused(f"{text}. Leave it out.", code="not-supported")
    if wanted == "warning":
        yield Remark(f"{text}, and was ignored.", persona.code("unknown", offer.family))


def _check_values(offer: Offer, kept: list[tuple[str, str]]) -> None:
    for name, value in kept:
        allowed = offer.values.get(name)
        if allowed and not {item.rpartition("|")[2] for item in value.split(",")} <= set(allowed):
            raise VendorRefused(f"The parameter {name} takes {' or '.join(allowed)} only.", code="value")
    for name in offer.single:
        values = [value for code, value in kept if code == name]
        if len(values) > 1 or any("," in value for value in values):
            raise VendorRefused(f"The parameter {name} takes one value only.")
    for name in offer.paired:
        prefixes = sorted(value[:2] for code, value in kept if code == name)
        if prefixes and prefixes != ["ge", "le"]:
            raise VendorRefused(f"The parameter {name} is taken only as a pair: {name}=ge… and {name}=le….")
