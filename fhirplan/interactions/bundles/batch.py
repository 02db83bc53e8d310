"""Carries out the entries of a batch, each on its own (R4 section 3.2.0.11.1)."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fhirplan.errors import FhirplanError
from fhirplan.fhir.bundle import Answer, responses
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.dates import instant
from fhirplan.interactions.bundles.entries import METHODS, at_entry, entry, listed
from fhirplan.interactions.bundles.linking import linked
from fhirplan.interactions.outcomes import refusal, said
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Reply

Perform = Callable[[Services, Interaction], Reply]


def batch(services: Services, interaction: Interaction, bundle: Resource, perform: Perform) -> Reply:
    """200 with a batch-response whose entries stand in the order of the request, each with its own status."""
    items = listed(services, bundle)
    order = sorted(range(len(items)), key=lambda index: _rank(items[index]))
    answers: dict[int, Answer] = {}
    for index in order:
        reply = _one(services, interaction, index, items[index], perform)
        answers[index] = answer(reply, interaction, _method(items[index]))
    return Reply(200, responses("batch", (answers[index] for index in range(len(items)))))


def _rank(item: Any) -> int:
    method = _method(item)
    return METHODS.index(method) if method in METHODS else len(METHODS)


def _method(item: Any) -> str:
    request = item.get("request") if isinstance(item, dict) else None
    return str(request.get("method")) if isinstance(request, dict) else ""


def _one(services: Services, interaction: Interaction, index: int, item: Any, perform: Perform) -> Reply:
    """The reply of one entry; entries of a batch may not refer to each other, so a urn in them leads nowhere."""
    try:
        asked = entry(interaction, index, item)
        if isinstance(asked.interaction.body, dict) and asked.interaction.body:
            linked(asked.interaction.body, index, "", {}, lambda type_, query: f"{type_}?{query}")
    except FhirplanError as error:
        return refusal(at_entry(error, index))
    return perform(services, asked.interaction)


def answer(reply: Reply, asked: Interaction, method: str) -> Answer:
    """The entry of a response Bundle that says what a reply says (R4 section 2.36.1, Bundle.entry.response).

    ``asked`` is the request of the Bundle: whether a write brings its resource or its findings is its preference.
    """
    writes = method in ("POST", "PUT", "PATCH", "DELETE")
    refused = reply.status >= 400
    told = said(reply.issues) if writes and asked.prefer == "OperationOutcome" else b""
    return Answer(
        f"{reply.status} {HTTPStatus(reply.status).phrase}",
        reply.location if writes and method != "DELETE" else "",
        reply.etag,
        instant(reply.updated) if reply.updated else "",
        b"" if refused or method == "HEAD" else reply.body,
        reply.body if refused else told,
        f"{asked.base}/{reply.type}/{reply.id}" if reply.id else "",
    )
