"""Recognises who sends a request by its access token (RFC 6750), and remembers it for a while."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from fhirplan.access import scopes, token
from fhirplan.access.actor import Actor, Grant, of_grant
from fhirplan.errors import EhrUnavailable, InvalidToken, MalformedToken
from fhirplan.fhir import reference
from fhirplan.interactions.issuers import Issuer, Known, Rejected
from fhirplan.interactions.services import Services
from fhirplan.store import versions
from fhirplan.store.engine import Transaction
from fhirplan.store.sync import links

_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9\-._~+/]+=*)")
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
# Whom a person is related to may change, so nothing stays longer.
_REMEMBERED: Final = 300.0
# A token that its issuer does not know is asked about again after this, so that a caller who insists is no flood there.
_REJECTED: Final = 10.0
_INACTIVE: Final = "No issuer whose tokens are taken here issued it, or it has ended."


def authenticate(services: Services, authorization: str, connection: str) -> Actor | None:
    """Whom an Authorization header names on a connection; None without one.

    Raises InvalidToken, MalformedToken for a header that cannot be read, EhrUnavailable where the issuer has to be
    asked and does not answer.
    """
    if not authorization:
        return None
    found = _BEARER.fullmatch(authorization)
    if found is None:
        if authorization[:6].lower() == "bearer" or "," in authorization:
            raise MalformedToken("The Authorization header is not Bearer and one access token.")
        raise InvalidToken("Only access tokens are taken: Authorization: Bearer and the token.")
    text = found[1]
    now = services.clock() / 1000
    key = _key(text, connection)
    known = services.recognised.get(key, now)
    if known is None:
        known = _recognised(services, text, connection, now)
        services.recognised.put(key, known)
    if isinstance(known, Rejected):
        raise known.error
    if services.issuers.revoked(known.gid, known.jti):
        raise InvalidToken("It was revoked. Ask for a new one.")
    return known.actor


def recognised_client(services: Services, authorization: str, connection: str) -> str:
    """The client of a token that was verified not long ago, "" for any other header; nothing is verified for it."""
    found = _BEARER.fullmatch(authorization)
    known = services.recognised.get(_key(found[1], connection), services.clock() / 1000) if found else None
    return known.actor.grant.client if isinstance(known, Known) and known.actor.grant is not None else ""


def _key(text: str, connection: str) -> bytes:
    return hashlib.sha256(f"{connection} {text}".encode()).digest()


def _recognised(services: Services, text: str, connection: str, now: float) -> Known | Rejected:
    """What a token is, found out anew."""
    named = token.issuer_of(text) if token.looks_like_jwt(text) else ""
    issuer = services.issuers.named(named, connection) if named else None
    if issuer is not None and issuer.keys is not None:
        expected = token.Expected(issuer.url, issuer.audiences, issuer.algorithms, issuer.types, issuer.leeway)
        claims = token.verify(text, issuer.keys(token.key_id(text)), expected, now)
        expires = token.moment(claims, "exp") or now
        return _of_claims(services, issuer, claims, min(now + _REMEMBERED, expires + issuer.leeway))
    return _introspected(services, text, services.issuers.asked(connection, named), now)


def _introspected(services: Services, text: str, asked: tuple[Issuer, ...], now: float) -> Known | Rejected:
    """What the issuers that are asked about tokens say of one; raises EhrUnavailable where one of them says nothing.

    A JWT that names its issuer is shown to nobody else.
    """
    silent: EhrUnavailable | None = None
    for issuer in asked:
        try:
            said = issuer.introspect(text) if issuer.introspect is not None else {}
        except EhrUnavailable as error:
            silent = error
            continue
        told = _active(issuer, said, now)
        if told is not None:
            expires = token.moment(told, "exp")
            until = now + issuer.relied_on
            return _of_claims(services, issuer, told, until if expires is None else min(until, expires))
    if silent is not None:
        raise silent
    unaccepted = InvalidToken(_INACTIVE)
    if not asked:
        raise unaccepted
    return Rejected(unaccepted, now + _REJECTED)


def _active(issuer: Issuer, claims: Mapping[str, Any], now: float) -> Mapping[str, Any] | None:
    """What an issuer says of a token that is active, for us and in its time (RFC 7662 section 2.2)."""
    if claims.get("active") is not True or claims.get("iss", issuer.url) != issuer.url:
        return None
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if audience is None and _client(claims) not in issuer.clients:
        return None
    if audience is not None and not any(item in issuer.audiences for item in named if isinstance(item, str)):
        return None
    expires, begins = token.moment(claims, "exp"), token.moment(claims, "nbf")
    if begins is not None and begins > now + issuer.leeway:
        return None
    return None if expires is not None and now >= expires + issuer.leeway else claims


def _of_claims(services: Services, issuer: Issuer, claims: Mapping[str, Any], until: float) -> Known:
    client = _client(claims)
    if not client:
        raise InvalidToken("It does not say which client it was issued to.")
    if issuer.clients and client not in issuer.clients:
        raise InvalidToken("It was issued to a client that may not come in here.")
    grant = Grant(
        client=issuer.called(client),
        scopes=scopes.parse(_text(claims, "scope") or " ".join(_list(claims, "scp"))),
        issuer=issuer.url,
        subject=_text(claims, "sub"),
        # Grants are ours; what others call so says nothing about them.
        id=_text(claims, "gid") if issuer.own else "",
        expires=token.moment(claims, "exp") or until,
    )
    named = _text(claims, "patient")
    with services.database.read() as tx:
        grant = replace(
            grant,
            user=_user(services, tx, issuer, _text(claims, "fhirUser")),
            patient=_ours(tx, issuer, "Patient", named),
            encounter=_ours(tx, issuer, "Encounter", _text(claims, "encounter")),
        )
        grant = replace(
            grant,
            user_patient=_own_patient(tx, issuer.connection, grant.user),
            stranger=bool(named) and not grant.patient,
            administrator=bool({f"client {grant.client}", grant.user} & set(services.settings.administrators)),
        )
    return Known(of_grant(grant), grant.id, _text(claims, "jti"), until)


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


def _client(claims: Mapping[str, Any]) -> str:
    return _text(claims, "client_id") or _text(claims, "azp")


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _list(claims: Mapping[str, Any], name: str) -> list[str]:
    value = claims.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
