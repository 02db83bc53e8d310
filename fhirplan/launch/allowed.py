"""What a person let apps do: which of it still stands, and its end where they want that."""

from __future__ import annotations

from dataclasses import dataclass

from fhirplan.launch.authority import Authority
from fhirplan.launch.registry import find
from fhirplan.store.access import grants
from fhirplan.store.access.grants import Grant


@dataclass(frozen=True, slots=True)
class Allowed:
    """One grant, with the name of the app that has it."""

    grant: Grant
    app: str


def allowed(authority: Authority, connection: str, subject: str) -> tuple[Allowed, ...]:
    """What a person allowed that still stands, the latest first; nothing of apps that are not let in any more."""
    with authority.database.read() as tx:
        found = grants.of_person(tx, connection, subject, authority.clock())
    named = ((item, find(authority, item.client_id)) for item in found)
    return tuple(Allowed(item, client.name) for item, client in named if client is not None)


def end(authority: Authority, connection: str, subject: str, gid: str) -> bool:
    """Ends what a person allowed, and all tokens that came of it; False where it is not theirs, or over."""
    now = authority.clock()
    with authority.database.write() as tx:
        theirs = any(item.gid == gid for item in grants.of_person(tx, connection, subject, now))
        if theirs:
            grants.revoke(tx, gid, now)
    return theirs
