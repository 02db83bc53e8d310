"""Acts on what the EHR holds: decides, and writes version, link, findings or conflict in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from fhirplan.ehr.answered import RemoteCopy
from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource
from fhirplan.store import findings, versions
from fhirplan.store.commit import Change, commit
from fhirplan.store.sync import links, outbox, receipts
from fhirplan.store.sync.links import Link
from fhirplan.store.versions import Version
from fhirplan.sync.content import comparable, same
from fhirplan.sync.identity import FROM_EHR, Ids, inbound
from fhirplan.sync.keeping import close, content_of, follow, judge, keep, store, store_merged, tell
from fhirplan.sync.known import is_known, is_stale, went_back
from fhirplan.sync.landed import origins
from fhirplan.sync.merging import ASKING, Merging
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
    Unchanged,
    decide,
    paths,
)

# How many of our versions since the base are compared with a copy that looks strange.
_OWN_VERSIONS: Final = 50
# What code that reads a resource may raise when it is not shaped as FHIR; one such resource must not stop a pass.
MISSHAPEN: Final = (ValueError, TypeError, KeyError, AttributeError, IndexError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What was decided about one resource of the EHR's, and under which id it is here."""

    decision: Decision
    type: str
    id: str
    created: bool = False


def absorb(ids: Ids, remote: RemoteCopy, found: Sequence[Issue] = (), merging: Merging = ASKING) -> Absorbed:
    """Takes notice of the EHR's copy of a resource; ``found`` are the validation findings of that copy.

    Raises what ``commit`` raises when the copy cannot be stored.
    """
    tx, name = ids.tx, ids.connection
    our_id = our_id_of(ids, remote.resource)
    link = links.by_id(tx, name, remote.type, our_id) or Link(remote.type, our_id, remote.id)
    if link.agreed and (is_known(link, remote) or is_stale(link, remote, ids.now)):
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
            stored = store(ids, incoming, current, found, merging)
            links.put(tx, name, replace(seen, base=content, local_version=stored.version), ids.now)
        case Merged(settled=settled):
            if settled:
                keep(ids, link, current, incoming, remote.version, settled)
            store_merged(ids, decision, merging)
            links.put(tx, name, replace(seen, base=content, local_version=_number(current)), ids.now)
        case Conflict(paths=paths):
            keep(ids, link, current, incoming, remote.version, paths)
            tell(ids, current, merging, torn=True)
        case RemoteGone():
            raise AssertionError("a copy that is there is not gone")
    if not isinstance(decision, Conflict):
        close(ids, remote.type, our_id)
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
    named = ids.chosen([(item.copy.type, item.copy.id, item.set_aside) for item in items])
    incoming = [inbound(ids, item.copy.resource, our_id) for item, our_id in zip(items, named, strict=True)]
    changes = [Change("create", str(item["resourceType"]), str(item["id"]), item) for item in incoming]
    stays = [change for change in changes if change.type == "Encounter"] if merging.rules is not None else []
    onward = [following for change in stays for following in judge(ids, change, merging).following]
    made = commit(ids.tx, ids.connection, changes, now=ids.now, origin=FROM_EHR, base=ids.border.our_base)
    follow(ids, onward)
    findings.put_all(
        ids.tx, [(stored.rid, stored.version, item.found) for item, stored in zip(items, made, strict=True)]
    )
    fresh: list[Link] = []
    awaited: list[Link] = []
    for item, resource, stored in zip(items, incoming, made, strict=True):
        copy = item.copy
        link = Link(copy.type, stored.id, copy.id, copy.version, copy.updated, comparable(resource), stored.version)
        (awaited if item.set_aside else fresh).append(link)
    links.agree(ids.tx, ids.connection, awaited, ids.now)
    links.add(ids.tx, ids.connection, fresh, ids.now)


def absorb_gone(ids: Ids, link: Link) -> Absorbed:
    """Takes notice that the EHR's copy was deleted, which the EHR itself has said (404 or 410 on read)."""
    tx, name = ids.tx, ids.connection
    current = versions.current(tx, name, link.type, link.id)
    decision = decide(link.base, content_of(current), None)
    if isinstance(decision, Conflict):
        keep(ids, link, current, None, "", decision.paths)
        return Absorbed(decision, link.type, link.id)
    if isinstance(decision, RemoteGone):
        commit(tx, name, [Change("delete", link.type, link.id)], now=ids.now, origin=FROM_EHR, base=ids.border.our_base)
    links.put(tx, name, replace(link, base=None, ehr_version="", ehr_updated="", ehr_gone=True), ids.now)
    close(ids, link.type, link.id)
    return Absorbed(decision, link.type, link.id)


def _own(ids: Ids, current: Version | None, link: Link) -> Iterator[tuple[int, Resource | None]]:
    """Our versions since the base, newest first; read only when the decision needs them."""
    if current is None or current.version <= link.local_version:
        return
    for item in versions.history(ids.tx, ids.connection, current.type, current.id, before=None, count=_OWN_VERSIONS):
        if item.version <= link.local_version:
            return
        yield item.version, content_of(item)


def _decided(
    ids: Ids, link: Link, current: Version | None, remote: RemoteCopy, content: Resource | None, merging: Merging
) -> tuple[Decision, Link]:
    """The decision about a copy, and the link with the base it was decided by.

    Where it is not known which version of ours the copy was made from, and that makes a difference, a person decides;
    as where the EHR went back, as one does that was restored from a backup: what was agreed on since is lost there.
    """
    ours = receipts.wrote(ids.tx, ids.connection, remote.type, link.id, remote.version)
    terms = merging.terms(current, remote)
    made = [
        (decide(item.base, content_of(current), content, ours=ours, own=_own(ids, current, item), terms=terms), item)
        for item in _readings(ids, link, current, content)
    ]
    if link.agreed and went_back(link, remote) and any(isinstance(one, FastForward | Merged) for one, _ in made):
        return Conflict(paths(None, content_of(current), content)), link
    if all(decision == made[0][0] for decision, _ in made):
        return made[0]
    torn = next((item for item in made if isinstance(item[0], Conflict)), None)
    return torn or (Conflict(paths(link.base, content_of(current), content)), link)


def _readings(ids: Ids, link: Link, current: Version | None, content: Resource | None) -> list[Link]:
    """The link with each base that the EHR's copy may have been made from: ours may have landed unheard of."""
    if content is None or current is None or current.version <= link.local_version or same(content, link.base):
        return [link]
    if not outbox.in_doubt(ids.tx, ids.connection, link.type, link.id):
        return [link]
    found = origins(link.base, content, _own(ids, current, link))
    return [replace(link, base=base, local_version=version or link.local_version) for version, base in found]


def _number(current: Version | None) -> int:
    return current.version if current is not None else 0
