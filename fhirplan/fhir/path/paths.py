"""Compiles what a path is made of: members, a leading type name, indexers, ``%name``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fhirplan.fhir.path.code import THIS, Code, Many, from_many, from_one, one_value
from fhirplan.fhir.path.context import Context
from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.kinds import test_for
from fhirplan.fhir.path.nodes import NOTHING, Items, Node, members, presence, single
from fhirplan.fhir.path.quantity import UCUM

_URLS: Final = {
    "ucum": UCUM,
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}


def member(target: Code, name: str, *, first: bool) -> Code:
    """``target.name``; where a path starts with a type's name it stands for the item itself if it is of that type."""
    if target is THIS:
        own = _own(name)
        return _typed_start(name, own) if first and name[:1].isupper() else own
    return _below(target, name)


def _own(name: str) -> Code:
    step, has, one = members(name), presence(name), single(name)
    code = from_many(lambda this, context: step(this))
    return code.but(
        some=lambda this, context: has(this),
        one=lambda this, context: one(this),
        known=_known(THIS, name),
        name=name,
    )


def _typed_start(name: str, own: Code) -> Code:
    is_type = test_for(name)
    plain = own.many

    def many(this: Any, context: Context) -> Items:
        return [this] if type(this) is not list and is_type(this) else plain(this, context)

    return from_many(many)


def _below(target: Code, name: str) -> Code:
    step, has, source = members(name), presence(name), target.many

    def many(this: Any, context: Context) -> Items:
        items = source(this, context)
        if len(items) == 1:
            return step(items[0])
        return [child for item in items for child in step(item)] if items else NOTHING

    def some(this: Any, context: Context) -> bool:
        items = source(this, context)
        if len(items) == 1:
            return has(items[0])
        for item in items:  # noqa: SIM110 - a generator costs more than the look-up
            if has(item):
                return True
        return False

    return from_many(many).but(some=some, known=_known(target, name))


def _known(target: Code, name: str) -> Many:
    step, source = members(name), target.known or target.many

    def many(this: Any, context: Context) -> Items:
        made: list[Any] = []
        for parent in source(this, context):
            owner = parent.type if type(parent) is Node else parent.get("resourceType") if type(parent) is dict else ""
            type_ = context.type_of(owner, name) if context.type_of and isinstance(owner, str) and owner else None
            children = step(parent)
            made.extend(_told(child, type_) for child in children) if type_ else made.extend(children)
        return made

    return many


def _told(child: Any, type_: str) -> Any:
    if type(child) is not Node:
        return Node(child, type_)
    return child if child.type else child._replace(type=type_)


def item_at(target: Code, index: Code) -> Code:
    """``target[index]``."""
    source, place = target.many, index.one

    def many(this: Any, context: Context) -> Items:
        at = one_value(place(this, context), "An index")
        if at is None:
            return NOTHING
        if type(at) is not int:
            raise NotEvaluable("An index must be a whole number.")
        items = source(this, context)
        return [items[at]] if 0 <= at < len(items) else NOTHING

    return from_many(many)


def loop_value(name: str) -> Code:
    """``$index`` or ``$total``."""
    if name == "index":
        return from_one(lambda this, context: context.index).but(indexed=True)
    return from_many(lambda this, context: context.total).but(indexed=True)


def external(name: str) -> Code:
    """``%name``: one of the specification's, a value set's or extension's url, or a variable of the caller.

    A name nobody provides raises NotEvaluable when it is evaluated, as only then is the context known.
    """
    fixed = _fixed(name)
    if fixed is not None:
        return from_one(lambda this, context: fixed).but(constant=fixed)
    known: dict[str, Callable[[Context], Any]] = {
        "resource": lambda context: context.resource,
        "context": lambda context: context.focus,
        "rootResource": lambda context: context.root if context.root is not None else context.resource,
    }
    read = known.get(name)
    if read is not None:
        return from_many(lambda this, context: _as_items(read(context)))

    def many(this: Any, context: Context) -> Items:
        if name not in context.variables:
            raise NotEvaluable(f"%{name} is not provided here.")
        return _as_items(context.variables[name])

    return from_many(many)


def _fixed(name: str) -> str | None:
    if name.startswith("vs-"):
        return f"http://hl7.org/fhir/ValueSet/{name[3:]}"
    if name.startswith("ext-"):
        return f"http://hl7.org/fhir/StructureDefinition/{name[4:]}"
    return _URLS.get(name)


def _as_items(value: Any) -> Items:
    if value is None:
        return NOTHING
    return value if type(value) is list else [value]
