"""Knows what the settings say for consents: which labels are guarded, and who the EHR of a connection is."""

from __future__ import annotations

from functools import lru_cache

from fhirplan.access.consent import Label
from fhirplan.settings import Connection, Settings
from fhirplan.store.access.withheld import Reader


def recipient(settings: Settings, connection: Connection) -> Reader:
    """The EHR of a connection; without a name it is ours, and labels are no obstacle."""
    name = connection.ehr_organization
    return Reader(frozenset([name] if name else []), trusted=not name, guarded=labels(settings))


def labels(settings: Settings) -> tuple[Label, ...]:
    """The labels that are guarded, as system and code."""
    return _split(settings.guarded_labels)


@lru_cache(maxsize=16)
def _split(listed: tuple[str, ...]) -> tuple[Label, ...]:
    return tuple((system, code) for system, _, code in (item.rpartition("|") for item in listed))
