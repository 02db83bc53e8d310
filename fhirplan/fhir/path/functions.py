"""What a FHIRPath function is to the compiler, and the table of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fhirplan.fhir.path.code import Code

Build = Callable[[Code, tuple[Code, ...]], Code]
TypedBuild = Callable[[Code, str], Code]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language: how many arguments it takes, and how its call is compiled.

    ``expands`` is true where it can give more items than it is given, so that an evaluation must be bounded.
    """

    build: Build
    fewest: int = 0
    most: int = 0
    expands: bool = False


Table = Mapping[str, Function]
TypedTable = Mapping[str, TypedBuild]
