"""Finds the keys that an EHR's authorization server signs access tokens with, by its own description of itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit

from fhirplan.access.token import Key, public_keys
from fhirplan.ehr.fetching import Fetched, Unfetchable, fetch
from fhirplan.ehr.introspection import unknown
from fhirplan.ehr.keysets import KeySets
from fhirplan.settings import LOOPBACK_HOSTS

KEPT_SECONDS: Final = 3600.0
FAILED_SECONDS: Final = 10.0
"""How long an issuer whose description cannot be had is left alone."""
# OpenID Connect Discovery 1.0 section 4; RFC 8414 section 5 has the same for an issuer of the older kind.
_DESCRIPTIONS: Final = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


@dataclass
class TokenKeys:
    """The keys of one issuer, from ``jwks_url``, or, where that is "", from where its description says.

    ``clock`` gives seconds that only grow.
    """

    issuer: str
    jwks_url: str = ""
    get: Callable[[str], Fetched] | None = None
    clock: Callable[[], float] = time.monotonic
    _found: str = ""
    _until: float = 0.0
    _problem: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sets: KeySets = field(init=False)

    def __post_init__(self) -> None:
        near = _near(self.jwks_url or self.issuer)
        # The operator vouches for what stands in the settings, and not for where that leads.
        self._sets = KeySets(loopback=near, private=True, get=self.get, clock=self.clock)

    def __call__(self, kid: str) -> Sequence[Key]:
        """The keys that bear this id; raises EhrUnavailable when they cannot be had."""
        try:
            return public_keys({"keys": list(self._sets.keys(self.jwks_url or self._discovered(), kid))})
        except Unfetchable as error:
            raise unknown(f"the keys of its issuer cannot be had, as {error.text}") from None

    def _discovered(self) -> str:
        now = self.clock()
        if now >= self._until:
            with self._lock:
                if now >= self._until:
                    self._look(now)
        if self._problem:
            raise Unfetchable(self._problem)
        return self._found

    def _look(self, now: float) -> None:
        try:
            self._found, self._problem = self._described(), ""
            self._until = now + KEPT_SECONDS
        except Unfetchable as error:
            # What was found before stays good: an issuer seldom moves, and may be down for a while.
            self._problem = "" if self._found else error.text
            self._until = now + FAILED_SECONDS

    def _described(self) -> str:
        problem = Unfetchable("it does not describe itself")
        for path in _DESCRIPTIONS:
            try:
                said = self._got(self.issuer.rstrip("/") + path).value
            except Unfetchable as error:
                problem = error
                continue
            if said.get("issuer") != self.issuer:
                raise Unfetchable("its description is of another issuer")
            return self._fitting(said.get("jwks_uri"))
        raise problem

    def _got(self, url: str) -> Fetched:
        return self.get(url) if self.get is not None else fetch(url, loopback=_near(self.issuer), private=True)

    def _fitting(self, found: object) -> str:
        """The address of the keys, on the issuer's own host, where the settings vouch for it, or a public one."""
        if not isinstance(found, str) or not found:
            raise Unfetchable("its description names no keys")
        url = urljoin(f"{self.issuer.rstrip('/')}/", found)
        host = urlsplit(url).hostname
        if host != urlsplit(self.issuer).hostname:
            self._sets = KeySets(loopback=False, get=self.get, clock=self.clock)
        return url


def _near(url: str) -> bool:
    return (urlsplit(url).hostname or "") in LOOPBACK_HOSTS
