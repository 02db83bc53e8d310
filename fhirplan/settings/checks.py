"""Checks what a single value's declaration cannot: its inner form, and what several settings need of each other.

Each check is a function that yields what is wrong, key first; ``CHECKS`` and ``CHECKS_OF_CONNECTION`` list them.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from fhirplan.settings.connection import DEFAULT_CONNECTION, Connection
from fhirplan.settings.server import Settings

LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
SHORTEST_SECRET: Final = 16
ENCRYPTION_KEY_BYTES: Final = 32
# SMART App Launch 2.2.0, Obtain access token: "Access tokens SHOULD have a valid lifetime no greater than one hour".
LONGEST_TOKEN_SECONDS: Final = 3600
MOST_LEEWAY_SECONDS: Final = 300
TOKEN_ALGORITHMS: Final = ("RS256", "RS384", "ES384")
TOKEN_TYPES: Final = ("at+jwt", "JWT", "none")


def wrong(settings: Settings) -> list[str]:
    """What is wrong with settings whose values are each accepted by themselves; empty: nothing."""
    found = [line for check in CHECKS for line in check(settings)]
    for connection in settings.all_connections:
        where = "" if connection.name == DEFAULT_CONNECTION else f"connections.{connection.name}."
        found += [f"{where}{line}" for check in CHECKS_OF_CONNECTION for line in check(connection)]
    return found


def _open_on_loopback(settings: Settings) -> Iterator[str]:
    if settings.auth == "open" and (urlsplit(settings.base_url).hostname or "") not in LOOPBACK_HOSTS:
        yield (
            f"auth: open lets everybody read every patient, so it is refused for base_url {settings.base_url}. "
            "Use smart, or a base_url on 127.0.0.1."
        )


def _token_seconds(settings: Settings) -> Iterator[str]:
    if settings.token_seconds > LONGEST_TOKEN_SECONDS:
        yield f"token_seconds: {settings.token_seconds} is more than {LONGEST_TOKEN_SECONDS}, the most SMART allows."


def _time_zone(settings: Settings) -> Iterator[str]:
    try:
        ZoneInfo(settings.time_zone)
    except (KeyError, ValueError, OSError):
        yield f"time_zone: {settings.time_zone!r} is no IANA time zone such as America/Chicago."


def _jobs_url(settings: Settings) -> Iterator[str]:
    # Not repeated in the message: it may hold a password.
    if settings.jobs_url and urlsplit(settings.jobs_url).scheme not in ("postgresql", "postgres", "redis", "rediss"):
        yield "jobs_url: expected a postgresql:// or redis:// URL, or nothing for a file in data_dir."


def _terminology_url(settings: Settings) -> Iterator[str]:
    yield from _no_url("terminology_url", settings.terminology_url)


def _guarded_labels(settings: Settings) -> Iterator[str]:
    for item in settings.guarded_labels:
        if not all(item.rpartition("|")[::2]):
            yield f"guarded_labels: {item!r} is no label. Accepted: SYSTEM|CODE."


def _encryption_key(settings: Settings) -> Iterator[str]:
    # Found at the start, not when the first person signs in; and not repeated in the message.
    for item in filter(None, (part.strip() for part in settings.encryption_key.split(","))):
        try:
            length = len(base64.urlsafe_b64decode(item))
        except ValueError:
            length = 0
        if length != ENCRYPTION_KEY_BYTES:
            yield "encryption_key: this is no key, or holds one that is none. `fhirplan keys new` makes one."


def _trusted_proxies(settings: Settings) -> Iterator[str]:
    for item in settings.trusted_proxies:
        try:
            ipaddress.ip_network(item, strict=False)
        except ValueError:
            yield f"trusted_proxies: {item!r} is no address or network. Accepted: such as 127.0.0.1 or 10.0.0.0/8."


def _client_organizations(settings: Settings) -> Iterator[str]:
    for item in settings.client_organizations:
        if not re.fullmatch(r"[^=]+=\s*Organization/[A-Za-z0-9\-.]{1,64}", item):
            yield f"client_organizations: {item!r} names none. Accepted: CLIENT=Organization/ID."


def _ehr_url(connection: Connection) -> Iterator[str]:
    yield from _no_url("ehr_url", connection.ehr_url)


def _validation_profiles(connection: Connection) -> Iterator[str]:
    for line in connection.validation_profiles:
        canonical, _, act = line.rpartition("=")
        if ":" not in canonical or act.strip() not in ("refuse", "record"):
            yield (
                f"validation_profiles: {line!r} is no canonical and act such as "
                "http://example.org/StructureDefinition/plan=record. Accepted acts: refuse, record."
            )


def _merge_paths(connection: Connection) -> Iterator[str]:
    for line in connection.merge_paths:
        path, _, winner = line.partition("=")
        if not path.strip()[:1].isupper() or winner.strip() not in ("ehr", "ours", "newest", "ask"):
            yield (
                f"merge_paths: {line!r} is no path and winner such as Task.status=ehr. "
                "Accepted winners: ehr, ours, newest, ask."
            )


def _cds_clients(connection: Connection) -> Iterator[str]:
    for line in connection.cds_clients:
        issuer, _, address = line.partition("=")
        if not issuer.strip() or urlsplit(address.strip()).scheme not in ("http", "https"):
            yield (
                f"cds_clients: {line!r} is no issuer and address of its keys such as "
                "https://ehr.example.org=https://ehr.example.org/jwks.json."
            )


def _needed(connection: Connection) -> Iterator[str]:
    """What the chosen way of authenticating cannot do without."""
    for choice, chosen, key in (
        ("ehr_auth", "bearer", "ehr_token"),
        ("ehr_auth", "backend-services", "ehr_client_id"),
        ("ehr_auth", "backend-services", "ehr_private_key"),
        ("launch_auth", "client-secret-basic", "launch_client_secret"),
        ("launch_auth", "private-key-jwt", "ehr_private_key"),
        ("token_introspection_auth", "private-key-jwt", "ehr_client_id"),
        ("token_introspection_auth", "private-key-jwt", "ehr_private_key"),
        ("token_introspection_auth", "client-secret-basic", "launch_client_id"),
        ("token_introspection_auth", "client-secret-basic", "launch_client_secret"),
        ("token_introspection_auth", "bearer", "ehr_token"),
    ):
        if getattr(connection, choice) == chosen and not getattr(connection, key):
            yield f"{key}: {choice} is {chosen}, so this is needed."


def _ehr_notify_secret(connection: Connection) -> Iterator[str]:
    if 0 < len(connection.ehr_notify_secret) < SHORTEST_SECRET:
        yield (
            f"ehr_notify_secret: it has fewer than {SHORTEST_SECRET} characters, so it can be guessed. "
            "Make one with: openssl rand -hex 32"
        )


def _launch_issuers(connection: Connection) -> Iterator[str]:
    yield from _insecure("launch_issuers", connection.launch_issuers)


def _launch_frame_ancestors(connection: Connection) -> Iterator[str]:
    yield from _insecure("launch_frame_ancestors", connection.launch_frame_ancestors)
    for item in connection.launch_frame_ancestors:
        parts = urlsplit(item)
        if parts.path.strip("/") or parts.query or "*" in item:
            yield f"launch_frame_ancestors: {item!r} is no origin such as https://ehr.example.org."


def _token_issuers(connection: Connection) -> Iterator[str]:
    for line in connection.token_issuers:
        issuer, equals, address = line.partition("=")
        yield from _insecure("token_issuers", (issuer.strip(), *([address.strip()] if equals else [])))


def _token_introspection(connection: Connection) -> Iterator[str]:
    for line in connection.token_introspection:
        yield from _insecure("token_introspection", (part.strip() for part in line.partition("=")[::2]))


def _token_forms(connection: Connection) -> Iterator[str]:
    for key, known in (("token_algorithms", TOKEN_ALGORITHMS), ("token_types", TOKEN_TYPES)):
        listed = getattr(connection, key)
        if not listed or not set(listed) <= set(known):
            yield f"{key}: {', '.join(listed) or 'nothing'}. Accepted: {', '.join(known)}."


def _token_leeway(connection: Connection) -> Iterator[str]:
    if connection.token_leeway > MOST_LEEWAY_SECONDS:
        yield f"token_leeway: {connection.token_leeway} is more than {MOST_LEEWAY_SECONDS} seconds."


def _no_url(key: str, given: str) -> Iterator[str]:
    if given and urlsplit(given).scheme not in ("http", "https"):
        yield f"{key}: {given!r} is no http or https URL."


def _insecure(key: str, addresses: Iterable[str]) -> Iterator[str]:
    for item in addresses:
        parts = urlsplit(item)
        near = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
        if not parts.hostname or (parts.scheme != "https" and not near):
            yield f"{key}: {item!r} is no https address."


CHECKS: Final[tuple[Callable[[Settings], Iterator[str]], ...]] = (
    _open_on_loopback,
    _token_seconds,
    _time_zone,
    _jobs_url,
    _terminology_url,
    _guarded_labels,
    _client_organizations,
    _encryption_key,
    _trusted_proxies,
)
CHECKS_OF_CONNECTION: Final[tuple[Callable[[Connection], Iterator[str]], ...]] = (
    _ehr_url,
    _validation_profiles,
    _merge_paths,
    _cds_clients,
    _needed,
    _ehr_notify_secret,
    _launch_issuers,
    _launch_frame_ancestors,
    _token_issuers,
    _token_introspection,
    _token_forms,
    _token_leeway,
)
