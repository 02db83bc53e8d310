"""What searches look for in a resource: one row per value, the same for the database and for the evaluator in memory.

Rows are tuples, hashable, so that the rows of two versions are compared as sets (R4 sections 3.1.1.4.6 to 3.1.1.4.12).
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from fhirplan.fhir import dates
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.reference import parse
from fhirplan.search.definitions import ID, LAST_UPDATED, ParameterType, SearchParameter
from fhirplan.search.paths import Extract, compile_path

# The longest text an index keeps as it is.
LONGEST: Final = 256
_BOOLEANS: Final = "http://terminology.hl7.org/CodeSystem/special-values"
_CURRENCIES: Final = "urn:iso:std:iso:4217"
_NAME_PARTS: Final = ("text", "family", "given", "prefix", "suffix")
_ADDRESS_PARTS: Final = ("text", "line", "city", "district", "state", "postalCode", "country")


# One indexed value of one parameter: (code, kind, value). ``value`` is, by kind:
# token (code, system), reference (type, id) or ("", url), uri (text,), string (folded text,),
# date (low, high, 1 for a Period or Timing else 0), number (low, high), quantity (low, high, system, code, unit).
# A Reference's identifier is a token row of its reference parameter; the texts of a token are its string rows and the
# key of a typed identifier its uri row; the exact texts of a string are its uri rows.
Row = tuple[str, ParameterType, tuple[Any, ...]]
Extractor = Callable[[Resource], set[Row]]
_Convert = Callable[[str, Any], Iterable[tuple[Any, ...]]]
_Compiled = tuple[str, ParameterType, Extract, _Convert]
_NOT_INDEXED: Final = frozenset({ID.code, LAST_UPDATED.code})


def extractor(parameters: Iterable[SearchParameter], base: str = "") -> Extractor:
    """The function that gives all rows of a resource for these parameters.

    ``base`` is the url of our own FHIR endpoint: references that spell it out are rows like relative ones.
    ``_id`` and ``_lastUpdated`` have no rows; they are asked of the resource itself.
    """
    by_key: dict[str | None, list[_Compiled]] = {}
    for item in parameters:
        if item.code not in _NOT_INDEXED:
            path = compile_path(item.expression)
            compiled = (item.code, item.type, path.values, _converter(item, base))
            for first in path.first or (None,):
                by_key.setdefault(first, []).append(compiled)
    always = by_key.pop(None, [])

    def rows(resource: Resource) -> set[Row]:
        found: set[Row] = set()
        wanted = [always, *(by_key[name] for name in resource if name in by_key)]
        for code, kind, values, convert in chain.from_iterable(wanted):
            for type_, value in values(resource):
                for row in convert(type_, value):
                    found.add((code, kind, row))
                if kind == "reference":
                    if type(value) is dict and "identifier" in value:
                        found.update((code, "token", row) for row in _reference_identifier(value))
                elif kind == "token":
                    if type(value) is dict:
                        found.update((code, "string", (text,)) for text in _token_texts(type_, value))
                        if type_ == "Identifier" and "type" in value:
                            found.update((code, "uri", row) for row in _typed_identifiers(value))
                elif kind == "string":
                    found.update((code, "uri", (key(text),)) for text in _texts(type_, value) if _is_text(text))
        return found

    return rows


def key(text: str) -> str:
    """The text as an index keeps it: as it is, or for a long one its beginning and a digest, so that equal stays equal.

    NUL, which FHIR does not allow and PostgreSQL cannot keep, is left out.
    """
    if "\0" in text:
        text = text.replace("\0", "")
    if len(text) <= LONGEST:
        return text
    return text[: LONGEST - 65] + "#" + hashlib.sha256(text.encode()).hexdigest()


def folded(text: str) -> str:
    """The text for a comparison that ignores case, accents and runs of blanks; at most LONGEST characters."""
    return " ".join(spread(text).replace("\0", "").split())[:LONGEST]


def spread(text: str) -> str:
    """The text without case and accents."""
    if not text.isascii():
        apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        text = "".join(item for item in apart if not unicodedata.combining(item)).casefold()
    return text.lower()


def reference_key(text: str, base: str) -> tuple[str, str] | None:
    """The (type, id) or ("", url) a literal reference is found by; None for what is never searched (#x, urn:uuid)."""
    # The same patient, owner or team is named again and again; only short texts are worth remembering.
    return _remembered_key(text, base) if len(text) <= LONGEST else _reference_key(text, base)


def _reference_key(text: str, base: str) -> tuple[str, str] | None:
    found = parse(text)
    if found is not None and found.server in ("", base):
        return found.type, found.id
    if text.startswith(("#", "urn:uuid:")) or not text:
        return None
    return "", key(text)


_remembered_key: Final = lru_cache(maxsize=4096)(_reference_key)


def _converter(parameter: SearchParameter, base: str) -> _Convert:
    if parameter.type == "token":
        return lambda type_, value: _tokens(type_, value, parameter.system)
    if parameter.type == "reference":
        return lambda type_, value: _references(type_, value, base)
    return _CONVERTERS[parameter.type]


def _tokens(type_: str, value: Any, system: str) -> Iterable[tuple[Any, ...]]:
    if isinstance(value, str):
        return ((key(value), system if type_ == "code" else ""),)
    if isinstance(value, bool):
        return (("true" if value else "false", _BOOLEANS),)
    if not isinstance(value, dict):
        return ()
    if type_ == "CodeableConcept":
        coding = value.get("coding")
        items = [item for item in coding if isinstance(item, dict)] if isinstance(coding, list) else ()
        return [pair for item in items for pair in _pair(item.get("code"), item.get("system"))]
    if type_ == "ContactPoint":
        return _pair(value.get("value"), None)
    return _pair(value.get("value" if type_ == "Identifier" else "code"), value.get("system"))


def _pair(code: Any, system: Any) -> Iterable[tuple[Any, ...]]:
    code = key(code) if isinstance(code, str) else ""
    system = key(system) if isinstance(system, str) else ""
    return ((code, system),) if code or system else ()


def _references(type_: str, value: Any, base: str) -> Iterable[tuple[Any, ...]]:
    if isinstance(value, dict):
        literal = value.get("reference")
        found = reference_key(literal, base) if isinstance(literal, str) else None
        return (found,) if found is not None else ()
    if type_ == "Reference" or not isinstance(value, str) or not value:
        return ()
    return (("", key(value)), ("", key(value.partition("|")[0])))


def _reference_identifier(value: dict[str, Any]) -> Iterable[tuple[Any, ...]]:
    identifier = value["identifier"]
    return _pair(identifier.get("value"), identifier.get("system")) if isinstance(identifier, dict) else ()


def _token_texts(type_: str, value: dict[str, Any]) -> Iterator[str]:
    """What people read of a coded value: text and displays; of an Identifier, the text of its type."""
    if type_ == "Identifier":
        value = value.get("type") if isinstance(value.get("type"), dict) else {}  # type: ignore[assignment]
    elif type_ == "Coding":
        value = {"coding": [value]}
    elif type_ != "CodeableConcept":
        return
    coding = value.get("coding")
    displays = [item.get("display") for item in coding if isinstance(item, dict)] if isinstance(coding, list) else []
    for text in (value.get("text"), *displays):
        if isinstance(text, str) and (made := folded(text)):
            yield made


def _typed_identifiers(value: dict[str, Any]) -> Iterable[tuple[Any, ...]]:
    named, kind = value.get("value"), value.get("type")
    coding = kind.get("coding") if isinstance(kind, dict) else None
    if not isinstance(named, str) or not isinstance(coding, list):
        return ()
    pairs = [(item.get("system"), item.get("code")) for item in coding if isinstance(item, dict)]
    return [
        (key(f"{system}|{code}|{named}"),)
        for system, code in pairs
        if isinstance(system, str) and isinstance(code, str)
    ]


def _is_text(text: Any) -> bool:
    return isinstance(text, str) and bool(text.strip())


def _dates(type_: str, value: Any) -> Iterable[tuple[Any, ...]]:
    if isinstance(value, str):
        found = dates.span(value)
    else:
        found = dates.timing(value) if type_ == "Timing" else dates.period(value)
    return ((found.low, found.high, int(not isinstance(value, str))),) if found is not None else ()


def _strings(type_: str, value: Any) -> Iterable[tuple[Any, ...]]:
    return [(folded(text),) for text in _texts(type_, value) if _is_text(text)]


def _texts(type_: str, value: Any) -> Iterator[Any]:
    if not isinstance(value, dict):
        yield value
        return
    for part in {"HumanName": _NAME_PARTS, "Address": _ADDRESS_PARTS}.get(type_, ()):
        found = value.get(part)
        if isinstance(found, list):
            yield from found
        else:
            yield found


def _uris(_type: str, value: Any) -> Iterable[tuple[Any, ...]]:
    return ((key(value),),) if isinstance(value, str) and value else ()


def number(value: Any) -> float | None:
    """A JSON number as a float, None for anything else; one too large is infinite."""
    return float(Decimal(value)) if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


def _bounds(value: dict[str, Any]) -> tuple[float, float] | None:
    low, high = (number(side.get("value")) if isinstance(side, dict) else None for side in _sides(value))
    if low is None and high is None:
        return None
    return -_INFINITE if low is None else low, _INFINITE if high is None else high


def _sides(value: dict[str, Any]) -> tuple[Any, Any]:
    return value.get("low"), value.get("high")


def _numbers(_type: str, value: Any) -> Iterator[tuple[Any, ...]]:
    exact = number(value)
    if exact is not None:
        yield exact, exact
    elif isinstance(value, dict) and (found := _bounds(value)) is not None:
        yield found


def _quantities(type_: str, value: Any) -> Iterator[tuple[Any, ...]]:
    if not isinstance(value, dict):
        return
    if type_ == "Range":
        found = _bounds(value)
        value = next((side for side in _sides(value) if isinstance(side, dict)), value)
    else:
        exact = number(value.get("value"))
        found = _compared(exact, value.get("comparator")) if exact is not None else None
    if found is None:
        return
    if type_ == "Money":
        value = {"system": _CURRENCIES, "code": value.get("currency")}
    names = (value.get(name) for name in ("system", "code", "unit"))
    yield (*found, *(key(name) if isinstance(name, str) else "" for name in names))


def _compared(exact: float, comparator: Any) -> tuple[float, float]:
    if comparator in ("<", "<="):
        return -_INFINITE, exact
    if comparator in (">", ">="):
        return exact, _INFINITE
    return exact, exact


_INFINITE: Final = float("inf")
_CONVERTERS: Final[dict[ParameterType, _Convert]] = {
    "date": _dates,
    "string": _strings,
    "uri": _uris,
    "number": _numbers,
    "quantity": _quantities,
}
