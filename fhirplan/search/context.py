"""What the parameters of a search are read with: the types that are served, terminology, limits, our own address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

from fhirplan.errors import InvalidSearch
from fhirplan.search.definitions import RESULTS, SPECIAL, Searchable, SearchParameter
from fhirplan.search.literals import shown


class Codes(Protocol):
    """What is asked of terminology; None stands for what cannot be listed."""

    def expansion(self, valueset: str) -> frozenset[tuple[str, str]] | None:
        """All (system, code) of a value set."""

    def below(self, system: str, code: str) -> frozenset[str] | None:
        """All codes below a code of a system."""

    def above(self, system: str, code: str) -> frozenset[str] | None:
        """All codes above a code of a system."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one search may ask for: ``max_chain`` steps to another resource, ``max_included`` resources beside."""

    default_count: int = 50
    max_count: int = 1000
    max_values: int = 500
    max_chain: int = 4
    max_included: int = 1000


DEFAULTS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Context:
    """What a parameter is read with: the types that chains may lead to, terminology, the limits, our own base url."""

    types: Mapping[str, Searchable] = field(default_factory=dict)
    codes: Codes | None = None
    limits: Limits = DEFAULTS
    base: str = ""


class UnknownParameter(InvalidSearch):
    """A parameter or modifier that is not offered, which Prefer: handling=lenient passes over."""


def unknown(type: str, code: str, known: Mapping[str, SearchParameter]) -> UnknownParameter:
    """The error about a parameter that the type does not have."""
    offered = ", ".join(sorted([*known, *SPECIAL, *RESULTS]))
    return UnknownParameter(f"{type} has no search parameter {shown(code)}. It has: {offered}.", expression=code)


def known_of(context: Context, type: str) -> dict[str, SearchParameter]:
    """The parameters of another type by their codes; empty for a type that is not served."""
    found = context.types.get(type)
    return _by_code(found) if found is not None else {}


@lru_cache(maxsize=256)
def _by_code(type: Searchable) -> dict[str, SearchParameter]:
    return {item.code: item for item in type.parameters}
