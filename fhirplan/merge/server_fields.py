"""Sets aside what a server owns: id, meta.versionId, lastUpdated and source; local's are put back after a merge."""

from __future__ import annotations

from typing import Any, Final

from fhirplan.fhir.codec import Resource

OWNED: Final = ("versionId", "lastUpdated", "source")


def without(resource: Resource) -> Resource:
    """A copy without what a server owns, and without the type, which cannot change."""
    made = {key: value for key, value in resource.items() if key not in ("resourceType", "id")}
    meta = made.get("meta")
    if isinstance(meta, dict):
        made["meta"] = {key: value for key, value in meta.items() if key not in OWNED}
        if not made["meta"]:
            del made["meta"]
    return made


def restored(merged: dict[str, Any], local: Resource, remote: Resource) -> Resource:
    """The merged members as a resource: type, id and meta first, what a server owns as local has it."""
    head: Resource = {key: local[key] for key in ("resourceType", "id") if key in local}
    if "id" not in head and "id" in remote:
        head["id"] = remote["id"]
    meta = local.get("meta")
    own = {key: meta[key] for key in OWNED if key in meta} if isinstance(meta, dict) else {}
    if own:
        rest = merged.get("meta")
        head["meta"] = {**own, **(rest if isinstance(rest, dict) else {})}
    return head | {k: v for k, v in merged.items() if k not in head}
