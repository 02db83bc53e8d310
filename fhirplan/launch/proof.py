"""Finds out which client is asking, by the proof that it is registered with (RFC 6749 section 2.3)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import unquote_plus

from fhirplan.launch import assertion
from fhirplan.launch.authority import Authority
from fhirplan.launch.refusals import OAuthRefused, invalid_client
from fhirplan.launch.registry import find
from fhirplan.store.access.clients import Client
from fhirplan.store.access.secrets import same


def client_of(authority: Authority, form: Mapping[str, str], authorization: str) -> Client:
    """The client that a form with this Authorization header ("" for none) comes from.

    Raises OAuthRefused: ``invalid_client``, or ``invalid_request`` for two proofs at once.
    """
    basic = authorization.partition(" ")[0].lower() == "basic"
    proofs = [basic, "client_assertion" in form or "client_assertion_type" in form, "client_secret" in form]
    if sum(proofs) > 1:
        raise OAuthRefused("invalid_request", "The client proves who it is in two ways at once. Send one.")
    if proofs[1]:
        return _by_assertion(authority, form)
    if basic:
        client_id, secret = _basic(authorization)
        return _by_secret(authority, client_id, secret, form, basic=True)
    if proofs[2]:
        return _by_secret(authority, form.get("client_id", ""), form["client_secret"], form, basic=False)
    client = find(authority, form.get("client_id", ""))
    if client is None or client.kind != "public":
        raise invalid_client("The client is unknown, or must prove who it is: by an assertion or by HTTP Basic.")
    return client


def _by_assertion(authority: Authority, form: Mapping[str, str]) -> Client:
    if form.get("client_assertion_type") != assertion.TYPE:
        raise invalid_client(f"client_assertion_type is not {assertion.TYPE}.")
    client = assertion.authenticated(authority, form.get("client_assertion", ""))
    if form.get("client_id", client.client_id) != client.client_id:
        raise invalid_client("client_id is another one's than the assertion's.")
    return client


def _by_secret(authority: Authority, client_id: str, secret: str, form: Mapping[str, str], *, basic: bool) -> Client:
    client = find(authority, client_id)
    # The digest is compared also for a client that is unknown, so that both take the same time.
    fits = same(secret, client.secret_digest if client is not None and client.kind == "secret" else "0" * 64)
    if client is None or not fits or form.get("client_id", client_id) != client_id:
        raise invalid_client("The client is unknown here, or the secret is not its own.", basic=basic)
    return client


def _basic(authorization: str) -> tuple[str, str]:
    """The client id and secret, each form-encoded before (RFC 6749 section 2.3.1)."""
    try:
        text = base64.b64decode(authorization.partition(" ")[2].strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise invalid_client("The Authorization header is no HTTP Basic.", basic=True) from None
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)
