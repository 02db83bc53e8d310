"""How the edits of both sides are merged on one connection, and by which rules what comes of it is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from fhirplan.ehr.answered import RemoteCopy
from fhirplan.errors import Issue
from fhirplan.fhir.codec import Resource
from fhirplan.merge.policy import Policy
from fhirplan.store.coordination.ruled import Rules
from fhirplan.store.versions import Version
from fhirplan.sync.instants import instant
from fhirplan.sync.plan import Terms


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
