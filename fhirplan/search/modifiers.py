"""Reads the values of a search parameter as a modifier asks: ``:exact``, ``:in``, ``:below`` (R4 section 3.1.1.4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from fhirplan.errors import TooCostly
from fhirplan.search import literals
from fhirplan.search.context import Context
from fhirplan.search.criteria import StringValue, TokenValue, UriValue, Value
from fhirplan.search.definitions import SearchParameter
from fhirplan.search.literals import invalid, plain, shown
from fhirplan.search.values import LONGEST, folded, key


def values(context: Context, parameter: SearchParameter, text: str, modifier: str) -> Sequence[Value]:
    """What one value of a parameter stands for; raises InvalidSearch naming the parameter, and TooCostly."""
    if parameter.type == "reference" and modifier != "identifier":
        return literals.references(parameter, plain(text), modifier, context.base)
    reader = _BY_MODIFIER.get((parameter.type, modifier))
    return reader(context, parameter, text) if reader else literals.values(parameter, text, context.base)


def _exact(_: Context, parameter: SearchParameter, text: str) -> Sequence[Value]:
    made = plain(text)
    if not made.strip():
        raise literals.malformed(parameter, text, "a whole text")
    return (UriValue(key(made)),)


def _contains(_: Context, parameter: SearchParameter, text: str) -> Sequence[Value]:
    return (StringValue(literals.string(parameter, plain(text)).text, "contains"),)


def _of_text(_: Context, parameter: SearchParameter, text: str) -> Sequence[Value]:
    made = folded(plain(text))
    if not made or len(text) > LONGEST:
        raise invalid(parameter.code, f"{parameter.code}:text is the beginning of a text of at most {LONGEST} letters.")
    return (StringValue(made),)


def _of_type(_: Context, parameter: SearchParameter, text: str) -> Sequence[Value]:
    return (literals.typed_identifier(parameter, text),)


def _identifier(_: Context, parameter: SearchParameter, text: str) -> Sequence[Value]:
    return (literals.token(parameter, text),)


def _below_uri(_: Context, parameter: SearchParameter, text: str) -> Sequence[Value]:
    return (literals.uri_below(parameter, plain(text)),)


def _above_uri(_: Context, _parameter: SearchParameter, text: str) -> Sequence[Value]:
    return literals.uris_above(plain(text))


def _in(context: Context, parameter: SearchParameter, text: str) -> Sequence[Value]:
    url = plain(text)
    found = context.codes.expansion(url) if context.codes is not None else None
    if found is None:
        raise invalid(parameter.code, f"The value set {shown(url)} is not here, or its codes cannot be listed here.")
    most = context.limits.max_values
    if len(found) > most:
        raise TooCostly(f"The value set {shown(url)} has {len(found)} codes; at most {most} are looked for at once.")
    # A value set without codes has nothing in it, and neither has a code that nothing has.
    pairs = sorted(found) or [("", "")]
    return [TokenValue(key(system), key(code)) for system, code in pairs]


def _hierarchy(above: bool) -> Callable[[Context, SearchParameter, str], Sequence[Value]]:
    def read(context: Context, parameter: SearchParameter, text: str) -> Sequence[Value]:
        value = literals.token(parameter, text)
        system = value.system or parameter.system
        if not system or value.code is None:
            raise literals.malformed(parameter, text, "system|code: the code that others are above or below of")
        codes = context.codes
        found = None if codes is None else (codes.above if above else codes.below)(system, value.code)
        if found is None:
            raise invalid(
                parameter.code, f"The code system {shown(system)} is not here, so its hierarchy is not known."
            )
        return [TokenValue(key(system), key(code)) for code in (value.code, *sorted(found))]

    return read


_Reader = Callable[[Context, SearchParameter, str], Sequence[Value]]
_BY_MODIFIER: Final[dict[tuple[str, str], _Reader]] = {
    ("string", "exact"): _exact,
    ("string", "contains"): _contains,
    ("token", "text"): _of_text,
    ("token", "of-type"): _of_type,
    ("token", "in"): _in,
    ("token", "not-in"): _in,
    ("token", "below"): _hierarchy(above=False),
    ("token", "above"): _hierarchy(above=True),
    ("reference", "identifier"): _identifier,
    ("uri", "below"): _below_uri,
    ("uri", "above"): _above_uri,
}
