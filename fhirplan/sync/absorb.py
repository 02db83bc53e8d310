"""Acts on what the EHR holds: decides, and writes version, link, findings or conflict in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from fhirplan.ehr.client import RemoteCopy
from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource
from fhirplan.merge.policy import Policy
from fhirplan.store import conflicts, findings, links, outbox, receipts, versions
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.links import Link
from fhirplan.store.ruled import Ruled, Rules, noticed, ruled
from fhirplan.store.versions import Method, Version
from fhirplan.sync.content import comparable, same
from fhirplan.sync.identity import FROM_EHR, Ids, inbound
from fhirplan.sync.landed import origins
from fhirplan.sync.pairing import our_id_of
from fhirplan.sync.plan import (
    Conflict,
    Decision,
    Echo,
    FastForward,
    Merged,
    Park,
    Push,
    RemoteGone,
    Terms,
    Unchanged,
    decide,
    paths,
)

# How many of our versions since the base are compared with a copy that looks strange.
_OWN_VERSIONS: Final = 50
# Who writes what both sides' edits were merged into.
MERGED: Final = Origin(actor="merge", request_id="", source="ehr", push=True)
# What follows by our rules from a change of the EHR's; it is sent, since the EHR does not know of it.
FOLLOWING: Final = Origin(actor="coordination", request_id="", source="api", push=True)
# Rules that miss something, which the same pull may bring a moment later; and how a resource began, which is its past.
_TOO_EARLY: Final = frozenset({"cm-sm-import", "cm-x-02", "cm-x-15", "cm-x-17", "cm-x-18", "cm-x-20"})
# What code that reads a resource may raise when it is not shaped as FHIR; one such resource must not stop a pass.
MISSHAPEN: Final = (ValueError, TypeError, KeyError, AttributeError, IndexError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What was decided about one resource of the EHR's, and under which id it is here."""

    decision: Decision
    type: str
    id: str
    created: bool = False


@dataclass(frozen=True, slots=True)
class Merging:
    """How this connection merges: who wins where both sides changed the same, what is wrong with a resource, and by
    which coordination rules a change is judged; None for none. ``tells`` says whether the lead of a plan is told."""

    policy: Policy = field(default_factory=Policy)
    validate: Callable[[Resource], Sequence[Issue]] = lambda _resource: ()
    rules: Rules | None = None
    tells: bool = True

    def terms(self, current: Version | None, remote: RemoteCopy) -> Terms:
        """The terms for one resource; when each side was changed last may decide."""
        theirs = instant(remote.updated)
        at = int(theirs.timestamp() * 1000) if theirs else None
        return Terms(self.policy.settling(current.updated if current else None, at), self.validate)


ASKING: Final = Merging()


def absorb(ids: Ids, remote: RemoteCopy, found: Sequence[Issue] = (), merging: Merging = ASKING) -> Absorbed:
    """Takes notice of the EHR's copy of a resource; ``found`` are the validation findings of that copy.

    Raises what ``commit`` raises when the copy cannot be stored.
    """
    tx, name = ids.tx, ids.connection
    our_id = our_id_of(ids, remote.resource)
    link = links.by_id(tx, name, remote.type, our_id) or Link(remote.type, our_id, remote.id)
    if link.agreed and (_is_known(link, remote) or is_older(remote.updated, link.ehr_updated)):
        ours = receipts.wrote(tx, name, remote.type, our_id, remote.version)
        return Absorbed(Echo() if ours else Unchanged(), remote.type, our_id)
    incoming = inbound(ids, remote.resource, our_id)
    content = comparable(incoming)
    current = versions.current(tx, name, remote.type, our_id)
    decision, link = _decided(ids, link, current, remote, content, merging)
    seen = replace(link, ehr_id=remote.id, ehr_version=remote.version, ehr_updated=remote.updated, ehr_gone=False)
    created = False
    match decision:
        case Unchanged() | Echo(version=0):
            links.put(tx, name, replace(seen, base=content, local_version=_number(current)), ids.now)
        case Echo(version=version):
            links.put(tx, name, replace(seen, base=content, local_version=version), ids.now)
        case Push() | Park():
            links.put(tx, name, seen, ids.now)
        case FastForward():
            created = current is None or current.deleted
            stored = _store(ids, incoming, current, found, merging)
            links.put(tx, name, replace(seen, base=content, local_version=stored.version), ids.now)
        case Merged(settled=settled):
            if settled:
                _keep(ids, link, current, incoming, remote.version, settled)
            _store_merged(ids, decision, merging)
            links.put(tx, name, replace(seen, base=content, local_version=_number(current)), ids.now)
        case Conflict(paths=paths):
            _keep(ids, link, current, incoming, remote.version, paths)
            _tell(ids, current, merging, torn=True)
        case RemoteGone():
            raise AssertionError("a copy that is there is not gone")
    if not isinstance(decision, Conflict):
        _settled(ids, remote.type, our_id)
    return Absorbed(decision, remote.type, our_id, created)


@dataclass(frozen=True, slots=True)
class New:
    """A copy of which nothing is stored here, its findings, and the id a link has set aside for it, "" for none."""

    copy: RemoteCopy
    found: Sequence[Issue]
    set_aside: str


def absorb_new(ids: Ids, items: Sequence[New], merging: Merging = ASKING) -> None:
    """Stores copies of which nothing is known here, each another resource, with their findings, in one go.

    Nothing new breaks a rule yet, as what it belongs to may come a moment later; but an admission may be a readmission.
    Raises what ``commit`` raises when one of them cannot be stored; some may be then, so undo what it wrote.
    """
    named = [ids.chosen(item.copy.type, item.copy.id, item.set_aside) for item in items]
    incoming = [inbound(ids, item.copy.resource, our_id) for item, our_id in zip(items, named, strict=True)]
    changes = [Change("create", str(item["resourceType"]), str(item["id"]), item) for item in incoming]
    stays = [change for change in changes if change.type == "Encounter"] if merging.rules is not None else []
    onward = [following for change in stays for following in _judged(ids, change, merging).following]
    made = commit(ids.tx, ids.connection, changes, now=ids.now, origin=FROM_EHR, base=ids.border.our_base)
    _follow(ids, onward)
    fresh: list[Link] = []
    for item, resource, stored in zip(items, incoming, made, strict=True):
        copy = item.copy
        findings.put(ids.tx, stored.rid, stored.version, item.found)
        link = Link(copy.type, stored.id, copy.id, copy.version, copy.updated, comparable(resource), stored.version)
        if item.set_aside:
            links.put(ids.tx, ids.connection, link, ids.now)
        else:
            fresh.append(link)
    links.add(ids.tx, ids.connection, fresh, ids.now)


def absorb_gone(ids: Ids, link: Link) -> Absorbed:
    """Takes notice that the EHR's copy was deleted, which the EHR itself has said (404 or 410 on read)."""
    tx, name = ids.tx, ids.connection
    current = versions.current(tx, name, link.type, link.id)
    decision = decide(link.base, _content(current), None)
    if isinstance(decision, Conflict):
        _keep(ids, link, current, None, "", decision.paths)
        return Absorbed(decision, link.type, link.id)
    if isinstance(decision, RemoteGone):
        commit(tx, name, [Change("delete", link.type, link.id)], now=ids.now, origin=FROM_EHR, base=ids.border.our_base)
    links.put(tx, name, replace(link, base=None, ehr_version="", ehr_updated="", ehr_gone=True), ids.now)
    _settled(ids, link.type, link.id)
    return Absorbed(decision, link.type, link.id)


def _is_known(link: Link, remote: RemoteCopy) -> bool:
    return bool(remote.version) and link.ehr_version == remote.version


def is_older(updated: str, known: str) -> bool:
    """Whether a copy of that time is older than the one we know: a page fetched before our own write, a stale replica.

    False where either time is not told.
    """
    if updated == known:
        return False
    last, shown = instant(known), instant(updated)
    return last is not None and shown is not None and shown < last


def instant(text: str) -> datetime | None:
    """The instant an EHR spelled, None when it is none; one without a zone counts as UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _content(current: Version | None) -> Resource | None:
    return comparable(current.resource()) if current is not None and not current.deleted else None


def _number(current: Version | None) -> int:
    return current.version if current is not None else 0


def _own(ids: Ids, current: Version | None, link: Link) -> Iterator[tuple[int, Resource | None]]:
    """Our versions since the base, newest first; read only when the decision needs them."""
    if current is None or current.version <= link.local_version:
        return
    for item in versions.history(ids.tx, ids.connection, current.type, current.id, before=None, count=_OWN_VERSIONS):
        if item.version <= link.local_version:
            return
        yield item.version, _content(item)


def _decided(
    ids: Ids, link: Link, current: Version | None, remote: RemoteCopy, content: Resource | None, merging: Merging
) -> tuple[Decision, Link]:
    """The decision about a copy, and the link with the base it was decided by.

    Where it is not known which version of ours the copy was made from, and that makes a difference, a person decides.
    """
    ours = receipts.wrote(ids.tx, ids.connection, remote.type, link.id, remote.version)
    terms = merging.terms(current, remote)
    made = [
        (decide(item.base, _content(current), content, ours=ours, own=_own(ids, current, item), terms=terms), item)
        for item in _readings(ids, link, current, content)
    ]
    if all(decision == made[0][0] for decision, _ in made):
        return made[0]
    torn = next((item for item in made if isinstance(item[0], Conflict)), None)
    return torn or (Conflict(paths(link.base, _content(current), content)), link)


def _readings(ids: Ids, link: Link, current: Version | None, content: Resource | None) -> list[Link]:
    """The link with each base that the EHR's copy may have been made from: ours may have landed unheard of."""
    if content is None or current is None or current.version <= link.local_version or same(content, link.base):
        return [link]
    if not outbox.in_doubt(ids.tx, ids.connection, link.type, link.id):
        return [link]
    found = origins(link.base, content, _own(ids, current, link))
    return [replace(link, base=base, local_version=version or link.local_version) for version, base in found]


def _store(ids: Ids, incoming: Resource, current: Version | None, found: Sequence[Issue], merging: Merging) -> Version:
    """Stores the EHR's copy as it is, with what is wrong with it, and what follows from it here."""
    created = current is None or current.deleted
    method: Method = "create" if created else "update"
    change = Change(method, str(incoming["resourceType"]), str(incoming["id"]), incoming)
    judged = _judged(ids, change, merging)
    stored = commit(ids.tx, ids.connection, [change], now=ids.now, origin=FROM_EHR, base=ids.border.our_base)[0]
    told = [item for item in judged.found[0] if not (created and item.rule in _TOO_EARLY)]
    findings.put(ids.tx, stored.rid, stored.version, (*found, *told))
    _follow(ids, judged.following)
    if not created:
        _tell(ids, stored, merging)
    return stored


def _tell(ids: Ids, stored: Version | None, merging: Merging, *, torn: bool = False) -> None:
    """Asks the lead of the plan to look at what the EHR changed."""
    if merging.rules is not None and merging.tells and stored is not None:
        _follow(ids, noticed(ids.tx, ids.connection, stored, ids.now, merging.rules, torn=torn))


def _store_merged(ids: Ids, made: Merged, merging: Merging) -> None:
    """Our copy with the EHR's changes in it; it is sent, since the EHR lacks ours."""
    change = Change("update", str(made.resource["resourceType"]), str(made.resource["id"]), made.resource)
    judged = _judged(ids, change, merging)
    stored = commit(ids.tx, ids.connection, [change], now=ids.now, origin=MERGED, base=ids.border.our_base)[0]
    if judged.found[0] and not findings.of(ids.tx, stored.rid, stored.version):
        findings.put(ids.tx, stored.rid, stored.version, judged.found[0])
    _follow(ids, judged.following)
    _tell(ids, stored, merging)


def _judged(ids: Ids, change: Change, merging: Merging) -> Ruled:
    """What the coordination rules say of the EHR's change, which they never refuse nor touch."""
    if merging.rules is None:
        return Ruled((change,), (), ((),))
    return ruled(ids.tx, ids.connection, [change], ids.now, merging.rules, lenient=True, additions=False)


def _follow(ids: Ids, following: Sequence[Change]) -> None:
    """Commits what follows from a change of the EHR's."""
    if following:
        commit(ids.tx, ids.connection, following, now=ids.now, origin=FOLLOWING, base=ids.border.our_base)


def _keep(
    ids: Ids,
    link: Link,
    current: Version | None,
    remote: Resource | None,
    ehr_version: str,
    paths: tuple[str, ...],
) -> None:
    """Keeps all three copies and holds our change back; neither side is touched."""
    conflicts.record(
        ids.tx,
        ids.connection,
        link.type,
        link.id,
        base=link.base,
        local=_content(current),
        remote=remote,
        ehr_version=ehr_version,
        paths=paths,
        now=ids.now,
    )
    if links.by_id(ids.tx, ids.connection, link.type, link.id) is None:
        links.put(ids.tx, ids.connection, link, ids.now)
    outbox.hold(ids.tx, ids.connection, link.type, link.id)


def _settled(ids: Ids, type_: str, our_id: str) -> None:
    """Closes a conflict that has come to nothing, since both sides can be reconciled again."""
    known = conflicts.open_of(ids.tx, ids.connection, type_, our_id)
    if known:
        conflicts.resolve(ids.tx, known.cid, ids.now)
        outbox.move(ids.tx, ids.connection, type_, our_id, "held", "waiting", ids.now)
