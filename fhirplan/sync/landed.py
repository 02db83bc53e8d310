"""Finds which version of ours the EHR's copy was made from, when nobody here heard that it had landed. Pure.

The reply to a write of ours was lost, and somebody in the clinic has edited what it left there. Seen from the base,
our own words look like the clinic's; seen from the version that landed, only what the clinic wrote is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fhirplan.fhir.codec import Resource
from fhirplan.sync.content import Values, values


def origins(
    base: Resource | None, remote: Resource, own: Iterable[tuple[int, Resource | None]]
) -> list[tuple[int, Resource | None]]:
    """What the EHR's copy was made from: a version of ours with its content, or the base as version 0.

    Several where it cannot be told, being as near to one as to another. ``own`` are our versions since the base, newest
    first; call it only where an attempt to send one of them ended without an answer. A copy that has the base's value
    where a version changed it was not made from that version. Contents are as ``comparable`` gives them; narratives
    are not looked at, since they are made anew.
    """
    there, before = values(remote), values(base or {})
    found, nearest = [(0, base)], _distance(before, there)
    for version, content in own:
        mine = values(content or {})
        far = _distance(mine, there)
        if content is None or far > nearest or mine == before or _contradicts(there, before, mine):
            continue
        found = [*found, (version, content)] if far == nearest else [(version, content)]
        nearest = far
    return found


def _contradicts(there: Values, before: Values, mine: Values) -> bool:
    """Whether a copy is as it was before in a place that we changed, which it would not be had our change landed."""
    changed = {place for place, _ in (before - mine) + (mine - before)}
    return any(_at(place, there) == _at(place, before) for place in changed)


def _at(place: str, values: Values) -> Values:
    return Counter({value: number for value, number in values.items() if value[0] == place})


def _distance(one: Values, other: Values) -> int:
    """In how many values two copies differ."""
    return ((one - other) + (other - one)).total()
