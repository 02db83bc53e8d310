"""Merges a local and a remote edit of one base, field by field over FHIR JSON.

Only what both sides changed differently clashes; a removal here and a change there is a clash too. Inputs are never
changed; the result shares with them what it took over, so treat it as a value as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from fhirplan.errors import InvalidResource
from fhirplan.fhir.codec import Json, Resource
from fhirplan.merge import clashes, lists, primitives, server_fields
from fhirplan.merge.conflict import Clash
from fhirplan.merge.lists import Row
from fhirplan.merge.policy import Choice, Edited, Settle, ask
from fhirplan.merge.rules import R4, Rules
from fhirplan.merge.shape import Shape, Unit, inner_shape, shape_of
from fhirplan.merge.spelling import spelled

_Object = dict[str, Any]
_EXTENSIONS: Final = frozenset({"extension", "modifierExtension"})


@dataclass(frozen=True, slots=True)
class Settled:
    """A clash that was settled without asking, or by a person's choice."""

    clash: Clash
    choice: Choice


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged resource. ``taken`` are the elements where remote's change was taken over, ``settled`` the clashes
    that a policy or a person decided. ``regenerate`` says that the narrative was dropped or no longer tells it all.
    """

    resource: Resource
    taken: tuple[str, ...] = ()
    settled: tuple[Settled, ...] = ()
    regenerate: bool = False


@dataclass(frozen=True, slots=True)
class Clashing:
    """The resource merged so far, without the elements that ``clashes`` are about; the rest as in ``Merged``."""

    resource: Resource
    clashes: tuple[Clash, ...]
    taken: tuple[str, ...] = ()
    settled: tuple[Settled, ...] = ()
    regenerate: bool = False


Outcome = Merged | Clashing


def merge(
    base: Resource | None, local: Resource, remote: Resource, rules: Rules = R4, *, settle: Settle = ask
) -> Outcome:
    """Both edits in one resource, or what they collide on.

    ``base`` is the last copy both sides agreed on, None where they never did. id, meta.versionId, meta.lastUpdated and
    meta.source belong to a server: local's stay. ``settle`` may decide a clash (see ``policy.Policy.settling``).
    Raises InvalidResource when the three are not of one type, or when a settled value does not fit its place.
    """
    type_ = str(local.get("resourceType", ""))
    if remote.get("resourceType") != type_ or (base is not None and base.get("resourceType") != type_):
        raise InvalidResource("Only edits of one resource can be merged; these are of different types.")
    work = _Work(rules, settle)
    at = _At(type_, "%base", type_)
    made = work.members(
        shape_of(rules, type_),
        at,
        server_fields.without(base or {}),
        server_fields.without(local),
        server_fields.without(remote),
    )
    resource = server_fields.restored(made, local, remote)
    rest = (tuple(work.taken), tuple(work.settled), work.regenerate)
    return Clashing(resource, tuple(work.clashes), *rest) if work.clashes else Merged(resource, *rest)


@dataclass(frozen=True, slots=True)
class _At:
    """A place: its FHIRPath in local's and in base's indexes, and without any."""

    path: str
    in_base: str
    element: str

    def member(self, name: str) -> _At:
        return _At(f"{self.path}.{name}", f"{self.in_base}.{name}", f"{self.element}.{name}")

    def item(self, row: Row, extension: str) -> _At:
        in_base = f"{self.in_base}[{row.base}]"
        path = in_base if row.local is None else f"{self.path}[{row.local}]"
        return _At(path, in_base, f"{self.element}:{extension}" if extension else self.element)


@dataclass(slots=True)
class _Work:
    """One merge on its way: what it found so far."""

    rules: Rules
    settle: Settle
    clashes: list[Clash] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    from_local: bool = False
    dropped_text: bool = False
    text: str = ""

    @property
    def regenerate(self) -> bool:
        """Whether the narrative was dropped, or is one side's while content is the other's."""
        from_remote = bool(self.taken or self.clashes or self.settled)
        from_local = bool(self.from_local or self.clashes or self.settled)
        stale = {"local": from_remote, "remote": from_local, "same": from_local and from_remote}
        return self.dropped_text or stale.get(self.text, False)

    def members(self, shape: Shape, at: _At, base: _Object, local: _Object, remote: _Object) -> _Object:
        """The merged members of an object, in local's order, then remote's."""
        made: _Object = {}
        for unit in shape.held(local, remote, base):
            made.update(self._unit(unit, at, unit.of(base), unit.of(local), unit.of(remote)))
        return made

    def _unit(self, unit: Unit, at: _At, base: _Object, local: _Object, remote: _Object) -> _Object:
        before, mine, theirs = spelled(base), spelled(local), spelled(remote)
        narrative = unit.keys.get("text") == "Narrative"
        if narrative and local | remote and "." not in at.element:
            self.text = "same" if mine == theirs else "remote" if mine == before else "local"
        if mine == theirs:
            return local
        if mine == before:
            if not narrative:
                self.taken.append(f"{at.element}.{unit.name}")
            return remote
        if theirs == before:
            self.from_local = self.from_local or not narrative
            return local
        if narrative and not _says_more(local, remote):
            self.text, self.dropped_text = "", True
            return {}
        return self._both_changed(unit, at.member(unit.name), base, local, remote)

    def _both_changed(self, unit: Unit, at: _At, base: _Object, local: _Object, remote: _Object) -> _Object:
        if _is_list(unit, base, local, remote):
            name = next(iter(unit.keys))
            items = [primitives.items_of(side, name) for side in (base, local, remote)]
            return primitives.members_of(self._list(unit, at, *items), name)
        key = next(iter(local), "")
        inner = inner_shape(self.rules, unit, key, local.get(key), remote.get(key))
        if inner is not None and local.keys() == remote.keys() == {key} and base.keys() <= {key}:
            before = base.get(key, {})
            if isinstance(before, dict):
                made = self.members(inner, at, before, local[key], remote[key])
                return {key: made} if made else {}
        return self._decide_unit(unit, at, base, local, remote)

    def _decide_unit(self, unit: Unit, at: _At, base: _Object, local: _Object, remote: _Object) -> _Object:
        if clashes.say_the_same(unit, local, remote):
            self.taken.append(at.element)
            return remote
        if not (local and remote) and clashes.says_nothing_new(local or remote, base):
            return {}
        clash = clashes.of_unit(unit, at.path, at.element, base, local, remote)
        choice = self._choose(clash)
        if isinstance(choice, Edited):
            return _edited_unit(clash, choice.value)
        return {"ours": local, "theirs": remote, "base": base}.get(choice or "", {})

    def _list(self, unit: Unit, at: _At, *sides: list[Json]) -> list[Json]:
        base, local, remote = (lists.Items(side) for side in sides)
        rows = lists.match(base, local, remote, unit.identity, repeating=self.rules.repeating)
        values = []
        for row in rows:
            before, mine, theirs = base.spelling(row.base), local.spelling(row.local), remote.spelling(row.remote)
            if mine == theirs:
                values.append(_present(local.item(row.local)))
            elif mine == before:
                self.taken.append(at.element)
                values.append(_present(remote.item(row.remote)))
            elif theirs == before:
                self.from_local = True
                values.append(_present(local.item(row.local)))
            else:
                three = base.item(row.base), local.item(row.local), remote.item(row.remote)
                values.append(self._row(unit, at, row, *three))
        return [value for i in lists.order(rows) for value in values[i]]

    def _row(self, unit: Unit, at: _At, row: Row, base: Json, local: Json, remote: Json) -> list[Json]:
        """What becomes of one thing that both sides changed: nothing, one item, or both sides' where both are kept."""
        if local is None or remote is None:
            key, kept = next(iter(unit.keys)), remote if local is None else local
            if clashes.says_nothing_new(kept, base) or clashes.say_the_same(unit, {key: base}, {key: kept}):
                return []
        elif unit.set and base is None:
            fuller = clashes.fuller(local, remote)
            if fuller is not None:
                return [fuller]
        return self._item(unit, at.item(row, _extension(unit, base or local or remote)), row, base, local, remote)

    def _item(self, unit: Unit, at: _At, row: Row, base: Json, local: Json, remote: Json) -> list[Json]:
        inner = inner_shape(self.rules, unit, next(iter(unit.keys)), local, remote)
        if inner is None or row.whole or (row.base is not None and not isinstance(base, dict)):
            return self._decide_item(unit, at, base, local, remote)
        if row.base is not None:
            made = self.members(inner, at, base, local, remote)
            return [made] if made else []
        # Both added it: where they differ, one question about the whole item instead of one for each of its fields.
        trial = _Work(self.rules, ask)
        made = trial.members(inner, at, {}, local, remote)
        if trial.clashes:
            return self._decide_item(unit, at, base, local, remote)
        self.taken += trial.taken
        self.from_local = self.from_local or trial.from_local
        return [made]

    def _decide_item(self, unit: Unit, at: _At, base: Json, local: Json, remote: Json) -> list[Json]:
        key = next(iter(unit.keys))
        if clashes.say_the_same(unit, {key: local}, {key: remote}):
            self.taken.append(at.element)
            return [remote]
        clash = clashes.of_item(unit, at.path, at.element, base, local, remote)
        choice = self._choose(clash)
        if isinstance(choice, Edited):
            return _present(choice.value)
        if choice == "both":
            return [local, _without_element_id(local, remote)]
        return _present({"ours": local, "theirs": remote, "base": base}.get(choice or ""))

    def _choose(self, clash: Clash) -> Choice | None:
        choice = self.settle(clash)
        if choice is None:
            self.clashes.append(clash)
            return None
        if choice == "both" and not clash.both:
            raise InvalidResource(
                f"{clash.path} can have one value only. Choose ours, theirs, base, or give the value.",
                expression=clash.path,
            )
        self.settled.append(Settled(clash, choice))
        return choice


def _is_list(unit: Unit, *sides: _Object) -> bool:
    values = [value for side in sides for value in side.values()]
    return (unit.many or not unit.known) and bool(values) and all(isinstance(value, list) for value in values)


def _says_more(*sides: _Object) -> bool:
    """Whether a narrative holds what the fields do not (R4 narrative-status), so that it cannot be made again."""
    return any(isinstance(side.get("text"), dict) and side["text"].get("status") == "additional" for side in sides)


def _extension(unit: Unit, item: Json) -> str:
    if unit.name not in _EXTENSIONS or not isinstance(item, dict):
        return ""
    return str(item.get("url", "")).rpartition("/")[2]


def _edited_unit(clash: Clash, value: Json) -> _Object:
    if value is None or value in ({}, []):
        return {}
    if not clash.grouped:
        return {clash.names[0]: value}
    allowed = {*clash.names, *("_" + name for name in clash.names)}
    if not isinstance(value, dict) or not value.keys() <= allowed:
        raise InvalidResource(
            f"The value given for {clash.path} must be an object with one of {', '.join(clash.names[:8])}.",
            expression=clash.path,
        )
    return dict(value)


def _without_element_id(local: Json, remote: Json) -> Json:
    """Remote's item to stand beside local's: an element id must be unique in a resource."""
    if isinstance(remote, dict) and isinstance(local, dict) and "id" in remote and remote["id"] == local.get("id"):
        return {key: value for key, value in remote.items() if key != "id"}
    return remote


def _present(item: Json) -> list[Json]:
    return [] if item is None else [item]
