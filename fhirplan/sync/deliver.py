"""Brings one resource's newest version to the EHR and links what landed; looks first where the outcome is unknown.

Each way ends in a Delivery: sent, parked (the EHR does not take it) or conflict (it changed there too). A failure to
answer is raised and leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from fhirplan.coordination.elements import child, objects
from fhirplan.ehr.answered import RemoteCopy, Written, remote_copy
from fhirplan.ehr.discovery import TypeCapability
from fhirplan.errors import EhrRejected, EhrVersionMismatch
from fhirplan.fhir.codec import Resource
from fhirplan.store import versions
from fhirplan.store.sync import links, receipts
from fhirplan.store.sync.links import Link
from fhirplan.store.versions import Version
from fhirplan.sync.absorb import absorb, absorb_gone
from fhirplan.sync.content import comparable, same, unmarked
from fhirplan.sync.delivery import Delivery, Job, Landing, kept_here, said
from fhirplan.sync.elsewhere import elsewhere
from fhirplan.sync.identity import Ids, inbound, outbound
from fhirplan.sync.known import is_known
from fhirplan.sync.lookup import condition, look
from fhirplan.sync.merging import Merging
from fhirplan.sync.pairing import pair
from fhirplan.sync.plan import Conflict, Echo, Unchanged
from fhirplan.sync.points import reached
from fhirplan.sync.sides import Sides
from fhirplan.sync.unkept import unkept
from fhirplan.sync.withholding import TEXT, is_withheld

_WITHDRAWN: Final = "It was entered by mistake and taken back before the EHR had it, so there is nothing to send."
# How often one delivery decides anew when the EHR's copy moves under it.
ROUNDS: Final = 4


@dataclass(frozen=True, slots=True)
class _Here:
    """Our side at this moment."""

    link: Link | None
    current: Version | None

    @property
    def local(self) -> Resource | None:
        return self.current.resource() if self.current is not None and not self.current.deleted else None

    @property
    def version(self) -> int:
        return self.current.version if self.current is not None else 0


class _Again(Exception):
    """The EHR's copy was taken notice of: both sides have to be looked at again.

    ``route`` names the interaction of ours that turned out to have landed earlier, "" when none did.
    """

    def __init__(self, route: str = "") -> None:
        self.route = route


class _Ended(Exception):
    """The delivery ended while the EHR's copy was read."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery


def deliver(sides: Sides, job: Job) -> Delivery:
    """Delivers one resource.

    Raises EhrUnavailable (nothing is settled), EhrRejected (it was refused), EhrVersionMismatch (it keeps changing
    there) and ClaimLost.
    """
    landed_before = ""
    for _ in range(ROUNDS):
        try:
            made = _once(sides, job)
        except _Again as again:
            landed_before = again.route or landed_before
        except _Ended as ended:
            return ended.delivery
        else:
            return replace(made, route=landed_before) if landed_before and made.route == "none" else made
    raise EhrVersionMismatch(f"The EHR's copy of {job.type}/{job.id} keeps changing. It is tried again later.")


def _once(sides: Sides, job: Job) -> Delivery:
    with sides.database.read() as tx:
        here = _Here(
            links.by_id(tx, sides.connection, job.type, job.id),
            versions.current(tx, sides.connection, job.type, job.id),
        )
        known = receipts.of(tx, sides.connection, job.type, job.id)
    offered = sides.client.capabilities().of(job.type)
    link, local = here.link, here.local
    if link is not None and link.agreed:
        if local is None:
            return _delete(sides, offered, link, job)
        if same(comparable(local), link.base):
            return _reconcile(sides, offered, here, link, local, job)
        if is_withheld(sides, local):
            return Delivery("parked", "none", link.ehr_id, link.ehr_version, reason=said("suppressed", TEXT))
        return _update(sides, offered, here, link, local, job)
    if local is None:
        return _never_there(sides, offered, job)
    if link is not None and not link.ehr_gone:
        return _meet(sides, link)
    # What went as something else, such as a note, has no link; the mistake in it is told there too.
    never_out = job.attempts == 1 and not any(item.state == "sent" and item.route != "withdrawn" for item in known)
    if is_mistake(local) and never_out:
        return Delivery("sent", "withdrawn", reason=said("informational", _WITHDRAWN))
    if is_withheld(sides, local):
        return Delivery("parked", "none", reason=said("suppressed", TEXT))
    return _create(sides, offered, job, here, local)


def is_mistake(resource: Resource) -> bool:
    """Whether its own status says that a resource should never have been entered."""
    verified = objects(child(resource, "verificationStatus", "coding"))
    stated = (resource.get("status"), resource.get("lifecycleStatus"), *(item.get("code") for item in verified))
    return "entered-in-error" in stated


def _create(sides: Sides, offered: TypeCapability, job: Job, here: _Here, local: Resource) -> Delivery:
    if not offered.can("create"):
        return elsewhere(sides, job, here.version, local, "create")
    with sides.database.read() as tx:
        body = outbound(sides.ids(tx), local, "")
    if job.attempts > 1:
        found = look(sides, offered, body, job.id)
        if found is not None:
            return _notice(sides, found, "create")
    job.hold()
    written = sides.client.create(body, if_none_exist=condition(offered, body, job.id))
    if written.existed and job.attempts == 1 and written.resource is not None:
        return _notice(sides, remote_copy(written.resource), "create")
    return _landed(here, local, written, "create")


def _update(sides: Sides, offered: TypeCapability, here: _Here, link: Link, local: Resource, job: Job) -> Delivery:
    if not offered.can("update"):
        return elsewhere(sides, job, here.version, local, "update")
    if not (offered.guards_updates and link.ehr_version) or sides.vendor().unsafe_if_match:
        remote = _read(sides, link)
        if not is_as_known(sides, link, remote):
            return _notice(sides, remote, "update")
    with sides.database.read() as tx:
        body = outbound(sides.ids(tx), local, link.ehr_id)
    job.hold()
    try:
        written = sides.client.update(body, if_match=link.ehr_version)
    except EhrVersionMismatch as refusal:
        return _mismatch(sides, link, "update", refusal)
    except EhrRejected as error:
        if error.status in (404, 410):
            _read(sides, link)
        raise
    return _landed(here, local, written, "update")


def _delete(sides: Sides, offered: TypeCapability, link: Link, job: Job) -> Delivery:
    """Deletes the EHR's copy, after a look that nobody has changed it since: not every EHR heeds If-Match here."""
    if not offered.can("delete"):
        return kept_here("delete", link.type)
    remote = sides.client.read(link.type, link.ehr_id)
    if remote is not None:
        if not is_as_known(sides, link, remote):
            return _notice(sides, remote, "delete")
        job.hold()
        try:
            sides.client.delete(link.type, link.ehr_id, if_match=link.ehr_version)
        except EhrVersionMismatch as refusal:
            return _mismatch(sides, link, "delete", refusal)
    with sides.database.write() as tx:
        absorb_gone(sides.ids(tx), link)
    return Delivery("sent", "delete", link.ehr_id)


def _reconcile(sides: Sides, offered: TypeCapability, here: _Here, link: Link, local: Resource, job: Job) -> Delivery:
    """Nothing changed since both agreed; but a reference may have gone by identifier, and can go literally now."""
    remote = _read(sides, link)
    with sides.database.read() as tx:
        body = outbound(sides.ids(tx), local, link.ehr_id)
    if same(unmarked(body, link.id), unmarked(remote.resource, link.id)):
        return Delivery("sent", "none", link.ehr_id, remote.version)
    if not is_as_known(sides, link, remote):
        return _notice(sides, remote, "update")
    if not offered.can("update"):
        # The EHR shows it otherwise than it was agreed on, and takes no change of it: nothing of ours is to be said.
        return Delivery("sent", "none", link.ehr_id, remote.version)
    return _update(sides, offered, here, link, local, job)


def _never_there(sides: Sides, offered: TypeCapability, job: Job) -> Delivery:
    """Deleted here before the EHR had it; unless an earlier attempt landed unseen, there is nothing to do."""
    if job.attempts > 1:
        with sides.database.read() as tx:
            before = versions.history(tx, sides.connection, job.type, job.id, before=None, count=2)
            last = next((item.resource() for item in before if not item.deleted), None)
            body = outbound(sides.ids(tx), last, "") if last else None
        found = look(sides, offered, body, job.id) if body else None
        if found is not None:
            with sides.database.write() as tx:
                ids = sides.ids(tx)
                content = comparable(inbound(ids, found.resource, job.id))
                made = Link(job.type, job.id, found.id, found.version, found.updated, content)
                pair(ids, made)
            raise _Again
    return Delivery("sent", "none")


def _meet(sides: Sides, link: Link) -> Delivery:
    """Ours has an id that was set aside for a resource of the EHR's: see what that is."""
    remote = sides.client.read(link.type, link.ehr_id)
    if remote is not None:
        return _notice(sides, remote, "update")
    with sides.database.write() as tx:
        links.put(tx, sides.connection, replace(link, ehr_gone=True), sides.clock())
    raise _Again


def _landed(here: _Here, local: Resource, written: Written, route: str) -> Delivery:
    return Delivery("sent", route, written.id, written.version, landing=Landing(local, here.version, written))


def note(ids: Ids, landings: Sequence[Landing], merging: Merging) -> dict[tuple[str, str], str]:
    """Links what the EHR took, all of it before any is looked at, and takes notice of what the EHR made of it.

    Gives by type and id what is to be said on the receipts, as OperationOutcome JSON, of what it did not keep.
    """
    made = []
    for item in landings:
        type_, our_id, to = str(item.local["resourceType"]), str(item.local["id"]), item.written
        link = Link(type_, our_id, to.id, to.version, to.updated, comparable(item.local), item.version)
        pair(ids, link)
        made.append((link, to))
    told = {}
    for link, to in made:
        stored = comparable(inbound(ids, to.resource, link.id)) if to.resource is not None else None
        if stored is None or link.base is None or same(stored, link.base):
            continue
        links.put(ids.tx, ids.connection, replace(link, ehr_version="", ehr_updated=""), ids.now)
        absorb(ids, remote_copy(to.resource or {}), merging=replace(merging, tells=False))
        if sentence := unkept(link.base, stored, link.local_version):
            told[link.type, link.id] = said("informational", sentence)
    return told


def _notice(sides: Sides, remote: RemoteCopy, route: str) -> Delivery:
    """Takes notice of a copy of the EHR's; a conflict ends the delivery, anything else is decided anew."""
    with sides.database.write() as tx:
        seen = absorb(sides.ids(tx), remote, merging=sides.merging)
        reached("noticing")
    reached("noticed")
    if isinstance(seen.decision, Conflict):
        return _conflict(route, remote.id, remote.version)
    raise _Again(route if isinstance(seen.decision, Echo | Unchanged) else "")


def is_as_known(sides: Sides, link: Link, remote: RemoteCopy) -> bool:
    """Whether the EHR's copy is the one both agreed on, by its version or, where that does not tell, by its content."""
    if is_known(link, remote):
        return True
    if remote.version != link.ehr_version:
        return False
    with sides.database.write() as tx:
        return same(comparable(inbound(sides.ids(tx), remote.resource, link.id)), link.base)


def _read(sides: Sides, link: Link) -> RemoteCopy:
    """The EHR's copy; one that is gone is taken notice of, and both sides are looked at again."""
    remote = sides.client.read(link.type, link.ehr_id)
    if remote is None:
        with sides.database.write() as tx:
            seen = absorb_gone(sides.ids(tx), link)
        if isinstance(seen.decision, Conflict):
            raise _Ended(_conflict("none", link.ehr_id, ""))
        raise _Again
    return remote


def _mismatch(sides: Sides, link: Link, route: str, refusal: EhrVersionMismatch) -> Delivery:
    """The EHR says its copy is another one; when it is not, the refusal has another reason."""
    remote = _read(sides, link)
    if is_as_known(sides, link, remote):
        raise EhrRejected(refusal.issues, status=409)
    return _notice(sides, remote, route)


def _conflict(route: str, ehr_id: str, ehr_version: str) -> Delivery:
    text = "The EHR's copy was changed too. Both copies are kept; see: fhirplan conflicts list"
    return Delivery("conflict", route, ehr_id, ehr_version, said("conflict", text))
