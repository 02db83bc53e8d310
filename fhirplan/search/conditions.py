"""Reads one search parameter, with its modifier and chain, into the criterion it stands for (R4 section 3.1.1.4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

from fhirplan.errors import InvalidSearch, TooCostly
from fhirplan.search import literals
from fhirplan.search.criteria import (
    Chain,
    Condition,
    Criterion,
    Has,
    Missing,
    Some,
    StringValue,
    TokenValue,
    UriValue,
    Value,
)
from fhirplan.search.definitions import ID, RESULTS, SPECIAL, Searchable, SearchParameter, modifiers
from fhirplan.search.literals import invalid, plain, shown, split
from fhirplan.search.values import LONGEST, folded, key

_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class Codes(Protocol):
    """What is asked of terminology; None stands for what cannot be listed."""

    def expansion(self, valueset: str) -> frozenset[tuple[str, str]] | None:
        """All (system, code) of a value set."""

    def below(self, system: str, code: str) -> frozenset[str] | None:
        """All codes below a code of a system."""

    def above(self, system: str, code: str) -> frozenset[str] | None:
        """All codes above a code of a system."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one search may ask for: ``max_chain`` steps to another resource, ``max_included`` resources beside."""

    default_count: int = 50
    max_count: int = 1000
    max_values: int = 500
    max_chain: int = 4
    max_included: int = 1000


DEFAULTS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Context:
    """What a parameter is read with: the types that chains may lead to, terminology, the limits, our own base url."""

    types: Mapping[str, Searchable] = field(default_factory=dict)
    codes: Codes | None = None
    limits: Limits = DEFAULTS
    base: str = ""


class UnknownParameter(InvalidSearch):
    """A parameter or modifier that is not offered, which Prefer: handling=lenient passes over."""


def criterion(
    context: Context, type: str, known: Mapping[str, SearchParameter], name: str, text: str, depth: int = 0
) -> Criterion:
    """What ``name=text`` asks of a resource of ``type``, whose parameters are ``known`` by their codes.

    Raises UnknownParameter, InvalidSearch naming the parameter, and TooCostly for a chain that is too long.
    """
    if name.startswith("_has:"):
        return _has(context, type, name, text, depth)
    if name == "_list":
        return _list(context, text)
    step, dot, rest = name.partition(".")
    code, colon, modifier = step.partition(":")
    parameter = known.get(code)
    if parameter is None:
        raise unknown(type, code, known)
    if dot:

        def further(target: str, beyond: Mapping[str, SearchParameter], depth: int) -> Criterion:
            return criterion(context, target, beyond, rest, text, depth)

        return chain(context, type, parameter, modifier, rest, further, depth)
    if colon and not _offers(parameter, modifier):
        raise _no_modifier(type, parameter, modifier)
    if modifier == "missing":
        return _missing(parameter, text)
    parts = split(text, ",")
    if not all(parts):
        raise invalid(code, f"{code} has an empty value. Give it a value or leave it out.")
    if len(parts) > context.limits.max_values:
        raise TooCostly(f"{code} has {len(parts)} values; at most {context.limits.max_values} are looked for at once.")
    values = [value for part in parts for value in _values(context, parameter, part, modifier)]
    return Condition(parameter, tuple(dict.fromkeys(values)), negated=modifier in ("not", "not-in"))


def unknown(type: str, code: str, known: Mapping[str, SearchParameter]) -> UnknownParameter:
    """The error about a parameter that the type does not have."""
    offered = ", ".join(sorted([*known, *SPECIAL, *RESULTS]))
    return UnknownParameter(f"{type} has no search parameter {shown(code)}. It has: {offered}.", expression=code)


def known_of(context: Context, type: str) -> dict[str, SearchParameter]:
    """The parameters of another type by their codes; empty for a type that is not served."""
    found = context.types.get(type)
    return _by_code(found) if found is not None else {}


@lru_cache(maxsize=256)
def _by_code(type: Searchable) -> dict[str, SearchParameter]:
    return {item.code: item for item in type.parameters}


def _offers(parameter: SearchParameter, modifier: str) -> bool:
    if parameter.type == "reference" and modifier[:1].isupper():
        return True
    return modifier in modifiers(parameter)


def _no_modifier(type: str, parameter: SearchParameter, modifier: str) -> UnknownParameter:
    offered = [f":{item}" for item in modifiers(parameter)]
    if parameter.type == "reference":
        offered.append(f"a type ({', '.join(f':{item}' for item in parameter.targets) or 'any'})")
    takes = f"takes {', '.join(offered)}" if offered else "takes no modifier"
    return UnknownParameter(
        f"The modifier :{shown(modifier)} is not offered; {parameter.code} of {type} {takes}.",
        expression=parameter.code,
    )


def _missing(parameter: SearchParameter, text: str) -> Missing:
    if text not in ("true", "false"):
        raise invalid(parameter.code, f"{parameter.code}:missing is true or false, not {shown(text)}.")
    return Missing(parameter, text == "true")


def _values(context: Context, parameter: SearchParameter, text: str, modifier: str) -> Sequence[Value]:
    if parameter.type == "reference" and modifier != "identifier":
        return literals.references(parameter, plain(text), modifier, context.base)
    reader = _READERS.get((parameter.type, modifier))
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
_READERS: Final[dict[tuple[str, str], _Reader]] = {
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


def _deeper(context: Context, depth: int, name: str) -> int:
    if depth >= context.limits.max_chain:
        raise TooCostly(
            f"{shown(name)} leads on from one resource to another more than {context.limits.max_chain} times. Ask in "
            "steps."
        )
    return depth + 1


def chain(
    context: Context,
    type: str,
    parameter: SearchParameter,
    target: str,
    rest: str,
    further: Callable[[str, Mapping[str, SearchParameter], int], Criterion],
    depth: int,
) -> Criterion:
    """``subject:Patient.name=x``; without a type, all served types that have the next parameter are looked at.

    ``rest`` is what is asked beyond the reference, and ``further`` makes the criterion of it for a type it leads to.
    """
    code = parameter.code
    if parameter.type != "reference":
        raise invalid(code, f"{code} of {type} is no reference, so nothing can be asked beyond it.")
    depth = _deeper(context, depth, f"{code}.{rest}")
    if target:
        types: Sequence[str] = (literals.target_of(parameter, target),)
    else:
        types = parameter.targets
        if not types:
            raise invalid(code, f"{code} may point to any type. Name one, as in {code}:Patient.{shown(rest)}.")
    following = rest.partition(".")[0].partition(":")[0]
    known = {item: known_of(context, item) for item in types}
    able = [item for item in types if following in known[item] or (following in ("_has", "_list") and known[item])]
    if not able:
        listed = {item for found in known.values() for item in found}
        raise invalid(
            code,
            f"{code} of {type} leads to {', '.join(types)}, which cannot be searched by {shown(following)} here. "
            f"Offered are: {', '.join(sorted(listed)) or 'none'}.",
        )
    parts = [Chain(parameter, item, further(item, known[item], depth)) for item in able]
    return parts[0] if len(parts) == 1 else Some(tuple(parts))


def _has(context: Context, type: str, name: str, text: str, depth: int) -> Criterion:
    """``_has:Observation:patient:code=x``: an Observation whose patient is this one and that has the code."""
    parts = name.split(":", 3)
    if len(parts) < 4 or not parts[3]:
        raise invalid("_has", f"{shown(name)} is no _has. Write _has:Type:reference:parameter, as in {_EXAMPLE}.")
    depth = _deeper(context, depth, name)
    _, source, code, rest = parts
    known = known_of(context, source)
    if not known:
        raise invalid("_has", f"_has cannot ask for {shown(source)}: it is not served here.")
    parameter = known.get(code)
    if parameter is None or parameter.type != "reference" or type not in (parameter.targets or (type,)):
        able = [item.code for item in known.values() if item.type == "reference" and type in (item.targets or (type,))]
        raise invalid(
            "_has",
            f"{shown(code)} of {source} does not refer to a {type}. These do: {', '.join(sorted(able)) or 'none'}.",
        )
    return Has(source, parameter, criterion(context, source, known, rest, text, depth))


_EXAMPLE: Final = "_has:Task:patient:status=requested"


def _list(context: Context, text: str) -> Criterion:
    """``_list=id``: the members of a List, which refers to them by ``item``."""
    item = known_of(context, "List").get("item")
    ids = text.split(",")
    if item is None:
        raise invalid("_list", "Lists are not served here.")
    if not all(_ID.fullmatch(one) for one in ids):
        raise invalid("_list", f"_list={shown(text)} is no id of a List. Lists such as $current-problems are not kept.")
    return Has("List", item, Condition(ID, tuple(TokenValue(None, one) for one in ids)))
