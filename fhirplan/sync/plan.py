"""Decides what to do about one resource from its base, our copy and the EHR's copy. Pure.

Base is the last copy both sides agreed on, local is ours, remote is the EHR's; all three in our ids. None means that
there is no such copy: never agreed, deleted here, gone there. The decision is a value; acting on it is done elsewhere.

    local    remote   decision
    = base   = base   Unchanged (Echo when the EHR's version is one we wrote)
    ≠ base   = base   Push, or Park when the EHR does not take it
    = remote          Unchanged: both sides made the same change
    any      ≠ base   Echo when the EHR's copy is a version of ours since the base: its reply was lost
    = base   ≠ base   FastForward, or RemoteGone when it is gone there
    ≠ base   ≠ base   Merged when no field was changed by both, or a policy decides; else Conflict
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.resource import without_server_fields
from fhirplan.merge import three_way
from fhirplan.merge.policy import Settle, ask
from fhirplan.sync.content import patient_element, patient_of, same, unmarked


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
class Merged:
    """Both copies changed and both changes are kept in ``resource``.

    ``settled`` are the elements that both changed differently and a policy decided, as ``Goal.target``.
    """

    resource: Resource
    settled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both copies changed. ``paths`` are the elements in question, as ``Goal.target``.

    ``broken`` are the rules that the merged resource would break and neither copy breaks.
    """

    paths: tuple[str, ...]
    broken: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True)
class Park:
    """Our change cannot go to this EHR; ``reason`` says why, in a sentence."""

    reason: str


Decision = Unchanged | Echo | FastForward | Merged | Push | RemoteGone | Conflict | Park


def _nothing(_resource: Resource) -> Sequence[Issue]:
    return ()


@dataclass(frozen=True, slots=True)
class Terms:
    """How two edits are merged: who wins where both changed the same, and what is wrong with a resource."""

    settle: Settle = ask
    validate: Callable[[Resource], Sequence[Issue]] = _nothing


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
ASKING: Final = Terms()
_INDEX: Final = re.compile(r"\[\d+\]")
# R4 narrative-status: what was made from the fields can be left out and made again; what says more cannot.
_MADE_FROM_FIELDS: Final = frozenset({"generated", "extensions"})


def decide(
    base: Resource | None,
    local: Resource | None,
    remote: Resource | None,
    *,
    ours: bool = False,
    own: Iterable[tuple[int, Resource | None]] = (),
    can: Abilities = EVERYTHING,
    terms: Terms = ASKING,
) -> Decision:
    """What to do about one resource.

    ``ours`` says that the EHR's current version is one that our own write made. ``own`` are our versions since the
    base as (version, content): any of them may have reached the EHR without our knowing. A deletion against an edit
    always waits for a person, as does what was never agreed on.
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
    if base is None or local is None or remote is None:
        return Conflict(paths(base, local, remote))
    return merged(base, local, remote, terms)


def merged(base: Resource, local: Resource, remote: Resource, terms: Terms = ASKING) -> Merged | Conflict:
    """Both edits in one resource, unless they clash or the result breaks a rule that neither side broke.

    A narrative that tells only one side's fields is left out, to be made again. What one side moved to another patient
    waits for a person: the other side's words were about somebody else.
    """
    if "" != patient_of(local) != patient_of(remote) != "":
        return Conflict((f"{local['resourceType']}.{patient_element(local)}",))
    outcome = three_way.merge(base, local, remote, settle=terms.settle)
    if isinstance(outcome, three_way.Clashing):
        return Conflict(tuple(dict.fromkeys(clash.element for clash in outcome.clashes)))
    made = outcome.resource
    if outcome.regenerate and _text_status(made) in _MADE_FROM_FIELDS:
        made = {key: value for key, value in made.items() if key != "text"}
    broken = newly_broken(made, (local, remote), terms.validate)
    if broken:
        named = tuple(dict.fromkeys(_INDEX.sub("", issue.expression) or str(made["resourceType"]) for issue in broken))
        return Conflict(named, broken)
    return Merged(made, tuple(item.clash.element for item in outcome.settled))


def _text_status(resource: Resource) -> str:
    text = resource.get("text")
    return str(text.get("status")) if isinstance(text, dict) else ""


def newly_broken(
    made: Resource, copies: Iterable[Resource], validate: Callable[[Resource], Sequence[Issue]]
) -> tuple[Issue, ...]:
    """The errors of a resource that none of the copies it was made from has."""
    found = [issue for issue in validate(made) if issue.is_error]
    if not found:
        return ()
    known: Counter[tuple[str, str, str]] = Counter()
    for copy in copies:
        known.update(map(_rule, validate(copy)))
    more = Counter(map(_rule, found)) - known
    return tuple(issue for issue in found if _rule(issue) in more)


def _rule(issue: Issue) -> tuple[str, str, str]:
    """What a finding is about, wherever in a list its element stands."""
    return issue.code, issue.rule, _INDEX.sub("", issue.expression)


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
