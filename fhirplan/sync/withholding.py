"""Says whether a patient's consent keeps a resource from an EHR."""

from __future__ import annotations

from fhirplan.fhir.codec import Resource
from fhirplan.settings import Connection, Settings
from fhirplan.store.withheld import Reader, Withheld
from fhirplan.sync.sides import Sides

TEXT = (
    "Withheld by consent: the patient's consents, or the lack of one for a guarded label, keep this from the EHR. "
    "It is kept here only. When a consent permits it, run: fhirplan outbox retry"
)


def recipient(settings: Settings, connection: Connection) -> Reader:
    """The EHR of a connection as consents name it; without a name it is ours, and labels are no obstacle."""
    name = connection.ehr_organization
    guarded = tuple((system, code) for system, _, code in (item.rpartition("|") for item in settings.guarded_labels))
    return Reader(frozenset([name] if name else []), trusted=not name, guarded=guarded)


def is_withheld(sides: Sides, local: Resource) -> bool:
    """Whether a resource must not go to the EHR now, or must not change there."""
    with sides.database.read() as tx:
        shown = Withheld(tx, sides.connection, sides.recipient, sides.clock())
        return not shown.shows(local, sides.border.our_base)
