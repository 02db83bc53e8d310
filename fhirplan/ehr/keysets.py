"""Keeps the public keys that others publish: fetched safely, kept as long as they allow, fetched anew for a new key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fhirplan.ehr.fetching import Fetched, Unfetchable, fetch

LONGEST: Final = 3600.0
"""Seconds for which a key set is kept at most, as for one whose sender says nothing."""
_USUAL: Final = 300.0
AGAIN: Final = 10.0
"""Seconds that must lie between two fetches of one set, whoever asks for keys that are not in it."""
_MOST_SETS: Final = 1000


@dataclass(frozen=True, slots=True)
class _Kept:
    keys: tuple[dict[str, Any], ...]
    fetched: float
    until: float
    problem: str = ""


class KeySets:
    """Key sets by their address, for one process. ``get`` gives a document; ``clock`` gives seconds."""

    def __init__(
        self,
        *,
        loopback: bool,
        private: bool = False,
        get: Callable[[str], Fetched] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._get = get or (lambda url: fetch(url, loopback=loopback, private=private))
        self._clock = clock
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._kept: dict[str, _Kept] = {}

    def keys(self, url: str, kid: str) -> tuple[dict[str, Any], ...]:
        """The JWKs at an address that bear this key id; raises Unfetchable when the set cannot be had.

        A set without it is fetched anew, as its owner may have a new key, but not more often than ``AGAIN``.
        """
        now = self._clock()
        known = self._kept.get(url)
        if known is None or now >= known.until or (not _bearing(known, kid) and now >= known.fetched + AGAIN):
            known = self._renewed(url, known, now)
        if known.problem:
            raise Unfetchable(known.problem)
        return _bearing(known, kid)

    def _renewed(self, url: str, known: _Kept | None, now: float) -> _Kept:
        with self._lock:
            mine = self._locks.setdefault(url, threading.Lock())
        # One address that is slow holds up those alone who wait for it.
        with mine:
            current = self._kept.get(url)
            if current is not None and current is not known:
                return current
            if len(self._kept) >= _MOST_SETS:
                self._kept.clear()
                self._locks.clear()
            try:
                found = self._get(url)
                listed = found.value.get("keys")
                keys = tuple(item for item in listed if isinstance(item, dict)) if isinstance(listed, list) else ()
                lives = min(_USUAL if found.max_age is None else float(found.max_age), LONGEST)
                made = _Kept(keys, now, now + max(lives, 1.0))
            except Unfetchable as error:
                made = _failed(known, now, error.text)
            self._kept[url] = made
            return made


def _failed(known: _Kept | None, now: float, problem: str) -> _Kept:
    """What is kept when a set cannot be had: the keys whose time is not over, which a guessed key id cannot end."""
    if known is not None and not known.problem and now < known.until:
        return _Kept(known.keys, now, known.until)
    return _Kept((), now, now + AGAIN, problem)


def _bearing(known: _Kept, kid: str) -> tuple[dict[str, Any], ...]:
    return tuple(item for item in known.keys if item.get("kid") == kid)
