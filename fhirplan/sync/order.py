"""Puts what is to be sent into an order in which everything comes after what it refers to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Key = tuple[str, str]
"""Type and id of a resource."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Circles of resources (mostly of one) of one kind, to be sent one after the other."""

    kind: int
    circles: tuple[tuple[Key, ...], ...]


def stretches(targets: Mapping[Key, Iterable[Key]], kind: Mapping[Key, int]) -> list[Stretch]:
    """All keys, in as few stretches of one kind as may be; ``targets`` says what each refers to.

    A circle is of the least kind among its members.
    """
    circles = _circles(targets)
    of = {key: number for number, circle in enumerate(circles) for key in circle}
    kinds = [min(kind[key] for key in circle) for circle in circles]
    waits = [
        {of[target] for key in circle for target in targets[key] if target in of} - {number}
        for number, circle in enumerate(circles)
    ]
    wanted_by: dict[int, list[int]] = {}
    for number, others in enumerate(waits):
        for other in others:
            wanted_by.setdefault(other, []).append(number)
    return list(_taken(circles, kinds, waits, wanted_by))


def _taken(
    circles: Sequence[tuple[Key, ...]],
    kinds: Sequence[int],
    waits: list[set[int]],
    wanted_by: Mapping[int, Sequence[int]],
) -> Iterator[Stretch]:
    ready: dict[int, list[int]] = {}
    for number, others in enumerate(waits):
        if not others:
            ready.setdefault(kinds[number], []).append(number)
    while ready:
        kind = next(iter(ready))
        taken = ready[kind]
        for number in taken:  # grows while it is gone through
            for later in wanted_by.get(number, ()):
                waits[later].discard(number)
                if not waits[later]:
                    ready.setdefault(kinds[later], []).append(later)
        del ready[kind]
        yield Stretch(kind, tuple(circles[number] for number in taken))


def pieces(circles: Iterable[tuple[Key, ...]], size: int) -> Iterator[list[Key]]:
    """The circles in pieces of at most ``size`` keys; a circle is not cut, even when it is larger."""
    piece: list[Key] = []
    for circle in circles:
        if piece and len(piece) + len(circle) > size:
            yield piece
            piece = []
        piece.extend(circle)
    if piece:
        yield piece


def _circles(targets: Mapping[Key, Iterable[Key]]) -> list[tuple[Key, ...]]:
    """The strongly connected components, each after those it refers to (Tarjan 1972, without recursion)."""
    place: dict[Key, int] = {}
    low: dict[Key, int] = {}
    stack: list[Key] = []
    held: set[Key] = set()
    found: list[tuple[Key, ...]] = []
    for start in targets:
        if start in place:
            continue
        work = [(start, iter(targets[start]))]
        place[start] = low[start] = len(place)
        stack.append(start)
        held.add(start)
        while work:
            key, rest = work[-1]
            following = next((target for target in rest if target in targets), None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[key])
                if low[key] == place[key]:
                    found.append(_popped(stack, held, key))
            elif following not in place:
                place[following] = low[following] = len(place)
                stack.append(following)
                held.add(following)
                work.append((following, iter(targets[following])))
            elif following in held:
                low[key] = min(low[key], place[following])
    return found


def _popped(stack: list[Key], held: set[Key], last: Key) -> tuple[Key, ...]:
    """The component that ends with ``last``, in the order in which it was met."""
    begin = stack.index(last)
    circle = tuple(stack[begin:])
    del stack[begin:]
    held.difference_update(circle)
    return circle
