"""Decides whether an actor may carry out an interaction on a type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fhirplan.errors import NotAuthenticated

PUBLIC: Final = frozenset({"capabilities", "definition-read", "definition-search", "openapi"})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is calling, as versions and the audit name them; ``id`` holds no person's name."""

    id: str


ANYBODY: Final = Actor("anybody")
# Whoever runs commands on the server's own machine, and could read the database without us.
OPERATOR: Final = Actor("operator")


def decide(actor: Actor | None, kind: str, type_: str, auth: str) -> None:
    """Returns when ``actor`` may do an interaction of this kind on this type; ``actor`` is None when nobody is known.

    ``auth`` is the setting of that name. ``open`` allows everything; ``smart`` allows the operator everything and
    others what needs no patient (R4 section 2.21.0.2: a CapabilityStatement may be read before anybody is known).
    Raises NotAuthenticated.
    """
    if auth == "open" or kind in PUBLIC or actor == OPERATOR:
        return
    raise NotAuthenticated(
        f"Nobody may {kind} {type_ or 'this'} without a SMART access token, and this server does not take tokens yet. "
        "On your own machine, start it with FHIRPLAN_AUTH=open to try it without."
    )
