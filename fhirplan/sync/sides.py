"""The two sides of one connection, and what working on them needs: clock, ids, chance and validation."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from fhirplan.catalog import CATALOG, ResourceSpec
from fhirplan.ehr.client import EhrClient, client
from fhirplan.ehr.vendors import vendor_of
from fhirplan.ehr.vendors.vendor import Vendor
from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource
from fhirplan.merge.policy import Policy, Winner
from fhirplan.settings import DEFAULT_CONNECTION, Connection
from fhirplan.store.access.withheld import Reader
from fhirplan.store.coordination.ruled import Rules
from fhirplan.store.engine import Database, Transaction
from fhirplan.sync.identity import Border, Ids
from fhirplan.sync.merging import Merging
from fhirplan.sync.presence import Presence

Validate = Callable[[Resource], Sequence[Issue]]


@dataclass(frozen=True, slots=True)
class Sides:
    """Our store and one EHR. ``clock`` gives milliseconds since 1970, ``chance`` a number from 0 up to 1.

    ``worker`` names who claims outbox rows; it is unique among the processes and threads that run at the same time.
    ``validate`` is as strict as what comes from the EHR is checked, ``judge`` as what people write here is.
    ``patients`` says whose records are pulled, as the setting ``ehr_patients`` does.
    Not shared between threads, as its client is not. ``lanes`` are worked at once in one pass, ``bundle`` is the most
    entries of a transaction (1: none is sent), after ``failures_before_pause`` failures in a row the EHR is left alone
    for a while, at most ``longest_pause`` seconds. ``recipient`` is the EHR as the patients' consents know it.
    """

    connection: str
    database: Database
    client: EhrClient
    border: Border
    catalog: Mapping[str, ResourceSpec]
    clock: Callable[[], int]
    new_id: Callable[[], str]
    chance: Callable[[], float]
    validate: Validate
    worker: str
    timeout: float = 20.0
    presence: Presence | None = None
    policy: Policy = field(default_factory=Policy)
    chosen_vendor: str = ""
    patients: str = ""
    judge: Validate | None = None
    lanes: int = 4
    bundle: int = 50
    failures_before_pause: int = 5
    longest_pause: float = 300.0
    rules: Rules | None = None
    recipient: Reader = field(default_factory=lambda: Reader(trusted=True))

    def twin(self, number: int) -> Sides:
        """The same sides for another thread, under a worker's name of its own. Close its ``client`` when done."""
        worker = f"{self.worker}.{number}"
        if self.presence:
            self.presence.announce(worker)
        return replace(self, client=self.client.twin(), worker=worker)

    def leave(self) -> None:
        """Ends what ``twin`` began: to be called in the thread that used it."""
        self.client.__exit__()
        self.database.leave()
        if self.presence:
            self.presence.retire(self.worker)

    def vendor(self) -> Vendor:
        """Whose EHR it is: as the settings say, else as it says itself. Raises EhrFailure when it does not answer."""
        return vendor_of(self.client.capabilities().software, self.chosen_vendor)

    @property
    def merging(self) -> Merging:
        """How edits of both sides are merged on this connection."""
        return Merging(self.policy, self.validate, self.rules)

    def ids(self, tx: Transaction, *, only_known: bool = False) -> Ids:
        """The pairs of ids, inside one transaction; with ``only_known`` one that does not write."""
        return Ids(tx, self.connection, self.border, self.new_id, self.clock(), only_known)


def open_sides(
    connection: Connection,
    *,
    database: Database,
    base_url: str,
    clock: Callable[[], int],
    new_id: Callable[[], str],
    validate: Validate,
    worker: str,
    judge: Validate | None = None,
    folder: Path | None = None,
    rules: Rules | None = None,
    chance: Callable[[], float] = random.random,
) -> Sides:
    """The sides of a configured connection that has an ``ehr_url``; ``base_url`` is ours, without a path.

    ``rules`` are the coordination rules by which changes are judged. ``folder`` is where the workers of this machine
    show that they live. Nothing is called yet. Close ``client`` when done (it is a context manager).
    """
    path = "fhir" if connection.name == DEFAULT_CONNECTION else f"{connection.name}/fhir"
    ehr = client(connection)
    presence = Presence(folder) if folder else None
    if presence:
        presence.announce(worker)
    return Sides(
        connection=connection.name,
        database=database,
        client=ehr,
        border=Border(ehr.base, f"{base_url.rstrip('/')}/{path}", frozenset(CATALOG)),
        catalog=CATALOG,
        clock=clock,
        new_id=new_id,
        chance=chance,
        validate=validate,
        worker=worker,
        timeout=connection.ehr_timeout,
        presence=presence,
        policy=_policy(connection),
        chosen_vendor=connection.ehr_vendor,
        patients=connection.ehr_patients,
        judge=judge,
        lanes=connection.push_lanes,
        bundle=connection.push_bundle_entries,
        failures_before_pause=connection.ehr_failures_before_pause,
        longest_pause=connection.ehr_longest_pause,
        rules=rules,
    )


def _policy(connection: Connection) -> Policy:
    paths: dict[str, Winner] = {}
    for line in connection.merge_paths:
        path, _, winner = line.partition("=")
        paths[path.strip()] = _WINNERS[winner.strip()]
    return Policy(_WINNERS[connection.merge_policy], paths)


_WINNERS: Final[Mapping[str, Winner]] = {"ehr": "ehr", "ours": "ours", "newest": "newest", "ask": "ask"}
