"""The functions FHIR adds: extension, hasValue, resolve, memberOf, htmlChecks … (R4 section 2.9.1.5), and the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fhirplan.fhir import reference
from fhirplan.fhir.path import temporal, xhtml
from fhirplan.fhir.path.code import Code, from_many, from_one, from_truth, one_value
from fhirplan.fhir.path.context import Context, Tell
from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.functions import Build, Function, Table
from fhirplan.fhir.path.kinds import name_of
from fhirplan.fhir.path.nodes import NOTHING, Items, Unresolved, content, members
from fhirplan.fhir.path.temporal import Temporal

_extensions = members("extension")


def _extension(target: Code, arguments: tuple[Code, ...]) -> Code:
    source, wanted = target.many, arguments[0].one

    def many(this: Any, context: Context) -> Items:
        items = source(this, context)
        if not items:
            return NOTHING
        url = wanted(this, context)
        return [
            found
            for item in items
            for found in _extensions(item)
            if type(found) is dict and url is not None and found.get("url") == url
        ]

    return from_many(many)


def _has_extension(target: Code, arguments: tuple[Code, ...]) -> Code:
    some = _extension(target, arguments).some
    return from_truth(lambda this, context: some(this, context))


def _has_value(target: Code, _: tuple[Code, ...]) -> Code:
    many = target.many

    def truth(this: Any, context: Context) -> bool | None:
        items = many(this, context)
        return len(items) == 1 and _is_primitive(content(items[0]))

    return from_truth(truth)


def _get_value(target: Code, _: tuple[Code, ...]) -> Code:
    one = target.one

    def value(this: Any, context: Context) -> Any:
        found = one(this, context)
        return found if _is_primitive(found) else None

    return from_one(value)


def _is_primitive(value: Any) -> bool:
    kind = type(value)
    return value is not None and kind is not dict and kind is not Unresolved


def _resolve(target: Code, _: tuple[Code, ...]) -> Code:
    source = target.many

    def many(this: Any, context: Context) -> Items:
        found = (_resolved(content(item), context) for item in source(this, context))
        return [item for item in found if item is not None]

    return from_many(many)


def _resolved(item: Any, context: Context) -> Any:
    """The resource a Reference or url points to; what is known of it when it is not here; else None."""
    url = item.get("reference") if isinstance(item, dict) else item
    if not isinstance(url, str):
        return Unresolved(item["type"]) if isinstance(item, dict) and isinstance(item.get("type"), str) else None
    if url.startswith("#"):
        return _contained(url[1:], context)
    found = context.resolve(url) if context.resolve else None
    if found is not None:
        return found
    type_ = reference.target_type(item if isinstance(item, dict) else {"reference": url})
    return Unresolved(type_) if type_ else None


def _contained(id_: str, context: Context) -> Any:
    for holder in (context.root, context.resource, context.focus):
        if isinstance(holder, dict):
            if not id_ and holder.get("resourceType"):
                return holder
            for inner in holder.get("contained") or ():
                if isinstance(inner, dict) and inner.get("id") == id_:
                    return inner
    return None


def _told(name: str, teller: Callable[[Context], Tell | None]) -> Build:
    def build(target: Code, arguments: tuple[Code, ...]) -> Code:
        source, wanted = target.many, arguments[0].one

        def truth(this: Any, context: Context) -> bool | None:
            items = source(this, context)
            if not items:
                return None
            url, tell = one_value(wanted(this, context), f"{name}()"), teller(context)
            answers = [tell(item, url) if tell and isinstance(url, str) else None for item in items]
            if None in answers:
                raise NotEvaluable(f"{name}() asks for what is not known here.")
            return all(answers)

        return from_truth(truth)

    return build


def _html_checks(target: Code, _: tuple[Code, ...]) -> Code:
    one = target.one

    def truth(this: Any, context: Context) -> bool | None:
        text = one_value(one(this, context), "htmlChecks()")
        return None if text is None else isinstance(text, str) and xhtml.problem(text) is None

    return from_truth(truth)


def _type(target: Code, _: tuple[Code, ...]) -> Code:
    source = target.many

    def many(this: Any, context: Context) -> Items:
        names = [name_of(item) for item in source(this, context)]
        return [{"namespace": space, "name": name} for space, name in names]

    return from_many(many)


def _clock(read: Callable[[Temporal], Temporal]) -> Build:
    def build(target: Code, _: tuple[Code, ...]) -> Code:
        def value(this: Any, context: Context) -> Temporal:
            if context.now is None:
                raise NotEvaluable("The expression asks for the time, which is not given here.")
            return read(temporal.of_datetime(context.now))

        return from_one(value)

    return build


def _time_of_day(moment: Temporal) -> Temporal:
    return Temporal("time", moment.parts[3:], None, moment.parts[3:])


FUNCTIONS: Final[Table] = {
    "extension": Function(_extension, 1, 1),
    "hasExtension": Function(_has_extension, 1, 1),
    "hasValue": Function(_has_value),
    "getValue": Function(_get_value),
    "resolve": Function(_resolve),
    "memberOf": Function(_told("memberOf", lambda context: context.member_of), 1, 1),
    "conformsTo": Function(_told("conformsTo", lambda context: context.conforms_to), 1, 1),
    "htmlChecks": Function(_html_checks),
    "htmlChecks2": Function(_html_checks),
    "type": Function(_type),
    "now": Function(_clock(lambda moment: moment)),
    "today": Function(_clock(temporal.as_date)),
    "timeOfDay": Function(_clock(_time_of_day)),
}
