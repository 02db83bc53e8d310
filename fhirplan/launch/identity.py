"""Verifies who an EHR says a person is (OpenID Connect Core 1.0 section 3.1.3.7), and finds them among ours."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from fhirplan.ehr.fetching import Unfetchable
from fhirplan.fhir import reference
from fhirplan.launch.authority import Authority
from fhirplan.launch.refusals import PageRefused
from fhirplan.store.engine import Transaction
from fhirplan.store.sync import links
from fhirplan.telemetry import log

# Never one that a public key could be taken for a secret with.
_ALGORITHMS: Final = {"RS256": "RSA", "RS384": "RSA", "ES256": "EC", "ES384": "EC"}
_LEEWAY: Final = 60
_LONGEST: Final = 16_384
_log: Final = log("launch")
PEOPLE: Final = ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Person")


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in: ``subject`` is unique and says nothing by itself; ``user`` is fhirUser as the EHR gave it."""

    subject: str
    user: str


def person(authority: Authority, body: dict[str, Any], client_id: str, token: Any) -> Person:
    """The person that an id_token names, for the sign-in that ``body`` began. Raises PageRefused."""
    if not body["issuer"] or not body["jwks"]:
        raise _unknown("no_signer")
    if not isinstance(token, str) or not token or len(token) > _LONGEST:
        raise _unknown("no_id_token")
    claims = _verified(authority, str(body["jwks"]), token)
    now = authority.clock() / 1000
    if claims.get("iss") != body["issuer"]:
        raise _unknown("id_issuer")
    named = claims.get("aud")
    audience = named if isinstance(named, list) else [named]
    if client_id not in audience or (len(audience) > 1 and claims.get("azp") != client_id):
        raise _unknown("id_client")
    if not _is_time(claims.get("exp")) or claims["exp"] + _LEEWAY <= now:
        raise _unknown("id_expired")
    if not _is_time(claims.get("iat")) or claims["iat"] - _LEEWAY > now:
        raise _unknown("id_future")
    if claims.get("nonce") != body["nonce"]:
        raise _unknown("id_nonce")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise _unknown("id_nobody")
    return Person(_subject(str(body["issuer"]), subject), _user(claims))


def _verified(authority: Authority, jwks_url: str, token: str) -> dict[str, Any]:
    try:
        header = jws.extract_compact(token.encode("ascii")).headers()
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in _ALGORITHMS:
            raise _unknown("id_algorithm")
        listed = authority.ehr_keys.keys(jwks_url, kid if isinstance(kid, str) else "")
        fitting = [item for item in listed if item.get("kty") == _ALGORITHMS[algorithm]]
        if len(fitting) != 1:
            raise _unknown("id_key")
        kind = ECKey if _ALGORITHMS[algorithm] == "EC" else RSAKey
        return dict(jwt.decode(token, kind.import_key(fitting[0]), algorithms=[algorithm]).claims)
    except (JoseError, ValueError, KeyError, TypeError):
        raise _unknown("id_signature") from None
    except Unfetchable as error:
        _log.warning("keys of an EHR cannot be had", reason=error.text)
        raise _unknown("id_no_keys") from None


def _user(claims: dict[str, Any]) -> str:
    """fhirUser, or the older claim ``profile``."""
    found = claims.get("fhirUser") or claims.get("profile")
    return found if isinstance(found, str) and len(found) < 2000 else ""


def _subject(issuer: str, subject: str) -> str:
    return hashlib.sha256(f"{issuer} {subject}".encode()).hexdigest()[:40]


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def ours(tx: Transaction, connection: str, ehr_base: str, text: str, type_: str = "") -> str:
    """Our id, as type/id, of what the EHR calls ``text``; "" when it is not known here.

    With ``type_`` the text may be an id alone, as the launch context gives it.
    """
    found = reference.parse(f"{type_}/{text}" if type_ and "/" not in text else text)
    if found is None or (type_ and found.type != type_) or (not type_ and found.type not in PEOPLE):
        return ""
    if found.server not in ("", ehr_base.rstrip("/")):
        return ""
    id_ = links.our_id(tx, connection, found.type, found.id)
    return f"{found.type}/{id_}" if id_ else ""


def _unknown(why: str) -> PageRefused:
    return PageRefused("unknown_person", because=why)
