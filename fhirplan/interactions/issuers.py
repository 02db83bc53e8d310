"""What is known of those whose access tokens are taken: our own authorization server and those of EHRs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fhirplan.access.actor import Actor
from fhirplan.access.token import ACCESS_TOKEN, Key
from fhirplan.errors import InvalidToken

MOST_REMEMBERED: Final = 10_000
Keys = Callable[[str], Sequence[Key]]
"""The public keys of an issuer as they are now, from the ``kid`` that is looked for."""
Introspect = Callable[[str], Mapping[str, Any]]
"""What an issuer says of an opaque token (RFC 7662); raises EhrUnavailable where it does not say anything."""
Revoked = Callable[[str, str], bool]
"""Whether a grant or a token was revoked, from ``gid`` and ``jti``; asked with every request."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer of access tokens, for one ``connection``.

    ``audiences`` are what its tokens may be for. ``keys`` verify its JWTs and ``introspect`` asks it about its other
    tokens; None where that is not done. What it says of these is relied on for ``relied_on`` seconds. ``own`` tells
    that it names people and patients by our ids; else they are those of the EHR at ``ehr_url``, and are looked up.
    ``clients`` are whose tokens are taken, empty for any; a token that does not say for whom it is, is taken from
    these alone.
    """

    url: str
    connection: str
    audiences: frozenset[str]
    algorithms: frozenset[str] = frozenset({"RS384", "ES384"})
    types: frozenset[str] = ACCESS_TOKEN
    keys: Keys | None = None
    introspect: Introspect | None = None
    own: bool = False
    ehr_url: str = ""
    leeway: int = 60
    clients: frozenset[str] = frozenset()
    relied_on: float = 30.0

    def called(self, client: str) -> str:
        """What a client is called here: others than our own bear its url, so that none passes for one of ours."""
        return client if self.own else f"{client}@{self.url}"


def never_revoked(_gid: str, _jti: str) -> bool:
    """That nothing is revoked, for issuers that keep no list of it here."""
    return False


@dataclass(frozen=True, slots=True)
class Issuers:
    """All issuers, and what was ``revoked`` of our own grants."""

    all: tuple[Issuer, ...] = ()
    revoked: Revoked = field(default=never_revoked)

    def named(self, url: str, connection: str) -> Issuer | None:
        """The issuer of that url whose JWTs are taken on a connection."""
        for item in self.all:
            if item.url == url and item.connection == connection and item.keys is not None:
                return item
        return None

    def asked(self, connection: str, url: str = "") -> tuple[Issuer, ...]:
        """The issuers that are asked about tokens on a connection: all, or the one whose ``url`` a token names."""
        return tuple(
            item
            for item in self.all
            if item.connection == connection and item.introspect is not None and url in ("", item.url)
        )


@dataclass(frozen=True, slots=True)
class Known:
    """A token that was verified: whom it names, what it is revoked by, and until when this is remembered."""

    actor: Actor
    gid: str
    jti: str
    until: float


@dataclass(frozen=True, slots=True)
class Rejected:
    """A token that its issuer called inactive: the error, and until when this is remembered."""

    error: InvalidToken
    until: float


class Recognised:
    """What was found out of tokens, by their hashes; the oldest go when there are too many."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._known: dict[bytes, Known | Rejected] = {}
        self._most = most
        self._lock = threading.Lock()

    def get(self, key: bytes, now: float) -> Known | Rejected | None:
        """What is remembered of a token, unless its time is over."""
        found = self._known.get(key)
        return found if found is not None and now < found.until else None

    def put(self, key: bytes, known: Known | Rejected) -> None:
        """Remembers what was found out of a token."""
        with self._lock:
            if len(self._known) >= self._most:
                for old in list(self._known)[: max(1, self._most // 10)]:
                    del self._known[old]
            self._known[key] = known
