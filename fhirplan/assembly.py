"""Builds everything from the settings; the only place that knows how the parts are put together."""

from __future__ import annotations

import gc
import os
import random
import socket
import threading
import time
import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fhirplan.access.token import Key, public_keys
from fhirplan.catalog import CATALOG
from fhirplan.cds.answer import Cds
from fhirplan.cds.trust import Trust
from fhirplan.ehr.fetching import Unfetchable
from fhirplan.ehr.keysets import KeySets
from fhirplan.errors import InvalidToken, Misconfigured
from fhirplan.interactions.ehr_tokens import ehr_issuers
from fhirplan.interactions.incoming import checked
from fhirplan.interactions.issuers import Issuer, Issuers
from fhirplan.interactions.services import Pushed, Services, fhir_base
from fhirplan.launch.authority import Authority
from fhirplan.settings import LOOPBACK_HOSTS, Connection, Settings
from fhirplan.store.access import grants
from fhirplan.store.access.recipients import recipient
from fhirplan.store.access.sealing import sealer
from fhirplan.store.access.signing import SigningKeys, signing_keys
from fhirplan.store.audit import Accesses
from fhirplan.store.engine import Database
from fhirplan.validation import Validator
from fhirplan.validation.asking import Opened

if TYPE_CHECKING:
    from fhirplan.notify.notifying import Notifying
    from fhirplan.projection.project import Projecting
    from fhirplan.sync.sides import Sides


def build(settings: Settings) -> Services:
    """What interactions work with. Nothing is connected yet, so a process may fork after this.

    Raises Misconfigured when the database's url, a package or a profile named in the settings cannot be used.
    """
    database = Database.open(settings.database, settings.database_connections)
    keys = signing_keys(settings)
    own = our_tokens(settings, database, keys)
    services = Services(
        database=database,
        validator=Validator.load(packages=settings.packages, ask=terminology(settings)),
        settings=settings,
        clock=now,
        new_id=new_id,
        accesses=Accesses(database),
        issuers=replace(own, all=(*own.all, *ehr_issuers(settings))),
        signing=keys,
    )
    _known_profiles(settings, services.validator)
    pushed = _through(settings, services)
    return replace(services, pushed=pushed) if pushed else services


def build_sync(settings: Settings, services: Services, connection: Connection, worker: str = "") -> Sides:
    """Both sides of a connection for one thread; close its ``client`` when done.

    ``worker`` names who claims what is to be sent, and must be unique; "" makes a name up. What comes from the EHR is
    validated as what is written here, though its findings are only kept. Raises Misconfigured without an ``ehr_url``.
    """
    # Only where an EHR is spoken to: a server that never does starts faster and smaller without an HTTP client.
    from fhirplan.sync.sides import open_sides

    if not connection.ehr_url:
        raise Misconfigured(f"The connection {connection.name} has no ehr_url, so there is no EHR to speak to.")
    sides = open_sides(
        connection,
        database=services.database,
        base_url=settings.base_url,
        clock=services.clock,
        new_id=services.new_id,
        validate=lambda resource: checked(services, resource, connection=connection, imported=True),
        judge=lambda resource: checked(services, resource, connection=connection),
        worker=worker or worker_name(),
        folder=settings.data_dir / "workers",
        rules=services.rules,
    )
    return replace(sides, recipient=recipient(settings, connection))


def build_projection(settings: Settings, services: Services, connection: Connection) -> Projecting:
    """What keeps the coordination state of a connection's patients current."""
    from fhirplan.projection.project import Projecting

    return Projecting(
        database=services.database,
        connection=connection.name,
        rules=services.rules,
        clock=services.clock,
        push=bool(connection.ehr_url),
        base=fhir_base(settings, connection.name),
    )


def build_notifying(settings: Settings, services: Services, connection: Connection) -> Notifying:
    """What tells the subscribers of a connection what changed."""
    from fhirplan.ehr.posting import send
    from fhirplan.interactions import subscription_owner
    from fhirplan.notify.notifying import Notifying

    loopback = (urlsplit(settings.base_url).hostname or "") in LOOPBACK_HOSTS
    return Notifying(
        database=services.database,
        connection=connection.name,
        base=fhir_base(settings, connection.name),
        clock=services.clock,
        new_id=services.new_id,
        chance=random.random,
        sealer=sealer(settings),
        send=partial(send, loopback=loopback),
        sees=lambda tx, owner, version: subscription_owner.sees(services, tx, connection.name, owner, version),
        stands=lambda tx, owner: subscription_owner.stands(services, tx, owner),
        seconds=settings.subscription_seconds,
        attempts=settings.subscription_attempts,
        worker=worker_name(),
    )


def our_tokens(settings: Settings, database: Database, keys: SigningKeys) -> Issuers:
    """Our own authorization server as one whose tokens are taken, on each connection for its own FHIR base."""

    def public(_kid: str) -> tuple[Key, ...]:
        return public_keys(keys.public())

    def revoked(gid: str, _jti: str) -> bool:
        if not gid:
            return False
        with database.read() as tx:
            return not grants.live(tx, gid, now())

    issuer = f"{settings.base_url.rstrip('/')}/auth"
    return Issuers(
        tuple(
            Issuer(issuer, item.name, frozenset({fhir_base(settings, item.name)}), keys=public, own=True)
            for item in settings.all_connections
        ),
        revoked,
    )


def build_authority(services: Services) -> Authority:
    """What the authorization server and the launches work with."""
    settings = services.settings
    loopback = (urlsplit(settings.base_url).hostname or "") in LOOPBACK_HOSTS
    return Authority(
        settings,
        services.database,
        sealer(settings),
        services.signing or signing_keys(settings),
        KeySets(loopback=loopback),
        KeySets(loopback=True, private=True),
        services.clock,
        services.new_id,
    )


def build_cds(services: Services, key_sets: KeySets) -> tuple[Cds, Trust]:
    """What the CDS Hooks services work with, and whom they believe."""

    def keys(address: str, kid: str) -> tuple[Key, ...]:
        try:
            return public_keys({"keys": list(key_sets.keys(address, kid))})
        except Unfetchable as error:
            raise InvalidToken(f"The keys of its issuer cannot be had: {error.text}.") from None

    settings, database = services.settings, services.database
    return (
        Cds(settings, database, services.clock, services.accesses),
        Trust(settings, database, keys, services.clock),
    )


def _known_profiles(settings: Settings, validator: Validator) -> None:
    for connection in settings.all_connections:
        for line in connection.validation_profiles:
            canonical = line.rpartition("=")[0].strip()
            if not validator.profiles.type_of(canonical):
                raise Misconfigured(
                    f"validation_profiles: no profile {canonical} is here. Correct it, or name its package in packages."
                )


def terminology(settings: Settings) -> Opened | None:
    """What reaches the terminology server of the settings, None where there is none."""
    if not settings.terminology_url:
        return None
    # As above: only where one is spoken to.
    from fhirplan.ehr.terminology import TerminologyServer

    return TerminologyServer(settings.terminology_url, settings.terminology_timeout).opened


def _through(settings: Settings, services: Services) -> Pushed | None:
    """What sends a write while its caller waits, where a connection asks for that."""
    waiting = {item.name: item for item in settings.all_connections if item.ehr_url and item.write_mode == "through"}
    if not waiting:
        return None
    from fhirplan.sync.through import Through

    return Through(lambda name: build_sync(settings, services, waiting[name]))


_COLLECTED_AFTER = (10_000, 20, 50)


def settle(services: Services) -> None:
    """Builds now what the first requests or pages would, and leaves it out of garbage collections.

    For a process that goes on for a while, before it forks workers if it does. They then share that memory, and none
    of them looks through its tens of thousands of objects again and again, which costs a tenth of a read or a pull.
    """
    for type_ in CATALOG:
        checked(services, {"resourceType": type_})
    gc.collect()
    gc.freeze()
    # A request or a page makes thousands of containers and hardly ever a cycle of them, so looking for cycles can wait.
    gc.set_threshold(*_COLLECTED_AFTER)


def worker_name() -> str:
    """A name that no other process or thread has, here or on another machine."""
    return f"{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}-{uuid.uuid4().hex[:8]}"


def now() -> int:
    """The time in ms since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


def new_id() -> str:
    """An unused id for a resource: a random UUID (RFC 4122 version 4)."""
    return str(uuid.uuid4())
