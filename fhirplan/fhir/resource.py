"""What every resource has: type, id, version, profiles, tags; read and set on plain dicts (R4 section 2.26)."""

from __future__ import annotations

import hashlib
from typing import Any

from fhirplan.fhir.codec import Resource, dumps


def version_id(resource: Resource) -> str:
    """meta.versionId, or "" when absent."""
    meta = resource.get("meta")
    return str(meta.get("versionId") or "") if isinstance(meta, dict) else ""


def last_updated(resource: Resource) -> str:
    """meta.lastUpdated as spelled, or "" when absent."""
    meta = resource.get("meta")
    return str(meta.get("lastUpdated") or "") if isinstance(meta, dict) else ""


def profiles(resource: Resource) -> tuple[str, ...]:
    """The profiles that meta.profile claims."""
    meta = resource.get("meta")
    claimed = meta.get("profile") if isinstance(meta, dict) else None
    return tuple(item for item in claimed if isinstance(item, str)) if isinstance(claimed, list) else ()


def stamped(resource: Resource, id_: str, version: int | str, updated: str) -> Resource:
    """A copy with the id, version and time the server gives it; resourceType, id and meta come first."""
    meta = resource.get("meta")
    kept = {k: v for k, v in meta.items() if k not in ("versionId", "lastUpdated")} if isinstance(meta, dict) else {}
    made: Resource = {
        "resourceType": resource["resourceType"],
        "id": id_,
        "meta": {"versionId": str(version), "lastUpdated": updated, **kept},
    }
    made.update((k, v) for k, v in resource.items() if k not in made)
    return made


def without_server_fields(resource: Resource) -> Resource:
    """A copy without what only a server sets: meta.versionId and meta.lastUpdated (and meta when nothing is left)."""
    made = dict(resource)
    meta = made.get("meta")
    if isinstance(meta, dict):
        meta = {k: v for k, v in meta.items() if k not in ("versionId", "lastUpdated")}
        if meta:
            made["meta"] = meta
        else:
            del made["meta"]
    return made


def same_content(one: Resource, other: Resource) -> bool:
    """Whether both say the same, as ``content_hash`` tells it, found out sooner where they do not."""
    # Python takes 1.0 for 1.00 and true for 1, so only what it tells apart is told apart by a comparison alone.
    alike = {**without_server_fields(one), "id": ""} == {**without_server_fields(other), "id": ""}
    return alike and content_hash(one) == content_hash(other)


def content_hash(resource: Resource) -> str:
    """A digest of the content: the same for two spellings that differ in key order, id, version or time only."""
    bare = {key: value for key, value in without_server_fields(resource).items() if key != "id"}
    return hashlib.sha256(dumps(_sorted(bare))).hexdigest()


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value
