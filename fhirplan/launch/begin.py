"""Sends a person to sign in at their EHR: from a chart that opens us, or from our own door (SMART App Launch 2.2)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from fhirplan.ehr.sign_in import Place, place
from fhirplan.launch.authority import Authority
from fhirplan.launch.refusals import PageRefused
from fhirplan.settings import Connection
from fhirplan.store.access import tickets
from fhirplan.store.access.secrets import digest, new_secret

MINUTES: Final = 10
"""How long a person may take to sign in."""
_LONGEST: Final = 4000


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes next, with which fields and how (``get`` or ``post``).

    ``state`` names the attempt in the browser's cookie, whose value ``binding`` proves on the way back that it is the
    same browser.
    """

    url: str
    fields: Mapping[str, str]
    method: str
    state: str
    binding: str

    @property
    def address(self) -> str:
        """All of it as one address, for GET; a query that the endpoint has stays (RFC 6749 section 3.1)."""
        return with_fields(self.url, self.fields)


def with_fields(url: str, fields: Mapping[str, str]) -> str:
    """An address with these fields after those that its query has."""
    parts = urlsplit(url)
    query = "&".join(item for item in (parts.query, urlencode(dict(fields))) if item)
    return urlunsplit(parts._replace(query=query))


def connection_of(authority: Authority, iss: str) -> Connection:
    """The connection that an ``iss`` belongs to, which is one of those configured. Raises PageRefused.

    Nothing is ever fetched from an address that is not in the settings.
    """
    wanted = iss.rstrip("/")
    for item in authority.settings.all_connections:
        if item.launch_client_id and wanted in issuers(item):
            return item
    raise PageRefused("unknown_ehr", status=403)


def issuers(connection: Connection) -> tuple[str, ...]:
    """The FHIR bases that may open our pages, without slashes at their ends."""
    return tuple(item.rstrip("/") for item in connection.launch_issuers or (connection.ehr_url,) if item)


def begin(
    authority: Authority,
    connection: Connection,
    iss: str,
    *,
    launch: str = "",
    goal: Mapping[str, Any] | None = None,
    scopes: str = "",
) -> Begun:
    """Where to send the browser so that its person signs in at ``iss``, and comes back to /auth/callback.

    ``launch`` is what the EHR opened us with, "" where it did not. ``goal`` says what the sign-in is for; without one
    it is to open the chart. Raises PageRefused, EhrUnavailable.
    """
    if len(launch) > _LONGEST:
        raise PageRefused("launch_too_long")
    found = place(iss)
    secret, verifier, nonce = new_secret(), new_secret() + new_secret(), new_secret()
    redirect = f"{authority.issuer}/callback"
    ours = {"connection": connection.name, "redirect": redirect, "goal": dict(goal or {"to": "chart"})}
    body = {**ours, **_of_place(iss, found), "verifier": verifier, "nonce": nonce, "binding": digest(secret)}
    now = authority.clock()
    with authority.database.write() as tx:
        ends = now + MINUTES * 60_000
        state = tickets.issue(tx, authority.sealer, "state", body, expires=ends, now=now)
    fields = {
        "response_type": "code",
        "client_id": connection.launch_client_id,
        "redirect_uri": redirect,
        "scope": _asked(scopes or connection.launch_scopes, launched=bool(launch)),
        "state": state,
        "aud": iss,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
        "nonce": nonce,
    }
    if launch:
        fields["launch"] = launch
    return Begun(found.authorization, fields, _method(connection, found), state, secret)


def _of_place(iss: str, found: Place) -> dict[str, Any]:
    """What the answer is held to when it comes: where it is from, and whose it must be."""
    return {
        "iss": iss,
        "token": found.token,
        "issuer": found.issuer,
        "jwks": found.jwks_url,
        "named": found.named,
    }


def _method(connection: Connection, found: Place) -> str:
    return "post" if connection.launch_authorize == "post" and "authorize-post" in found.capabilities else "get"


def _asked(scopes: str, *, launched: bool) -> str:
    """``launch`` only where the EHR opens us, ``launch/patient`` only where it does not."""
    unfit = ("launch/patient", "launch/encounter") if launched else ("launch",)
    return " ".join(item for item in scopes.split() if item not in unfit)


def challenge(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()
