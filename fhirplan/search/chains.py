"""Leads a search on to other resources: chains, ``_has`` and ``_list`` (R4 section 3.1.1.4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from fhirplan.errors import TooCostly
from fhirplan.search import literals
from fhirplan.search.context import Context, known_of
from fhirplan.search.criteria import Chain, Condition, Criterion, Has, Some, TokenValue
from fhirplan.search.definitions import ID, SearchParameter
from fhirplan.search.literals import invalid, shown

Further = Callable[[str, Mapping[str, SearchParameter], str, int], Criterion]
"""Makes the criterion of what is asked beyond a reference: type it leads to, its parameters, the rest, depth."""
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_EXAMPLE: Final = "_has:Task:patient:status=requested"


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
    further: Further,
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
    parts = [Chain(parameter, item, further(item, known[item], rest, depth)) for item in able]
    return parts[0] if len(parts) == 1 else Some(tuple(parts))


def has(context: Context, type: str, name: str, further: Further, depth: int) -> Criterion:
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
    return Has(source, parameter, further(source, known, rest, depth))


def members(context: Context, text: str) -> Criterion:
    """``_list=id``: the members of a List, which refers to them by ``item``."""
    item = known_of(context, "List").get("item")
    ids = text.split(",")
    if item is None:
        raise invalid("_list", "Lists are not served here.")
    if not all(_ID.fullmatch(one) for one in ids):
        raise invalid("_list", f"_list={shown(text)} is no id of a List. Lists such as $current-problems are not kept.")
    return Has("List", item, Condition(ID, tuple(TokenValue(None, one) for one in ids)))
