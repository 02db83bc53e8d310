"""Those whose access tokens are taken besides our own: the authorization servers of EHRs, as the settings name them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fhirplan.access.token import ACCESS_TOKEN
from fhirplan.ehr.introspection import Introspection
from fhirplan.ehr.keys import load_key
from fhirplan.ehr.token_keys import TokenKeys
from fhirplan.interactions.issuers import Issuer
from fhirplan.interactions.services import fhir_base
from fhirplan.settings import Connection, Settings

_TYPES: Final = {"at+jwt": ACCESS_TOKEN, "JWT": frozenset({"jwt"}), "none": frozenset({""})}


def ehr_issuers(settings: Settings) -> tuple[Issuer, ...]:
    """The issuers of all connections; nothing is fetched before the first token. Raises Misconfigured for a bad key."""
    return tuple(item for connection in settings.all_connections for item in _of(settings, connection))


def _of(settings: Settings, connection: Connection) -> Iterator[Issuer]:
    keys = dict(_pair(line) for line in connection.token_issuers)
    asked = dict(_pair(line) for line in connection.token_introspection)
    audiences = frozenset(connection.token_audiences) or frozenset({fhir_base(settings, connection.name)})
    types = frozenset[str]().union(*(_TYPES[item] for item in connection.token_types))
    for url in dict.fromkeys([*keys, *asked]):
        yield Issuer(
            url,
            connection.name,
            audiences,
            algorithms=frozenset(connection.token_algorithms),
            types=types,
            keys=TokenKeys(url, keys[url]) if url in keys else None,
            introspect=_introspection(connection, url, asked[url]) if url in asked else None,
            ehr_url=connection.ehr_url,
            leeway=connection.token_leeway,
            clients=frozenset(connection.token_clients),
            relied_on=connection.token_check_seconds,
        )


def _pair(line: str) -> tuple[str, str]:
    issuer, _, address = line.partition("=")
    return issuer.strip(), address.strip()


def _introspection(connection: Connection, issuer: str, url: str) -> Introspection:
    seconds = min(connection.ehr_timeout, 10.0)
    match connection.token_introspection_auth:
        case "private-key-jwt":
            key = load_key(Path(connection.ehr_private_key))
            return Introspection(url, issuer, connection.ehr_client_id, key=key, seconds=seconds)
        case "client-secret-basic":
            secret = connection.launch_client_secret
            return Introspection(url, issuer, connection.launch_client_id, secret=secret, seconds=seconds)
        case "bearer":
            return Introspection(url, issuer, bearer=connection.ehr_token, seconds=seconds)
    return Introspection(url, issuer, seconds=seconds)
