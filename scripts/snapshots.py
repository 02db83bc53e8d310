"""Writes the snapshots of our structure definitions, generated from their differentials, into profiles/.

    python scripts/snapshots.py [--check]

With --check nothing is written; the exit code is 1 when a snapshot is missing or not current.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fhirplan.cli.package import with_snapshot
from fhirplan.fhir import codec
from fhirplan.validation.definitions import Definitions
from fhirplan.validation.snapshot import Snapshots

FOLDER = Path(__file__).resolve().parents[1] / "profiles"


def written(folder: Path = FOLDER) -> dict[Path, str]:
    """The text that each structure definition's file should have."""
    definitions = Definitions()
    definitions.add(folder)
    snapshots = Snapshots(definitions, anew=True)
    files = sorted((folder / "structuredefinitions").glob("*.json"))
    read = {file: codec.loads_resource(file.read_bytes()) for file in files}
    return {file: codec.pretty(with_snapshot(one, snapshots)) + "\n" for file, one in read.items()}


def main() -> int:
    """Writes or checks the files; gives the exit code."""
    options = argparse.ArgumentParser(description="Write the snapshots of our profiles.")
    options.add_argument("--check", action="store_true", help="only say which are not current")
    check = options.parse_args().check
    stale = [(file, text) for file, text in written().items() if file.read_text(encoding="utf-8") != text]
    for file, text in stale:
        print(f"{file.relative_to(FOLDER.parent)} {'is not current' if check else 'written'}")
        if not check:
            file.write_text(text, encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
