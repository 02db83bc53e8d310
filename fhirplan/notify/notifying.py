"""What telling subscribers works with, made once by ``assembly`` for each connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from fhirplan.ehr.posting import Method
from fhirplan.store.access.sealing import Sealer
from fhirplan.store.engine import Database, Transaction
from fhirplan.store.versions import Version


class Send(Protocol):
    """Sends a body and gives the status it is answered with; raises Unfetchable where it is not."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, method: Method) -> int:
        """As ``ehr.posting.send``."""


@dataclass(frozen=True, slots=True)
class Notifying:
    """The parts. ``clock`` gives ms since 1970, ``new_id`` an unused id, ``chance`` a number from 0 to 1.

    ``sees(tx, owner, version)`` says whether a subscription's owner may see a version now, and ``stands(tx, owner)``
    whether the owner's client and grant still stand. ``seconds`` is the longest that an answer is waited for,
    ``attempts`` how often it is tried. ``worker`` is a name that nobody else has.
    """

    database: Database
    connection: str
    base: str
    clock: Callable[[], int]
    new_id: Callable[[], str]
    chance: Callable[[], float]
    sealer: Sealer
    send: Send
    sees: Callable[[Transaction, str, Version], bool]
    stands: Callable[[Transaction, str], bool]
    seconds: float
    attempts: int
    worker: str
