"""What is to be committed: a change to a resource, what it was prepared on, and who makes it."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

from fhirplan.fhir.codec import Resource
from fhirplan.search.values import Row
from fhirplan.store.versions import Method


@dataclass(frozen=True, slots=True)
class Change:
    """One change to one resource; ``id`` is always known, a new one is chosen by the caller.

    ``expected`` is the version that must be the current one, 0 where there must be no live resource, None for any.
    ``rows`` are the index rows of the resource where ``with_rows`` has found them already, ``base`` is what the change
    was prepared on, None where that is not known.
    """

    method: Method
    type: str
    id: str
    resource: Resource | None = None
    expected: int | None = None
    rows: frozenset[Row] | None = None
    base: Base | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """A stored version that was read ahead of a change: its JSON as stored, the resource in it and its index rows."""

    body: bytes
    resource: Resource
    rows: Set[Row]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who makes a change: ``push`` says whether the EHR must be told (it is false for what came from there).

    ``address`` is the caller's network address, ``client`` and ``grant`` what their token was issued to and for; ""
    where there is none. ``marks`` says whether the coordination state of the patient is to be computed again; it is
    false for what was written from that state. ``hold`` is for how long, in ms, the change waits before it is sent.
    """

    actor: str
    request_id: str
    source: Literal["api", "ehr"]
    push: bool
    address: str = ""
    marks: bool = True
    client: str = ""
    grant: str = ""
    hold: int = 0
