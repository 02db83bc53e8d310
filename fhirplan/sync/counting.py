"""Counts the calls that a pass makes, for everybody to see: the figures are kept in the database, not in a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fhirplan.store.sync import activity
from fhirplan.store.sync.activity import Activity
from fhirplan.sync.sides import Sides


@contextmanager
def counted(sides: Sides, *, pulls: bool = False, pushes: bool = False) -> Iterator[None]:
    """Adds the calls made within to those of the connection, and when it pulled or pushed last, unless that failed."""
    calls, errors = sides.client.calls, sides.client.errors
    ended = 0
    try:
        yield
        ended = sides.clock()
    finally:
        made, failed = sides.client.calls - calls, sides.client.errors - errors
        if made or ended:
            with sides.database.write() as tx:
                activity.add(
                    tx,
                    sides.connection,
                    Activity(made, failed, ended if pulls else 0, ended if pushes else 0),
                )
