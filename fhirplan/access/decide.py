"""Decides what an actor may do with which type, and to which resources of it that is limited.

Every door is closed until a rule here opens it. Which letters of a scope an interaction needs: SMART App Launch 2.2,
Scopes for requesting FHIR Resources; what it leaves open is settled in docs/explanation/access.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from fhirplan.access.actor import ANYBODY, OPERATOR, Actor, Grant
from fhirplan.access.scopes import Scope
from fhirplan.errors import NotAuthenticated, NotPermitted

__all__ = ["ANYBODY", "NEEDS", "OPERATOR", "PUBLIC", "Actor", "Grant", "Limit", "decide", "limits", "patients"]

PUBLIC: Final = frozenset({"capabilities", "definition-read", "definition-search", "openapi"})
"""What is shown before anybody is known (R4 section 2.21.0.2): it holds nothing of any patient."""
NEEDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "read": "r",
        "vread": "r",
        "history-instance": "r",
        "history-type": "s",
        "history-system": "s",
        "search-type": "s",
        "search-system": "s",
        "search-compartment": "s",
        "create": "c",
        "update": "u",
        "patch": "u",
        "delete": "d",
        "meta": "r",
        "meta-add": "ur",
        "meta-delete": "ur",
        "everything": "r",
        "plan-everything": "r",
        "as-of": "r",
        "break-glass": "r",
        "subscription-status": "r",
        "subscription-events": "r",
        "audit-read": "r",
        "audit-search": "s",
    }
)
"""The letters that each interaction needs on its type; what is not listed here is denied to every token."""
# What any one scope opens: each entry of a bundle is decided on its own, and so is what $apply and $extract read and
# write; $validate shows nothing that is stored.
_ANY_SCOPE: Final = frozenset({"bundle", "apply", "extract"})
_ANY_LETTER: Final = frozenset({"validate"})
# They tell of what their caller may not see, so that no scope opens them.
_ADMINISTRATORS: Final = frozenset({"explain", "access-explain"})
# Over the types that the scopes say may be searched, where none is named.
_SEVERAL_TYPES: Final = frozenset({"history-system", "search-system", "search-compartment"})
OWN: Final[Mapping[str, str]] = MappingProxyType({"Subscription": "http://fhirplan.dev/fhir/sid/client"})
"""Types of which a client sees only what it made: the system of the tag by which this server marks it."""
_PROFESSIONALS: Final = frozenset({"Practitioner", "PractitionerRole"})


@dataclass(frozen=True, slots=True)
class Limit:
    """Resources that may be touched: of one patient ("" for any), that fulfil all conditions of ``query``."""

    patient: str = ""
    query: tuple[tuple[str, str], ...] = ()


def decide(actor: Actor | None, kind: str, type_: str, auth: str) -> None:
    """Returns when ``actor`` may do an interaction of this kind on some resource of this type.

    ``actor`` is None when nobody is known. ``auth`` is the setting of that name; ``open`` allows everything. Raises
    NotAuthenticated, NotPermitted with the scope that is missing.
    """
    if auth == "open" or kind in PUBLIC or actor == OPERATOR:
        return
    if actor is None or actor.grant is None:
        raise NotAuthenticated(
            f"To {kind} {type_ or 'this'} takes a SMART access token, sent as Authorization: Bearer. "
            "/fhir/.well-known/smart-configuration says where to get one; on your own machine, FHIRPLAN_AUTH=open "
            "lets you try it without."
        )
    if kind in _ADMINISTRATORS:
        if actor.grant.administrator:
            return
        raise NotPermitted("Only those whom the setting administrators names may ask for this; no scope opens it.")
    scopes = actor.grant.scopes
    if kind in _ANY_SCOPE and scopes.resources:
        return
    if not type_ and kind in _SEVERAL_TYPES and any("s" in item.letters for item in scopes.resources):
        return
    if kind in _ANY_LETTER and any(limits(actor, type_, letter) for letter in "cru"):
        return
    letters = NEEDS.get(kind, "")
    if not letters:
        raise NotPermitted(f"No SMART scope opens {kind} {type_}.".replace(" .", "."))
    for letter in letters:
        if not limits(actor, type_, letter):
            raise _missing(actor.grant, kind, type_, letter)


def patients(actor: Actor | None) -> frozenset[str] | None:
    """The patients to whose records a token is held whatever it does; None where it is not, or there is none."""
    if actor is None or actor.grant is None:
        return None
    made = [_limit(actor.grant, scope) for scope in actor.grant.scopes.resources]
    found = frozenset(item.patient for item in made if item is not None)
    return None if "" in found else found


def limits(actor: Actor, type_: str, letter: str) -> tuple[Limit, ...]:
    """To which resources of a type a token's right to do something is limited: those that one of them allows.

    None: nothing is allowed. A ``Limit()`` among them: all are. Each scope counts with its own level and conditions,
    so that a condition of one never widens another.
    """
    if actor.grant is None:
        return (Limit(),)
    # A grant is asked the same with each of its requests.
    known: dict[tuple[str, str], tuple[Limit, ...]] = actor.grant.known
    found = known.get((type_, letter))
    if found is None:
        found = known[type_, letter] = _limits(actor.grant, type_, letter)
    return found


def _limits(grant: Grant, type_: str, letter: str) -> tuple[Limit, ...]:
    made: list[Limit] = []
    for scope in grant.scopes.covering(type_, letter):
        limit = _limit(grant, scope)
        if limit is not None and type_ in OWN:
            limit = Limit(limit.patient, (*limit.query, ("_tag", f"{OWN[type_]}|{grant.client}")))
        if limit is not None and limit not in made:
            made.append(limit)
    return (Limit(),) if Limit() in made else tuple(made)


def _limit(grant: Grant, scope: Scope) -> Limit | None:
    """What a scope allows this grant; None where what it needs is not there: a patient, or a person behind it."""
    if scope.level == "system":
        return Limit("", scope.query)
    if scope.level == "patient":
        return Limit(grant.patient, scope.query) if grant.patient else None
    if grant.user_patient:
        return Limit(grant.user_patient, scope.query)
    return Limit("", scope.query) if grant.user.partition("/")[0] in _PROFESSIONALS else None


def lacking(grant: Grant, type_: str, letters: str) -> str:
    """The scope that a token lacks, of the level of those it has."""
    level = next((item for item in ("patient", "user", "system") if grant.scopes.has_level(item)), "system")
    return f"{level}/{type_ or '*'}.{letters}"


def _missing(grant: Grant, kind: str, type_: str, letter: str) -> NotPermitted:
    wanted = lacking(grant, type_, letter)
    held = grant.scopes.covering(type_, letter)
    if held and grant.stranger:
        why = "The patient that the token names is not known here, or not yet: the EHR's next pull may bring them."
    elif held and all(item.level == "patient" for item in held):
        why = "The token has patient scopes and names no patient. Launch from a chart, or ask for launch/patient."
    elif held:
        why = (
            "The token has user scopes and no person who is known here stands behind it. Ask for openid and fhirUser "
            "as a Practitioner, a Patient or a RelatedPerson of this server."
        )
    else:
        why = f"The token has no scope for it. Ask for {wanted}."
    return NotPermitted(f"You may not {kind} {type_}. {why}".replace(" .", "."), scope=wanted)
