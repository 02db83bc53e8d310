"""Functions that go through a collection: where, select, repeat, iif, aggregate (FHIRPath N1 sections 5.2, 7)."""

from __future__ import annotations

from typing import Any, Final

from fhirplan.fhir.path.code import Code, from_many, from_truth, one_value
from fhirplan.fhir.path.context import Context
from fhirplan.fhir.path.equality import key
from fhirplan.fhir.path.functions import Function, Table, TypedTable
from fhirplan.fhir.path.kinds import test_for
from fhirplan.fhir.path.nodes import NOTHING, SEVERAL, Items, children, descendants, typed

_SHORT: Final = 16  # shorter collections are not counted against the bound of an evaluation


def where(target: Code, arguments: tuple[Code, ...]) -> Code:
    """``target.where(criterion)``."""
    source, criterion = target.many, arguments[0]
    holds = criterion.truth
    if criterion.indexed:
        return from_many(
            lambda this, context: [
                item for at, item in enumerate(source(this, context)) if holds(item, context.at(at, context.total))
            ]
        )

    def many(this: Any, context: Context) -> Items:
        items = source(this, context)
        if len(items) > _SHORT:
            context.spend(len(items))
        return [item for item in items if holds(item, context)] if items else NOTHING

    def some(this: Any, context: Context) -> bool:
        items = source(this, context)
        if len(items) > _SHORT:
            context.spend(len(items))
        for item in items:  # noqa: SIM110 - a generator costs more than the criterion
            if holds(item, context):
                return True
        return False

    return from_many(many).but(some=some)


def _select(target: Code, arguments: tuple[Code, ...]) -> Code:
    source, projection = target.many, arguments[0]
    project, indexed = projection.many, projection.indexed

    def many(this: Any, context: Context) -> Items:
        made: list[Any] = []
        for at, item in enumerate(source(this, context)):
            found = project(item, context.at(at, context.total) if indexed else context)
            context.spend(_weight(found))
            made.extend(found)
        context.spend(len(made))
        return made

    return from_many(many)


def _weight(items: Items) -> int:
    """What keeping texts costs besides counting them, so that long ones made by the thousand end too."""
    return sum(len(item) >> 5 for item in items if type(item) is str)


def _repeat(target: Code, arguments: tuple[Code, ...]) -> Code:
    source, project = target.many, arguments[0].many

    def many(this: Any, context: Context) -> Items:
        made: dict[Any, Any] = {}
        waiting = list(source(this, context))
        while waiting:
            found = [child for item in waiting for child in project(item, context)]
            context.spend(len(found) + _weight(found) + 1)
            waiting = []
            for child in found:
                mark = key(child)
                if mark not in made:
                    made[mark] = child
                    waiting.append(child)
        return list(made.values())

    return from_many(many)


def _aggregate(target: Code, arguments: tuple[Code, ...]) -> Code:
    source, step = target.many, arguments[0].many
    start = arguments[1].many if len(arguments) > 1 else None

    def many(this: Any, context: Context) -> Items:
        total: Items = start(this, context) if start else NOTHING
        for at, item in enumerate(source(this, context)):
            total = step(item, context.at(at, tuple(total)))
            context.spend(len(total) + 1)
        return total

    return from_many(many)


def _iif(target: Code, arguments: tuple[Code, ...]) -> Code:
    source, condition, chosen = target.many, arguments[0].truth, arguments[1]
    otherwise = arguments[2] if len(arguments) > 2 else None

    def branch(this: Any, context: Context) -> tuple[Code | None, Any]:
        items = source(this, context)
        focus = items[0] if len(items) == 1 else list(items)
        return (chosen if condition(focus, context) else otherwise), focus

    def many(this: Any, context: Context) -> Items:
        code, focus = branch(this, context)
        return code.many(focus, context) if code else NOTHING

    def truth(this: Any, context: Context) -> bool | None:
        code, focus = branch(this, context)
        return code.truth(focus, context) if code else None

    return from_many(many).but(truth=truth)


def _trace(target: Code, _: tuple[Code, ...]) -> Code:
    return target


def of_type(target: Code, name: str) -> Code:
    """``target.ofType(name)``, ``target.as(name)`` and ``target as name``: the items of that type.

    ``as`` is specified for a single item only; published search parameters use it on several, so it filters.
    """
    source, test = target.known or target.many, test_for(name)
    primitive = name[0].islower()

    def many(this: Any, context: Context) -> Items:
        items = source(this, context)
        found = [item for item in items if test(item)]
        # What is known to be of the type keeps it: a date stays one however it is spelled.
        return [typed(item, name) if type(item) is str else item for item in found] if primitive else found

    return from_many(many)


def is_type(target: Code, name: str) -> Code:
    """``target.is(name)`` and ``target is name``."""
    source, test = target.known or target.many, test_for(name)

    def truth(this: Any, context: Context) -> bool | None:
        items = source(this, context)
        if not items:
            return None
        if len(items) > 1:
            one_value(SEVERAL, "is")
        return test(items[0])

    return from_truth(truth)


def _children(target: Code, _: tuple[Code, ...]) -> Code:
    source = target.many

    def many(this: Any, context: Context) -> Items:
        made = [child for item in source(this, context) for child in children(item)]
        context.spend(len(made))
        return made

    return from_many(many)


def _descendants(target: Code, _: tuple[Code, ...]) -> Code:
    source = target.many

    def many(this: Any, context: Context) -> Items:
        made: list[Any] = []
        for item in source(this, context):
            before = len(made)
            made.extend(descendants(item))
            context.spend(len(made) - before)
        return made

    return from_many(many)


FUNCTIONS: Final[Table] = {
    "where": Function(where, 1, 1),
    "select": Function(_select, 1, 1, expands=True),
    "repeat": Function(_repeat, 1, 1, expands=True),
    "aggregate": Function(_aggregate, 1, 2, expands=True),
    "iif": Function(_iif, 2, 3),
    "trace": Function(_trace, 1, 2),
    "children": Function(_children),
    "descendants": Function(_descendants, expands=True),
}
TYPED: Final[TypedTable] = {"ofType": of_type, "as": of_type, "is": is_type}
