"""Holds the chart to what its viewer may see, by scopes, consents and labels, and has each look at a record kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from flask import request

from fhirplan.chart.world import World
from fhirplan.fhir.codec import Resource
from fhirplan.interactions import auditing
from fhirplan.interactions.services import Services, fhir_base
from fhirplan.interactions.sight import Sight, sight
from fhirplan.interactions.values import Interaction, Kind, Reply
from fhirplan.projection.derive import derive
from fhirplan.store.access.affected import affected
from fhirplan.store.coordination.lists import Lists, Row
from fhirplan.store.coordination.record import StoredRecord
from fhirplan.store.engine import Transaction
from fhirplan.telemetry import log
from fhirplan.web.requests import known_id
from fhirplan.web.viewer import Viewer

_log: Final = log("web")


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


def lists(services: Services, who: Viewer, tx: Transaction) -> Lists:
    """The lists of all patients as the viewer may see them: of what is withheld, nothing is counted either."""
    limits, connection = eyes(services, who, tx), who.connection.name
    if limits is None:
        return Lists(tx, connection)
    without = affected(tx, connection, limits.withheld)
    made = Lists(tx, connection, without)
    if without:
        record = _Shown(StoredRecord(tx, connection, services.rules.behaviors), limits)
        made.instead({patient: _rows(services, record, patient) for patient in without})
    return made


def withholds(services: Services, who: Viewer, tx: Transaction, patient: str) -> bool:
    """Whether anything of a patient may be withheld from the viewer."""
    limits = eyes(services, who, tx)
    return limits is not None and patient in affected(tx, who.connection.name, limits.withheld)


def _rows(services: Services, record: _Shown, patient: str) -> tuple[Row, ...]:
    """What the lists say of one patient by what is shown of the record; nothing of a patient who is not shown."""
    if record.get(f"Patient/{patient}") is None:
        return ()
    try:
        return derive(record, patient, services.clock(), services.rules).rows
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, ArithmeticError) as error:
        # A record that is not shaped as FHIR is listed for nobody either (projection.project).
        _log.error("not listed", patient=patient, error=type(error).__name__)
        return ()


class _Shown:
    """A stored record without what is withheld, as the rules of coordination look at one (``coordination.world``)."""

    def __init__(self, record: StoredRecord, limits: Sight) -> None:
        self._record, self._limits = record, limits

    def get(self, ref: str) -> Resource | None:
        """See ``World``."""
        found = self._record.get(ref)
        return found if found is not None and self._limits.allows(found) else None

    def points(self, type_: str, element: str, ref: str) -> Sequence[Resource]:
        """See ``World``."""
        return [item for item in self._record.points(type_, element, ref) if self._limits.allows(item)]

    def of_patient(self, patient: str, type_: str) -> Sequence[Resource]:
        """See ``World``."""
        return [item for item in self._record.of_patient(patient, type_) if self._limits.allows(item)]

    def behavior(self, action: str) -> str:
        """See ``World``."""
        return self._record.behavior(action)


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
