"""What interactions work with: the database, the validator, the settings, a clock and a source of ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from fhirplan.coordination.templates import behaviors
from fhirplan.interactions.issuers import Issuers, Recognised
from fhirplan.interactions.values import Interaction
from fhirplan.settings import DEFAULT_CONNECTION, Connection, Settings
from fhirplan.store.access.signing import SigningKeys
from fhirplan.store.audit import Accesses
from fhirplan.store.commit import Origin
from fhirplan.store.coordination.ruled import Rules
from fhirplan.store.engine import Database
from fhirplan.validation import Validator
from fhirplan.validation.definitions import Definitions

Pushed = Callable[[str, str, str], Mapping[str, Any]]


def fhir_base(settings: Settings, connection: str) -> str:
    """The URL of the FHIR API of a connection, without a slash at its end."""
    path = "fhir" if connection == DEFAULT_CONNECTION else f"{connection}/fhir"
    return f"{settings.base_url.rstrip('/')}/{path}"


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that an interaction needs, made once by ``assembly``.

    ``clock`` gives ms since 1970, ``new_id`` an unused resource id. ``pushed(connection, type, id)`` sends one
    resource's waiting changes to its EHR and gives the receipt; None where nothing is pushed while a caller waits.
    ``accesses`` keeps who read what; None where nobody but the operator reads. ``issuers`` are those whose access
    tokens are taken, ``recognised`` what was verified of these. ``signing`` holds the keys of our own tokens.
    """

    database: Database
    validator: Validator
    settings: Settings
    clock: Callable[[], int]
    new_id: Callable[[], str]
    pushed: Pushed | None = None
    accesses: Accesses | None = None
    issuers: Issuers = field(default_factory=Issuers)
    recognised: Recognised = field(default_factory=Recognised)
    signing: SigningKeys | None = None

    @property
    def rules(self) -> Rules:
        """How the coordination rules judge what is written."""
        return Rules(ZoneInfo(self.settings.time_zone), self.new_id, _behaviors(self.validator.definitions))

    def connection(self, interaction: Interaction) -> Connection:
        """The settings of the connection that the interaction is on."""
        return self.settings.connection(interaction.connection) or self.settings.default_connection

    def origin(self, interaction: Interaction) -> Origin:
        """Where a write comes from; it is to be pushed when the connection has an EHR."""
        grant = interaction.actor.grant if interaction.actor else None
        return Origin(
            actor=interaction.actor.id if interaction.actor else "",
            request_id=interaction.request_id,
            source="api",
            push=bool(self.connection(interaction).ehr_url),
            address=interaction.address,
            client=grant.client if grant else "",
            grant=grant.id if grant else "",
            hold=interaction.hold,
        )


@lru_cache(maxsize=8)
def _behaviors(definitions: Definitions) -> Mapping[str, str]:
    """requiredBehavior of the actions of all templates that are known."""
    found = (definitions.find("PlanDefinition", url) for url in definitions.all("PlanDefinition"))
    return behaviors(item for item in found if item is not None)
