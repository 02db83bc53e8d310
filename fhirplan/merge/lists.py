"""Finds which items of three lists are the same thing, and the order in which both sides' items go together.

Equal items are the same thing, then those with the same element id, then those that a declared name tells (see
``rules.Identity``). What is left is matched by likeness, and then only as a whole: a guess must never mix two things.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from fhirplan.fhir.codec import Json
from fhirplan.merge.naming import Name, names
from fhirplan.merge.rules import Alternatives, Identity
from fhirplan.merge.spelling import leaves, spelled

_BY_ID: Final[Alternatives] = (("id",),)
_ALIKE: Final = 0.5
_MOST_COMPARED: Final = 2_500


@dataclass(frozen=True, slots=True)
class Row:
    """One thing: where it stands in each list, None where it does not. ``whole`` where it was matched by likeness."""

    base: int | None
    local: int | None
    remote: int | None
    whole: bool = False


@dataclass(slots=True)
class Items:
    """A list with the spelling of each of its items."""

    items: Sequence[Json]
    spellings: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.spellings = [spelled(item) for item in self.items]

    def __len__(self) -> int:
        return len(self.items)

    def item(self, place: int | None) -> Json:
        """The item at a place, None where there is no place."""
        return None if place is None else self.items[place]

    def spelling(self, place: int | None) -> bytes:
        """The spelling of the item at a place, empty where there is no place."""
        return b"" if place is None else self.spellings[place]


@dataclass(slots=True)
class _Pairs:
    """The matches of base items (or of local ones) with those of another list."""

    found: dict[int, int] = field(default_factory=dict)
    guessed: set[int] = field(default_factory=set)

    def add(self, pairs: Iterable[tuple[int, int]], *, guessed: bool = False) -> None:
        for one, other in pairs:
            self.found[one] = other
            if guessed:
                self.guessed.add(one)

    def forget_guesses(self, beside: _Pairs) -> None:
        """Drops likenesses to what the other side removed: there, a new item needs no older self to be kept."""
        for i in [i for i in self.guessed if i not in beside.found]:
            del self.found[i]
            self.guessed.remove(i)

    def left(self, one: Iterable[int], other: Iterable[int]) -> tuple[list[int], list[int]]:
        taken = set(self.found.values())
        return [i for i in one if i not in self.found], [i for i in other if i not in taken]


def match(
    base: Items, local: Items, remote: Items, identity: Identity, *, repeating: frozenset[str] = frozenset()
) -> list[Row]:
    """The things in three lists: those of base in its order, then what local added, then what only remote added."""
    in_local, in_remote = _Pairs(_equal(base, local)), _Pairs(_equal(base, remote))
    base_l, left_l = in_local.left(range(len(base)), range(len(local)))
    base_r, left_r = in_remote.left(range(len(base)), range(len(remote)))
    # The same item new on both sides is the same addition, or the same change of one base item; never somebody else's.
    twins = _equal(local, remote, left_l, left_r)
    both_left = sorted(set(base_l) & set(base_r))
    changed_alike = dict(_named(base, local, both_left, list(twins), (*_BY_ID, *identity.names)))
    in_local.add(changed_alike.items())
    in_remote.add((i, twins[at]) for i, at in changed_alike.items())
    _recognise(base, local, in_local, identity, exclude=set(twins))
    _recognise(base, remote, in_remote, identity, exclude=set(twins.values()))
    in_local.forget_guesses(beside=in_remote)
    in_remote.forget_guesses(beside=in_local)
    _, left_l = in_local.left((), range(len(local)))
    _, left_r = in_remote.left((), range(len(remote)))
    added = _Pairs({at: to for at, to in twins.items() if at in set(left_l)})
    _recognise_additions(local, remote, added, left_l, left_r, identity, repeating)
    guessed = in_local.guessed | in_remote.guessed
    rows = [Row(i, in_local.found.get(i), in_remote.found.get(i), i in guessed) for i in range(len(base))]
    rows += [Row(None, i, added.found.get(i)) for i in left_l]
    matched = set(added.found.values())
    return rows + [Row(None, None, i) for i in left_r if i not in matched]


def order(rows: Sequence[Row]) -> list[int]:
    """The indexes of rows in their merged order.

    A side that alone moved items is followed; where both did, local. Each side's own items keep their place after the
    item they followed there, local's before remote's.
    """
    local = sorted((i for i, row in enumerate(rows) if row.local is not None), key=lambda i: rows[i].local or 0)
    remote = sorted((i for i, row in enumerate(rows) if row.remote is not None), key=lambda i: rows[i].remote or 0)
    shared = set(local) & set(remote)
    spine = [i for i in local if i in shared]
    other = [i for i in remote if i in shared]
    if spine != other and _in_base_order(rows, spine) and not _in_base_order(rows, other):
        spine = other
    after_local, after_remote = _followers(local, shared), _followers(remote, shared)
    made = after_local[None] + after_remote[None]
    for i in spine:
        made += [i, *after_local[i], *after_remote[i]]
    return made


def _in_base_order(rows: Sequence[Row], indexes: Iterable[int]) -> bool:
    places = [place for i in indexes if (place := rows[i].base) is not None]
    return places == sorted(places)


def _followers(sequence: Iterable[int], shared: set[int]) -> defaultdict[int | None, list[int]]:
    """What stands in a side's list after each shared item and before the next one; None for what comes first."""
    found: defaultdict[int | None, list[int]] = defaultdict(list)
    last: int | None = None
    for i in sequence:
        if i in shared:
            last = i
        else:
            found[last].append(i)
    return found


def _equal(
    one: Items, other: Items, among: Sequence[int] | None = None, others: Sequence[int] | None = None
) -> dict[int, int]:
    """Pairs of equal items, repeats in their order; all items where none are named."""
    pairs: dict[int, int] = {}
    if among is None or others is None:
        # Most lists begin alike, so the first difference is looked for before anything is counted.
        differ = (i for i, (a, b) in enumerate(zip(one.spellings, other.spellings, strict=False)) if a != b)
        first = next(differ, min(len(one), len(other)))
        pairs = {i: i for i in range(first)}
        among, others = range(first, len(one)), range(first, len(other))
    places: defaultdict[bytes, deque[int]] = defaultdict(deque)
    for i in others:
        places[other.spellings[i]].append(i)
    for i in among:
        waiting = places.get(one.spellings[i])
        if waiting:
            pairs[i] = waiting.popleft()
    return pairs


def _recognise(base: Items, side: Items, pairs: _Pairs, identity: Identity, exclude: set[int]) -> None:
    among, others = pairs.left(range(len(base)), (i for i in range(len(side)) if i not in exclude))
    steps = [(alternative, False) for alternative in (*_BY_ID, *identity.names)]
    steps += [(alternative, True) for alternative in identity.likely]
    for alternative, guessed in steps:
        if not among or not others:
            return
        pairs.add(_named(base, side, among, others, (alternative,)), guessed=guessed)
        among, others = pairs.left(among, others)
    if identity.paired:
        pairs.add(_alike(base, side, among, others), guessed=True)
        pairs.add(_in_turn(base, side, *pairs.left(among, others), identity), guessed=True)


def _recognise_additions(
    local: Items,
    remote: Items,
    pairs: _Pairs,
    left_l: list[int],
    left_r: list[int],
    identity: Identity,
    repeating: frozenset[str],
) -> None:
    """What both sides added under one name, where neither list has that name twice."""
    for alternative in (*_BY_ID, *identity.addition):
        left_l, left_r = pairs.left(left_l, left_r)
        found = _named(local, remote, left_l, left_r, (alternative,)) if left_l and left_r else []
        if found:
            more = {(url,) for url in repeating}
            for side in (local, remote):
                places = _places(side, range(len(side)), alternative)
                more |= {name for name, (_, *others) in places.items() if others}
            pairs.add((i, to) for i, to in found if not more & set(names(local.items[i], alternative)))


def _named(
    one: Items, other: Items, among: Sequence[int], others: Sequence[int], alternatives: Alternatives
) -> list[tuple[int, int]]:
    """Pairs that one of the alternatives names, where the name is the only one of its kind on either side."""
    pairs: list[tuple[int, int]] = []
    for alternative in alternatives:
        used, taken = {i for i, _ in pairs}, {i for _, i in pairs}
        here = _places(one, [i for i in among if i not in used], alternative)
        there = _places(other, [i for i in others if i not in taken], alternative) if here else {}
        for name, (i, *more) in here.items():
            places = there.get(name, ())
            if not more and len(places) == 1 and i not in used and places[0] not in taken:
                pairs.append((i, places[0]))
                used.add(i)
                taken.add(places[0])
    return pairs


def _places(side: Items, among: Iterable[int], alternative: tuple[str, ...]) -> dict[Name, list[int]]:
    places: dict[Name, list[int]] = {}
    for i in among:
        for name in names(side.items[i], alternative):
            places.setdefault(name, []).append(i)
    return places


def _alike(one: Items, other: Items, among: Sequence[int], others: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs that have at least half of their leaves in common, the most alike first."""
    if not among or not others or len(among) * len(others) > _MOST_COMPARED:
        return []
    here = {i: Counter(leaves(one.items[i])) for i in among if isinstance(one.items[i], dict)}
    there = {i: Counter(leaves(other.items[i])) for i in others if isinstance(other.items[i], dict)}
    scores = [
        (-(a & b).total() / max(a.total(), b.total(), 1), i, to) for i, a in here.items() for to, b in there.items()
    ]
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for score, i, to in sorted(scores):
        if -score >= _ALIKE and i not in pairs and to not in taken:
            pairs[i] = to
            taken.add(to)
    return list(pairs.items())


def _in_turn(
    one: Items, other: Items, among: Sequence[int], others: Sequence[int], identity: Identity
) -> list[tuple[int, int]]:
    """Pairs of items without any name, in their order, where as many are left on both sides."""
    alternatives = (*_BY_ID, *identity.names)
    here = [i for i in among if not any(names(one.items[i], alternative) for alternative in alternatives)]
    there = [i for i in others if not any(names(other.items[i], alternative) for alternative in alternatives)]
    return list(zip(here, there, strict=True)) if len(here) == len(there) else []
