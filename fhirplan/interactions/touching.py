"""Decides on single writes: what an actor may change, and what it may become.

What a caller may not see is to every write as if it were not there. A write neither takes a resource out of what the
caller may change, nor puts one there, nor reaches into another patient's compartment.
"""

from __future__ import annotations

from fhirplan.access.decide import Limit, decide
from fhirplan.catalog import CATALOG
from fhirplan.catalog.compartment import BESIDE, PATIENT
from fhirplan.errors import Issue, NotPermitted
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import Sight, absent, sight
from fhirplan.interactions.values import Interaction
from fhirplan.store import indexes, versions
from fhirplan.store.commit import Change
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Version


def touched(
    services: Services, tx: Transaction, asked: Interaction, type_: str, id_: str, letter: str
) -> Version | None:
    """The current version of what a write is about; None where there is none, or the caller may not change it so."""
    found = versions.current(tx, asked.connection, type_, id_)
    eyes = sight(services, tx, asked, letter) if found is not None else None
    return None if found is None or (eyes is not None and not eyes.sees(found)) else found


def updated(services: Services, tx: Transaction, asked: Interaction, id_: str) -> Version | None:
    """As ``touched``, of an update, which makes a resource where there is none.

    A caller who is limited to some resources of the type may not choose the id of a new one, since being told that it
    is taken would tell that there is one: then it is NotFound whether or not there is. NotPermitted where the id
    cannot be used, or the caller may not create.
    """
    found = touched(services, tx, asked, asked.type, id_, "u")
    if found is not None and not found.deleted:
        return found
    eyes = sight(services, tx, asked, "c")
    if eyes is None:
        return found
    limited = Limit() not in eyes.limits(asked.type)
    if limited and not asked.ids_made:
        raise absent(asked)
    decide(asked.actor, "create", asked.type, services.settings.auth)
    taken = versions.current(tx, asked.connection, asked.type, id_)
    if taken is not None and found is None:
        if limited:
            raise absent(asked)
        raise NotPermitted(f"{asked.type}/{id_} cannot be written to by you. Use another id.")
    return found


def check(services: Services, tx: Transaction, asked: Interaction, change: Change) -> None:
    """Raises NotPermitted, or NotFound where the caller may not know that there is anything, for a change too far."""
    if sight(services, tx, asked, "u") is None:
        return
    found = versions.current(tx, asked.connection, change.type, change.id)
    live = found is not None and not found.deleted
    letter = "d" if change.method == "delete" else "u" if live and change.method == "update" else "c"
    eyes = sight(services, tx, asked, letter)
    if eyes is None:
        return
    if live and found is not None and letter != "c" and not eyes.sees(found):
        raise absent(asked)
    if change.resource is not None:
        _becomes(eyes, {**change.resource, "resourceType": change.type, "id": change.id})


def _becomes(eyes: Sight, resource: Resource) -> None:
    type_ = resource["resourceType"]
    found = eyes.limits(type_)
    patients = {item.patient for item in found}
    if not eyes.allows(resource):
        whose = next((f" of Patient/{item}" for item in sorted(patients) if item), "")
        query = " or ".join("&".join(f"{name}={text}" for name, text in item.query) for item in found if item.query)
        such = f" with {query}" if query else ""
        raise NotPermitted(
            Issue(
                "error",
                "forbidden",
                f"Your token lets you store a {type_}{whose} only{such}, and this is none, or what it is cannot be "
                "told from the resource alone.",
                type_,
            )
        )
    if "" not in patients:
        _stays(eyes, resource, patients)


def _stays(eyes: Sight, resource: Resource, patients: set[str]) -> None:
    """Raises NotPermitted where a resource would belong to the compartment of another patient as well."""
    type_ = resource["resourceType"]
    codes = PATIENT.get(type_) or BESIDE.get(type_, ())
    for code, kind, value in indexes.rows_of(CATALOG[type_], eyes.base)(resource):
        if code in codes and kind == "reference" and value[0] == "Patient" and value[1] not in patients:
            raise NotPermitted(
                Issue(
                    "error",
                    "forbidden",
                    f"This would put the {type_} into another patient's record as well, by {code}. Your token is for "
                    "one patient; refer to no other.",
                    type_,
                )
            )
