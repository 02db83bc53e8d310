"""Finds registered clients, in the settings' file or the database, and reads and writes registrations as JSON.

The names are those of RFC 7591, with ``connection``, ``launch_uris`` and ``client_secret_sha256`` of our own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from fhirplan.errors import Misconfigured
from fhirplan.launch.authority import Authority
from fhirplan.launch.granting import for_programs, unusable
from fhirplan.settings import DEFAULT_CONNECTION, LOOPBACK_HOSTS, Settings
from fhirplan.store.access import clients
from fhirplan.store.access.clients import Client, ClientKind

_METHODS: Final[dict[ClientKind, str]] = {"public": "none", "secret": "client_secret_basic", "key": "private_key_jwt"}
_KINDS: Final[dict[str, ClientKind]] = {
    "none": "public",
    "client_secret_basic": "secret",
    "client_secret_post": "secret",
    "private_key_jwt": "key",
}
_KEY_TYPES: Final = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def find(authority: Authority, client_id: str) -> Client | None:
    """The client of that id that may ask for something now; None for an unknown or disabled one."""
    if not client_id:
        return None
    for item in from_file(authority.settings):
        if item.client_id == client_id:
            return item
    with authority.database.read() as tx:
        found = clients.get(tx, client_id)
    return found if found is not None and not found.disabled else None


_files: dict[str, tuple[int, tuple[Client, ...]]] = {}


def from_file(settings: Settings) -> tuple[Client, ...]:
    """The clients of the settings' file, read anew when it changed; raises Misconfigured."""
    if not settings.clients_file:
        return ()
    path = Path(settings.clients_file)
    try:
        stamp = path.stat().st_mtime_ns
        known = _files.get(settings.clients_file)
        if known is not None and known[0] == stamp:
            return known[1]
        listed = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"clients_file: {path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise Misconfigured(f"clients_file: {path} is not JSON.") from None
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise Misconfigured(f"clients_file: {path} is no list of registrations.")
    made = tuple(read(item, settings) for item in listed)
    _files[settings.clients_file] = stamp, made
    return made


def read(given: dict[str, Any], settings: Settings) -> Client:
    """The client that a registration describes; raises Misconfigured with what is wrong with it."""
    client_id = str(given.get("client_id") or "")
    if not client_id:
        raise Misconfigured("A registration has no client_id.")
    method = str(given.get("token_endpoint_auth_method") or "")
    if method not in _KINDS:
        raise Misconfigured(f"client {client_id}: token_endpoint_auth_method is not one of {', '.join(_KINDS)}.")
    client = Client(
        client_id,
        str(given.get("connection") or DEFAULT_CONNECTION),
        str(given.get("client_name") or client_id),
        _KINDS[method],
        tuple(str(given.get("scope") or "").split()),
        secret_digest=str(given.get("client_secret_sha256") or ""),
        jwks=json.dumps(given["jwks"]) if isinstance(given.get("jwks"), dict) else "",
        jwks_url=str(given.get("jwks_uri") or ""),
        redirect_uris=_texts(given.get("redirect_uris")),
        launch_uris=_texts(given.get("launch_uris")),
    )
    problem = wrong(client, settings)
    if problem:
        raise Misconfigured(f"client {client_id}: {problem}")
    return client


def shown(client: Client) -> dict[str, Any]:
    """The registration of a client, without its secret, which is not kept."""
    made: dict[str, Any] = {
        "client_id": client.client_id,
        "client_name": client.name,
        "connection": client.connection,
        "token_endpoint_auth_method": _METHODS[client.kind],
        "scope": " ".join(client.scopes),
        "redirect_uris": list(client.redirect_uris),
        "launch_uris": list(client.launch_uris),
        "jwks": json.loads(client.jwks) if client.jwks else None,
        "jwks_uri": client.jwks_url,
        "client_secret_sha256": client.secret_digest,
        "disabled": bool(client.disabled),
    }
    return {name: value for name, value in made.items() if value or name == "disabled"}


def wrong(client: Client, settings: Settings) -> str:
    """What is wrong with a registration, in words; "" when nothing is."""
    unknown = unusable(client.scopes)
    if unknown:
        return f"no scope that is served here: {', '.join(unknown)}"
    if not client.scopes:
        return "it has no scopes, so it could never get anything"
    if settings.connection(client.connection) is None:
        return f"there is no connection named {client.connection}"
    system = [text for text in client.scopes if for_programs(text)]
    if system and client.kind != "key":
        return f"{system[0]} is for clients that prove who they are by a key (SMART Backend Services)"
    if client.kind == "secret" and len(client.secret_digest) != 64:
        return "client_secret_sha256 is no SHA-256 in hexadecimal digits"
    if client.kind == "key":
        problem = _wrong_keys(client)
        if problem:
            return problem
    if len(system) < len(client.scopes) and not client.redirect_uris:
        return "scopes that a person grants need a redirect URI to come back to"
    for uri in (*client.redirect_uris, *client.launch_uris):
        problem = _wrong_uri(uri)
        if problem:
            return problem
    return ""


def _wrong_keys(client: Client) -> str:
    if bool(client.jwks) == bool(client.jwks_url):
        return "it needs either a key set or the address of one"
    if client.jwks_url:
        parts = urlsplit(client.jwks_url)
        fine = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
        return "" if fine and parts.hostname else "the address of its key set is not https"
    try:
        listed = json.loads(client.jwks)["keys"]
        for key in listed:
            needed = _KEY_TYPES.get(key.get("kty"))
            if needed is None or not needed <= set(key) or not key.get("kid"):
                return "its key set has a key that is no RSA or EC key with a kid"
            if _PRIVATE & set(key):
                return "its key set holds a private key. Give public halves only, and make a new key: this one is known"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "its key set is no JWKS"
    return "" if listed else "its key set is empty"


def _wrong_uri(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.fragment or uri.endswith("#") or "\\" in uri or any(ord(letter) <= 32 for letter in uri):
        return f"{uri} has a fragment or a character that has no place in a URI"
    if parts.username or parts.password:
        return f"{uri} holds a user name"
    if parts.scheme == "https" and parts.hostname:
        return ""
    if parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS:
        return ""
    # RFC 8252 section 7.1: a native app's own scheme is a reversed domain name.
    if "." in parts.scheme and parts.scheme not in ("http", "https"):
        return ""
    return f"{uri} is not https, nor on this machine, nor an app's own scheme such as org.example.app:/back"


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
