"""Decides what to do about one resource from its base, our copy and the EHR's copy. Pure.

Base is the last copy both sides agreed on, local is ours, remote is the EHR's; all three in our ids. None means that
there is no such copy: never agreed, deleted here, gone there. The decision is a value; acting on it is done elsewhere.

    local    remote   decision
    = base   = base   Unchanged (Echo when the EHR's version is one we wrote)
    ≠ base   = base   Push, or Park when the EHR does not take it
    = remote          Unchanged: both sides made the same change
    any      ≠ base   Echo when the EHR's copy is a version of ours since the base: its reply was lost
    = base   ≠ base   FastForward, or RemoteGone when it is gone there
    ≠ base   ≠ base   Conflict
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from fhirplan.fhir.codec import Resource
from fhirplan.fhir.resource import without_server_fields
from fhirplan.sync.content import same, unmarked


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Both sides say the same; at most the EHR's version is noted."""


@dataclass(frozen=True, slots=True)
class Echo:
    """Our own write coming back. ``version`` is our version it carries, 0 when that is already the base."""

    version: int = 0


@dataclass(frozen=True, slots=True)
class FastForward:
    """Only the EHR's copy changed: take it."""


@dataclass(frozen=True, slots=True)
class Push:
    """Only our copy changed: send it."""

    method: Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class RemoteGone:
    """The EHR's copy was deleted and ours has not changed since: delete ours."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both copies changed. ``paths`` are the elements in question, as ``Goal.target``."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Park:
    """Our change cannot go to this EHR; ``reason`` says why, in a sentence."""

    reason: str


Decision = Unchanged | Echo | FastForward | Push | RemoteGone | Conflict | Park


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the EHR takes from us for a type."""

    create: bool = True
    update: bool = True
    delete: bool = True

    def takes(self, method: str) -> bool:
        """Whether it takes this kind of write."""
        return {"create": self.create, "update": self.update, "delete": self.delete}[method]


EVERYTHING: Final = Abilities()


def decide(
    base: Resource | None,
    local: Resource | None,
    remote: Resource | None,
    *,
    ours: bool = False,
    own: Iterable[tuple[int, Resource | None]] = (),
    can: Abilities = EVERYTHING,
) -> Decision:
    """What to do about one resource.

    ``ours`` says that the EHR's current version is one that our own write made. ``own`` are our versions since the
    base as (version, content): any of them may have reached the EHR without our knowing.
    """
    if same(remote, base):
        if not same(local, base):
            return _push(base, local, can)
        return Echo() if ours else Unchanged()
    if same(local, remote):
        return Unchanged()
    for version, content in own:
        if remote is not None and same(content, remote):
            return Echo(version)
    if same(local, base):
        return FastForward() if remote is not None else RemoteGone()
    return Conflict(paths(base, local, remote))


def _push(base: Resource | None, local: Resource | None, can: Abilities) -> Push | Park:
    method: Literal["create", "update", "delete"] = "delete" if local is None else "update" if base else "create"
    if can.takes(method):
        return Push(method)
    return Park(f"The EHR does not take {method} of this type, so the change is kept here only.")


def paths(base: Resource | None, local: Resource | None, remote: Resource | None) -> tuple[str, ...]:
    """The elements two copies are in conflict about: those both changed differently, else all that differ.

    The whole resource (its type alone) where one side deleted it.
    """
    type_ = str((local or remote or base or {}).get("resourceType", ""))
    if local is None or remote is None:
        return (type_,)
    before, mine, theirs = _bare(base or {}), _bare(local), _bare(remote)
    differing = [key for key in sorted(mine.keys() | theirs.keys()) if not _equal(mine, theirs, key)]
    both = [key for key in differing if not _equal(mine, before, key) and not _equal(theirs, before, key)]
    return tuple(f"{type_}.{key}" for key in both or differing)


def _bare(resource: Resource) -> Resource:
    return {k: v for k, v in unmarked(without_server_fields(resource)).items() if k not in ("id", "resourceType")}


def _equal(one: Resource, other: Resource, key: str) -> bool:
    return same({"_": one.get(key)}, {"_": other.get(key)})
