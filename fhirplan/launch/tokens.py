"""Answers the token endpoint: client credentials, authorization codes and refresh tokens (RFC 6749 section 4)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, Final

from fhirplan.launch import granting, issuing
from fhirplan.launch.authority import Authority
from fhirplan.launch.proof import client_of
from fhirplan.launch.refusals import OAuthRefused
from fhirplan.launch.registry import find
from fhirplan.store.access import grants, tickets
from fhirplan.store.access.clients import Client
from fhirplan.store.access.grants import Grant
from fhirplan.store.access.tickets import Ticket
from fhirplan.store.engine import Transaction

GRANT_TYPES: Final = ("client_credentials", "authorization_code", "refresh_token")
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~\-]{43,128}")


def answer(authority: Authority, form: Mapping[str, str], authorization: str) -> dict[str, Any]:
    """The token response to a form with this Authorization header. Raises OAuthRefused."""
    kind = form.get("grant_type", "")
    if kind not in GRANT_TYPES:
        # Before the client is asked who it is: SMART's conformance tests want exactly this.
        code = "unsupported_grant_type" if kind else "invalid_request"
        raise OAuthRefused(code, f"grant_type is not one of {', '.join(GRANT_TYPES)}.")
    client = _silent(authority, form) if not authorization and kind == "refresh_token" else None
    client = client or client_of(authority, form, authorization)
    if kind == "client_credentials":
        return _for_client(authority, client, form)
    refused: OAuthRefused | None = None
    with authority.database.write() as tx:
        # A refusal must not undo that the code was used or the grant revoked, so it is raised after the transaction.
        try:
            by = _by_code if kind == "authorization_code" else _by_refresh
            made = by(authority, tx, client, form)
        except OAuthRefused as error:
            refused = error
    if refused is not None:
        raise refused
    return made


def _silent(authority: Authority, form: Mapping[str, str]) -> Client | None:
    """The public client that a refresh token was given to, where none is named; None for any other.

    RFC 6749 section 6 has only clients that can prove who they are do so, and the SMART JavaScript client leaves its
    client_id out here. The token itself, which works once, is what it proves.
    """
    if {"client_id", "client_assertion", "client_assertion_type", "client_secret"} & set(form):
        return None
    with authority.database.read() as tx:
        ticket = tickets.look(tx, authority.sealer, "refresh", form.get("refresh_token", ""), authority.clock())
        grant = grants.get(tx, ticket.gid) if ticket is not None else None
    client = find(authority, grant.client_id) if grant is not None else None
    return client if client is not None and client.kind == "public" else None


def _for_client(authority: Authority, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    if client.kind != "key":
        raise OAuthRefused("unauthorized_client", "client_credentials is for clients registered with a key.")
    asked = form.get("scope", "").split()
    own = [text for text in client.scopes if granting.for_programs(text)]
    scope = " ".join(granting.granted((text for text in asked if granting.for_programs(text)), own))
    if not scope:
        raise OAuthRefused(
            "invalid_scope", f"None of the scopes asked for may be given. Registered: {' '.join(own) or 'none'}."
        )
    with authority.database.write() as tx:
        grant = issuing.granted_to_client(authority, tx, client.client_id, client.connection, scope)
    return issuing.token_answer(authority, grant, scope, issuing.BACKEND_SECONDS)


def _by_code(authority: Authority, tx: Transaction, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    now = authority.clock()
    ticket = tickets.redeem(tx, authority.sealer, "code", form.get("code", ""), now)
    grant = _standing(authority, tx, client, ticket, "code")
    body = ticket.body if ticket is not None else {}
    if form.get("redirect_uri", "") != body.get("redirect_uri"):
        raise _bad_grant(authority, tx, grant, "redirect_uri is not the one that the code was asked for with.")
    if not _fits(form.get("code_verifier", ""), str(body.get("challenge", ""))):
        raise _bad_grant(authority, tx, grant, "code_verifier is missing or does not fit the code_challenge.")
    return issuing.app_answer(authority, tx, grant, grant.scope, str(body.get("nonce", "")))


def _by_refresh(authority: Authority, tx: Transaction, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    now = authority.clock()
    secret = form.get("refresh_token", "")
    known = tickets.look(tx, authority.sealer, "refresh", secret, now)
    grant = _standing(authority, tx, client, known, "refresh token")
    asked = form.get("scope", "").split()
    held = grant.scope.split()
    # Narrower than the grant is fine, wider is not, and nothing is used up by asking wrongly.
    scope = " ".join(granting.granted(asked, held)) if asked else grant.scope
    if asked and (not scope or any(not granting.granted([text], held) for text in asked)):
        raise OAuthRefused("invalid_scope", f"A renewed token has at most the scopes granted: {grant.scope}.")
    used = tickets.redeem(tx, authority.sealer, "refresh", secret, now)
    if used is None or used.state != "good":
        # Another request, on a database where writers do not wait for each other, was first between look and use.
        raise _bad_grant(authority, tx, grant, "The refresh token was used before, so all that came of it has ended.")
    made = issuing.app_answer(authority, tx, grant, scope)
    if "refresh_token" not in made:
        body = {"scope": grant.scope}
        made["refresh_token"] = tickets.issue(
            tx, authority.sealer, "refresh", body, gid=grant.gid, expires=grant.expires, now=now
        )
    return made


def _standing(authority: Authority, tx: Transaction, client: Client, ticket: Ticket | None, what: str) -> Grant:
    """The grant behind a code or refresh token that is this client's, in time and used for the first time.

    A second use means that somebody else has it too, so all that came of it ends (RFC 6749 section 4.1.2, RFC 9700
    section 4.14.2).
    """
    grant = grants.get(tx, ticket.gid) if ticket is not None else None
    if ticket is None or grant is None or grant.client_id != client.client_id:
        raise OAuthRefused("invalid_grant", f"The {what} is unknown here, or another client's.")
    if ticket.state == "used":
        raise _bad_grant(authority, tx, grant, f"The {what} was used before, so all tokens that came of it have ended.")
    if ticket.state == "expired" or not grants.live(tx, grant.gid, authority.clock()):
        raise OAuthRefused("invalid_grant", f"The {what} has expired or was revoked. Ask the person again.")
    return grant


def _bad_grant(authority: Authority, tx: Transaction, grant: Grant, text: str) -> OAuthRefused:
    """A refusal that ends the grant: whoever tries this is not the one that it was made for."""
    grants.revoke(tx, grant.gid, authority.clock())
    return OAuthRefused("invalid_grant", text)


def _fits(verifier: str, challenge: str) -> bool:
    """Whether a verifier is the one behind an S256 challenge (RFC 7636 section 4.6)."""
    if not _VERIFIER.fullmatch(verifier) or not challenge:
        return False
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=")
    return hmac.compare_digest(made, challenge.encode())
