"""Takes a Bundle at the base: a transaction or a batch (R4 section 3.2.0.11)."""

from __future__ import annotations

from fhirplan.errors import MalformedRequest
from fhirplan.interactions.bundles.batch import Perform, batch
from fhirplan.interactions.bundles.transaction import Read, transaction
from fhirplan.interactions.incoming import parsed
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Reply


def bundle(services: Services, interaction: Interaction, reads: dict[str, Read], perform: Perform) -> Reply:
    """The response Bundle; raises MalformedRequest when the body is no transaction or batch, and as those do.

    ``reads`` are the interactions that a transaction may read with, ``perform`` carries out one entry of a batch.
    """
    refuse_parameters(interaction)
    resource = parsed(services, interaction)
    if resource["resourceType"] != "Bundle":
        type_ = str(resource["resourceType"])[:80]
        raise MalformedRequest(
            f"Only a Bundle is taken at the base; this is a {type_}. Send it to /{type_}.", expression="resourceType"
        )
    kind = resource.get("type")
    if kind == "transaction":
        return transaction(services, interaction, resource, reads)
    if kind == "batch":
        return batch(services, interaction, resource, perform)
    raise MalformedRequest(
        f"Bundle.type is {str(kind)[:40]!r}; at the base it is transaction (all or nothing) or batch (each alone).",
        expression="Bundle.type",
    )
