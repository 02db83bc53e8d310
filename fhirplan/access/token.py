"""Verifies access tokens that are JWTs: signature, who issued them, for whom, and when (RFC 9068, RFC 8725).

What is accepted is fixed by the caller, never read from the token: its algorithms, its issuer, its keys.
"""

from __future__ import annotations

import base64
import binascii
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, RSAKey

from fhirplan.errors import FhirplanError, InvalidToken, Issue
from fhirplan.fhir.codec import loads

Key = RSAKey | ECKey
ALGORITHMS: Final = frozenset({"RS256", "RS384", "ES384"})
"""All that can be configured: RS384 and ES384 (SMART App Launch 2.2), and RS256, which id tokens are signed with."""
ACCESS_TOKEN: Final = frozenset({"at+jwt", "application/at+jwt"})
"""What ``typ`` says of a JWT that is an access token (RFC 9068 section 2.1)."""
LONGEST: Final = 16_384
_DEEPEST: Final = 8
_RSA_BITS: Final = 2048
_CURVE: Final = "P-384"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must be: of this ``issuer``, for one of ``audiences``, signed by one of ``algorithms``.

    ``types`` are the values that ``typ`` may have, in lower case, empty for any. ``leeway`` is how many seconds the
    clocks may differ.
    """

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str] = frozenset({"RS384", "ES384"})
    types: frozenset[str] = ACCESS_TOKEN
    leeway: int = 60


def looks_like_jwt(token: str) -> bool:
    """Whether a token has the three parts of a signed JWT; else it means something only to its issuer."""
    return token.count(".") == 2 and token.startswith("eyJ")


def issuer_of(token: str) -> str:
    """The issuer that a token names, unverified, only to choose what to verify it with; raises InvalidToken."""
    return str(_part(_split(token)[1]).get("iss") or "")


def key_id(token: str) -> str:
    """The ``kid`` that a token names, unverified; "" when it names none. Raises InvalidToken."""
    found = _part(_split(token)[0]).get("kid", "")
    return found if isinstance(found, str) else ""


def public_keys(jwks: Mapping[str, Any]) -> tuple[Key, ...]:
    """The keys of a JWK Set that a signature can be checked with; others, and those too short, are passed over."""
    listed = jwks.get("keys")
    return tuple(key for item in (listed if isinstance(listed, list) else []) if (key := _key(item)) is not None)


def verify(token: str, keys: Sequence[Key], expected: Expected, now: float) -> Mapping[str, Any]:
    """The claims of a token that is what is expected; ``now`` is in seconds since 1970.

    Raises InvalidToken saying what is wrong, without repeating the token.
    """
    head, body, _ = _split(token)
    header = _part(head)
    algorithm = header.get("alg")
    if algorithm not in expected.algorithms or algorithm not in ALGORITHMS:
        raise InvalidToken(f"It is signed with {str(algorithm)[:20]!r}, which is not taken from this issuer.")
    if "crit" in header or header.get("b64") is False:
        raise InvalidToken("Its header demands an extension that is not known here.")
    if expected.types and str(header.get("typ", "")).lower() not in expected.types:
        raise InvalidToken(f"Its typ is {str(header.get('typ', ''))[:40]!r}, so it is no access token.")
    key = _chosen(keys, header.get("kid"), str(algorithm))
    try:
        jws.deserialize_compact(token, key, algorithms=[str(algorithm)])
    except (JoseError, ValueError, TypeError):
        raise InvalidToken("Its signature is not one of its issuer's.") from None
    claims = _part(body)
    _check(claims, expected, now)
    return claims


def _check(claims: Mapping[str, Any], expected: Expected, now: float) -> None:
    if claims.get("iss") != expected.issuer:
        raise InvalidToken("It is not of the issuer that its key belongs to.")
    audience = claims.get("aud")
    named: Collection[Any] = audience if isinstance(audience, list) else (audience,)
    if not any(isinstance(item, str) and item in expected.audiences for item in named):
        raise InvalidToken("It is for another audience than this FHIR endpoint.")
    expires = moment(claims, "exp")
    if expires is None:
        raise InvalidToken("It does not say when it expires.")
    if now >= expires + expected.leeway:
        raise InvalidToken(Issue("error", "expired", "The access token has expired. Get a new one."))
    for name in ("nbf", "iat"):
        begin = moment(claims, name)
        if begin is not None and begin > now + expected.leeway:
            raise InvalidToken(f"Its {name} is in the future.")


def moment(claims: Mapping[str, Any], name: str) -> float | None:
    """A time of the claims in seconds since 1970, None when it is absent; raises InvalidToken when it is no number."""
    value = claims.get(name)
    if value is None:
        return None
    try:
        found = float(value) if not isinstance(value, bool | str) else -1.0
    except (TypeError, ValueError, OverflowError):
        found = -1.0
    if not 0 <= found < 1e11:
        raise InvalidToken(f"Its {name} is no time.")
    return found


def _chosen(keys: Sequence[Key], kid: Any, algorithm: str) -> Key:
    """The one key that a token is signed with: that of its kid, or the only one of the algorithm's kind."""
    kind = ECKey if algorithm.startswith("ES") else RSAKey
    fitting = [item for item in keys if isinstance(item, kind) and item.get("alg", algorithm) == algorithm]
    if kid is not None:
        fitting = [item for item in fitting if item.kid == kid]
    if len(fitting) != 1:
        raise InvalidToken("It names no key of its issuer that signs this way.")
    return fitting[0]


def _key(item: Any) -> Key | None:
    if not isinstance(item, dict) or item.get("use", "sig") != "sig" or "d" in item:
        return None
    if item.get("kty") not in ("RSA", "EC"):
        return None
    kind: type[RSAKey] | type[ECKey] = RSAKey if item["kty"] == "RSA" else ECKey
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)
            made = kind.import_key(item)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if isinstance(made, RSAKey):
        return made if made.raw_value.key_size >= _RSA_BITS else None
    return made if made.curve_name == _CURVE else None


def _split(token: str) -> tuple[str, str, str]:
    if len(token) > LONGEST:
        raise InvalidToken(f"It is longer than {LONGEST} characters.")
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise InvalidToken("It is no signed JWT.")
    return parts[0], parts[1], parts[2]


def _part(text: str) -> Mapping[str, Any]:
    """The JSON object of a part. A key that stands twice is refused: readers would differ on which one counts."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        value = loads(raw, max_depth=_DEEPEST)
    except (binascii.Error, ValueError, FhirplanError):
        raise InvalidToken("It is no signed JWT.") from None
    if not isinstance(value, dict):
        raise InvalidToken("It is no signed JWT.")
    return value
