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
from fhirplan.interactions.outcomes import MethodNotAllowed
from fhirplan.interactions.values import Kind


@dataclass(frozen=True, slots=True)
class Address:
    """Which interaction is meant and on what."""

    kind: Kind
    type: str = ""
    id: str = ""
    version: str = ""


_READS: Final[Mapping[str, Kind]] = {"GET": "read", "HEAD": "read"}
_SYSTEM: Final[Mapping[str, Kind]] = {"POST": "bundle"}
_METADATA: Final[Mapping[str, Kind]] = {"GET": "capabilities", "HEAD": "capabilities"}
_TYPE: Final[Mapping[str, Kind]] = {"GET": "search-type", "HEAD": "search-type", "POST": "create"}
_FORM: Final[Mapping[str, Kind]] = {"POST": "search-type"}
_INSTANCE: Final[Mapping[str, Kind]] = {**_READS, "PUT": "update", "DELETE": "delete"}
_HISTORY: Final[Mapping[str, Kind]] = {"GET": "history-instance", "HEAD": "history-instance"}
_VERSION: Final[Mapping[str, Kind]] = {"GET": "vread", "HEAD": "vread"}
_OPERATION: Final[Mapping[str, Kind]] = {"POST": "validate"}


def address(method: str, path: str) -> Address:
    """The interaction at ``path``, which is below the base and without query, such as ``CarePlan/p1/_history``.

    Raises NotSupported (nothing at such an address, or a type that is not served), MethodNotAllowed, MalformedRequest
    (an id that cannot be one).
    """
    parts = path.split("/") if path else []
    if parts and not parts[-1]:
        parts.pop()
    if len(parts) == 2 and parts[1][:1] not in ("_", "$"):
        kind = _chosen(method, _INSTANCE, path)
        return Address(kind, spec(parts[0]).type, _checked(parts[1]))
    if not parts:
        return Address(_chosen(method, _SYSTEM, "the base"))
    if parts == ["metadata"]:
        return Address(_chosen(method, _METADATA, path))
    return _longer(method, parts, path)


def _longer(method: str, parts: list[str], path: str) -> Address:
    if parts[0][:1] in ("_", "$", "."):
        raise _nothing(path)
    type_ = spec(parts[0]).type
    match parts[1:]:
        case []:
            return Address(_chosen(method, _TYPE, path), type_)
        case ["_search"]:
            return Address(_chosen(method, _FORM, path), type_)
        case ["$validate"]:
            return Address(_chosen(method, _OPERATION, path), type_)
        case [id_, "$validate"]:
            return Address(_chosen(method, _OPERATION, path), type_, _checked(id_))
        case [id_, "_history"]:
            return Address(_chosen(method, _HISTORY, path), type_, _checked(id_))
        case [id_, "_history", version]:
            return Address(_chosen(method, _VERSION, path), type_, _checked(id_), version)
    raise _nothing(path)


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
        "[type]/[id]/_history/[version], [type]/_search, [type]/$validate, [type]/[id]/$validate, metadata, and "
        "transactions and batches at the base."
    )
