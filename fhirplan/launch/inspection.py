"""Tells what a token is (RFC 7662) and ends one (RFC 7009)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError

from fhirplan.launch.authority import Authority
from fhirplan.launch.issuing import fhir_user_url
from fhirplan.launch.proof import client_of
from fhirplan.store import grants, tickets
from fhirplan.store.engine import Transaction
from fhirplan.store.grants import Grant
from fhirplan.store.signing import ACCESS

_INACTIVE: Final = {"active": False}


def introspected(authority: Authority, form: Mapping[str, str], authorization: str) -> dict[str, Any]:
    """What a token of the asking client is, ``{"active": false}`` for any other. Raises OAuthRefused.

    A client learns of its own tokens only; a token is accepted in place of the client's proof, and tells of itself.
    """
    token = form.get("token", "")
    if authorization.partition(" ")[0].lower() == "bearer":
        bearer = _claims(authority, authorization.partition(" ")[2].strip())
        asking = str(bearer.get("client_id", "")) if bearer is not None else ""
        if bearer is None or not _live(authority, str(bearer.get("gid", ""))):
            return dict(_INACTIVE)
    else:
        asking = client_of(authority, form, authorization).client_id
    found = _access(authority, token) or _refresh(authority, token)
    return found if found is not None and found["client_id"] == asking else dict(_INACTIVE)


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


def _live(authority: Authority, gid: str) -> bool:
    with authority.database.read() as tx:
        return grants.live(tx, gid, authority.clock())


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
