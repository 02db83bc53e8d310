"""Collects what is found in one resource: places as linked tuples, findings as issues, work left for the second phase.

A place is ``(place of the parent, name, index)``; the root's parent is None and the index is -1 outside lists. It costs
one tuple on the way down and becomes a FHIRPath only where something is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fhirplan.errors import Issue, Severity
from fhirplan.validation.asking import Ask

Place = tuple[Any, str, int]
Check = Callable[[Any, Place, "Findings"], None]
"""Says in the findings what is wrong with a value at a place."""

MOST_ISSUES: Final = 500
_SHOWN: Final = 60


def expression(place: Place | None) -> str:
    """The FHIRPath of a place, from the resource's root, with indexes."""
    steps: list[str] = []
    while place is not None:
        parent, name, index = place
        steps.append(name if index < 0 else f"{name}[{index}]")
        place = parent
    return ".".join(reversed(steps))


def shown(value: Any) -> str:
    """A value as a message quotes it: short, one line, strings in quotes."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        text = str(value)
        return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    text = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
    return "'" + "".join(c if c.isprintable() else "�" for c in text) + "'"


class Scope:
    """One resource on the walk: the one given, one contained in it, or one in a Bundle's entry."""

    __slots__ = (
        "entries",
        "fragments",
        "full_url",
        "ids",
        "incomplete",
        "later",
        "parent",
        "place",
        "resource",
        "root",
    )

    def __init__(self, resource: dict[str, Any], place: Place, parent: Scope | None, root: dict[str, Any]) -> None:
        self.resource = resource
        self.place = place
        self.parent = parent
        self.root = root
        self.full_url = ""
        self.entries: dict[str, dict[str, Any]] | None = None
        self.incomplete = False
        self.later: list[tuple[Any, Any, Place, str]] = []
        self.ids: list[tuple[str, Place]] = []
        # The references to contained resources met so far, shared by a resource and what it contains.
        self.fragments: set[str] = parent.fragments if parent is not None and root is parent.root else set()


class Findings:
    """The findings of one validation and the scope the walk is in."""

    __slots__ = ("ask", "engine", "governed", "issues", "policy", "quiet", "scope", "scopes")

    def __init__(self, engine: Any, scope: Scope) -> None:
        self.engine = engine
        self.scope = scope
        self.scopes = [scope]
        self.issues: list[Issue] = []
        # Where a profile says which codes are meant, so that what R4 only recommends there says nothing more.
        self.governed: list[Place] = []
        self.quiet = 0
        self.policy = "declared"
        self.ask: Ask | None = None  # a terminology server, where there is one

    def enter(self, resource: dict[str, Any], place: Place, root: dict[str, Any] | None = None) -> Scope:
        """Starts the scope of a nested resource; ``root`` is the containing resource of a contained one."""
        made = Scope(resource, place, self.scope, resource if root is None else root)
        self.scopes.append(made)
        self.scope = made
        return made

    def leave(self) -> None:
        """Goes back to the scope around the present one."""
        if self.scope.parent is not None:
            self.scope = self.scope.parent

    def add(
        self,
        severity: Severity,
        code: str,
        text: str,
        place: Place | str,
        rule: str = "",
        profile: str = "",
        patch: tuple[dict[str, Any], ...] = (),
    ) -> None:
        """Notes a finding; ``text`` has no name of the element in front, it is put there."""
        if code == "required" and severity == "error":
            self.scope.incomplete = True
        if len(self.issues) < MOST_ISSUES or (severity == "error" and len(self.issues) < 2 * MOST_ISSUES):
            where = place if isinstance(place, str) else expression(place)
            self.issues.append(Issue(severity, code, text, where, rule, profile, patch=patch))

    def error(
        self,
        code: str,
        text: str,
        place: Place | str,
        rule: str = "",
        profile: str = "",
        patch: tuple[dict[str, Any], ...] = (),
    ) -> None:
        """Notes an error."""
        self.add("error", code, text, place, rule, profile, patch)

    @property
    def root(self) -> dict[str, Any]:
        """The outermost resource, which expressions and patches start from."""
        return self.scopes[0].resource
