"""Keeps the programs that may ask for access to our FHIR API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import bindparam, select, update

from fhirplan.store import tables
from fhirplan.store.engine import Row, Transaction, statement
from fhirplan.store.statements import insertion

ClientKind = Literal["public", "secret", "key"]
_c: Final = tables.client.c
_INSERT: Final = insertion(tables.client)
_GET: Final = statement(select(*_c).where(_c.client_id == bindparam("client_id_")))
_ALL: Final = statement(select(*_c).order_by(_c.created, _c.client_id))
_UPDATE: Final = statement(
    update(tables.client)
    .where(_c.client_id == bindparam("client_id_"))
    .values({name: bindparam(name) for name in ("secret_digest", "jwks", "jwks_url", "disabled")})
)


@dataclass(frozen=True, slots=True)
class Client:
    """One registration (SMART App Launch 2.2, registering a client), for one connection's FHIR base.

    ``kind`` is how it proves who it is: ``public`` not at all, ``secret`` by a secret of which ``secret_digest`` is
    kept, ``key`` by an assertion, checked with the key set ``jwks`` (JSON) or the one at ``jwks_url``. ``scopes`` are
    the most it may get. Redirect and launch URIs are compared letter by letter. ``disabled`` is 0 or when, in ms.
    """

    client_id: str
    connection: str
    name: str
    kind: ClientKind
    scopes: tuple[str, ...]
    secret_digest: str = ""
    jwks: str = ""
    jwks_url: str = ""
    redirect_uris: tuple[str, ...] = ()
    launch_uris: tuple[str, ...] = ()
    created: int = 0
    disabled: int = 0


def add(tx: Transaction, client: Client) -> None:
    """Keeps a new client."""
    tx.run(_INSERT, **_row(client))


def get(tx: Transaction, client_id: str) -> Client | None:
    """The client of that id, or None."""
    row = tx.one(_GET, client_id_=client_id)
    return _client(row) if row is not None else None


def listed(tx: Transaction) -> list[Client]:
    """All clients, the oldest first."""
    return [_client(row) for row in tx.all(_ALL)]


def change(tx: Transaction, client: Client) -> None:
    """Keeps a client's new secret or keys, and whether it is disabled."""
    row = _row(client)
    given = {name: row[name] for name in ("secret_digest", "jwks", "jwks_url", "disabled")}
    tx.run(_UPDATE, client_id_=client.client_id, **given)


def _row(client: Client) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "connection": client.connection,
        "name": client.name,
        "kind": client.kind,
        "secret_digest": client.secret_digest,
        "jwks": client.jwks,
        "jwks_url": client.jwks_url,
        "scopes": " ".join(client.scopes),
        "redirect_uris": " ".join(client.redirect_uris),
        "launch_uris": " ".join(client.launch_uris),
        "created": client.created,
        "disabled": client.disabled or None,
    }


def _client(row: Row) -> Client:
    known = dict(zip(_c.keys(), row, strict=True))
    return Client(
        known["client_id"],
        known["connection"],
        known["name"],
        known["kind"],
        tuple(known["scopes"].split()),
        known["secret_digest"],
        known["jwks"],
        known["jwks_url"],
        tuple(known["redirect_uris"].split()),
        tuple(known["launch_uris"].split()),
        known["created"],
        known["disabled"] or 0,
    )
