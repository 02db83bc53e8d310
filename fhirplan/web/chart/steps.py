"""What one save wrote, as the page that follows carries it, and for how long that can be taken back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fhirplan.chart import corrections
from fhirplan.chart.edits import Write
from fhirplan.chart.world import World
from fhirplan.coordination.elements import objects
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.values import Reply
from fhirplan.settings import Connection

_STEP: Final = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]{1,64}):(\d{1,9})")
_LOCATION: Final = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]{1,64})/_history/(\d{1,9})$")
_MOST: Final = 10
# Without an EHR nothing leaves, and this bounds how long a page offers it, in ms (chart design, section 3).
_OFFERED: Final = 600_000


@dataclass(frozen=True, slots=True)
class Step:
    """One version that was written."""

    type: str
    id: str
    version: int


def steps_of(text: str) -> tuple[Step, ...]:
    """The steps that an address or a form names; none where it is not shaped so."""
    parts = text.split(",")
    found = [_STEP.fullmatch(part) for part in parts]
    if len(parts) > _MOST or not all(found):
        return ()
    return tuple(Step(item[1], item[2], int(item[3])) for item in found if item)


def hold_ms(connection: Connection) -> int:
    """For how long a change made in the chart waits before it is sent."""
    behind = bool(connection.ehr_url) and connection.write_mode == "behind"
    return int(connection.outbound_delay * 1000) if behind else 0


def steps_made(reply: Reply, writes: Sequence[Write], known: Mapping[str, Resource], world: World) -> str:
    """What a save wrote, for ``steps_of``; "" where it cannot be taken back by a legal move, all of it."""
    before = {f"{item.resource['resourceType']}/{item.resource['id']}": item for item in writes}
    made = []
    for step in _written(reply):
        ref = f"{step.type}/{step.id}"
        write = before.get(ref)
        if write is None or write.version == str(step.version):
            continue
        if corrections.undone(write.resource, known.get(ref) if write.version else None, world) is None:
            return ""
        made.append(f"{ref}:{step.version}")
    return ",".join(made) if len(made) <= _MOST else ""


def _written(reply: Reply) -> Iterable[Step]:
    if reply.version:
        return [Step(reply.type, reply.id, reply.version)]
    entries = objects(codec.loads(reply.body).get("entry")) if reply.body else []
    places = (str((item.get("response") or {}).get("location") or "") for item in entries)
    return [Step(item[1], item[2], int(item[3])) for item in map(_LOCATION.search, places) if item]


def undoable(text: str, world: World, connection: Connection, now: int) -> str:
    """The steps again while a page may offer to take them back: nothing newer is there, and the time is not over."""
    steps = steps_of(text)
    most = hold_ms(connection) if connection.ehr_url else _OFFERED
    for step in steps:
        meta = world.known.get(f"{step.type}/{step.id}", {}).get("meta") or {}
        at = datetime.fromisoformat(meta["lastUpdated"]) if "lastUpdated" in meta else None
        if str(meta.get("versionId")) != str(step.version) or at is None or now - at.timestamp() * 1000 >= most:
            return ""
    return text if steps else ""
