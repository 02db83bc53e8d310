"""The command ``fhirplan package``: writes our profiles as a FHIR package that other validators can install."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any, Final

import click

from fhirplan import __version__
from fhirplan.errors import FhirplanError
from fhirplan.fhir import codec
from fhirplan.settings import profiles_folder
from fhirplan.validation.definitions import Definitions
from fhirplan.validation.snapshot import Snapshots
from fhirplan.validation.snapshot_elements import elements_of

NAME: Final = "dev.fhirplan.case-management"
CANONICAL: Final = "http://fhirplan.dev/fhir"
_INDEXED: Final = ("id", "url", "version", "kind", "type", "supplements", "content")


def manifest(version: str) -> dict[str, Any]:
    """The package.json of our package."""
    return {
        "name": NAME,
        "version": version,
        "description": "Case-management care plans: profiles, extensions, value sets, templates and an assessment.",
        "author": "fhirplan",
        "license": "Apache-2.0",
        "canonical": CANONICAL,
        "url": CANONICAL,
        "fhirVersions": ["4.0.1"],
        "dependencies": {"hl7.fhir.r4.core": "4.0.1"},
        "type": "IG",
    }


def resources(folder: Path) -> list[dict[str, Any]]:
    """The artifacts of a folder of profiles, structure definitions with their snapshots, ordered by type and id."""
    definitions = Definitions()
    definitions.add(folder)
    snapshots = Snapshots(definitions, anew=True)
    made = []
    for file in sorted(folder.rglob("*.json")):
        resource = codec.loads_resource(file.read_bytes())
        if resource["resourceType"] == "StructureDefinition":
            resource = with_snapshot(resource, snapshots)
        made.append(resource)
    return sorted(made, key=lambda one: (one["resourceType"], str(one.get("id"))))


def with_snapshot(definition: dict[str, Any], snapshots: Snapshots) -> dict[str, Any]:
    """A structure definition with the snapshot that follows from its differential, in R4's order; raises BadProfile."""
    made = {key: value for key, value in definition.items() if key not in ("snapshot", "differential")}
    elements = elements_of(snapshots.tree(definition["url"]))
    return {**made, "snapshot": {"element": elements}, "differential": definition["differential"]}


def index(listed: list[dict[str, Any]]) -> dict[str, Any]:
    """The .index.json of a package's resources."""
    files = [
        {
            "filename": filename(one),
            "resourceType": one["resourceType"],
            **{key: one[key] for key in _INDEXED if isinstance(one.get(key), str)},
        }
        for one in listed
    ]
    return {"index-version": 2, "files": files}


def filename(resource: dict[str, Any]) -> str:
    """The name of a resource's file in a package."""
    return f"{resource['resourceType']}-{resource['id']}.json"


def write(target: Path, listed: list[dict[str, Any]], version: str) -> None:
    """Writes the package; the same resources give the same archive but for its compression's time stamp."""
    files = {"package.json": manifest(version), ".index.json": index(listed)}
    files.update((filename(one), one) for one in listed)
    with tarfile.open(target, "w:gz") as archive:
        for name, content in files.items():
            data = codec.pretty(content).encode() + b"\n"
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(data))


@click.command("package")
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE.tgz",
    help="The package file to write.",
)
def command(target: Path) -> None:
    """Write our profiles, value sets and templates as a standard FHIR package."""
    try:
        listed = resources(profiles_folder())
        write(target, listed, __version__)
    except FhirplanError as error:
        raise click.ClickException(error.text) from None
    except OSError as error:
        raise click.UsageError(f"{target} cannot be written: {error.strerror}.") from None
    kinds: dict[str, int] = {}
    for one in listed:
        kinds[one["resourceType"]] = kinds.get(one["resourceType"], 0) + 1
    click.echo(json.dumps({"package": f"{NAME}#{__version__}", "file": str(target), "resources": kinds}))


if __name__ == "__main__":
    command()
