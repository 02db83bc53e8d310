"""Subscription: what it is searched by, and which types can be subscribed to (R4 section 2.46, and its R5 backport)."""

from __future__ import annotations

from typing import Final

from fhirplan.catalog.spec import R4, ResourceSpec, SearchParameter

TOPICS: Final = "http://fhirplan.dev/fhir/SubscriptionTopic/"
"""Where the canonical urls of our topics begin: one for each type that can be subscribed to, ended by its name."""

SUBSCRIPTION: Final = ResourceSpec(
    "Subscription",
    sync="none",
    search=(
        SearchParameter(
            "contact", "token", "Subscription.contact", (), "Who to call about it", R4 + "Subscription-contact"
        ),
        SearchParameter(
            "criteria",
            "string",
            "Subscription.criteria",
            (),
            "The search, or the topic, that says what is told",
            R4 + "Subscription-criteria",
        ),
        SearchParameter(
            "payload",
            "token",
            "Subscription.channel.payload",
            (),
            "The MIME type of what is sent",
            R4 + "Subscription-payload",
            "urn:ietf:bcp:13",
        ),
        SearchParameter(
            "status",
            "token",
            "Subscription.status",
            (),
            "requested, active, error or off",
            R4 + "Subscription-status",
            "http://hl7.org/fhir/subscription-status",
        ),
        SearchParameter(
            "type",
            "token",
            "Subscription.channel.type",
            (),
            "The way notifications go",
            R4 + "Subscription-type",
            "http://hl7.org/fhir/subscription-channel-type",
        ),
        SearchParameter(
            "url", "uri", "Subscription.channel.endpoint", (), "Where notifications go", R4 + "Subscription-url"
        ),
    ),
)


def topic(type_: str) -> str:
    """The canonical of the topic that tells of each create, update and delete of a type."""
    return TOPICS + type_
