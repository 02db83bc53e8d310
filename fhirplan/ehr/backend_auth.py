"""Gets and keeps the token for our own calls to an EHR (SMART App Launch 2.2, Backend Services).

The EHR says where tokens are given; we prove who we are with an assertion signed by our key. A token is kept until
shortly before its end, shared by all threads of the process, and asked for by one of them at a time.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from fhirplan.catalog import CATALOG
from fhirplan.ehr import failures
from fhirplan.ehr.discovery import Capabilities
from fhirplan.ehr.keys import Key, algorithm, load_key, signed
from fhirplan.ehr.transport import Renewed
from fhirplan.errors import EhrUnavailable, Issue
from fhirplan.settings import LOOPBACK_HOSTS, Connection

ASSERTION_SECONDS: Final = 240
"""How long an assertion is good for; SMART allows five minutes."""
EARLY_SECONDS: Final = 30.0
MOST_BYTES: Final = 2**20
_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LETTERS: Final = (("create", "c"), ("read", "r"), ("update", "u"), ("delete", "d"), ("search-type", "s"))
_REFUSALS: Final = {
    "invalid_client": "it does not know us by ehr_client_id and our key; register /auth/jwks.json there",
    "invalid_scope": "it gives us none of the scopes we ask for; ask its administrator",
    "unauthorized_client": "our client may not use Backend Services there; ask its administrator",
}


@dataclass(frozen=True, slots=True)
class Door:
    """Where tokens are given, and whether scopes are spelled as in SMART v2 (``.rs``) or v1 (``.read``)."""

    endpoint: str
    v2: bool
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at: float


def needs(offered: Capabilities, *, v2: bool) -> str:
    """The scopes for what we do there: the types that we sync and it serves, each with what it offers for it."""
    wanted = []
    for type_, spec in CATALOG.items():
        if spec.sync == "none" or not offered.serves(type_):
            continue
        able = offered.of(type_)
        letters = "".join(letter for code, letter in _LETTERS if able.can(code))
        if v2 and letters:
            wanted.append(f"system/{type_}.{letters}")
        elif letters:
            writes = bool({"c", "u", "d"} & set(letters))
            wanted += [f"system/{type_}.read"] * bool({"r", "s"} & set(letters)) + [f"system/{type_}.write"] * writes
    return " ".join(wanted)


class Tokens(Renewed):
    """Puts a token on each request but the one for the CapabilityStatement, which needs none.

    ``offered`` tells what the EHR can do, which decides the scopes. Safe to share between threads.
    """

    def __init__(
        self,
        base: str,
        client_id: str,
        key: Key,
        offered: Callable[[], Capabilities],
        *,
        timeout: float = 20.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._base = base.rstrip("/")
        self._client_id = client_id
        self._key = key
        self._offered = offered
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._door: Door | None = None
        self._token: _Token | None = None

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Called by the HTTP session for each request; raises EhrUnavailable when no token is to be had."""
        if not (r.url or "").partition("?")[0].endswith("/metadata"):
            r.headers["Authorization"] = f"Bearer {self.current()}"
        return r

    def current(self) -> str:
        """A token that is good for a while yet; raises EhrUnavailable when none is to be had."""
        known = self._token
        if known is not None and self._clock() < known.renew_at:
            return known.text
        with self._lock:
            known = self._token
            if known is None or self._clock() >= known.renew_at:
                known = self._token = self._fetched()
            return known.text

    def refused(self, header: str) -> None:
        """Forgets a token that the EHR did not accept, given as the Authorization header it was sent in."""
        with self._lock:
            if self._token is not None and header == f"Bearer {self._token.text}":
                self._token = None

    def _fetched(self) -> _Token:
        door = self._door = self._door or discovered(self._base, self._timeout)
        if door.algorithms and algorithm(self._key) not in door.algorithms:
            raise _no_token(f"it takes assertions signed with {', '.join(sorted(door.algorithms))} only")
        now = self._clock()
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": door.endpoint,
            "exp": int(now) + ASSERTION_SECONDS,
            "jti": str(uuid.uuid4()),
        }
        form = {
            "grant_type": "client_credentials",
            "scope": needs(self._offered(), v2=door.v2),
            "client_assertion_type": _TYPE,
            "client_assertion": signed(self._key, claims),
        }
        status, said = _asked("POST", door.endpoint, self._timeout, form)
        text, seconds = said.get("access_token"), said.get("expires_in")
        if status != 200 or not isinstance(text, str) or not text:
            # The place may have moved, or the keys there; look anew next time.
            self._door = None
            code = str(said.get("error") or f"HTTP {status}")
            raise _no_token(_REFUSALS.get(code, code))
        lives = float(seconds) if isinstance(seconds, int | float) and seconds > 0 else 60.0
        return _Token(text, now + lives - min(EARLY_SECONDS, lives / 5))


def discovered(base: str, timeout: float) -> Door:
    """Where the EHR at ``base`` gives tokens (.well-known/smart-configuration); raises EhrUnavailable."""
    status, said = _asked("GET", f"{base}/.well-known/smart-configuration", timeout)
    found = said.get("token_endpoint")
    if status != 200 or not isinstance(found, str):
        raise _no_token("it does not say where tokens are given (.well-known/smart-configuration)")
    endpoint = urljoin(f"{base}/", found)
    parts = urlsplit(endpoint)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK_HOSTS:
        raise _no_token("its token endpoint is not https")
    listed = _texts(said.get("token_endpoint_auth_signing_alg_values_supported"))
    abilities = frozenset(_texts(said.get("capabilities")))
    return Door(endpoint, "permission-v2" in abilities or "permission-v1" not in abilities, frozenset(listed))


_shared: dict[tuple[str, str, str], Tokens] = {}
_sharing = threading.Lock()


def tokens(connection: Connection, offered: Callable[[], Capabilities]) -> Tokens:
    """The tokens of a configured connection, one for the whole process.

    Raises Misconfigured when its key cannot be used.
    """
    key = (connection.ehr_url, connection.ehr_client_id, connection.ehr_private_key)
    with _sharing:
        if key not in _shared:
            ours = load_key(Path(connection.ehr_private_key))
            _shared[key] = Tokens(
                connection.ehr_url, connection.ehr_client_id, ours, offered, timeout=connection.ehr_timeout
            )
        return _shared[key]


def _asked(method: str, url: str, timeout: float, form: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of an answer ({} when it is none); no redirect is followed with an assertion."""
    try:
        with requests.Session() as session:
            session.trust_env = (urlsplit(url).hostname or "") not in LOOPBACK_HOSTS
            answer = session.request(
                method,
                url,
                data=form,
                headers={"Accept": "application/json"},
                timeout=timeout,
                allow_redirects=False,
                stream=True,
            )
            body = answer.raw.read(MOST_BYTES, decode_content=True)
    except (requests.RequestException, HTTPError) as error:
        # The request for a token changes nothing, so there is never a doubt about it.
        raise failures.unreachable(error, "GET") from None
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    return answer.status_code, said if isinstance(said, dict) else {}


def _texts(value: Any) -> Iterable[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _no_token(why: str) -> EhrUnavailable:
    return EhrUnavailable(Issue("error", "login", f"The EHR gives us no token: {why}. It is tried again later."))
