"""What the authorization server and the launches work with, made once by ``assembly``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fhirplan.ehr.keysets import KeySets
from fhirplan.settings import DEFAULT_CONNECTION, Connection, Settings
from fhirplan.store.access.sealing import Sealer
from fhirplan.store.access.signing import SigningKeys
from fhirplan.store.engine import Database


@dataclass(frozen=True, slots=True)
class Authority:
    """The parts. ``key_sets`` are those of clients, ``ehr_keys`` those of EHRs.

    ``clock`` gives ms since 1970, ``new_id`` an id that nobody has.
    """

    settings: Settings
    database: Database
    sealer: Sealer
    keys: SigningKeys
    key_sets: KeySets
    ehr_keys: KeySets
    clock: Callable[[], int]
    new_id: Callable[[], str]

    @property
    def base(self) -> str:
        """How callers reach this server, without a slash at its end."""
        return self.settings.base_url.rstrip("/")

    @property
    def issuer(self) -> str:
        """Who signs our tokens: the URL that stands in their ``iss``."""
        return f"{self.base}/auth"

    @property
    def token_url(self) -> str:
        """Where tokens are asked for, and whom assertions are for."""
        return f"{self.issuer}/token"

    def audience(self, connection: str) -> str:
        """The FHIR base of a connection, whom its access tokens are for."""
        return f"{self.base}/fhir" if connection == DEFAULT_CONNECTION else f"{self.base}/{connection}/fhir"

    def connection_at(self, audience: str) -> Connection | None:
        """The connection whose FHIR base this is, with a slash at its end or without; None where there is none."""
        wanted = audience.removesuffix("/")
        return next((item for item in self.settings.all_connections if self.audience(item.name) == wanted), None)
