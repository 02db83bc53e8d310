"""Says what of a record may be told in cards: nothing that a consent keeps from the EHR that calls, or its user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fhirplan.settings import DEFAULT_CONNECTION, Connection, Settings
from fhirplan.store.access.recipients import recipient
from fhirplan.store.access.withheld import Withheld
from fhirplan.store.coordination.record import parsed
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Version


def may_be_told(
    settings: Settings, tx: Transaction, connection: Connection, user: str, now: int
) -> Callable[[Version], bool]:
    """Whether a current version may stand in a card that ``user`` (our reference, "" for nobody known) is shown.

    What is permitted to the person alone is not told: the card goes to the EHR first. What is forbidden to the person
    is not told either.
    """
    ehr = recipient(settings, connection)
    person = replace(ehr, names=ehr.names | {user}, trusted=True)
    both = [Withheld(tx, connection.name, reader, now) for reader in ([ehr, person] if user else [ehr])]
    place = "fhir" if connection.name == DEFAULT_CONNECTION else f"{connection.name}/fhir"
    base = f"{settings.base_url.rstrip('/')}/{place}"

    def told(version: Version) -> bool:
        return all(one.unlabelled(version.type, version.body) or one.shows(parsed(tx, version), base) for one in both)

    return told
