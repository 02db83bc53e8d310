"""What is to be delivered to an EHR, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fhirplan.ehr.answered import Written
from fhirplan.errors import Issue
from fhirplan.fhir import codec, outcome
from fhirplan.fhir.codec import Resource


@dataclass(frozen=True, slots=True)
class Job:
    """One resource to deliver; ``attempts`` above 1 means that an earlier one may have landed unseen.

    ``hold`` is called before each write: it prolongs the claim, since somebody else could take the resource over when
    it ends, look for a create that is still on its way and not find it. It raises ClaimLost when the claim is lost.
    """

    type: str
    id: str
    attempts: int
    hold: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Landing:
    """What the EHR took: our version as it was sent, and where it is there."""

    local: Resource
    version: int
    written: Written


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of it. ``route`` is the interaction used, ``none`` when nothing was sent.

    ``reason`` is OperationOutcome JSON or None, ``due`` in milliseconds when it is to be tried again. ``landing`` is
    to be noted (``note``) in the transaction that ends the claim.
    """

    state: str
    route: str
    ehr_id: str = ""
    ehr_version: str = ""
    reason: str | None = None
    due: int = 0
    landing: Landing | None = None


class ClaimLost(Exception):
    """Somebody else has taken over what was claimed; nothing was sent and nothing is to be noted."""


def kept_here(method: str, type_: str) -> Delivery:
    """A change that the EHR takes in no form."""
    text = f"The EHR does not take a {method} of {type_}, so this change is kept here only."
    return Delivery("parked", "none", reason=said("not-supported", text))


def said(code: str, text: str) -> str:
    """An OperationOutcome with one remark, as a receipt keeps it."""
    made: Any = outcome.outcome([Issue("information", code, text)])
    return codec.dumps(made).decode()
