"""Tells what a token is (RFC 7662) and ends one (RFC 7009)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError

from fhirplan.access.scopes import INTROSPECTION
from fhirplan.launch.authority import Authority
from fhirplan.launch.issuing import fhir_user_url
from fhirplan.launch.proof import client_of
from fhirplan.launch.refusals import OAuthRefused
from fhirplan.store.access import grants, tickets
from fhirplan.store.access.grants import Grant
from fhirplan.store.access.signing import ACCESS
from fhirplan.store.engine import Transaction

_INACTIVE: Final = {"active": False}


def introspected(authority: Authority, form: Mapping[str, str], authorization: str) -> dict[str, Any]:
    """What a token is, ``{"active": false}`` for one that the asking client may not know of. Raises OAuthRefused.

    A client learns of its own tokens, and with the scope ``introspection`` of all that are for the FHIR base it is
    registered for. Instead of proving who it is it may send a token of its own as a bearer token; one that has ended
    is refused (RFC 7662 section 2.3).
    """
    asking = _asking(authority, form, authorization)
    token = form.get("token", "")
    found = _access(authority, token) or _refresh(authority, token)
    own = found is not None and found["client_id"] == asking.client_id
    theirs = found is not None and asking.all_tokens and found.get("aud") == authority.audience(asking.connection)
    return found if found is not None and (own or theirs) else dict(_INACTIVE)


@dataclass(frozen=True, slots=True)
class _Asking:
    """Who asks, and whether about tokens of others too."""

    client_id: str
    connection: str
    all_tokens: bool


def _asking(authority: Authority, form: Mapping[str, str], authorization: str) -> _Asking:
    kind, _, token = authorization.partition(" ")
    if kind.lower() != "bearer":
        client = client_of(authority, form, authorization)
        return _Asking(client.client_id, client.connection, INTROSPECTION in client.scopes)
    claims = _claims(authority, token.strip())
    with authority.database.read() as tx:
        grant = _standing(authority, tx, str(claims.get("gid", ""))) if claims is not None else None
    if claims is None or grant is None:
        raise OAuthRefused("invalid_token", "The bearer token is unknown here, or has ended.", status=401)
    return _Asking(grant.client_id, grant.connection, INTROSPECTION in str(claims.get("scope", "")).split())


def revoke(authority: Authority, form: Mapping[str, str], authorization: str) -> None:
    """Ends the grant of a token of the asking client; any other token is passed over. Raises OAuthRefused."""
    client = client_of(authority, form, authorization)
    token, now = form.get("token", ""), authority.clock()
    claims = _claims(authority, token)
    with authority.database.write() as tx:
        ticket = None if claims is not None else tickets.look(tx, authority.sealer, "refresh", token, now)
        gid = str(claims.get("gid", "")) if claims is not None else ticket.gid if ticket is not None else ""
        grant = grants.get(tx, gid) if gid else None
        if grant is not None and grant.client_id == client.client_id:
            grants.revoke(tx, gid, now)


def _access(authority: Authority, token: str) -> dict[str, Any] | None:
    claims = _claims(authority, token)
    if claims is None:
        return None
    with authority.database.read() as tx:
        grant = _standing(authority, tx, str(claims.get("gid", "")))
    if grant is None:
        return None
    shown = {name: claims[name] for name in ("iss", "sub", "aud", "client_id", "scope", "exp", "iat", "jti")}
    return {"active": True, "token_type": "Bearer", **shown, **_context(authority, grant, str(claims["scope"]))}


def _refresh(authority: Authority, token: str) -> dict[str, Any] | None:
    with authority.database.read() as tx:
        ticket = tickets.look(tx, authority.sealer, "refresh", token, authority.clock())
        if ticket is None or ticket.state != "good":
            return None
        grant = _standing(authority, tx, ticket.gid)
    if grant is None:
        return None
    shown = {"iss": authority.issuer, "sub": grant.subject, "client_id": grant.client_id, "scope": grant.scope}
    return {"active": True, **shown, "exp": grant.expires // 1000, **_context(authority, grant, grant.scope)}


def _context(authority: Authority, grant: Grant, scope: str) -> dict[str, Any]:
    words = scope.split()
    person = fhir_user_url(authority, grant) if grant.fhir_user and "openid" in words else ""
    made = {"patient": grant.patient, "encounter": grant.encounter, "fhirUser": person}
    return {name: value for name, value in made.items() if value}


def _standing(authority: Authority, tx: Transaction, gid: str) -> Grant | None:
    return grants.get(tx, gid) if grants.live(tx, gid, authority.clock()) else None


def _claims(authority: Authority, token: str) -> dict[str, Any] | None:
    """The claims of an access token of ours that has not ended; None for anything else."""
    try:
        found = jwt.decode(token, authority.keys.key_set(), algorithms=[ACCESS])
    except (JoseError, ValueError):
        return None
    claims = found.claims
    fits = found.header.get("typ") == "at+jwt" and claims.get("iss") == authority.issuer
    ends = claims.get("exp")
    return claims if fits and isinstance(ends, int) and ends * 1000 > authority.clock() else None
