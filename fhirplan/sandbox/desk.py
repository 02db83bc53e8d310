"""Signs people in and lets apps in for them: authorization codes with PKCE, id_tokens, launch context (SMART 2.2).

Plays an EHR's side. People need no password: whoever sits at the sandbox picks who they are.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import unquote_plus, urlencode, urlsplit, urlunsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from fhirplan.sandbox import assertion
from fhirplan.sandbox.assertion import BadAssertion
from fhirplan.sandbox.authorize import ASSERTION_TYPE, Gate, TokenDenied

CODE_SECONDS: Final = 60
GRANT_SECONDS: Final = 12 * 3600
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_\-]{43}")


@dataclass(frozen=True, slots=True)
class App:
    """A registered app: proves who it is by ``secret``, by the key set at ``keys``, or, with neither, not at all."""

    client_id: str
    redirect_uris: tuple[str, ...]
    launch_url: str = ""
    secret: str = field(default="", repr=False)
    keys: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """A chart that somebody has open, from which an app is opened."""

    user: str
    patient: str
    encounter: str = ""
    intent: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """An app's request that waits for a person; ``opening`` is the chart it was opened from, None for none."""

    app: App
    redirect_uri: str
    scope: str
    state: str
    challenge: str
    nonce: str
    opening: Opening | None


@dataclass(frozen=True, slots=True)
class _Grant:
    request: Request
    opening: Opening
    scope: str
    ends: float


class NotSafe(Exception):
    """An authorization request that must not be answered with a redirect; the text says why."""


class Desk:
    """What is waiting and what was granted, in memory. ``clock`` gives Unix seconds."""

    def __init__(
        self,
        apps: Mapping[str, App],
        *,
        lifetime: int = 3600,
        gate: Gate | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.apps: Final = dict(apps)
        self._lifetime = lifetime
        self._gate = gate
        self._clock = clock
        self._key = RSAKey.generate_key(2048, {"kid": "sandbox-1"})
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[Request, float]] = {}
        self._openings: dict[str, tuple[Opening, float]] = {}
        self._codes: dict[str, _Grant] = {}
        self._refresh: dict[str, _Grant] = {}

    @property
    def public_keys(self) -> dict[str, Any]:
        """The JWK Set that id_tokens are checked with."""
        shown = {**self._key.as_dict(private=False), "kid": "sandbox-1", "use": "sig", "alg": "RS256"}
        return {"keys": [shown]}

    def open_chart(self, opening: Opening) -> str:
        """The ``launch`` value for opening an app from a chart."""
        return self._put(self._openings, opening, 300)

    def asked(self, given: Mapping[str, str], audience: str) -> tuple[str, Request] | str:
        """A request that now waits for a person, with its id; or where to send the browser with a refusal.

        Raises NotSafe.
        """
        app = self.apps.get(given.get("client_id", ""))
        redirect = given.get("redirect_uri", "")
        if app is None or redirect not in app.redirect_uris:
            raise NotSafe("No app with this client_id and redirect_uri is registered here.")
        state = given.get("state", "")

        def no(error: str, text: str) -> str:
            return leading(redirect, {"error": error, "error_description": text, "state": state})

        if given.get("response_type") != "code":
            return no("unsupported_response_type", "The only response_type is code.")
        if given.get("aud", "").rstrip("/") != audience:
            return no("invalid_request", f"aud is not {audience}.")
        challenge = given.get("code_challenge", "")
        if given.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
            return no("invalid_request", "PKCE with S256 is required.")
        if len(state) < 22:
            return no("invalid_request", "state is missing or too short.")
        opening = None
        if "launch" in given:
            opening = self._take(self._openings, given["launch"])
            if opening is None:
                return no("invalid_request", "launch is not known here, or has expired.")
        made = Request(app, redirect, given.get("scope", ""), state, challenge, given.get("nonce", ""), opening)
        return self._put(self._waiting, made, 600), made

    def waiting(self, number: str) -> Request | None:
        """The request of that id, None when there is none (any more)."""
        with self._lock:
            found = self._waiting.get(number)
        return found[0] if found is not None and found[1] > self._clock() else None

    def approve(self, number: str, opening: Opening | None) -> str:
        """Where to send the browser once a person let the app in (``opening``) or did not (None); raises NotSafe."""
        request = self._take(self._waiting, number)
        if request is None:
            raise NotSafe("This sign-in is over. Start again from the app.")
        if opening is None:
            return leading(request.redirect_uri, {"error": "access_denied", "state": request.state})
        granted = [text for text in request.scope.split() if text != "launch" or request.opening is not None]
        code = secrets.token_urlsafe(24)
        grant = _Grant(request, opening, " ".join(granted), self._clock() + CODE_SECONDS)
        with self._lock:
            self._codes[code] = grant
        return leading(request.redirect_uri, {"code": code, "state": request.state})

    def token(self, given: Mapping[str, str], authorization: str, base: str, token_url: str) -> dict[str, Any]:
        """The answer to a code or refresh token. ``base`` is the server's address, ``token_url`` this
        endpoint's. Raises TokenDenied."""
        app = self._proved(given, authorization, token_url)
        if given["grant_type"] == "authorization_code":
            with self._lock:
                grant = self._codes.pop(given.get("code", ""), None)
            if grant is None or grant.ends < self._clock() or grant.request.app != app:
                raise TokenDenied("invalid_grant", "The code is not known here, or was used, or has expired.")
            if given.get("redirect_uri") != grant.request.redirect_uri:
                raise TokenDenied("invalid_grant", "redirect_uri is another one.")
            if not _fits(given.get("code_verifier", ""), grant.request.challenge):
                raise TokenDenied("invalid_grant", "code_verifier does not fit.")
            grant = replace(grant, ends=self._clock() + GRANT_SECONDS)
        else:
            with self._lock:
                grant = self._refresh.pop(given.get("refresh_token", ""), None)
            if grant is None or grant.ends < self._clock() or grant.request.app != app:
                raise TokenDenied("invalid_grant", "The refresh token is not known here, or was used.")
        return self._answer(grant, base)

    def end_grants(self) -> None:
        """Forgets all refresh tokens, as when everybody is signed out."""
        with self._lock:
            self._refresh.clear()

    def _answer(self, grant: _Grant, base: str) -> dict[str, Any]:
        words, opening = grant.scope.split(), grant.opening
        token = secrets.token_urlsafe(32)
        if self._gate is not None:
            self._gate.admit(token, grant.request.app.client_id, grant.scope, self._lifetime)
        made: dict[str, Any] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self._lifetime,
            "scope": grant.scope,
            "need_patient_banner": grant.request.opening is None,
            "smart_style_url": f"{base}/style.json",
        }
        if opening.patient and {"launch", "launch/patient"} & set(words):
            made["patient"] = opening.patient
        if opening.encounter:
            made["encounter"] = opening.encounter
        if opening.intent:
            made["intent"] = opening.intent
        if {"online_access", "offline_access"} & set(words):
            made["refresh_token"] = secrets.token_urlsafe(32)
            with self._lock:
                self._refresh[made["refresh_token"]] = grant
        if "openid" in words:
            made["id_token"] = self._id_token(grant, base)
        return made

    def _id_token(self, grant: _Grant, base: str) -> str:
        now = int(self._clock())
        claims = {
            "iss": f"{base}/auth",
            "aud": grant.request.app.client_id,
            "sub": hashlib.sha256(grant.opening.user.encode()).hexdigest()[:32],
            "iat": now,
            "exp": now + 300,
        }
        if "fhirUser" in grant.scope.split():
            claims["fhirUser"] = f"{base}/fhir/{grant.opening.user}"
        if grant.request.nonce:
            claims["nonce"] = grant.request.nonce
        return jwt.encode({"alg": "RS256", "kid": "sandbox-1", "typ": "JWT"}, claims, self._key, algorithms=["RS256"])

    def _proved(self, given: Mapping[str, str], authorization: str, token_url: str) -> App:
        if "client_assertion" in given:
            return self._asserted(given, token_url)
        client_id, secret = given.get("client_id", ""), ""
        if authorization.lower().startswith("basic "):
            client_id, secret = _basic(authorization)
        app = self.apps.get(client_id)
        if app is None or app.keys or not hmac.compare_digest(app.secret, secret):
            raise TokenDenied("invalid_client", "The app is not known here, or does not prove who it is.", 401)
        return app

    def _asserted(self, given: Mapping[str, str], token_url: str) -> App:
        known = {app.client_id: app.keys for app in self.apps.values() if app.keys}
        if given.get("client_assertion_type") != ASSERTION_TYPE:
            raise TokenDenied("invalid_client", f"client_assertion_type is not {ASSERTION_TYPE}.", 401)
        try:
            found = assertion.verify(given["client_assertion"], known, token_url, self._clock(), assertion.read_keys)
        except BadAssertion as error:
            raise TokenDenied("invalid_client", str(error), 401) from None
        return self.apps[found.client]

    def _put(self, shelf: dict[str, Any], item: Any, seconds: float) -> str:
        number = secrets.token_urlsafe(24)
        with self._lock:
            shelf[number] = item, self._clock() + seconds
        return number

    def _take(self, shelf: dict[str, Any], number: str) -> Any:
        with self._lock:
            found = shelf.pop(number, None)
        return found[0] if found is not None and found[1] > self._clock() else None


def leading(address: str, fields: Mapping[str, str]) -> str:
    """An address with these fields added to its query."""
    parts = urlsplit(address)
    query = "&".join(item for item in (parts.query, urlencode({k: v for k, v in fields.items() if v})) if item)
    return urlunsplit(parts._replace(query=query))


def _fits(verifier: str, challenge: str) -> bool:
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return 43 <= len(verifier) <= 128 and hmac.compare_digest(made, challenge)


def _basic(authorization: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(authorization[6:].strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise TokenDenied("invalid_client", "The Authorization header is no HTTP Basic.", 401) from None
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)
