"""Who wins where both sides changed the same: per path, the EHR, we, the newer edit, or nobody until a person says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from fhirplan.fhir.codec import Json
from fhirplan.merge.conflict import Clash

Winner = Literal["ehr", "ours", "newest", "ask"]
Side = Literal["ours", "theirs", "base", "both"]


@dataclass(frozen=True, slots=True)
class Edited:
    """A value that a person wrote instead of either side's; in the form of the clash's values, None to remove it."""

    value: Json


Choice = Side | Edited
Settle = Callable[[Clash], Choice | None]


def ask(clash: Clash) -> None:
    """Leaves every clash to a person."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Who wins, by the element a path begins with (``Goal.target``, ``Task.extension:cm-due-basis``).

    The longest beginning that fits counts, else ``default``.
    """

    default: Winner = "ask"
    paths: Mapping[str, Winner] = field(default_factory=dict)

    def winner(self, element: str) -> Winner:
        """Who wins for an element, as a clash names it."""
        fitting = [path for path in self.paths if element == path or element.startswith((path + ".", path + ":"))]
        return self.paths[max(fitting, key=len)] if fitting else self.default

    def settling(self, local_at: int | None = None, remote_at: int | None = None) -> Settle:
        """What settles clashes by this policy; the times (milliseconds) say when each side was last changed.

        ``newest`` asks where a time is not known or both are the same.
        """
        newest: Choice | None = None
        if local_at is not None and remote_at is not None and local_at != remote_at:
            newest = "ours" if local_at > remote_at else "theirs"
        choices: dict[Winner, Choice | None] = {"ehr": "theirs", "ours": "ours", "newest": newest, "ask": None}
        return lambda clash: choices[self.winner(clash.element)]
