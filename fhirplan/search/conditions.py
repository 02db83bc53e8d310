"""Reads one search parameter, with its modifier and chain, into the criterion it stands for (R4 section 3.1.1.4)."""

from __future__ import annotations

from collections.abc import Mapping

from fhirplan.errors import TooCostly
from fhirplan.search import chains, modifiers
from fhirplan.search.chains import Further
from fhirplan.search.context import Context, UnknownParameter, unknown
from fhirplan.search.criteria import Condition, Criterion, Missing
from fhirplan.search.definitions import SearchParameter
from fhirplan.search.definitions import modifiers as modifiers_of
from fhirplan.search.literals import invalid, shown, split


def criterion(
    context: Context, type: str, known: Mapping[str, SearchParameter], name: str, text: str, depth: int = 0
) -> Criterion:
    """What ``name=text`` asks of a resource of ``type``, whose parameters are ``known`` by their codes.

    Raises UnknownParameter, InvalidSearch naming the parameter, and TooCostly for a chain that is too long.
    """
    if name.startswith("_has:"):
        return chains.has(context, type, name, _further(context, text), depth)
    if name == "_list":
        return chains.members(context, text)
    step, dot, rest = name.partition(".")
    code, colon, modifier = step.partition(":")
    parameter = known.get(code)
    if parameter is None:
        raise unknown(type, code, known)
    if dot:
        return chains.chain(context, type, parameter, modifier, rest, _further(context, text), depth)
    if colon and not _offers(parameter, modifier):
        raise _no_modifier(type, parameter, modifier)
    if modifier == "missing":
        return _missing(parameter, text)
    parts = split(text, ",")
    if not all(parts):
        raise invalid(code, f"{code} has an empty value. Give it a value or leave it out.")
    if len(parts) > context.limits.max_values:
        raise TooCostly(f"{code} has {len(parts)} values; at most {context.limits.max_values} are looked for at once.")
    values = [value for part in parts for value in modifiers.values(context, parameter, part, modifier)]
    return Condition(parameter, tuple(dict.fromkeys(values)), negated=modifier in ("not", "not-in"))


def _further(context: Context, text: str) -> Further:
    return lambda type, known, rest, depth: criterion(context, type, known, rest, text, depth)


def _offers(parameter: SearchParameter, modifier: str) -> bool:
    if parameter.type == "reference" and modifier[:1].isupper():
        return True
    return modifier in modifiers_of(parameter)


def _no_modifier(type: str, parameter: SearchParameter, modifier: str) -> UnknownParameter:
    offered = [f":{item}" for item in modifiers_of(parameter)]
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
