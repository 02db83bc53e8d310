"""Brings a folder of transaction Bundles into the sandbox EHR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fhirplan.errors import FhirplanError, InvalidResource, Issue
from fhirplan.fhir import codec
from fhirplan.sandbox import bundle
from fhirplan.sandbox.resources import Store

_BASE: Final = "http://localhost/fhir"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a folder gave: how many Bundles and entries were taken, and the names of JSON files that were none."""

    bundles: int
    entries: int
    skipped: tuple[str, ...]


def load_folder(store: Store, folder: Path) -> Loaded:
    """Carries out each transaction Bundle of ``folder``/*.json in the order of names; all of them or none.

    Ids of PUT entries are kept. Raises InvalidResource, naming the file, for one that is no JSON or is refused.
    """
    entries, bundles, skipped = 0, 0, []
    with store.transaction():
        for path in sorted(folder.glob("*.json")):
            try:
                found = codec.loads(path.read_bytes())
                if isinstance(found, dict) and (found.get("resourceType"), found.get("type")) == _TRANSACTION:
                    bundle.process(store, found, _BASE)
                    bundles, entries = bundles + 1, entries + len(found.get("entry", []))
                else:
                    skipped.append(path.name)
            except FhirplanError as error:
                raise InvalidResource(list(_of_file(path, error))) from error
    return Loaded(bundles, entries, tuple(skipped))


_TRANSACTION: Final = ("Bundle", "transaction")


def _of_file(path: Path, error: FhirplanError) -> Iterator[Issue]:
    for issue in error.issues:
        place = f" (line {issue.line}, column {issue.column})" if issue.line else ""
        yield Issue(issue.severity, issue.code, f"{path.name}{place}: {issue.text}", issue.expression)
