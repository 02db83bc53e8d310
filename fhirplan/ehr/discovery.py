"""Reads an EHR's CapabilityStatement: what it lets us do with each type (R4 section 5.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from fhirplan.fhir.codec import Resource

_NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class TypeCapability:
    """What an EHR offers for one resource type.

    ``interactions`` are codes of http://hl7.org/fhir/restful-interaction (``read``, ``search-type``, ``create`` …),
    ``search`` the codes of its search parameters, ``versioning`` is ``no-version``, ``versioned`` or
    ``versioned-update``.
    """

    type: str
    interactions: frozenset[str] = _NOTHING
    search: frozenset[str] = _NOTHING
    conditional_create: bool = False
    versioning: str = ""

    def can(self, interaction: str) -> bool:
        """Whether an interaction is offered."""
        return interaction in self.interactions

    @property
    def guards_updates(self) -> bool:
        """Whether the EHR says that it refuses an update whose If-Match names an older version.

        One that says only ``versioned`` may heed If-Match or not, so we send it and look for ourselves, too.
        """
        return self.versioning == "versioned-update"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an EHR says about itself."""

    software: str
    fhir_version: str
    types: Mapping[str, TypeCapability]
    transaction: bool = False
    batch: bool = False

    def of(self, type_: str) -> TypeCapability:
        """What is offered for a type; nothing when the EHR does not serve it."""
        return self.types.get(type_) or TypeCapability(type_)

    def serves(self, type_: str) -> bool:
        """Whether the EHR serves a type at all."""
        return type_ in self.types


def capabilities(statement: Resource) -> Capabilities:
    """The capabilities a CapabilityStatement declares for a server; parts of the wrong shape count as not offered."""
    server = next((item for item in _objects(statement.get("rest")) if item.get("mode", "server") == "server"), {})
    system = {str(item.get("code")) for item in _objects(server.get("interaction"))}
    listed = (_type(item) for item in _objects(server.get("resource")))
    return Capabilities(
        software=_software(statement.get("software")),
        fhir_version=str(statement.get("fhirVersion") or ""),
        types=MappingProxyType({item.type: item for item in listed if item.type}),
        transaction="transaction" in system,
        batch="batch" in system,
    )


def _type(item: dict[str, Any]) -> TypeCapability:
    return TypeCapability(
        type=str(item.get("type") or ""),
        interactions=frozenset(str(one.get("code")) for one in _objects(item.get("interaction"))),
        search=frozenset(str(one.get("name")) for one in _objects(item.get("searchParam"))),
        conditional_create=item.get("conditionalCreate") is True,
        versioning=str(item.get("versioning") or ""),
    )


def _software(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    return " ".join(str(value[key]) for key in ("name", "version") if value.get(key))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
