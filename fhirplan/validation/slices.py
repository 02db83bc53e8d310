"""Counts the members of slices and checks them: open, closed, open at the end, ordered (R4 section 5.1.0.14)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhirplan.validation import element_rules, matching, repairs, slicing
from fhirplan.validation.discriminators import Content, Item
from fhirplan.validation.findings import Findings, Place, expression
from fhirplan.validation.tree import Node


class Slice:
    """One slice, ready to be counted and checked."""

    __slots__ = ("contents", "least", "most", "name", "test", "whole", "words")

    def __init__(self, node: Node, test: slicing.Test, contents: dict[str, list[Content]]) -> None:
        self.name = node.slice
        self.test = test
        self.contents = contents
        self.least = element_rules.whole(node.element.get("min"))
        most = str(node.element.get("max", "*"))
        self.most = int(most) if most.isdigit() else -1
        said = matching.pattern_value(node.element) or matching.fixed_value(node.element)
        self.words = f" ({matching.spelled(said[1])})" if said is not None else ""
        self.whole = said[1] if said is not None and node.element.get("base", {}).get("max") != "1" else None


def slicer(
    node: Node, slices: list[Slice], rules: str, slicing_: dict[str, Any], url: str, governs: bool = False
) -> Callable[[list[Item], Place, Findings], None]:
    """The check of all slices of one element; ``governs`` where it is the slices that say which codes are meant."""
    ordered = bool(slicing_.get("ordered"))
    name = node.stem

    def check(items: list[Item], place: Place, findings: Findings) -> None:
        counts = [0] * len(slices)
        maybe = [0] * len(slices)
        last, unmatched = -1, False
        for item in items:
            met = False
            for index, one in enumerate(slices):
                held = one.test(item, findings)
                if held is None:
                    maybe[index] += 1
                    met = True
                elif held:
                    met = True
                    counts[index] += 1
                    if ordered and index < last:
                        _out_of_order(one.name, item[1], findings, url)
                    last = max(last, index)
                    if unmatched and rules == "openAtEnd":
                        _not_at_end(one.name, item[1], findings, url)
                    if governs:
                        findings.governed.append(item[1])
                    for content in one.contents.get(item[2], one.contents.get("", ())):
                        content(item, findings)
            if not met:
                unmatched = True
                if rules == "closed":
                    _in_no_slice(name, slices, item[1], findings, url)
        for index, one in enumerate(slices):
            if counts[index] + maybe[index] < one.least:
                _slice_missing(name, one, counts[index], place, findings, url)
            elif 0 <= one.most < counts[index]:
                _slice_crowded(name, one, counts[index], place, findings, url)

    return check


def _slice_missing(name: str, one: Slice, count: int, place: Place, findings: Findings, url: str) -> None:
    findings.error(
        "required",
        f"{name} needs {'at least ' if one.most != one.least else ''}{one.least} entry of the kind "
        f"{one.name!r}{one.words} and has {count}. Add it.",
        place,
        "cm-slice",
        url,
        repairs.appended(findings.root, expression(place), one.whole) if one.whole is not None else (),
    )


def _slice_crowded(name: str, one: Slice, count: int, place: Place, findings: Findings, url: str) -> None:
    findings.error(
        "structure",
        f"{name} has {count} entries of the kind {one.name!r}; at most {one.most} allowed. Remove what is too many.",
        place,
        "cm-slice",
        url,
    )


def _in_no_slice(name: str, slices: list[Slice], place: Place, findings: Findings, url: str) -> None:
    kinds = ", ".join(one.name for one in slices)
    findings.error("structure", f"This {name} is of none of the kinds allowed: {kinds}.", place, "cm-slice", url)


def _out_of_order(name: str, place: Place, findings: Findings, url: str) -> None:
    findings.error(
        "structure", f"The entry of kind {name!r} comes too late; order matters here.", place, "cm-slice", url
    )


def _not_at_end(name: str, place: Place, findings: Findings, url: str) -> None:
    findings.error(
        "structure", f"Entries of other kinds come last; this one is of kind {name!r}.", place, "cm-slice", url
    )
