"""Reads the parameters of a search into a Query, or says which of them is wrong and what the type supports.

Nothing is ignored: an unknown parameter, modifier or malformed value raises InvalidSearch (R4 section 3.1.1). With
``lenient`` an unknown parameter or modifier is passed over, and the Query says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from fhirplan.errors import InvalidSearch
from fhirplan.search import page, results
from fhirplan.search.asked import Asked
from fhirplan.search.context import DEFAULTS, Codes, Context, Limits, UnknownParameter, known_of
from fhirplan.search.criteria import KINDS, Condition, Criterion, ReferenceValue, Some
from fhirplan.search.definitions import LAST_UPDATED, Searchable, SearchParameter
from fhirplan.search.literals import invalid, shown
from fhirplan.search.results import WHOLE, Include, Shown, SortKey, Total
from fhirplan.search.words import Words

# About the form of the answer, not about the search; whoever speaks HTTP reads them.
_FORM: Final = frozenset({"_format", "_pretty"})
_EQUALITY: Final = frozenset({"token", "reference", "uri"})


@dataclass(frozen=True, slots=True)
class Compartment:
    """Only what refers to ``type``/``id`` by one of the parameters ``codes`` of the searched type."""

    type: str
    id: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A search: all ``conditions`` hold and all ``words`` are found. ``pairs`` are its parameters, but for the page.

    ``sort`` is empty for the order in which resources were first stored. ``count`` resources make a page (0: only the
    total is wanted), which begins after ``after``. ``digest`` binds cursors to the search. ``ignored`` says which
    parameters were passed over; ``pairs`` are without them.
    """

    type: str
    conditions: tuple[Criterion, ...]
    sort: tuple[SortKey, ...]
    count: int
    total: Total
    after: page.Position | None
    digest: str
    pairs: tuple[tuple[str, str], ...]
    includes: tuple[Include, ...] = ()
    words: tuple[Words, ...] = ()
    shown: Shown = WHOLE
    max_included: int = 0
    ignored: tuple[InvalidSearch, ...] = ()


def parse(
    type: str,
    parameters: Sequence[SearchParameter],
    pairs: Iterable[tuple[str, str]],
    *,
    limits: Limits = DEFAULTS,
    base: str = "",
    types: Mapping[str, Searchable] | None = None,
    codes: Codes | None = None,
    compartment: Compartment | None = None,
    lenient: bool = False,
    owner: str = "",
) -> Query:
    """The search that ``pairs`` ask for, as decoded from a query string or a form.

    ``parameters`` are those of the type, ``types`` all that chains and includes may lead to, ``codes`` what knows
    value sets and hierarchies. ``base`` is the url of our own FHIR endpoint, whose absolute references are the same
    as relative ones. Raises InvalidSearch, with the parameter in the issue's ``expression``, and TooCostly when more
    is asked than ``limits`` allows.
    """
    context = Context(types or {}, codes, limits, base)
    given = [(name, text) for name, text in pairs if name not in _FORM]
    bound = (compartment.type, compartment.id) if compartment is not None else ()
    bound = (*bound, f"of {owner}") if owner else bound
    return _parsed(context, (type,), type, parameters, given, bound, compartment, lenient=lenient)


def parse_types(
    types: Mapping[str, Searchable],
    pairs: Iterable[tuple[str, str]],
    *,
    limits: Limits = DEFAULTS,
    base: str = "",
    codes: Codes | None = None,
    lenient: bool = False,
    owner: str = "",
    compartment: Callable[[str], Compartment] | None = None,
    known: Mapping[str, Searchable] | None = None,
) -> tuple[Query, ...]:
    """A search over several types at once, one Query each: those that ``_type`` lists, or all of ``types``.

    All of them must have the parameters. ``compartment`` gives by which of a type's parameters it belongs to one,
    ``known`` are the types that chains and includes may lead to, by default ``types``. Raises as ``parse``, and
    InvalidSearch for a type that is not served.
    """
    context = Context(known if known is not None else types, codes, limits, base)
    given = [(name, text) for name, text in pairs if name not in _FORM]
    listed = [item for name, text in given if name == "_type" for item in text.split(",")]
    wrong = [item for item in listed if item not in types]
    if wrong:
        raise invalid("_type", f"_type={shown(wrong[0])} is not served here. Served are: {', '.join(sorted(types))}.")
    chosen = tuple(dict.fromkeys(listed)) or tuple(types)
    rest = [(name, text) for name, text in given if name != "_type"]
    bound: tuple[str, ...] = ("_type", ",".join(chosen))
    bound = (*bound, f"of {owner}") if owner else bound
    within = {item: compartment(item) if compartment is not None else None for item in chosen}
    bound = (*bound, *(f"{item.type}/{item.id}" for item in list(within.values())[:1] if item is not None))
    found = [
        _parsed(context, chosen, item, types[item].parameters, rest, bound, within[item], lenient=lenient)
        for item in chosen
    ]
    kept = tuple(pair for pair in given if pair[0] == "_type")
    if len({query.pairs for query in found}) > 1:
        raise invalid("_type", "Not all of the types have the same parameters, so none can be passed over.")
    return tuple(_with_types(query, kept) for query in found)


def _with_types(query: Query, kept: tuple[tuple[str, str], ...]) -> Query:
    return replace(query, pairs=(*kept, *query.pairs))


def _parsed(
    context: Context,
    types: tuple[str, ...],
    type: str,
    parameters: Sequence[SearchParameter],
    given: list[tuple[str, str]],
    bound: Sequence[str],
    compartment: Compartment | None,
    *,
    lenient: bool,
) -> Query:
    declared = context.types.get(type)
    # That of a declared type is made once.
    same = declared is not None and declared.parameters == parameters
    known = known_of(context, type) if same else {item.code: item for item in parameters}
    asked = Asked(context, types, type, known)
    kept: list[tuple[str, str]] = []
    ignored: list[InvalidSearch] = []
    for name, text in given:
        try:
            asked.take(name, text)
        except UnknownParameter as error:
            if not lenient:
                raise
            ignored.append(error)
            continue
        if name != "_page":
            kept.append((name, text))
    asked.weigh()
    conditions = [_within(compartment, known), *asked.conditions] if compartment is not None else asked.conditions
    digest = page.digest(" ".join((type if len(types) == 1 else "", *bound)), kept)
    return _query(asked, conditions, digest, kept, ignored)


def _query(
    asked: Asked,
    conditions: list[Criterion],
    digest: str,
    kept: list[tuple[str, str]],
    ignored: list[InvalidSearch],
) -> Query:
    given, limits = asked.results, asked.context.limits
    results.contained(given)
    shown_ = results.shown_of(given, asked.types)
    sort = results.order(given, asked.known, since=_since(conditions))
    only_count = shown_.summary == "count"
    return Query(
        asked.type,
        tuple(conditions),
        sort,
        0 if only_count else results.count(given, limits),
        results.total(given) or ("accurate" if only_count or given.get("_count") == "0" else ""),
        _after(given, digest, sort),
        digest,
        tuple(kept),
        tuple(dict.fromkeys(asked.includes)),
        tuple(asked.words),
        shown_,
        limits.max_included,
        tuple(ignored),
    )


def _after(given: Mapping[str, str], digest: str, sort: tuple[SortKey, ...]) -> page.Position | None:
    if "_page" not in given:
        return None
    position = page.read(given["_page"], digest)
    kinds = [page.kind_of(key.parameter) for key in sort for _ in range(key.width)]
    if len(kinds) != len(position.keys) or not all(
        key is None or isinstance(key, kind) for key, kind in zip(position.keys, kinds, strict=True)
    ):
        raise page.wrong()
    return position


def _within(compartment: Compartment, known: Mapping[str, SearchParameter]) -> Criterion:
    target = (ReferenceValue(compartment.type, compartment.id),)
    parts = tuple(Condition(known[code], target) for code in compartment.codes if code in known)
    return parts[0] if len(parts) == 1 else Some(parts)


def _since(conditions: Iterable[Criterion]) -> bool:
    """Whether changes since a moment are asked for, and nothing that is looked up: then they come as they happened."""
    listed = [item for item in conditions if isinstance(item, Condition)]
    if len(listed) < len(list(conditions)):
        return False
    since = any(item.parameter is LAST_UPDATED for item in listed)
    return since and not any(KINDS[type(item.values[0])] in _EQUALITY and not item.negated for item in listed)
