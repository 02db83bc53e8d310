"""The closures that look at one JSON member: one value or a list, primitive or object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhirplan.validation import values, wording
from fhirplan.validation.findings import Check, Findings, Place

Entry = Callable[[Any, dict[str, Any], Place, Findings], None]
"""Looks at the value of one JSON member: value, the object it stands in, the place of that object, findings."""


def nothing(value: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
    """Accepts anything."""


def later(rules: Any, url: str) -> Check:
    """Leaves invariants to the second phase."""

    def later(value: Any, place: Place, findings: Findings) -> None:
        findings.scope.later.append((rules, value, place, url))

    return later


def identified(value: Any, place: Place, findings: Findings) -> None:
    """Notes an element's id, which stands once in a resource."""
    if place[0] is not None and place[0] is not findings.scope.place:
        findings.scope.ids.append((value, place))


def all_of(first: Check, more: list[Check]) -> Check:
    """One check after the other; those after the first look at objects only."""
    if not more:
        return first
    if len(more) == 1:
        second = more[0]

        def both(value: Any, place: Place, findings: Findings) -> None:
            first(value, place, findings)
            if type(value) is dict:
                second(value, place, findings)

        return both

    def every(value: Any, place: Place, findings: Findings) -> None:
        first(value, place, findings)
        if type(value) is dict:
            for check in more:
                check(value, place, findings)

    return every


def single(name: str, item: Check) -> Entry:
    """The entry of an element that occurs once."""

    def entry(value: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
        item(value, (place, name, -1), findings)

    return entry


def listed(name: str, key: str, item: Check, most: int, url: str) -> Entry:
    """The entry of an element that repeats."""

    def entry(value: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
        if type(value) is not list:
            wording.no_list(value, key, (place, name, -1), findings, url)
            if type(value) is dict:
                item(value, (place, name, 0), findings)
            return
        if not value:
            wording.empty_list(key, (place, name, -1), findings, url)
        index = 0
        for one in value:
            item(one, (place, name, index), findings)
            index += 1
        if 0 < most < index:
            wording.too_many(name, index, most, (place, name, -1), findings, url)

    return entry


def single_primitive(name: str, key: str, code: str, test: values.Test, more: list[Check], url: str) -> Entry:
    """The entry of a primitive that occurs once."""
    if not more and test is values.is_string:

        def text(value: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
            if (type(value) is not str or not value.isprintable() or not value) and not test(value):
                wording.bad_primitive(value, key, code, (place, name, -1), findings, url)

        return text
    if not more:

        def plain(value: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
            if not test(value):
                wording.bad_primitive(value, key, code, (place, name, -1), findings, url)

        return plain

    def entry(value: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
        if test(value):
            here = (place, name, -1)
            for check in more:
                check(value, here, findings)
        else:
            wording.bad_primitive(value, key, code, (place, name, -1), findings, url)

    return entry


def one_of(codes: frozenset[str], otherwise: Entry) -> Entry:
    """A code that is one of those listed is right; all else is looked at closely."""

    def entry(value: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
        if type(value) is not str or value not in codes:
            otherwise(value, owner, place, findings)

    return entry


def listed_primitive(
    name: str, key: str, code: str, test: values.Test, more: list[Check], most: int, url: str
) -> Entry:
    """The entry of a primitive that repeats."""

    def entry(value: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
        if type(value) is not list:
            wording.no_list(value, key, (place, name, -1), findings, url)
            return
        if not value:
            wording.empty_list(key, (place, name, -1), findings, url)
            return
        for index, one in enumerate(value):
            here = (place, name, index)
            if one is None:
                beside = owner.get("_" + key)
                if not (type(beside) is list and index < len(beside) and beside[index]):
                    wording.null(here, findings, url)
            elif test(one):
                for check in more:
                    check(one, here, findings)
            else:
                wording.bad_primitive(one, key, code, here, findings, url)
        if 0 < most < len(value):
            wording.too_many(name, len(value), most, (place, name, -1), findings, url)

    return entry
