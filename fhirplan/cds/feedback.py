"""Reads what became of cards and has it kept (CDS Hooks 2.0, Feedback)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fhirplan.cds.call import UUID
from fhirplan.cds.services import Service
from fhirplan.cds.trust import Caller
from fhirplan.errors import MalformedRequest
from fhirplan.fhir import dates
from fhirplan.store import cds_feedback
from fhirplan.store.cds_feedback import Feedback
from fhirplan.store.engine import Database

_MOST: Final = 1000
_LONGEST: Final = 200


def take(database: Database, service: Service, caller: Caller, body: Any) -> int:
    """Keeps all feedback of a body; gives how much that is. Raises MalformedRequest, and then keeps none of it."""
    listed = body.get("feedback") if isinstance(body, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= _MOST:
        raise MalformedRequest(f"feedback must be a list of 1 to {_MOST} objects (CDS Hooks 2.0).")
    made = [_one(item, n, service, caller) for n, item in enumerate(listed)]
    with database.write() as tx:
        for item in made:
            cds_feedback.keep(tx, item)
    return len(made)


def _one(item: Any, n: int, service: Service, caller: Caller) -> Feedback:
    where = f"feedback[{n}]"
    if not isinstance(item, dict) or not isinstance(item.get("card"), str) or not UUID.fullmatch(item["card"]):
        raise MalformedRequest(f"{where}.card must be the uuid of the card.")
    outcome = item.get("outcome")
    if outcome not in ("accepted", "overridden"):
        raise MalformedRequest(f"{where}.outcome must be accepted or overridden.")
    at = dates.span(str(item.get("outcomeTimestamp") or ""))
    if at is None:
        raise MalformedRequest(f"{where}.outcomeTimestamp must be a UTC date and time.")
    taken = list(_suggestions(item.get("acceptedSuggestions"), where))
    if outcome == "accepted" and not taken:
        raise MalformedRequest(f"{where}.acceptedSuggestions must name what was accepted.")
    return Feedback(
        caller.connection.name,
        caller.issuer,
        item["card"].lower(),
        service.id,
        outcome,
        " ".join(taken),
        _reason(item.get("overrideReason")),
        at.low,
    )


def _suggestions(given: Any, where: str) -> Iterator[str]:
    for item in given if isinstance(given, list) else []:
        found = item.get("id") if isinstance(item, dict) else None
        if not isinstance(found, str) or not UUID.fullmatch(found):
            raise MalformedRequest(f"{where}.acceptedSuggestions must hold objects whose id is a suggestion's uuid.")
        yield found.lower()


def _reason(given: Any) -> str:
    reason = given.get("reason") if isinstance(given, dict) else None
    return str(reason.get("code") or "")[:_LONGEST] if isinstance(reason, dict) else ""
