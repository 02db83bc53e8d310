"""Checks an app's authorization request and gives the app a code once a person agreed (RFC 6749, SMART 2.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fhirplan.launch import granting
from fhirplan.launch.authority import Authority
from fhirplan.launch.begin import with_fields
from fhirplan.launch.discovery import people_sign_in
from fhirplan.launch.refusals import PageRefused
from fhirplan.launch.registry import find
from fhirplan.settings import Connection
from fhirplan.store.access import grants, tickets
from fhirplan.store.access.clients import Client
from fhirplan.store.access.grants import Grant
from fhirplan.store.access.secrets import digest, same
from fhirplan.store.engine import Transaction

CODE_SECONDS: Final = 60
ANYBODY: Final = "anybody"
"""The subject on a server that is open to all, where nobody is asked who they are."""
MINUTES: Final = 15
"""How long a request waits for a person."""
LAUNCH_MINUTES: Final = 5
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_\-]{43}")
_STATE: Final = re.compile(r"[\x21-\x7e]{8,1000}")
_NONCE: Final = re.compile(r"[\x21-\x7e]{0,500}")


_NO_AUD: Final = ("invalid_request", "aud is not the FHIR base that this app is registered for.")
_NO_SCOPE: Final = ("invalid_scope", "None of the scopes asked for may be given to this app.")
_NO_LAUNCH: Final = ("invalid_request", "launch is not known here, was used before, or is another app's.")


class SentBack(Exception):
    """A refusal that the app is told by way of the browser, at ``url``."""

    def __init__(self, url: str) -> None:
        super().__init__("sent back to the app")
        self.url = url


@dataclass(frozen=True, slots=True)
class Waiting:
    """An app's request that waits for a person. ``person`` is empty until they signed in; ids are ours."""

    client: Client
    connection: Connection
    body: dict[str, Any]

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that may be granted."""
        return tuple(self.body["scopes"])

    @property
    def person(self) -> dict[str, str]:
        """Who signed in: ``subject``, ``user``, ``patient``, ``encounter``."""
        return dict(self.body.get("person") or {})

    @property
    def launched(self) -> dict[str, str]:
        """The context of the chart that opened the app; empty for none."""
        return dict(self.body.get("launch") or {})


def ask(authority: Authority, given: Mapping[str, str], binding: str) -> str:
    """Keeps a request and gives its secret; ``binding`` is the value of the browser's cookie.

    Raises PageRefused where the browser must not be sent on, SentBack where the app is told.
    """
    client, redirect = _app(authority, given)
    connection = authority.connection_at(given.get("aud") or given.get("resource", ""))
    granted = granting.granted(given.get("scope", "").split(), client.scopes)
    scopes = [text for text in granted if not granting.for_programs(text)]
    problem = _wrong(authority, client, connection, given) or (None if scopes else _NO_SCOPE)
    if problem is not None or connection is None:
        raise _sent_back(authority, given, problem or _NO_AUD)
    body: dict[str, Any] = {
        "client": client.client_id,
        "connection": connection.name,
        "redirect": redirect,
        "state": given["state"],
        "challenge": given["code_challenge"],
        "nonce": given.get("nonce", ""),
        "scopes": scopes,
        "binding": digest(binding),
    }
    now = authority.clock()
    with authority.database.write() as tx:
        launch = _launched(authority, tx, client, given["launch"]) if "launch" in given else {}
        ends = now + MINUTES * 60_000
        secret = tickets.issue(tx, authority.sealer, "request", {**body, "launch": launch}, expires=ends, now=now)
    if "launch" in given and not launch:
        raise _sent_back(authority, given, _NO_LAUNCH)
    return secret


def _app(authority: Authority, given: Mapping[str, str]) -> tuple[Client, str]:
    """The app that asks and where it is to be told; raises PageRefused where either is unknown."""
    client = find(authority, given.get("client_id", ""))
    redirect = given.get("redirect_uri", "")
    if client is None or (client.kind == "key" and not client.redirect_uris):
        raise PageRefused("unknown_app")
    if redirect not in client.redirect_uris:
        raise PageRefused("wrong_redirect")
    return client, redirect


def _wrong(
    authority: Authority, client: Client, connection: Connection | None, given: Mapping[str, str]
) -> tuple[str, str] | None:
    """What is wrong with a request but for its scopes, as OAuth's code and in words; None for nothing."""
    if given.get("response_type") != "code":
        return "unsupported_response_type", "The only response_type is code."
    if not _STATE.fullmatch(given.get("state", "")):
        return "invalid_request", "state is missing, or is not 8 to 1000 printable characters."
    if connection is None or connection.name != client.connection:
        return _NO_AUD
    if not people_sign_in(authority, connection):
        return "temporarily_unavailable", "Nobody can sign in here: no EHR is configured for it."
    if given.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(given.get("code_challenge", "")):
        return "invalid_request", "PKCE with S256 is required: code_challenge and code_challenge_method=S256."
    if not _NONCE.fullmatch(given.get("nonce", "")):
        return "invalid_request", "nonce is longer than 500 characters."
    return None


def _sent_back(authority: Authority, given: Mapping[str, str], problem: tuple[str, str]) -> SentBack:
    error, text = problem
    fields = {"error": error, "error_description": text, "state": given.get("state", "")}
    return SentBack(led(authority, given["redirect_uri"], fields))


def _launched(authority: Authority, tx: Transaction, client: Client, secret: str) -> dict[str, Any]:
    """The context of a launch, which is used up by this; empty where it is unknown, over or another app's."""
    found = tickets.redeem(tx, authority.sealer, "launch", secret, authority.clock())
    good = found is not None and found.state == "good" and found.body["client"] == client.client_id
    return found.body if found is not None and good else {}


def waiting(authority: Authority, secret: str, binding: str) -> Waiting:
    """The request of that secret, in the browser that it was begun in. Raises PageRefused."""
    with authority.database.read() as tx:
        found = tickets.look(tx, authority.sealer, "request", secret, authority.clock())
    if found is None or found.state != "good" or not same(binding, str(found.body["binding"])):
        raise PageRefused("request_elsewhere")
    client = find(authority, str(found.body["client"]))
    connection = authority.settings.connection(str(found.body["connection"]))
    if client is None or connection is None:
        raise PageRefused("app_gone")
    return Waiting(client, connection, found.body)


def signed_in(authority: Authority, secret: str, binding: str, person: Mapping[str, str]) -> str:
    """The request again, now with who signed in for it: a new secret. Raises PageRefused."""
    known = waiting(authority, secret, binding)
    launch = known.launched
    if launch and launch["subject"] != person.get("subject"):
        raise PageRefused("somebody_else")
    now = authority.clock()
    with authority.database.write() as tx:
        used = tickets.redeem(tx, authority.sealer, "request", secret, now)
        if used is None or used.state != "good":
            raise PageRefused("request_over")
        body = {**known.body, "person": dict(person)}
        return tickets.issue(tx, authority.sealer, "request", body, expires=now + MINUTES * 60_000, now=now)


def refuse(authority: Authority, secret: str, binding: str) -> str:
    """Where to send the browser when the person refused. Raises PageRefused."""
    known = waiting(authority, secret, binding)
    with authority.database.write() as tx:
        tickets.redeem(tx, authority.sealer, "request", secret, authority.clock())
    fields = {"error": "access_denied", "error_description": "The person refused.", "state": str(known.body["state"])}
    return led(authority, str(known.body["redirect"]), fields)


def allow(authority: Authority, secret: str, binding: str, chosen: Iterable[str], patient: str = "") -> str:
    """Where to send the browser, with a code, when the person allowed ``chosen`` of the scopes. Raises PageRefused.

    ``patient`` is one chosen on our own page, heeded only on a server that is open to all.
    """
    known = waiting(authority, secret, binding)
    allowed = [text for text in known.scopes if text in set(chosen)]
    if not known.person:
        raise PageRefused("not_signed_in")
    who = known.person
    about = known.launched.get("patient") or who.get("patient", "")
    if not about and authority.settings.auth == "open":
        about = patient
    if not about:
        # A patient's scopes without a patient would mean nothing, or everything.
        allowed = [text for text in allowed if not granting.needs_patient([text])]
    if not any("/" in text or text == "openid" for text in allowed):
        return refuse(authority, secret, binding)
    now = authority.clock()
    grant = Grant(
        authority.new_id(),
        known.connection.name,
        known.client.client_id,
        who["subject"],
        who.get("user", ""),
        " ".join(allowed),
        about if granting.needs_patient(allowed) or "launch" in allowed else "",
        _encounter(known, allowed),
        now,
        now + _lasting(authority, allowed),
    )
    code = {"redirect_uri": known.body["redirect"], "challenge": known.body["challenge"], "nonce": known.body["nonce"]}
    with authority.database.write() as tx:
        used = tickets.redeem(tx, authority.sealer, "request", secret, now)
        if used is None or used.state != "good":
            raise PageRefused("request_over")
        grants.add(tx, grant)
        ends = now + CODE_SECONDS * 1000
        text = tickets.issue(tx, authority.sealer, "code", code, gid=grant.gid, expires=ends, now=now)
    return led(authority, str(known.body["redirect"]), {"code": text, "state": str(known.body["state"])})


def _encounter(known: Waiting, allowed: list[str]) -> str:
    found = known.launched.get("encounter") or known.person.get("encounter", "")
    return found if {"launch", "launch/encounter"} & set(allowed) else ""


def _lasting(authority: Authority, allowed: list[str]) -> int:
    """How long a grant lasts, in ms: an app's token only, a working day, or as the setting says."""
    settings = authority.settings
    if "offline_access" in allowed:
        return int(settings.grant_hours * 3_600_000)
    if "online_access" in allowed:
        return int(settings.session_hours * 3_600_000)
    return (CODE_SECONDS + min(settings.token_seconds, 3600)) * 1000


def hand_out_launch(authority: Authority, client: Client, context: Mapping[str, str]) -> str:
    """A ``launch`` value for opening an app from our chart: ``subject``, ``user``, ``patient``, ``encounter``."""
    now = authority.clock()
    body = {**context, "client": client.client_id}
    with authority.database.write() as tx:
        ends = now + LAUNCH_MINUTES * 60_000
        return tickets.issue(tx, authority.sealer, "launch", body, expires=ends, now=now)


def led(authority: Authority, redirect: str, fields: Mapping[str, str]) -> str:
    """A registered redirect URI with these fields and who answers (RFC 9207) added to its query."""
    return with_fields(redirect, {name: value for name, value in {**fields, "iss": authority.issuer}.items() if value})
