"""Verifies a client's assertion (SMART App Launch 2.2, asymmetric client authentication; RFC 7523 section 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from fhirplan.ehr.fetching import Unfetchable
from fhirplan.launch.authority import Authority
from fhirplan.launch.refusals import invalid_client
from fhirplan.launch.registry import find
from fhirplan.store.access import grants
from fhirplan.store.access.clients import Client

TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST: Final = 300
"""Seconds that an assertion may be good for."""
SKEW: Final = 30
"""Seconds that a client's clock may differ from ours."""
ALGORITHMS: Final = {"RS384": "RSA", "ES384": "EC"}
_MOST: Final = 16_384


@dataclass(frozen=True, slots=True)
class _Said:
    header: dict[str, Any]
    claims: dict[str, Any]


def authenticated(authority: Authority, text: str) -> Client:
    """The client whose key signed this assertion, which counts once. Raises OAuthRefused (``invalid_client``)."""
    said = _unverified(text)
    client = find(authority, str(said.claims.get("iss")))
    if client is None or client.kind != "key" or said.claims.get("sub") != client.client_id:
        raise invalid_client("iss and sub are not both the id of a client that is registered here with a key.")
    algorithm = str(said.header.get("alg"))
    _check_header(said.header, client)
    _check_signature(text, algorithm, _key(authority, client, algorithm, str(said.header.get("kid"))))
    now = authority.clock() // 1000
    expires = _checked_times(said.claims, authority.token_url, now)
    jti = said.claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= 255:
        raise invalid_client("jti is missing or longer than 255 characters. Send a new one with each assertion.")
    with authority.database.write() as tx:
        until = (expires + SKEW) * 1000
        if not grants.use_once(tx, client.client_id, jti, expires=until, now=authority.clock()):
            raise invalid_client("The assertion's jti was used before. Sign a new assertion for each request.")
    return client


def _unverified(text: str) -> _Said:
    if len(text) > _MOST:
        raise invalid_client(f"client_assertion is longer than {_MOST} characters.")
    try:
        taken = jws.extract_compact(text.encode("ascii"))
        header, claims = taken.headers(), json.loads(taken.payload)
    except (JoseError, ValueError, RecursionError):
        raise invalid_client("client_assertion is no signed JWT.") from None
    if not isinstance(claims, dict):
        raise invalid_client("The claims of client_assertion are no JSON object.")
    return _Said(dict(header), claims)


def _check_header(header: Mapping[str, Any], client: Client) -> None:
    if header.get("alg") not in ALGORITHMS:
        raise invalid_client(f"alg is not one of {', '.join(ALGORITHMS)}.")
    if header.get("typ") != "JWT":
        raise invalid_client("typ is not JWT.")
    if not isinstance(header.get("kid"), str) or not header["kid"]:
        raise invalid_client("kid is missing: say which key signed.")
    if "jku" in header and header["jku"] != client.jwks_url:
        raise invalid_client("jku is not the registered address of this client's keys.")
    if {"jwk", "x5u", "x5c", "crit"} & set(header):
        raise invalid_client("The header brings keys of its own, or what must be understood; send alg, kid and typ.")


def _key(authority: Authority, client: Client, algorithm: str, kid: str) -> dict[str, Any]:
    """The one key with that id and of the kind that the algorithm needs."""
    try:
        listed = (
            authority.key_sets.keys(client.jwks_url, kid)
            if client.jwks_url
            else tuple(item for item in json.loads(client.jwks)["keys"] if item.get("kid") == kid)
        )
    except Unfetchable as error:
        raise invalid_client(f"The registered key set cannot be had: {error.text}.") from None
    fitting = [item for item in listed if item.get("kty") == ALGORITHMS[algorithm]]
    if len(fitting) != 1:
        raise invalid_client(f"The registered key set has {len(fitting)} keys of that kid for {algorithm}, not one.")
    return fitting[0]


def _check_signature(text: str, algorithm: str, given: dict[str, Any]) -> None:
    try:
        key: ECKey | RSAKey
        if ALGORITHMS[algorithm] == "EC":
            key = ECKey.import_key({name: given[name] for name in ("kty", "crv", "x", "y")})
        else:
            key = RSAKey.import_key({name: given[name] for name in ("kty", "n", "e")})
        jwt.decode(text, key, algorithms=[algorithm])
    except (JoseError, ValueError, KeyError, TypeError):
        raise invalid_client("The signature does not fit the registered key.") from None


def _checked_times(claims: Mapping[str, Any], audience: str, now: int) -> int:
    """When the assertion ends, in seconds since 1970."""
    aud = claims.get("aud")
    if audience not in (aud if isinstance(aud, list) else [aud]):
        raise invalid_client(f"aud is not this token endpoint, {audience}.")
    ends = claims.get("exp")
    # Not a number (NaN) is neither past nor ahead, so what is not plainly ahead is refused.
    if isinstance(ends, bool) or not isinstance(ends, int | float) or not ends > now:
        raise invalid_client("exp is missing or past.")
    if ends > now + LONGEST:
        raise invalid_client(f"exp is more than {LONGEST} seconds ahead.")
    for name in ("nbf", "iat"):
        starts = claims.get(name, 0)
        if isinstance(starts, bool) or not isinstance(starts, int | float) or not starts <= now + SKEW:
            raise invalid_client(f"{name} is no time, or lies in the future.")
    return int(ends)
