"""Finds the elements that a patch's path names, with where they stand.

A path of a patch is a small part of FHIRPath: names, indexes, ``where(…)``, ``first()``, ``last()``, ``single()``,
``ofType(…)``, ``as(…)`` and ``extension('…')``; a condition compares such a path with a literal. Anything else is
refused in plain words: an expression that computes something has no place that could be changed.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final

from fhirplan.fhir.patch.failures import Refusal
from fhirplan.fhir.patch.json_values import equal
from fhirplan.fhir.patch.spot import Spot, children
from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.parser import parse
from fhirplan.fhir.path.syntax import (
    Call,
    Flag,
    Item,
    Member,
    Moment,
    Number,
    Operation,
    Sign,
    Syntax,
    Text,
    This,
    TypeTest,
    type_name,
)
from fhirplan.fhir.structure import is_a
from fhirplan.fhir.xml.layout import Place, named, slots

MAX_VISITED: Final = 200_000
MAX_LENGTH: Final = 2000
_ALLOWED: Final = "names, [indexes], where(…), first(), last(), single(), ofType(…), extension('…')"
_LITERALS: Final = (Text, Number, Flag, Moment, Sign)


class Locator:
    """Finds elements for the operations of one patch; ``left`` bounds the elements that are looked at in all."""

    def __init__(self, left: int = MAX_VISITED) -> None:
        self._left = left
        self.refusal = Refusal(0, "")

    def tree(self, path: str) -> Syntax:
        """The syntax of a path; raises MalformedRequest where it is no FHIRPath."""
        if len(path) > MAX_LENGTH:
            raise self.refusal.costly(f"the path has {len(path)} characters; at most {MAX_LENGTH} are read.")
        try:
            return parse(path)
        except NotEvaluable as reason:
            raise self.refusal.malformed(f"the path is no FHIRPath. {reason}") from None

    def all(self, tree: Syntax, focus: Spot) -> list[Spot]:
        """The elements that a path names, from the resource (or the item of a condition) on."""
        found = [focus]
        for step in _steps(tree):
            found = self._stepped(step, found)
            self._left -= len(found) + 1
            if self._left < 0:
                raise self.refusal.costly("the paths of the patch look at too many elements. Send the patch in parts.")
        return found

    def one(self, tree: Syntax, focus: Spot) -> Spot:
        """The one element that a path names; raises InvalidResource for none and for several."""
        found = self.all(tree, focus)
        if not found:
            raise self.refusal.impossible(
                "the path names nothing in this resource. Read the resource again, or add what is missing first.",
                code="not-found",
            )
        if len(found) > 1:
            raise self.refusal.impossible(
                f"the path names {len(found)} elements, and a patch changes one at a time. Add an index, as "
                f"{found[0].expression}, or a condition.",
                found[0].expression,
                "multiple-matches",
            )
        return found[0]

    def _stepped(self, step: Syntax, found: list[Spot]) -> list[Spot]:
        match step:
            case This():
                return found
            case Member(name=name, first=True) if all(_is_root(spot, name) for spot in found):
                return found
            case Member(name=name):
                return [child for spot in found for child in self._members(spot, name)]
            case Item(index=Number(value=int(index))):
                return found[index : index + 1]
            case Call(name=name, arguments=arguments):
                return self._called(found, name, arguments)
            case TypeTest(operator="as", type=type_):
                return [spot for spot in found if _is_of(spot, type_)]
        raise self.refusal.malformed(f"a path of a patch is made of {_ALLOWED}, and nothing else.")

    def _members(self, spot: Spot, name: str) -> list[Spot]:
        known = named(spot.place, name)
        if not known:
            raise self.unknown(spot.place, name, spot.expression)
        if known[0].choice and known[0].name == name:
            said = f"{known[0].element}.ofType({known[0].type})"
            raise self.refusal.malformed(f"{name} is how JSON writes it; a path says {said}.")
        return list(children(spot, known))

    def unknown(self, place: Place, name: str, where: str) -> Exception:
        """The error for a name that R4 does not have there."""
        names = {slot.element for slot in slots(place).values()}
        close = get_close_matches(name[:60], names, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        return self.refusal.impossible(f"{where} has no element {name[:60]!r} in R4.{hint}", where, "structure")

    def _called(self, items: list[Spot], name: str, arguments: tuple[Syntax, ...]) -> list[Spot]:
        match name, arguments:
            case "first", ():
                return items[:1]
            case "last", ():
                return items[-1:]
            case "single", ():
                if len(items) > 1:
                    raise self.refusal.impossible(f"single() met {len(items)} elements.", items[0].expression)
                return items
            case "where", (condition,):
                return [spot for spot in items if self._holds(condition, spot)]
            case (("ofType" | "as"), (type_,)):
                return [spot for spot in items if _is_of(spot, type_name(type_))]
            case "extension", (Text(value=url),):
                found = [child for spot in items for child in self._members(spot, "extension")]
                return [spot for spot in found if spot.inside.get("url") == url]
        raise self.refusal.malformed(f"{name}() with these arguments is not for a patch's path; it takes {_ALLOWED}.")

    def _holds(self, condition: Syntax, spot: Spot) -> bool:
        match condition:
            case Operation(operator="and", left=left, right=right):
                return self._holds(left, spot) and self._holds(right, spot)
            case Operation(operator="or", left=left, right=right):
                return self._holds(left, spot) or self._holds(right, spot)
            case Operation(operator=("=" | "!=") as operator, left=left, right=right):
                if isinstance(left, _LITERALS):
                    left, right = right, left
                return self._compared(self.all(left, spot), operator, self._literal(right))
            case Call(target=target, name=("exists" | "empty") as name, arguments=()):
                return bool(self.all(target, spot)) is (name == "exists")
            case Call(target=target, name="not", arguments=()):
                return not self._holds(target, spot)
        raise self.refusal.malformed(
            "a condition in where(…) compares a path with a literal by = or !=, or says path.exists(), path.empty(), "
            "joined by and, or, not()."
        )

    def _compared(self, found: list[Spot], operator: str, literal: Any) -> bool:
        """As FHIRPath has it: nothing compares to nothing, and several items are no single value."""
        if not found:
            return False
        return (len(found) == 1 and equal(found[0].value, literal)) is (operator == "=")

    def _literal(self, tree: Syntax) -> Any:
        match tree:
            case Text(value=value) | Number(value=value) | Flag(value=value):
                return value
            case Moment(text=text) if "T" not in text:
                return text
            case Sign(sign="-", operand=Number(value=value)):
                return -value
        raise self.refusal.malformed(
            "the right side of a comparison is a literal: 'text', a number, true, false or a date as @2026-03-01."
        )


def _steps(tree: Syntax) -> list[Syntax]:
    """A path from its start to its end; a loop, as a path may be long."""
    made = [tree]
    while not isinstance(tree, This):
        match tree:
            case Member(target=target) | Item(target=target) | Call(target=target) | TypeTest(operand=target):
                tree = target
                made.append(tree)
            case _:
                break
    return made[::-1]


def _is_root(focus: Spot, name: str) -> bool:
    """Whether a path's first name is the type it starts from (``Patient.name``, ``Resource.id``)."""
    return focus.slot is None and is_a(focus.type, name)


def _is_of(spot: Spot, type_: str) -> bool:
    plain = type_.removeprefix("FHIR.")
    return bool(plain) and is_a(spot.type, plain)
