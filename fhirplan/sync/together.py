"""Sends a lane's changes as transactions, where the EHR takes those: all of a piece lands, or none of it does.

A refused transaction had no effect. The entry that the EHR blames is sent by itself, so that it gets its own answer;
where none is blamed the piece is halved until the bad entry is alone. A transaction without an answer may have landed:
each of its resources is looked for before it is sent again, in smaller pieces each time, down to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from fhirplan.ehr import transactions
from fhirplan.ehr.answered import Written
from fhirplan.ehr.discovery import Capabilities
from fhirplan.ehr.transactions import Part
from fhirplan.errors import EhrFailure, EhrRejected, EhrUnavailable, FhirplanError
from fhirplan.store.sync import outbox
from fhirplan.store.sync.outbox import Entry
from fhirplan.sync.absorb import MISSHAPEN
from fhirplan.sync.claims import Run, claim, hold, release
from fhirplan.sync.delivery import ClaimLost, Delivery, Landing
from fhirplan.sync.entries import Ready, held_here, is_fit, made_ready, moved_there
from fhirplan.sync.identity import outbound, targets
from fhirplan.sync.lookup import look
from fhirplan.sync.order import Key, pieces, stretches
from fhirplan.sync.points import reached
from fhirplan.sync.sending import (
    Made,
    deliver_claimed,
    heard,
    is_on_its_way,
    later,
    say_waiting,
    send_one,
    settle,
    silent,
    unsent_targets,
)

_ALONE: Final = -1
# A server that says this of a transaction takes none from us, whatever it declares.
_NOT_OFFERED: Final = frozenset({403, 404, 405, 501})
_TOO_LARGE: Final = 413


@dataclass(frozen=True, slots=True)
class _Claims:
    """What is claimed and not settled yet, and what was looked for in the EHR without being found."""

    rows: dict[Key, tuple[Entry, ...]]
    looked: set[Key] = field(default_factory=set)

    def attempts(self, key: Key) -> int:
        """How often a resource was tried, this time included."""
        return max(row.attempts for row in self.rows[key])


def takes_transactions(run: Run, offered: Capabilities) -> bool:
    """Whether changes may be sent together."""
    return offered.transaction and run.sides.bundle > 1 and not run.singly.is_set()


def send_lane(run: Run, keys: Sequence[Key]) -> None:
    """Sends the due changes of one lane; what cannot go together goes by itself, in its place.

    Raises EhrFailure only when the EHR does not tell what it can do.
    """
    offered = run.sides.client.capabilities()
    if not takes_transactions(run, offered):
        for key in keys:
            send_one(run, key)
        return
    wanted, kinds = _looked_over(run, offered, [key for key in keys if key not in run.tried])
    for target in {item for named in wanted.values() for item in named if item not in wanted}:
        send_one(run, target)
    for stretch in stretches(wanted, kinds):
        if stretch.kind == _ALONE:
            for key in (key for circle in stretch.circles for key in circle):
                send_one(run, key)
            continue
        for piece in pieces(stretch.circles, max(run.sides.bundle >> stretch.kind, 1)):
            if run.stopped:
                return
            _send_piece(run, piece)


def _looked_over(run: Run, offered: Capabilities, keys: Sequence[Key]) -> tuple[dict[Key, list[Key]], dict[Key, int]]:
    """What each resource waits for, and how it can go: alone, or together after so many attempts."""
    wanted: dict[Key, list[Key]] = {}
    kinds: dict[Key, int] = {}
    with run.sides.database.read() as tx:
        for key in keys:
            link, current = held_here(run, tx, key)
            local = current.resource() if current is not None and not current.deleted else None
            rows = [row for row in outbox.unsettled(tx, run.sides.connection, *key) if row.state == "waiting"]
            attempts = max((row.attempts for row in rows), default=0)
            named = targets(run.sides.border, local) if local else ()
            wanted[key] = [target for target in named if is_on_its_way(run, tx, target)]
            fits = local is not None and is_fit(run, offered, link, local, attempts)
            kinds[key] = attempts if fits else _ALONE
    return wanted, kinds


def _send_piece(run: Run, keys: Sequence[Key]) -> None:
    """Claims a piece and works it until everything in it is settled, given back, or due again."""
    wanted = [key for key in keys if key not in run.tried]
    run.tried.update(wanted)
    left = _Claims(claim(run, wanted))
    todo = [[key for key in keys if key in left.rows]]
    try:
        while todo and not run.stopped:
            todo.extend(reversed(_work(run, todo.pop(), left)))
    except ClaimLost:
        return
    if left.rows:
        with run.sides.database.write() as tx:
            release(run, tx, left.rows.values())


def _work(run: Run, keys: list[Key], left: _Claims) -> list[list[Key]]:
    """Sends these together; gives the smaller pieces in which they are to be sent instead."""
    _send_what_cannot_go_together(run, keys, left)
    keys = _unblocked(run, keys, left)
    if len(keys) < 2 or run.singly.is_set() or run.stopped:
        for key in keys:
            _send_claimed(run, key, left)
        return []
    try:
        moved = moved_there(run, keys)
    except EhrFailure:
        # Each by itself reads its own copy, and tells what is wrong with that.
        moved = keys
    if moved:
        for key in moved:
            _send_claimed(run, key, left)
        return [[key for key in keys if key in left.rows]]
    ready = made_ready(run, keys, left.rows)
    parts = [item.part for item in ready]
    try:
        hold(run)
        written = transactions.written(run.sides.client.transact(transactions.bundle(parts)), parts)
    except EhrUnavailable as error:
        silent(run, error)
        _put_off(run, ready, left, error)
        return []
    except EhrRejected as refusal:
        heard(run)
        return _smaller(run, keys, parts, refusal)
    except (FhirplanError, *MISSHAPEN) as error:
        heard(run)
        _put_off(run, ready, left, error)
        return []
    heard(run)
    reached("answered")
    _land(run, ready, written, left)
    return []


def _send_what_cannot_go_together(run: Run, keys: Sequence[Key], left: _Claims) -> None:
    """Sends by themselves: what landed unseen before, and what is no longer as it was when it was looked over."""
    offered = run.sides.client.capabilities()
    for key in [key for key in keys if key in left.rows and not run.stopped]:
        with run.sides.database.read() as tx:
            link, current = held_here(run, tx, key)
        fits = current is not None and not current.deleted and is_fit(run, offered, link, current.resource(), 0)
        if not fits:
            _send_claimed(run, key, left)
        elif left.attempts(key) > 1 and key not in left.looked:
            _look(run, key, left)


def _look(run: Run, key: Key, left: _Claims) -> None:
    """Looks for a create that was sent before: one that landed is settled, one that surely did not is new."""
    sides = run.sides
    with sides.database.read() as tx:
        _, current = held_here(run, tx, key)
        body = outbound(sides.ids(tx), current.resource(), "") if current is not None else {}
    try:
        found = look(sides, sides.client.capabilities().of(key[0]), body, key[1])
    except EhrUnavailable as error:
        silent(run, error)
        attempts = left.attempts(key)
        settle(run, [Made(left.rows.pop(key), later(run, key, attempts, error))])
    except (FhirplanError, *MISSHAPEN):
        # What it is about is told when it is sent by itself.
        _send_claimed(run, key, left)
    else:
        left.looked.add(key)
        if found is not None:
            _send_claimed(run, key, left, in_doubt=True)


def _unblocked(run: Run, keys: Sequence[Key], left: _Claims) -> list[Key]:
    """Those of the keys that wait for nothing outside; the others are given back."""
    while True:
        here = [key for key in keys if key in left.rows]
        blocked = {key: target for key in here for target in unsent_targets(run, key) if target not in left.rows}
        if not blocked:
            return here
        for key, target in blocked.items():
            with run.sides.database.write() as tx:
                release(run, tx, [left.rows.pop(key)])
            say_waiting(run, key, target)


def _smaller(run: Run, keys: list[Key], parts: Sequence[Part], refusal: EhrRejected) -> list[list[Key]]:
    """The pieces in which a refused piece is tried again: around the entry that is blamed, else two halves."""
    if refusal.status in _NOT_OFFERED and transactions.blamed(refusal.outcome, parts) is None:
        run.singly.set()
        return [keys]
    place = None if refusal.status == _TOO_LARGE else transactions.blamed(refusal.outcome, parts)
    if place is None:
        middle = len(keys) // 2
        return [keys[:middle], keys[middle:]]
    return [piece for piece in (keys[:place], [keys[place]], keys[place + 1 :]) if piece]


def _put_off(run: Run, ready: Sequence[Ready], left: _Claims, error: Exception) -> None:
    """Has all of a piece due again, since nobody can tell what became of it."""
    made = []
    for item in ready:
        attempts = max(row.attempts for row in item.rows)
        made.append(Made(left.rows.pop(item.key), later(run, item.key, attempts, error)))
    settle(run, made)


def _land(run: Run, ready: Sequence[Ready], written: Sequence[Written | None], left: _Claims) -> None:
    """Settles what landed, in one transaction; what was there before, or is not confirmed, is looked at by itself."""
    made = []
    for item, to in zip(ready, written, strict=True):
        if to is None or to.existed:
            continue
        landing = Landing(item.local, item.version, to)
        route = "create" if item.part.creates else "update"
        delivery = Delivery("sent", route, to.id, to.version, landing=landing)
        made.append(Made(left.rows.pop(item.key), delivery, item.again))
    settle(run, made)
    for item in ready:
        if item.key in left.rows:
            _send_claimed(run, item.key, left, in_doubt=True)


def _send_claimed(run: Run, key: Key, left: _Claims, *, in_doubt: bool = False) -> None:
    """Sends one of the claimed resources by itself."""
    if run.stopped:
        return
    again = bool(unsent_targets(run, key))
    deliver_claimed(run, key, left.rows.pop(key), again=again, in_doubt=in_doubt)
