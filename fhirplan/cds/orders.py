"""The card for signing orders: what is being ordered was requested already for the care plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhirplan.cds.cards import Card
from fhirplan.cds.moment import Moment
from fhirplan.coordination.elements import local, objects
from fhirplan.fhir.codec import Resource


def cards(moment: Moment) -> Iterator[Card]:
    """The cards of order-sign, one for each draft that stands in a plan already."""
    for draft in moment.call.drafts:
        wanted = _codes(draft)
        for plan in moment.plans:
            for item in plan.referrals:
                if wanted & _codes(item) and not moment.hidden(item) and not _same(moment, item, draft):
                    yield _card(moment, draft, item)


def _card(moment: Moment, draft: Resource, item: Resource) -> Card:
    what = _text(item)
    when = str(item.get("authoredOn") or "")[:10]
    lines = (f"{what}, {item.get('status')}" + (f", requested {when}" if when else ""),)
    summary = f"The care plan has an open request for this already: {what}"
    return Card(f"duplicate {local(item)} {draft.get('id', '')}", "warning", summary, lines, place="plan")


def _same(moment: Moment, item: Resource, draft: Resource) -> bool:
    """Whether the draft is the very order that the plan holds."""
    return moment.theirs(local(item)) == f"{draft.get('resourceType')}/{draft.get('id', '')}"


def _codes(resource: Resource) -> set[tuple[str, str]]:
    concept: Any = resource.get("code") or resource.get("codeCodeableConcept")
    listed = objects(concept.get("coding")) if isinstance(concept, dict) else []
    return {(str(one.get("system") or ""), str(one["code"])) for one in listed if isinstance(one.get("code"), str)}


def _text(resource: Resource) -> str:
    concept = resource.get("code")
    if not isinstance(concept, dict):
        return "a service"
    first = next(iter(objects(concept.get("coding"))), {})
    return str(concept.get("text") or first.get("display") or first.get("code") or "a service")
