"""Who is calling: a person or a program, and what they were granted. How they were recognised is not known here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from fhirplan.access.scopes import Scopes


@dataclass(frozen=True)
class Grant:
    """What an access token gives: ``scopes`` for ``client``, as ``issuer`` says it.

    ``user`` is who stands behind it as type/id of this server, "" for a program alone or somebody unknown here;
    ``patient`` and ``encounter`` are ids of the launch context. ``user_patient`` is the patient whose record ``user``
    may see as a person: themself, or whom they are related to; "" for a professional. ``id`` names the grant, by
    which it is revoked; ``expires`` is in seconds since 1970. ``stranger`` tells that its issuer named a patient who is
    not known here, so that there is none. ``administrator`` tells that the settings name who stands behind it, or its
    client, as one.
    """

    client: str
    scopes: Scopes
    issuer: str = ""
    subject: str = ""
    user: str = ""
    patient: str = ""
    encounter: str = ""
    user_patient: str = ""
    id: str = ""
    expires: float = 0
    stranger: bool = False
    administrator: bool = False

    @cached_property
    def key(self) -> str:
        """Equal for grants that may do and see the same; a cursor is bound to it."""
        parts = (self.issuer, self.client, self.user, self.user_patient, self.patient, self.scopes.text())
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()

    @property
    def person(self) -> str:
        """Who is held to which moves a person may make, as type/id; "" for a program alone and an administrator."""
        return "" if self.administrator else self.user

    @cached_property
    def known(self) -> dict[Any, Any]:
        """What was decided for this grant already, for whoever decides."""
        return {}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is calling, as versions and the audit name them; ``id`` holds no person's name.

    Without a ``grant`` nothing limits them: that is the operator, and everybody on an open server.
    """

    id: str
    grant: Grant | None = None


ANYBODY: Final = Actor("anybody")
OPERATOR: Final = Actor("operator")
"""Whoever runs commands on the server's own machine, and could read the database without us."""


def of_grant(grant: Grant) -> Actor:
    """The actor of a grant, called by who stands behind it, else by its client."""
    return Actor(grant.user or f"client {grant.client}", grant)
