"""Says whether a patient's consent keeps a resource from an EHR."""

from __future__ import annotations

from fhirplan.fhir.codec import Resource
from fhirplan.store.access.withheld import Withheld
from fhirplan.sync.sides import Sides

TEXT = (
    "Withheld by consent: the patient's consents, or the lack of one for a guarded label, keep this from the EHR. "
    "It is kept here only. When a consent permits it, run: fhirplan outbox retry"
)


def is_withheld(sides: Sides, local: Resource) -> bool:
    """Whether a resource must not go to the EHR now, or must not change there."""
    with sides.database.read() as tx:
        shown = Withheld(tx, sides.connection, sides.recipient, sides.clock())
        return not shown.shows(local, sides.border.our_base)
