"""Reads the parameters of a search and refuses what the sandbox EHR does not know (R4 section 3.1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from fhirplan.errors import InvalidSearch
from fhirplan.fhir import reference
from fhirplan.sandbox import instants
from fhirplan.sandbox.calls import Pairs
from fhirplan.sandbox.definitions import TYPES, Parameter
from fhirplan.sandbox.indexing import SEPARATOR
from fhirplan.sandbox.page import Cursor

DEFAULT_COUNT: Final = 50
MAX_COUNT: Final = 1000
CURSOR: Final = "_page"
PREFIXES: Final = ("eq", "gt", "lt", "ge", "le")
IGNORED: Final = ("_format", "_pretty")
_WHOLE_NUMBER: Final = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True)
class Filter:
    """What must hold of a match: parameter ``code`` has one of ``values``; for ``_id`` the values are ids.

    For a date each value is a prefix and the start and end of what was asked for, as ``instants.sortable``.
    """

    code: str
    values: tuple[str, ...]
    kind: str


@dataclass(frozen=True, slots=True)
class Include:
    """What else to bring: the reference parameters of ``type`` to follow, to targets of ``target`` ("" for any)."""

    type: str
    codes: tuple[str, ...]
    target: str = ""


@dataclass(slots=True)
class Query:
    """A search as understood. ``since`` and ``before`` bound the last update in milliseconds: since <= t < before."""

    type: str
    base: str
    filters: list[Filter] = field(default_factory=list)
    since: int | None = None
    before: int | None = None
    count: int = DEFAULT_COUNT
    descending: bool = False
    with_total: bool = True
    only_count: bool = False
    includes: list[Include] = field(default_factory=list)
    reverse: list[Include] = field(default_factory=list)
    cursor: Cursor | None = None

    def narrow(self, since: int | None, before: int | None) -> None:
        """Adds a bound to those there are."""
        if since is not None:
            self.since = since if self.since is None else max(self.since, since)
        if before is not None:
            self.before = before if self.before is None else min(self.before, before)


def read(type_: str, pairs: Pairs, base: str) -> Query:
    """The search that these parameters ask for; raises InvalidSearch naming the parameter that cannot be met."""
    query = Query(type_, base)
    for name, value in pairs:
        code, _, modifier = name.partition(":")
        if name in IGNORED:
            continue
        if not value:
            raise InvalidSearch(f"The search parameter {name} has no value. Give one or leave the parameter out.")
        if name in _CONTROLS:
            _CONTROLS[name](query, value)
        elif code in TYPES[type_]:
            query.filters.append(_filter(TYPES[type_][code], modifier, name, value, base))
        else:
            raise _unknown(type_, name)
    return query


def criteria(type_: str, pairs: Pairs, base: str) -> Query:
    """The search of a conditional request, which has at least one condition and nothing but conditions."""
    query = read(type_, pairs, base)
    if not query.filters and query.since is None and query.before is None:
        raise InvalidSearch(f"A conditional request for {type_} needs search parameters that say which one is meant.")
    return query


def whole_number(name: str, value: str) -> int:
    """The value of a parameter that counts; raises InvalidSearch."""
    if not _WHOLE_NUMBER.fullmatch(value):
        raise InvalidSearch(f"The parameter {name} is {value[:40]!r}. It is a whole number, 0 or more.")
    return int(value)


def _unknown(type_: str, name: str) -> InvalidSearch:
    allowed = ", ".join([*_CONTROLS, *TYPES[type_]])
    return InvalidSearch(f"The search parameter {name!r} is not known for {type_}. Known are: {allowed}.")


def _filter(parameter: Parameter, modifier: str, name: str, value: str, base: str) -> Filter:
    if modifier and not (parameter.kind == "reference" and modifier in TYPES):
        raise InvalidSearch(
            f"The search parameter {name!r} has a modifier that is not supported. Leave out :{modifier}."
        )
    found: list[str] = []
    for item in _split(value, ","):
        if parameter.kind == "reference":
            found.extend(_reference(parameter, item, modifier, base))
        else:
            found.extend(_date(parameter, item) if parameter.kind == "date" else _token(parameter, item))
    return Filter(parameter.code, tuple(found), "identifier" if parameter.code == "identifier" else parameter.kind)


def _split(text: str, separator: str) -> list[str]:
    """The parts between separators that no backslash precedes."""
    return re.split(rf"(?<!\\){re.escape(separator)}", text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([,|$\\])", r"\1", text)


def _token(parameter: Parameter, item: str) -> Iterator[str]:
    system, *code = (_unescaped(part) for part in _split(item, "|"))
    if len(code) > 1 or not (system or any(code)):
        raise InvalidSearch(
            f"The search parameter {parameter.code} is {item[:80]!r}. Write code, system|code, |code or system|."
        )
    if parameter.kind == "code":
        yield code[0] if code else system
    else:
        yield f"{system}{SEPARATOR}{code[0]}" if code else system


def _reference(parameter: Parameter, item: str, modifier: str, base: str) -> Iterator[str]:
    """The spellings under which a stored reference is a match: relative, or absolute at this same server."""
    text = _unescaped(item)
    if reference.ID.fullmatch(text):
        locals_ = [f"{type_}/{text}" for type_ in ([modifier] if modifier else parameter.targets or TYPES)]
    else:
        found = reference.parse(text)
        if not found or (modifier and modifier != found.type):
            raise InvalidSearch(
                f"The search parameter {parameter.code} is {text[:80]!r}. Write an id, Type/id or an address."
            )
        if found.server and found.server != base:
            yield f"{found.server}/{found.local}"
            return
        locals_ = [found.local]
    for local in locals_:
        yield local
        yield f"{base}/{local}"


def _date(parameter: Parameter, item: str) -> Iterator[str]:
    prefix, start, end = _span(parameter.code, item)
    yield f"{prefix}{instants.sortable(start)}{instants.sortable(end)}"


def _span(name: str, value: str) -> tuple[str, int, int]:
    """The prefix of a date in a search, and the first millisecond of it and after it; raises InvalidSearch."""
    prefix, written = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
    try:
        start, end = instants.span(written)
    except ValueError:
        raise InvalidSearch(
            f"The search parameter {name} is {value[:40]!r}. Write a date or instant such as 2026-11-21 or "
            "ge2026-11-21T10:00:00.000Z (in a URL a plus sign is written %2B)."
        ) from None
    if prefix not in PREFIXES:
        raise InvalidSearch(f"The prefix {prefix!r} of {name} is not supported. Use {', '.join(PREFIXES)}.")
    return prefix, start, end


def _ids(query: Query, value: str) -> None:
    query.filters.append(Filter("_id", tuple(_unescaped(item) for item in _split(value, ",")), "_id"))


def _last_updated(query: Query, value: str) -> None:
    prefix, start, end = _span("_lastUpdated", value)
    bounds = {"eq": (start, end), "gt": (end, None), "ge": (start, None), "lt": (None, start), "le": (None, end)}
    query.narrow(*bounds[prefix])


def _count(query: Query, value: str) -> None:
    query.count = min(whole_number("_count", value), MAX_COUNT)
    query.only_count = query.only_count or query.count == 0


def _sort(query: Query, value: str) -> None:
    if value not in ("_lastUpdated", "-_lastUpdated"):
        raise InvalidSearch(f"_sort is {value[:40]!r}. Results are sorted by _lastUpdated or -_lastUpdated only.")
    query.descending = value.startswith("-")


def _total(query: Query, value: str) -> None:
    if value not in ("none", "estimate", "accurate"):
        raise InvalidSearch(f"_total is {value[:40]!r}. It is none, estimate or accurate.")
    query.with_total = value != "none"


def _summary(query: Query, value: str) -> None:
    if value not in ("count", "false"):
        raise InvalidSearch(f"_summary is {value[:40]!r}. Only count and false are supported.")
    query.only_count = query.only_count or value == "count"


def _include(query: Query, value: str) -> None:
    include = _read_include("_include", value, query.type)
    if include.type != query.type:
        raise InvalidSearch(f"_include is {value[:80]!r}. It starts at the type searched for, {query.type}.")
    query.includes.append(include)


def _revinclude(query: Query, value: str) -> None:
    query.reverse.append(_read_include("_revinclude", value, ""))


def _read_include(name: str, value: str, own: str) -> Include:
    if value == "*" and own:
        return Include(own, _reference_codes(own))
    type_, _, rest = value.partition(":")
    code, _, target = rest.partition(":")
    codes = _reference_codes(type_)
    if (code not in codes and code != "*") or (target and target not in TYPES):
        wanted = f"{own or 'Task'}:{(codes or ('based-on',))[0]}"
        raise InvalidSearch(f"{name} is {value[:80]!r}. Write Type:parameter with a reference parameter, as {wanted}.")
    return Include(type_, codes if code == "*" else (code,), target)


def _reference_codes(type_: str) -> tuple[str, ...]:
    return tuple(code for code, parameter in TYPES.get(type_, {}).items() if parameter.kind == "reference")


def _cursor(query: Query, value: str) -> None:
    query.cursor = Cursor.read(value)


_CONTROLS: Final = {
    "_id": _ids,
    "_lastUpdated": _last_updated,
    "_count": _count,
    "_sort": _sort,
    "_total": _total,
    "_summary": _summary,
    "_include": _include,
    "_revinclude": _revinclude,
    CURSOR: _cursor,
}
