"""Speaks to an EHR's authorization server when a person is signed in there (SMART App Launch 2.2, sections 2 and 4)."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from fhirplan.ehr.fetching import Unfetchable, fetch
from fhirplan.ehr.keys import load_key, signed
from fhirplan.errors import EhrUnavailable, Issue
from fhirplan.settings import LOOPBACK_HOSTS, Connection

KEPT_SECONDS: Final = 300.0
ASSERTION_SECONDS: Final = 240
MOST_BYTES: Final = 2**20
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Place:
    """Where people sign in at an EHR, as its FHIR base ``iss`` describes it.

    ``issuer`` and ``jwks_url`` are of its id_tokens, "" where it gives none. ``named`` says that its answers name the
    issuer (RFC 9207).
    """

    iss: str
    authorization: str
    token: str
    issuer: str
    jwks_url: str
    capabilities: frozenset[str]
    named: bool


class NotThere(EhrUnavailable):
    """The EHR does not say where people sign in, or not safely enough."""


_places: dict[str, tuple[float, Place]] = {}
_lock: Final = threading.Lock()


def place(iss: str) -> Place:
    """Where people sign in at the EHR of this FHIR base, remembered for a while. Raises NotThere."""
    now = time.monotonic()
    with _lock:
        known = _places.get(iss)
    if known is not None and now < known[0]:
        return known[1]
    try:
        said = fetch(f"{iss.rstrip('/')}/.well-known/smart-configuration", loopback=True, private=True).value
    except Unfetchable as error:
        raise _not_there(f"its description of where people sign in cannot be had: {error.text}") from None
    made = _place(iss, said)
    with _lock:
        _places[iss] = now + KEPT_SECONDS, made
    return made


def _place(iss: str, said: Mapping[str, Any]) -> Place:
    listed = said.get("code_challenge_methods_supported")
    if not isinstance(listed, list) or "S256" not in listed:
        # Without it a code that is stolen on its way could be used: no going back to before PKCE.
        raise _not_there("it does not offer PKCE with S256")
    abilities = said.get("capabilities")
    return Place(
        iss,
        _safe(iss, said.get("authorization_endpoint"), "authorization_endpoint"),
        _safe(iss, said.get("token_endpoint"), "token_endpoint"),
        str(said.get("issuer") or ""),
        _safe(iss, said["jwks_uri"], "jwks_uri") if said.get("jwks_uri") else "",
        frozenset(str(item) for item in abilities) if isinstance(abilities, list) else frozenset(),
        said.get("authorization_response_iss_parameter_supported") is True,
    )


def _safe(iss: str, found: Any, name: str) -> str:
    """An endpoint, absolute; raises NotThere when it is neither https nor on this machine."""
    if not isinstance(found, str) or not found:
        raise _not_there(f"it names no {name}")
    url = urljoin(f"{iss.rstrip('/')}/", found)
    parts = urlsplit(url)
    near = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS and urlsplit(iss).hostname in LOOPBACK_HOSTS
    if (parts.scheme != "https" and not near) or parts.fragment or parts.username:
        raise _not_there(f"its {name} is not https")
    return url


@dataclass(frozen=True, slots=True)
class Told:
    """What a token endpoint answered: an HTTP status and a JSON object, {} where it was none."""

    status: int
    value: dict[str, Any]


def ask_for_token(connection: Connection, endpoint: str, form: Mapping[str, str], now: float) -> Told:
    """The answer of an EHR's token endpoint to this form, with our proof of who we are. Raises EhrUnavailable.

    ``now`` is in seconds since 1970.
    """
    given, headers = dict(form), {"Accept": "application/json"}
    if connection.launch_auth == "private-key-jwt":
        key = load_key(Path(connection.ehr_private_key))
        own = connection.launch_client_id
        claims = {"iss": own, "sub": own, "aud": endpoint, "exp": int(now) + ASSERTION_SECONDS, "jti": _jti()}
        given |= {"client_assertion_type": _ASSERTION, "client_assertion": signed(key, claims)}
    elif connection.launch_auth == "client-secret-basic":
        pair = f"{quote_plus(connection.launch_client_id)}:{quote_plus(connection.launch_client_secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    else:
        given["client_id"] = connection.launch_client_id
    try:
        with requests.Session() as session:
            session.trust_env = (urlsplit(endpoint).hostname or "") not in LOOPBACK_HOSTS
            answer = session.post(
                endpoint,
                data=given,
                headers=headers,
                timeout=connection.ehr_timeout,
                allow_redirects=False,
                stream=True,
            )
            body = answer.raw.read(MOST_BYTES, decode_content=True)
    except (requests.RequestException, HTTPError):
        raise EhrUnavailable(Issue("error", "transient", "The EHR does not answer. Try again in a moment.")) from None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = {}
    return Told(answer.status_code, value if isinstance(value, dict) else {})


def _jti() -> str:
    return str(uuid.uuid4())


def _not_there(why: str) -> NotThere:
    return NotThere(Issue("error", "login", f"Nobody can sign in at the EHR: {why}. Tell its administrator."))
