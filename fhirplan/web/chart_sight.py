"""Holds the chart to what its viewer may see, by scopes, consents and labels, and has each look at a record kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flask import request

from fhirplan.chart.world import World
from fhirplan.fhir.codec import Resource
from fhirplan.interactions import auditing
from fhirplan.interactions.services import Services, fhir_base
from fhirplan.interactions.sight import Sight, sight
from fhirplan.interactions.values import Interaction, Kind, Reply
from fhirplan.store.engine import Transaction
from fhirplan.web.requests import known_id
from fhirplan.web.viewer import Viewer


def eyes(services: Services, who: Viewer, tx: Transaction) -> Sight | None:
    """What the viewer may see; None on an open server, where everybody sees everything."""
    return sight(services, tx, _asked(services, who, "read", "Patient"), "r")


def seen(services: Services, who: Viewer, tx: Transaction, world: World) -> World:
    """A record without what is withheld from the viewer."""
    limits = eyes(services, who, tx)
    if limits is None:
        return world
    shown: Mapping[str, Resource] = {ref: item for ref, item in world.known.items() if limits.allows(item)}
    return replace(world, known=shown, withheld=frozenset(world.known.keys() - shown.keys()))


def keep(services: Services, who: Viewer, kind: Kind, type_: str, id_: str = "") -> None:
    """Has a look at a patient's record, or at a list of patients, kept in the audit as the API's reads are."""
    auditing.note(services, replace(_asked(services, who, kind, type_), id=id_), Reply(200))


def _asked(services: Services, who: Viewer, kind: Kind, type_: str) -> Interaction:
    return Interaction(
        kind,
        fhir_base(services.settings, who.connection.name),
        type=type_,
        connection=who.connection.name,
        actor=who.actor,
        request_id=known_id(request.environ, services),
        address=request.remote_addr or "",
    )
