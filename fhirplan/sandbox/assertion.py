"""Verifies that a client is who it says, by an assertion signed with its key (SMART App Launch 2.2, asymmetric)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests
from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

LONGEST: Final = 300
"""Seconds that an assertion may be good for."""
SKEW: Final = 60
"""Seconds that a client's clock may be ahead of ours."""
KEY_TYPES: Final = {"RS384": "RSA", "ES384": "EC"}
MAX_KEYS: Final = 1024 * 1024

ReadKeys = Callable[[str], bytes]


class BadAssertion(Exception):
    """An assertion that proves nothing; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A client that has proved who it is, by the assertion ``jti`` that is good until ``expires`` (Unix seconds)."""

    client: str
    jti: str
    expires: float


def verify(text: str, clients: Mapping[str, str], audience: str, now: float, read_keys: ReadKeys) -> Proven:
    """Who sent this assertion; ``clients`` says where each one's key set is. Raises BadAssertion.

    A ``jti`` that was seen before is for the caller to refuse.
    """
    header, claims = _unverified(text)
    client = claims.get("iss")
    if not isinstance(client, str) or client not in clients or claims.get("sub") != client:
        raise BadAssertion("iss and sub are not both the id of a client that is known here.")
    alg, kid = header.get("alg"), header.get("kid")
    if alg not in KEY_TYPES or not isinstance(kid, str):
        raise BadAssertion(f"The header names no alg of {', '.join(KEY_TYPES)}, or no kid.")
    if header.get("typ") != "JWT":
        raise BadAssertion("The header typ is not JWT.")
    if "jku" in header and header["jku"] != clients[client]:
        raise BadAssertion("The header jku is not the registered address of this client's keys.")
    _check_signature(text, str(alg), kid, read_keys(clients[client]))
    return Proven(client, _jti(claims), _checked_times(claims, audience, now))


def _unverified(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        taken = jws.extract_compact(text.encode())
        header, claims = taken.headers(), json.loads(taken.payload)
    except (JoseError, ValueError):
        raise BadAssertion("The assertion is no signed JWT.") from None
    if not isinstance(claims, dict):
        raise BadAssertion("The assertion's claims are no JSON object.")
    return header, claims


def _check_signature(text: str, alg: str, kid: str, keys: bytes) -> None:
    try:
        listed = json.loads(keys)["keys"]
        fitting = [key for key in listed if key.get("kid") == kid and key.get("kty") == KEY_TYPES[alg]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadAssertion("The client's key set is no JWKS.") from None
    if len(fitting) != 1:
        raise BadAssertion(f"The client's key set has {len(fitting)} keys with that kid and a type for {alg}, not one.")
    try:
        jwt.decode(text, jwk.import_key(fitting[0]), algorithms=[alg])
    except (JoseError, ValueError):
        raise BadAssertion("The signature does not fit the client's key.") from None


def _checked_times(claims: Mapping[str, Any], audience: str, now: float) -> float:
    """When the assertion ends, in Unix seconds."""
    aud = claims.get("aud")
    if audience not in (aud if isinstance(aud, list) else [aud]):
        raise BadAssertion(f"aud is not this token endpoint, {audience}.")
    ends = claims.get("exp")
    if isinstance(ends, bool) or not isinstance(ends, int | float) or ends <= now:
        raise BadAssertion("exp is missing or past.")
    if ends > now + LONGEST:
        raise BadAssertion(f"exp is more than {LONGEST} seconds ahead.")
    for name in ("nbf", "iat"):
        starts = claims.get(name, 0)
        if isinstance(starts, bool) or not isinstance(starts, int | float) or starts > now + SKEW:
            raise BadAssertion(f"{name} is no time, or lies in the future.")
    return float(ends)


def _jti(claims: Mapping[str, Any]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti:
        raise BadAssertion("jti is missing. Send a new one with each assertion.")
    return jti


def read_keys(place: str) -> bytes:
    """A key set from a file or an http(s) address, fetched anew each time, so that a changed key counts at once.

    Raises BadAssertion when it cannot be had.
    """
    try:
        if place.startswith(("http://", "https://")):
            return _fetched(place)
        return Path(place).read_bytes()
    except (OSError, requests.RequestException):
        raise BadAssertion("The client's key set cannot be read.") from None


def _fetched(address: str) -> bytes:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(address, timeout=5, allow_redirects=False, stream=True)
        answer.raise_for_status()
        found = b""
        for piece in answer.iter_content(64 * 1024):
            found += piece
            if len(found) > MAX_KEYS:
                raise BadAssertion(f"The client's key set is larger than {MAX_KEYS} bytes.")
    return found
