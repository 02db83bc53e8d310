"""Reads the address of an interaction: HTTP method and path below the base, the same for a request and an entry.

R4 section 3.1.0 (RESTful API); a Bundle's entry carries the same in ``request`` (section 3.2.0.11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fhirplan.catalog import spec
from fhirplan.errors import MalformedRequest, NotSupported
from fhirplan.fhir.reference import ID
from fhirplan.interactions.operations import declarations
from fhirplan.interactions.outcomes import MethodNotAllowed
from fhirplan.interactions.values import Kind

MADE: Final = ("OperationDefinition", "SearchParameter")
"""What is served besides the catalog's types, made from the declarations and only to be read."""
SHIPPED: Final = ("PlanDefinition", "Questionnaire")
"""What comes with the server and its packages, and is only to be read."""
TYPES: Final = (*MADE, *SHIPPED)
AUDIT: Final = "AuditEvent"
"""What is served besides, made from what is kept of accesses, and only to be read."""


@dataclass(frozen=True, slots=True)
class Address:
    """Which interaction is meant and on what."""

    kind: Kind
    type: str = ""
    id: str = ""
    version: str = ""


_READS: Final[Mapping[str, Kind]] = {"GET": "read", "HEAD": "read"}
_SYSTEM: Final[Mapping[str, Kind]] = {"POST": "bundle", "GET": "search-system", "HEAD": "search-system"}
_SYSTEM_HISTORY: Final[Mapping[str, Kind]] = {"GET": "history-system", "HEAD": "history-system"}
_METADATA: Final[Mapping[str, Kind]] = {"GET": "capabilities", "HEAD": "capabilities"}
# PUT, PATCH and DELETE on a type are the conditional forms: the query says which resource is meant.
_CONDITIONAL: Final[Mapping[str, Kind]] = {"PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_TYPE: Final[Mapping[str, Kind]] = {"GET": "search-type", "HEAD": "search-type", "POST": "create", **_CONDITIONAL}
_TYPE_HISTORY: Final[Mapping[str, Kind]] = {"GET": "history-type", "HEAD": "history-type"}
_SYSTEM_FORM: Final[Mapping[str, Kind]] = {"POST": "search-system"}
_COMPARTMENT: Final[Mapping[str, Kind]] = {"GET": "search-compartment", "HEAD": "search-compartment"}
# By a form, as R5 has it for compartments (R5 section 3.2.1.2); R4 names GET only.
_COMPARTMENT_FORM: Final[Mapping[str, Kind]] = {"POST": "search-compartment"}
_FORM: Final[Mapping[str, Kind]] = {"POST": "search-type"}
_INSTANCE: Final[Mapping[str, Kind]] = {**_READS, "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_HISTORY: Final[Mapping[str, Kind]] = {"GET": "history-instance", "HEAD": "history-instance"}
_VERSION: Final[Mapping[str, Kind]] = {"GET": "vread", "HEAD": "vread"}
_DEFINITIONS: Final[Mapping[str, Kind]] = {"GET": "definition-search", "HEAD": "definition-search"}
_DEFINITION: Final[Mapping[str, Kind]] = {"GET": "definition-read", "HEAD": "definition-read"}
_EVENTS: Final[Mapping[str, Kind]] = {"GET": "audit-search", "HEAD": "audit-search"}
_EVENT: Final[Mapping[str, Kind]] = {"GET": "audit-read", "HEAD": "audit-read"}
_ACCESS: Final[Mapping[str, Kind]] = {"POST": "access-explain"}
_OPENAPI: Final[Mapping[str, Kind]] = {"GET": "openapi", "HEAD": "openapi"}


def address(method: str, path: str) -> Address:
    """The interaction at ``path``, which is below the base and without query, such as ``CarePlan/p1/_history``.

    Raises NotSupported (nothing at such an address, or a type that is not served), MethodNotAllowed, MalformedRequest
    (an id that cannot be one).
    """
    parts = path.split("/") if path else []
    if parts and not parts[-1]:
        parts.pop()
    if len(parts) == 2 and parts[1][:1] not in ("_", "$") and parts[0] not in (*TYPES, AUDIT):
        kind = _chosen(method, _INSTANCE, path)
        return Address(kind, spec(parts[0]).type, _checked(parts[1]))
    if not parts:
        return Address(_chosen(method, _SYSTEM, "the base"))
    if parts == ["metadata"]:
        return Address(_chosen(method, _METADATA, path))
    if parts == ["_search"]:
        return Address(_chosen(method, _SYSTEM_FORM, path))
    if parts == ["_history"]:
        return Address(_chosen(method, _SYSTEM_HISTORY, path))
    if parts == ["$explain"]:
        return Address(_chosen(method, _ACCESS, path))
    if parts == ["openapi.json"]:
        return Address(_chosen(method, _OPENAPI, path))
    if parts[0] in SHIPPED and parts[-1].startswith("$") and len(parts) in (2, 3):
        id_ = _checked(parts[1]) if len(parts) == 3 else ""
        return Address(_operation(method, parts[0], parts[-1], path, instance=bool(id_)), parts[0], id_)
    if parts[0] in TYPES:
        return _made(method, parts, path, _DEFINITIONS, _DEFINITION)
    if parts[0] == AUDIT:
        return _made(method, parts, path, _EVENTS, _EVENT)
    return _longer(method, parts, path)


def _made(method: str, parts: list[str], path: str, listed: Mapping[str, Kind], single: Mapping[str, Kind]) -> Address:
    if len(parts) == 1:
        return Address(_chosen(method, listed, path), parts[0])
    if len(parts) == 2:
        return Address(_chosen(method, single, path), parts[0], _checked(parts[1]))
    raise _nothing(path)


def _longer(method: str, parts: list[str], path: str) -> Address:
    if parts[0][:1] in ("_", "$", "."):
        raise _nothing(path)
    type_ = spec(parts[0]).type
    match parts[1:]:
        case []:
            return Address(_chosen(method, _TYPE, path), type_)
        case ["_search"]:
            return Address(_chosen(method, _FORM, path), type_)
        case ["_history"]:
            return Address(_chosen(method, _TYPE_HISTORY, path), type_)
        case [called] if called.startswith("$"):
            return Address(_operation(method, type_, called, path), type_)
        case [id_, called] if called.startswith("$"):
            return Address(_operation(method, type_, called, path, instance=True), type_, _checked(id_))
        case [id_, "*"] if type_ == "Patient":
            return Address(_chosen(method, _COMPARTMENT, path), "", _checked(id_))
        case [id_, "_search"] | [id_, "*", "_search"] if type_ == "Patient":
            return Address(_chosen(method, _COMPARTMENT_FORM, path), "", _checked(id_))
        case [id_, member] if type_ == "Patient" and member[:1].isupper():
            return Address(_chosen(method, _COMPARTMENT, path), spec(member).type, _checked(id_))
        case [id_, member, "_search"] if type_ == "Patient" and member[:1].isupper():
            return Address(_chosen(method, _COMPARTMENT_FORM, path), spec(member).type, _checked(id_))
        case [id_, "_history"]:
            return Address(_chosen(method, _HISTORY, path), type_, _checked(id_))
        case [id_, "_history", version]:
            return Address(_chosen(method, _VERSION, path), type_, _checked(id_), version)
    raise _nothing(path)


def _operation(method: str, type_: str, called: str, path: str, *, instance: bool = False) -> Kind:
    operation = declarations.found(called[1:], type_, instance=instance)
    if operation is None:
        raise _nothing(path)
    return _chosen(method, dict.fromkeys(operation.methods, operation.code), path)


def _chosen(method: str, by_method: Mapping[str, Kind], path: str) -> Kind:
    kind = by_method.get(method)
    if kind is None:
        allow = tuple(by_method)
        raise MethodNotAllowed(f"{method[:20]} is not served at {path[:200]}. Use {' or '.join(allow)}.", allow)
    return kind


def _checked(id_: str) -> str:
    if not ID.fullmatch(id_):
        raise MalformedRequest(
            f"{id_[:80]!r} cannot be the id of a resource: an id has 1 to 64 letters, digits, hyphens and dots."
        )
    return id_


def _nothing(path: str) -> NotSupported:
    return NotSupported(
        f"There is nothing at {path[:200]!r}. Served are [type], [type]/[id], [type]/[id]/_history, "
        "[type]/[id]/_history/[version], [type]/_history, _history, [type]/_search, _search, Patient/[id]/[type], "
        "Patient/[id]/*, the same with /_search, metadata, transactions and batches at the base, and the operations "
        "that OperationDefinition lists."
    )
