"""Sorts the parameters of a search by what they are about: conditions, words, includes, and the form of the answer."""

from __future__ import annotations

from collections.abc import Mapping

from fhirplan.errors import TooCostly
from fhirplan.search import filters, results
from fhirplan.search.conditions import criterion
from fhirplan.search.context import Context
from fhirplan.search.criteria import Criterion, weight
from fhirplan.search.definitions import SearchParameter
from fhirplan.search.literals import invalid
from fhirplan.search.results import Include
from fhirplan.search.values import LONGEST
from fhirplan.search.words import Words, words


class Asked:
    """What the parameters taken so far ask of a search of ``type``, one of ``types``, whose own are ``known``."""

    __slots__ = ("conditions", "context", "includes", "known", "results", "type", "types", "words")

    def __init__(
        self, context: Context, types: tuple[str, ...], type: str, known: Mapping[str, SearchParameter]
    ) -> None:
        self.context, self.types, self.type, self.known = context, types, type, known
        self.results: dict[str, str] = {}
        self.conditions: list[Criterion] = []
        self.includes: list[Include] = []
        self.words: list[Words] = []

    def take(self, name: str, text: str) -> None:
        """Reads one parameter; raises InvalidSearch naming it, and TooCostly."""
        word = name.partition(":")[0] if name.startswith(("_include", "_revinclude")) else name
        if word in results.REPEATED:
            self.includes.append(results.include(self.context, self.types, name, text))
        elif name in results.NAMES:
            if name in self.results:
                raise invalid(name, f"{name} is given twice. Give it once.")
            self.results[name] = text
        elif name in ("_text", "_content"):
            self.words.append(_words(name, text))
        elif name == "_filter":
            self.conditions.append(filters.read(self.context, self.type, self.known, text))
        else:
            self.conditions.append(criterion(self.context, self.type, self.known, name, text))

    def weigh(self) -> None:
        """Raises TooCostly where all conditions together look for too much."""
        asked, most = sum(weight(item) for item in self.conditions), self.context.limits.max_values
        if asked > most:
            raise TooCostly(
                f"The search names {asked} values, steps to other resources counted in; at most {most} are looked for "
                "at once."
            )


def _words(name: str, text: str) -> Words:
    any_of = tuple(words(item) for item in text.split(","))
    if not all(any_of) or len(text) > LONGEST:
        raise invalid(name, f"{name} is words, with a comma between alternatives, and at most {LONGEST} characters.")
    return Words("_text" if name == "_text" else "_content", any_of)
