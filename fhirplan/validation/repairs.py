"""Suggests the one repair of a finding where it is certain, as a JSON Patch, and applies patches to plain dicts."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from fhirplan.errors import Issue
from fhirplan.validation.positions import Pointer, pointer_of
from fhirplan.validation.values import TESTS

Patch = tuple[dict[str, Any], ...]
_SLASHES: Final = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})", re.ASCII)


def mended(resource: Any, expression: str, value: Any, type_: str) -> Patch:
    """The patch of a primitive whose meaning is plain: quotes around a number, slashes in a date, blanks at an end."""
    if isinstance(value, list) and len(value) == 1 and not isinstance(value[0], dict | list):
        return replaced(resource, expression, value[0])
    if not isinstance(value, str):
        return ()
    plain = value.strip()
    meant: Any = None
    if type_ == "boolean":
        meant = {"true": True, "false": False}.get(plain.lower())
    elif type_ in ("integer", "positiveInt", "unsignedInt") and re.fullmatch(r"-?(0|[1-9]\d{0,9})", plain, re.ASCII):
        meant = int(plain)
    elif type_ == "decimal" and re.fullmatch(r"-?(0|[1-9]\d{0,20})(\.\d{1,20})?", plain, re.ASCII):
        meant = Decimal(plain)
    elif type_ in ("date", "dateTime"):
        meant = date_meant(plain) or (plain if plain != value else None)
    elif plain != value and plain:
        meant = plain
    if meant is None or not TESTS.get(type_, bool)(meant):
        return ()
    return replaced(resource, expression, meant)


def renamed(resource: Any, expression: str, right: str, value: Any) -> Patch:
    """The patch that gives a misspelled element its name."""
    around, _, wrong = expression.rpartition(".")
    home = pointer(pointer_of(resource, around))
    return (
        {"op": "remove", "path": f"{home}/{wrong}"},
        {"op": "add", "path": f"{home}/{right}", "value": value},
    )


def appended(resource: Any, expression: str, value: Any) -> Patch:
    """The patch that adds an entry to a list, made when it is not there."""
    found = pointer_of(resource, expression)
    around = pointer_of(resource, expression.rpartition(".")[0])
    if len(found) > len(around):
        return ({"op": "add", "path": f"{pointer(found)}/-", "value": value},)
    return ({"op": "add", "path": f"{pointer(around)}/{expression.rpartition('.')[2]}", "value": [value]},)


def pointer(path: Pointer) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def replaced(resource: Any, expression: str, value: Any) -> Patch:
    """The patch that puts another value at an element."""
    return ({"op": "replace", "path": pointer(pointer_of(resource, expression)), "value": value},)


def removed(resource: Any, expression: str) -> Patch:
    """The patch that removes an element."""
    return ({"op": "remove", "path": pointer(pointer_of(resource, expression))},)


def code_meant(text: str, codes: Iterable[str]) -> str | None:
    """The code that a text means: the only one that differs in case, blanks or hyphens alone (a display, mostly)."""
    plain = _plain(text)
    met = [code for code in codes if _plain(code) == plain]
    return met[0] if len(met) == 1 else None


def _plain(text: str) -> str:
    return re.sub(r"[\s_\-]+", "", text).casefold()


def date_meant(text: str) -> str | None:
    """The date that year/month/day with slashes means; other orders are not certain."""
    found = _SLASHES.fullmatch(text)
    return f"{found[1]}-{int(found[2]):02d}-{int(found[3]):02d}" if found else None


def apply(resource: dict[str, Any], issues: Iterable[Issue]) -> tuple[dict[str, Any], int]:
    """A copy with the patches of the findings applied, and how many were; one that does not fit is left out."""
    made = copy.deepcopy(resource)
    patches = [issue.patch for issue in issues if issue.patch]
    # What is only removed goes last and from the end, so that the indexes before it stay what they were.
    removals = [one for one in patches if all(step["op"] == "remove" for step in one)]
    ordered = [one for one in patches if one not in removals] + removals[::-1]
    return made, sum(_applied(made, one) for one in ordered)


def _applied(resource: dict[str, Any], patch: Patch) -> bool:
    for operation in patch:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]]
        target: Any = resource
        for step in steps[:-1]:
            target = _child(target, step)
            if target is None:
                return False
        last = steps[-1]
        if isinstance(target, list):
            if not _put_in_list(target, last, operation):
                return False
        elif isinstance(target, dict):
            if operation["op"] == "remove":
                target.pop(last, None)
            else:
                target[last] = operation["value"]
        else:
            return False
    return True


def _put_in_list(target: list[Any], step: str, operation: dict[str, Any]) -> bool:
    if step == "-" and operation["op"] == "add":
        target.append(operation["value"])
        return True
    if not step.isdigit() or int(step) >= len(target):
        return False
    if operation["op"] == "remove":
        target.pop(int(step))
    elif operation["op"] == "add":
        target.insert(int(step), operation["value"])
    else:
        target[int(step)] = operation["value"]
    return True


def _child(target: Any, step: str) -> Any:
    if isinstance(target, list):
        return target[int(step)] if step.isdigit() and int(step) < len(target) else None
    return target.get(step) if isinstance(target, dict) else None
