"""Finds the texts that ``fhirplan validate`` is to check: in files, folders, NDJSON, Bundles and standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from fhirplan.errors import FhirplanError
from fhirplan.fhir import codec


@dataclass(frozen=True, slots=True)
class Job:
    """One text to validate: where it is from, and the text itself or the file to read it from."""

    source: str
    path: Path | None = None
    text: bytes = b""


def jobs(paths: Iterable[str], each_entry: bool) -> Iterator[Job]:
    """The texts behind the paths given; raises click.UsageError for a path that is not there or holds none."""
    for path in paths:
        if path == "-":
            yield from _split("-", sys.stdin.buffer.read(), each_entry, ndjson=None)
            continue
        place = Path(path)
        if place.is_dir():
            files = [
                file for file in sorted(place.rglob("*")) if file.suffix in (".json", ".ndjson") and file.is_file()
            ]
            if not files:
                raise click.UsageError(f"There is no .json or .ndjson file in {path}, so nothing was validated.")
            for file in files:
                yield from _file(str(file), file, each_entry)
        elif place.exists():
            yield from _file(path, place, each_entry)
        else:
            raise click.UsageError(f"There is no file or folder {path}.")


def _file(source: str, file: Path, each_entry: bool) -> Iterator[Job]:
    if file.suffix == ".ndjson":
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield Job(f"{source}:{number}", text=line)
    elif each_entry:
        yield from _split(source, file.read_bytes(), each_entry, ndjson=False)
    else:
        yield Job(source, file)


def _split(source: str, text: bytes, each_entry: bool, ndjson: bool | None) -> Iterator[Job]:
    if ndjson is None and _is_ndjson(text):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield Job(f"{source}:{number}", text=line)
        return
    entries = _entries(text) if each_entry else None
    if entries is None:
        yield Job(source, text=text)
        return
    for index, resource in entries:
        yield Job(f"{source}:{index}", text=codec.dumps(resource))


def _is_ndjson(text: bytes) -> bool:
    first, _, rest = text.lstrip().partition(b"\n")
    if not rest.strip() or not first.rstrip().endswith(b"}"):
        return False
    try:
        json.loads(first)
    except ValueError:
        return False
    return True


def _entries(text: bytes) -> list[tuple[int, dict[str, Any]]] | None:
    """The resources of a Bundle with the numbers of their entries, None when the text is no Bundle."""
    try:
        bundle = codec.loads(text)
    except FhirplanError:  # what is wrong with the text is told when it is validated
        return None
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        return None
    listed = bundle.get("entry")
    return [
        (index, one["resource"])
        for index, one in enumerate(listed if isinstance(listed, list) else ())
        if isinstance(one, dict) and isinstance(one.get("resource"), dict)
    ]
