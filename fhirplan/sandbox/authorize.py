"""Gives access tokens to registered clients and asks for them at the door (SMART App Launch 2.2, Backend Services)."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fhirplan.errors import Refused
from fhirplan.fhir.codec import Resource
from fhirplan.sandbox import assertion, scopes
from fhirplan.sandbox.assertion import KEY_TYPES, BadAssertion, Proven, ReadKeys
from fhirplan.sandbox.calls import Pairs
from fhirplan.sandbox.persona import Persona
from fhirplan.sandbox.refusals import ScopeRefused, TokenRefused
from fhirplan.sandbox.scopes import Need, Scope

LIFETIME: Final = 300
"""Seconds that a token is good for, and the most that Backend Services allows."""
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_CHALLENGE: Final = 'Bearer realm="fhir"'


class TokenDenied(Refused):
    """The token endpoint says no: ``error`` is the code of RFC 6749 section 5.2, ``status`` 400 or 401."""

    def __init__(self, error: str, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.error = error
        self.status = status


@dataclass(frozen=True, slots=True)
class _Token:
    client: str
    scopes: tuple[Scope, ...]
    expires: float


class Gate:
    """Who may come in. ``clients`` says for each client id where its key set is, a file or an address.

    ``clock`` gives Unix seconds. Tokens live in memory only.
    """

    def __init__(
        self,
        persona: Persona,
        clients: Mapping[str, str],
        *,
        lifetime: int = LIFETIME,
        clock: Callable[[], float] = time.time,
        read_keys: ReadKeys = assertion.read_keys,
    ) -> None:
        self._persona = persona
        self._clients = dict(clients)
        self._lifetime = lifetime
        self._clock = clock
        self._read_keys = read_keys
        self._lock = threading.Lock()
        self._tokens: dict[str, _Token] = {}
        self._used: dict[tuple[str, str], float] = {}

    def configuration(self, token_url: str) -> Resource:
        """The document /.well-known/smart-configuration."""
        return {
            "token_endpoint": token_url,
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": list(KEY_TYPES),
            "grant_types_supported": ["client_credentials"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["system/*.cruds", "system/*.rs", "system/*.read"],
            "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
        }

    def token(self, form: Pairs, token_url: str) -> dict[str, Any]:
        """The answer to a token request whose form holds these fields; raises TokenDenied."""
        given = dict(form)
        if len(given) != len(form):
            raise TokenDenied("invalid_request", "A field stands twice in the form.")
        if given.get("grant_type") != "client_credentials":
            raise TokenDenied("unsupported_grant_type", "The only grant_type is client_credentials.")
        client = self._authenticated(given, token_url)
        granted = scopes.grant(given.get("scope", ""), self._persona)
        if not granted:
            raise TokenDenied(
                "invalid_scope", "No scope is left that can be given. Ask for such as system/CarePlan.rs."
            )
        return self._issued(client, granted)

    def _authenticated(self, given: Mapping[str, str], token_url: str) -> str:
        if given.get("client_assertion_type") != ASSERTION_TYPE:
            raise TokenDenied("invalid_client", f"client_assertion_type is not {ASSERTION_TYPE}.", 401)
        now = self._clock()
        try:
            proven = assertion.verify(given.get("client_assertion", ""), self._clients, token_url, now, self._read_keys)
        except BadAssertion as error:
            raise TokenDenied("invalid_client", str(error), 401) from None
        if given.get("client_id", proven.client) != proven.client:
            raise TokenDenied("invalid_client", "client_id is another one's than the assertion's.", 401)
        self._use_once(proven, now)
        return proven.client

    def _use_once(self, proven: Proven, now: float) -> None:
        key = (proven.client, proven.jti)
        with self._lock:
            self._used = {used: ends for used, ends in self._used.items() if ends + assertion.SKEW > now}
            if key in self._used:
                raise TokenDenied("invalid_client", "The assertion's jti was used before. Sign a new one.", 401)
            self._used[key] = proven.expires

    def _issued(self, client: str, granted: tuple[Scope, ...]) -> dict[str, Any]:
        text, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            self._tokens = {known: token for known, token in self._tokens.items() if token.expires > now}
            self._tokens[text] = _Token(client, granted, now + self._lifetime)
        return {
            "access_token": text,
            "token_type": "bearer",
            "expires_in": self._lifetime,
            "scope": " ".join(scope.text for scope in granted),
        }

    def check(self, header: str, needed: Iterable[Need]) -> None:
        """Lets a request in whose Authorization header has a token for all it needs.

        Raises TokenRefused (401) and ScopeRefused (403).
        """
        if not header:
            raise TokenRefused(
                "A token is needed. Ask for one where /.well-known/smart-configuration says.", _CHALLENGE
            )
        with self._lock:
            token = self._tokens.get(bearer(header))
        if token is None or token.expires <= self._clock():
            text = "The token is not known here, or has expired. Ask for a new one."
            raise TokenRefused(text, f'{_CHALLENGE}, error="invalid_token"')
        for need in needed:
            if not scopes.allows(token.scopes, need):
                scope = f"system/{need.type}.{need.letter}"
                challenge = f'{_CHALLENGE}, error="insufficient_scope", scope="{scope}"'
                raise ScopeRefused(f"The token lacks the scope {scope}.", challenge)

    def admit(self, text: str, client: str, scope: str, seconds: int) -> None:
        """Takes a token that a person let an app have; levels other than system/ open the same types here."""
        leveled = " ".join(item.replace("patient/", "system/").replace("user/", "system/") for item in scope.split())
        with self._lock:
            self._tokens[text] = _Token(client, scopes.grant(leveled, self._persona), self._clock() + seconds)

    def expire(self, header: str) -> None:
        """Ends the token of an Authorization header before its time."""
        with self._lock:
            self._tokens.pop(bearer(header), None)


def bearer(header: str) -> str:
    """The token of an Authorization header, "" when it has none."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
