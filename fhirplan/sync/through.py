"""Sends one resource while its writer waits (write_mode ``through``), with one EHR session for each thread."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from fhirplan.sync.push import push_now
from fhirplan.sync.sides import Sides


class Through:
    """Called with connection, type and id after a commit; gives the receipt as a mapping.

    Sessions are opened when a thread first needs one and never cross a fork.
    """

    def __init__(self, open_sides: Callable[[str], Sides]) -> None:
        self._open = open_sides
        self._mine = threading.local()

    def __call__(self, connection: str, type_: str, id_: str) -> Mapping[str, Any]:
        """The receipt of one resource's newest version: its state is sent, waiting, parked or conflict."""
        return dataclasses.asdict(push_now(self.sides(connection), type_, id_))

    def sides(self, connection: str) -> Sides:
        """The sides of a connection in this thread."""
        known: dict[tuple[int, str], Sides] = self._mine.__dict__.setdefault("sides", {})
        key = os.getpid(), connection
        if key not in known:
            known[key] = self._open(connection)
        return known[key]
