"""Recognises who sends a request by its access token (RFC 6750), and remembers it for a while."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from fhirplan.access import scopes, token
from fhirplan.access.actor import Actor, Grant, of_grant
from fhirplan.errors import InvalidToken, MalformedRequest
from fhirplan.fhir import reference
from fhirplan.interactions.issuers import Issuer, Known
from fhirplan.interactions.services import Services
from fhirplan.store import links, versions
from fhirplan.store.engine import Transaction

_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9\-._~+/]+=*)")
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
# Whom a person is related to may change, and an opaque token may be revoked at its issuer, so nothing stays longer.
_REMEMBERED: Final = 300.0
_INTROSPECTED: Final = 30.0


def authenticate(services: Services, authorization: str, connection: str) -> Actor | None:
    """Whom an Authorization header names on a connection; None without one.

    Raises InvalidToken, MalformedRequest for a header that cannot be read, EhrUnavailable where the issuer has to be
    asked and does not answer.
    """
    if not authorization:
        return None
    found = _BEARER.fullmatch(authorization)
    if found is None:
        if authorization[:6].lower() == "bearer" or "," in authorization:
            raise MalformedRequest("The Authorization header is not Bearer and one access token.")
        raise InvalidToken("Only access tokens are taken: Authorization: Bearer and the token.")
    text = found[1]
    now = services.clock() / 1000
    key = hashlib.sha256(f"{connection} {text}".encode()).digest()
    known = services.recognised.get(key, now)
    if known is None:
        known = _recognised(services, text, connection, now)
        services.recognised.put(key, known)
    if services.issuers.revoked(known.gid, known.jti):
        raise InvalidToken("It was revoked. Ask for a new one.")
    return known.actor


def _recognised(services: Services, text: str, connection: str, now: float) -> Known:
    """Verifies a token anew."""
    if token.looks_like_jwt(text):
        issuer = services.issuers.named(token.issuer_of(text), connection)
        if issuer is not None and issuer.keys is not None:
            expected = token.Expected(issuer.url, issuer.audiences, issuer.algorithms, issuer.types, issuer.leeway)
            claims = token.verify(text, issuer.keys(token.key_id(text)), expected, now)
            return _of_claims(services, issuer, claims, now + _REMEMBERED)
    for issuer in services.issuers.asked(connection):
        told = _active(issuer, issuer.introspect(text), now) if issuer.introspect is not None else None
        if told is not None:
            return _of_claims(services, issuer, told, now + _INTROSPECTED)
    raise InvalidToken("No issuer whose tokens are taken here issued it.")


def _active(issuer: Issuer, claims: Mapping[str, Any], now: float) -> Mapping[str, Any] | None:
    """What an issuer says of a token that is active, for us and not expired (RFC 7662 section 2.2)."""
    if claims.get("active") is not True or claims.get("iss", issuer.url) != issuer.url:
        return None
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if audience is not None and not any(item in issuer.audiences for item in named if isinstance(item, str)):
        return None
    expires = token.moment(claims, "exp")
    return None if expires is not None and now >= expires + issuer.leeway else claims


def _of_claims(services: Services, issuer: Issuer, claims: Mapping[str, Any], until: float) -> Known:
    expires = token.moment(claims, "exp")
    client = _text(claims, "client_id") or _text(claims, "azp")
    if not client:
        raise InvalidToken("It does not say which client it was issued to.")
    grant = Grant(
        client=client,
        scopes=scopes.parse(_text(claims, "scope") or " ".join(_list(claims, "scp"))),
        issuer=issuer.url,
        subject=_text(claims, "sub"),
        id=_text(claims, "gid"),
        expires=expires or until,
    )
    with services.database.read() as tx:
        grant = replace(
            grant,
            user=_user(services, tx, issuer, _text(claims, "fhirUser")),
            patient=_ours(tx, issuer, "Patient", _text(claims, "patient")),
            encounter=_ours(tx, issuer, "Encounter", _text(claims, "encounter")),
        )
        grant = replace(grant, user_patient=_own_patient(tx, issuer.connection, grant.user))
    ends = until if expires is None else min(until, expires + issuer.leeway)
    return Known(of_grant(grant), grant.id, _text(claims, "jti"), ends)


def _user(services: Services, tx: Transaction, issuer: Issuer, text: str) -> str:
    """The person behind a token as type/id here, "" where there is none or they are not known here."""
    found = reference.parse(text)
    if found is None:
        return ""
    if issuer.own:
        return found.local if found.server in ("", *issuer.audiences) else ""
    if found.server not in ("", issuer.ehr_url.rstrip("/")):
        return ""
    id_ = _ours(tx, issuer, found.type, found.id)
    return f"{found.type}/{id_}" if id_ else ""


def _ours(tx: Transaction, issuer: Issuer, type_: str, text: str) -> str:
    """Our id of what a claim names by its id, "" where it is not known here."""
    id_ = text.removeprefix(f"{type_}/")
    if not _ID.fullmatch(id_):
        return ""
    return id_ if issuer.own else links.our_id(tx, issuer.connection, type_, id_)


def _own_patient(tx: Transaction, connection: str, user: str) -> str:
    """The patient whose record a person may see as themself, or as the one they are related to."""
    type_, _, id_ = user.partition("/")
    if type_ == "Patient":
        return id_
    if type_ != "RelatedPerson":
        return ""
    found = versions.current(tx, connection, type_, id_)
    if found is None or found.deleted:
        return ""
    resource = found.resource()
    patient = resource.get("patient")
    target = reference.parse(patient.get("reference") if isinstance(patient, dict) else None)
    known = (
        target is not None and target.type == "Patient" and not target.server and resource.get("active") is not False
    )
    return target.id if target is not None and known else ""


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _list(claims: Mapping[str, Any], name: str) -> list[str]:
    value = claims.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
