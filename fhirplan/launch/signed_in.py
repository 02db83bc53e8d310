"""The sessions that one person has with us: which they are, their end where they want it, and their end by idleness."""

from __future__ import annotations

from collections.abc import Iterable

from fhirplan.launch.authority import Authority
from fhirplan.store.access import sessions
from fhirplan.store.access.sessions import Session


def in_use(authority: Authority, session: Session, *, acts: bool) -> Session | None:
    """The session when it has not been idle for ``session_idle_minutes``, else None, and it has ended.

    ``acts`` says that its person asked for something now, rather than a page that lies open by itself.
    """
    now = authority.clock()
    if _is_idle(authority, session, now):
        with authority.database.write() as tx:
            sessions.end(tx, session.sid, now)
        return None
    if acts and not sessions.is_noted(session, now):
        with authority.database.write() as tx:
            sessions.use(tx, session.sid, now)
    return session


def own(authority: Authority, session: Session) -> tuple[Session, ...]:
    """The sessions that the person of this one has, this one among them, the one that was used last first."""
    now = authority.clock()
    with authority.database.read() as tx:
        found = sessions.of_person(tx, authority.sealer, session.connection, session.subject, now)
    # A subject is somebody for its own issuer only.
    issuer = session.body["iss"]
    return tuple(item for item in found if item.body["iss"] == issuer and not _is_idle(authority, item, now))


def end_others(authority: Authority, session: Session, wanted: Iterable[str] | None = None) -> int:
    """Ends those sessions of the same person, all but this one where none is named; gives how many there were."""
    theirs = {item.sid for item in own(authority, session)} - {session.sid}
    ending = theirs if wanted is None else theirs.intersection(wanted)
    with authority.database.write() as tx:
        for sid in sorted(ending):
            sessions.forget(tx, sid)
    return len(ending)


def _is_idle(authority: Authority, session: Session, now: int) -> bool:
    most = authority.settings.session_idle_minutes * 60_000
    return bool(most) and now - session.used >= most
