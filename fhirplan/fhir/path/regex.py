"""Regular expressions from rules, held to a bounded time (FHIRPath N1 section 5.6.9; Python's dialect underneath).

Python's matcher backtracks, so a pattern that can divide the same text in many ways is refused, and any other one
is given only as much text as its form can go through in about a second.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from math import factorial
from typing import Final

from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.regex_cost import loops

MAX_TEXT: Final = 1_000_000
_MAX_PATTERN: Final = 2_000
_STEPS: Final = 100_000_000
_LEAST: Final = 256  # characters that any accepted pattern is tried on
_GROUP: Final = re.compile(r"\(\?<([A-Za-z][A-Za-z0-9]*)>")
_REFERENCE: Final = re.compile(r"\$(\d+|\{[A-Za-z][A-Za-z0-9]*\})")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern and the length of text it may be tried on."""

    pattern: re.Pattern[str]
    longest: int

    def _checked(self, text: str) -> str:
        if len(text) > self.longest:
            raise NotEvaluable(
                f"A regular expression is tried on a text of {len(text)} characters; this one takes {self.longest}."
            )
        return text

    def found_in(self, text: str) -> bool:
        """Whether it occurs anywhere in a text; raises NotEvaluable for too long a one."""
        return self.pattern.search(self._checked(text)) is not None

    def matches(self, text: str) -> bool:
        """Whether it is the whole text; raises NotEvaluable for too long a one."""
        return self.pattern.fullmatch(self._checked(text)) is not None

    def replaced(self, text: str, new: str) -> str:
        """The text with each occurrence replaced; ``$1`` and ``${name}`` in ``new`` stand for groups."""
        template = _REFERENCE.sub(lambda found: f"\\g<{found[1].strip('{}')}>", new.replace("\\", r"\\"))
        if len(self._checked(text)) * max(len(new), 1) > MAX_TEXT * 10:
            raise NotEvaluable("replaceMatches() would give too long a text.")
        try:
            return self.pattern.sub(template, text)
        except (re.error, IndexError):
            raise NotEvaluable("The substitution of replaceMatches() names a group that is not there.") from None


@lru_cache(maxsize=1024)
def compiled(source: str) -> Pattern:
    """The pattern of a source; raises NotEvaluable when it is none, or could take a time without bound."""
    if len(source) > _MAX_PATTERN:
        raise NotEvaluable(f"A regular expression of {len(source)} characters; at most {_MAX_PATTERN} are read.")
    adapted = _GROUP.sub(r"(?P<\1>", source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pattern = re.compile(adapted, re.DOTALL)
        degree = loops(adapted)
    except (re.error, FutureWarning, DeprecationWarning, OverflowError, RecursionError):
        raise NotEvaluable("A regular expression of the rule cannot be read.") from None
    return Pattern(pattern, _longest(degree))


def _longest(degree: int) -> int:
    # Repetitions one after the other divide n characters in about n ** degree / degree! ways.
    if degree == 0:
        return MAX_TEXT
    return min(MAX_TEXT, max(_LEAST, int((_STEPS * factorial(degree)) ** (1 / degree))))
