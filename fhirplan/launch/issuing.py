"""Makes the answers of the token endpoint: access tokens (RFC 9068), id_tokens and refresh tokens."""

from __future__ import annotations

from typing import Any, Final

from fhirplan.launch.authority import Authority
from fhirplan.store.access import grants, tickets
from fhirplan.store.access.grants import Grant
from fhirplan.store.access.secrets import new_secret
from fhirplan.store.access.signing import ACCESS, IDENTITY
from fhirplan.store.engine import Transaction

BACKEND_SECONDS: Final = 300
"""How long a token of a backend service is good for, and the most that SMART allows."""
_MOST_SECONDS: Final = 3600
_ID_SECONDS: Final = 300


def granted_to_client(authority: Authority, tx: Transaction, client_id: str, connection: str, scope: str) -> Grant:
    """A new grant to a client itself, where no person is; it lasts as long as its one token."""
    now = authority.clock()
    grant = Grant(
        authority.new_id(), connection, client_id, client_id, "", scope, "", "", now, now + BACKEND_SECONDS * 1000
    )
    grants.add(tx, grant)
    return grant


def token_answer(authority: Authority, grant: Grant, scope: str, seconds: int) -> dict[str, Any]:
    """The fields of a token response that every grant has, with an access token for ``scope``."""
    return {
        "access_token": access_token(authority, grant, scope, seconds),
        "token_type": "Bearer",
        "expires_in": seconds,
        "scope": scope,
    }


def app_answer(authority: Authority, tx: Transaction, grant: Grant, scope: str, nonce: str = "") -> dict[str, Any]:
    """The token response for an app that a person uses, with the launch context and what else was granted."""
    now = authority.clock()
    seconds = max(1, min(authority.settings.token_seconds, _MOST_SECONDS, (grant.expires - now) // 1000))
    made = token_answer(authority, grant, scope, seconds)
    words = scope.split()
    if grant.patient:
        made |= {"patient": grant.patient, "need_patient_banner": True}
    if grant.encounter:
        made["encounter"] = grant.encounter
    if "openid" in words:
        made["id_token"] = id_token(authority, grant, words, nonce)
    if "offline_access" in words or "online_access" in words:
        body = {"scope": scope}
        made["refresh_token"] = tickets.issue(
            tx, authority.sealer, "refresh", body, gid=grant.gid, expires=grant.expires, now=now
        )
    return made


def access_token(authority: Authority, grant: Grant, scope: str, seconds: int) -> str:
    """A signed access token of our own (RFC 9068 section 2)."""
    now = authority.clock() // 1000
    claims = {
        "iss": authority.issuer,
        "aud": authority.audience(grant.connection),
        "sub": grant.subject,
        "client_id": grant.client_id,
        "scope": scope,
        "iat": now,
        "exp": now + seconds,
        "jti": new_secret(),
        "gid": grant.gid,
        "fhirUser": grant.fhir_user,
        "patient": grant.patient,
        "encounter": grant.encounter,
    }
    kept = {name: value for name, value in claims.items() if value != ""}
    return authority.keys.sign(kept, ACCESS, "at+jwt")


def id_token(authority: Authority, grant: Grant, words: list[str], nonce: str) -> str:
    """A signed id_token (OpenID Connect Core 1.0 section 2), with fhirUser where it was granted."""
    now = authority.clock() // 1000
    claims: dict[str, Any] = {
        "iss": authority.issuer,
        "aud": grant.client_id,
        "sub": grant.subject,
        "iat": now,
        "exp": now + _ID_SECONDS,
    }
    if nonce:
        claims["nonce"] = nonce
    if grant.fhir_user and ("fhirUser" in words or "profile" in words):
        claims["fhirUser"] = fhir_user_url(authority, grant)
    return authority.keys.sign(claims, IDENTITY, "JWT")


def fhir_user_url(authority: Authority, grant: Grant) -> str:
    """The person as an address, which is ours where we know them."""
    known = grant.fhir_user
    return known if "://" in known else f"{authority.audience(grant.connection)}/{known}"
