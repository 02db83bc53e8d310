"""Finds StructureDefinitions, value sets, code systems and questionnaires in folders, packages and R4's own facts.

A package is a folder of JSON files, a ``.tgz`` as the FHIR package specification has it, or the name of one in the
package cache (``hl7.fhir.us.core#6.1.0`` under ``~/.fhir/packages``). Nothing is unpacked to disk; a definition is
parsed when first asked for.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fhirplan.errors import Misconfigured
from fhirplan.fhir import codec, structure

if TYPE_CHECKING:
    import tarfile

_NAMED: Final = "PlanDefinition ActivityDefinition Measure OperationDefinition Library"
KINDS: Final = frozenset({"StructureDefinition", "ValueSet", "CodeSystem", "Questionnaire", *_NAMED.split()})
"""The kinds of definition that are kept: those that are read, and those that canonicals in care plans name."""
_OF_R4: Final = frozenset({"StructureDefinition", "ValueSet", "CodeSystem"})
_HL7: Final = ("http://hl7.org/fhir/", "http://terminology.hl7.org/")
CACHE: Final = Path("~/.fhir/packages")
LARGEST_FILE: Final = 64 * 1024 * 1024
LARGEST_PACKAGE: Final = 1024 * 1024 * 1024
MOST_FILES: Final = 100_000
MOST_NAMES: Final = 10_000


class _Head(msgspec.Struct):
    """What the index needs of a definition."""

    resourceType: Any = ""  # noqa: N815 - FHIR's name
    url: Any = ""
    version: Any = ""
    type: Any = ""  # a code in a StructureDefinition, a concept in a PlanDefinition
    derivation: Any = ""


_head: Final = msgspec.json.Decoder(_Head)


class Definitions:
    """Definitions by canonical, from sources in the order they were added; safe to share between threads."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[tuple[str, Callable[[], bytes]]]] = {}
        self._read: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._added: set[Path] = set()
        self._kinds: dict[tuple[str, frozenset[str]], str] = {}
        self._lock = threading.Lock()
        self.profiles: dict[str, list[str]] = {}

    def add(self, package: Path | str) -> None:
        """Adds a folder, a ``.tgz`` or a package of the cache by name, and what it depends on as far as it is cached.

        Raises Misconfigured when it cannot be used.
        """
        path = Path(package)
        if not path.exists():
            path = _cached(str(package))
        if path in self._added:
            return
        self._added.add(path)
        manifest = self._add_folder(path) if path.is_dir() else self._add_archive(path)
        for name in _needed(manifest):
            if (CACHE.expanduser() / name).is_dir():
                self.add(name)

    def add_resource(self, resource: dict[str, Any]) -> None:
        """Adds one definition that is already parsed (a contained or bundled one, or of a test)."""
        self._enter(codec.dumps(resource), lambda: codec.dumps(resource))

    def find(self, kind: str, canonical: str) -> dict[str, Any] | None:
        """The definition of a kind with that canonical (``url`` or ``url|version``), or None."""
        url, _, version = canonical.partition("|")
        versions = self._found.get((kind, url))
        if not versions:
            return _of_r4(kind, url) if version in ("", "4.0.1", "4.0", "4") else None
        wanted, load = versions[-1] if not version else _version(versions, version)
        if load is None:
            return None
        key = (kind, url, wanted)
        known = self._read.get(key)
        if known is not None:
            return known
        with self._lock:
            if key not in self._read:
                self._read[key] = codec.loads(load())
            return self._read[key]

    def terminology(self, canonical: str) -> dict[str, Any] | None:
        """The ValueSet or CodeSystem of a canonical, or None."""
        return self.find("ValueSet", canonical) or self.find("CodeSystem", canonical)

    def kind_of(self, canonical: str, likely: frozenset[str]) -> str:
        """The kind of definition a canonical names, looked for among the likely kinds first; "" when it is not here."""
        key = (canonical, likely)
        known = self._kinds.get(key)
        if known is None:
            if len(self._kinds) > MOST_NAMES:
                self._kinds.clear()
            known = self._kinds[key] = self._kind_of(canonical, likely)
        return known

    def _kind_of(self, canonical: str, likely: frozenset[str]) -> str:
        for kind in (*sorted(KINDS & likely), *sorted(KINDS - likely)):
            if self._has(kind, canonical):
                return kind
        return ""

    def _has(self, kind: str, canonical: str) -> bool:
        url, _, version = canonical.partition("|")
        versions = self._found.get((kind, url))
        if versions:
            return not version or _version(versions, version)[1] is not None
        return kind in _OF_R4 and url.startswith(_HL7) and self.find(kind, canonical) is not None

    def all(self, kind: str) -> Iterator[str]:
        """The canonicals of a kind that were added (R4's own not among them), without versions."""
        return (url for of_kind, url in self._found if of_kind == kind)

    def _add_folder(self, folder: Path) -> bytes:
        folder = folder.resolve()
        inner = folder / "package"
        start = inner if (inner / "package.json").is_file() else folder
        for count, file in enumerate(sorted(start.rglob("*.json"))):
            if count > MOST_FILES:
                raise Misconfigured(f"The package folder {folder.name} has more than {MOST_FILES} files.")
            if not file.resolve().is_relative_to(folder):
                raise Misconfigured(f"The package folder {folder.name} has a file that leads out of it: {file.name}.")
            if _wanted(file.name) and file.stat().st_size <= LARGEST_FILE:
                self._enter(file.read_bytes(), file.read_bytes)
        manifest = start / "package.json"
        return manifest.read_bytes() if manifest.is_file() and manifest.stat().st_size < LARGEST_FILE else b""

    def _add_archive(self, path: Path) -> bytes:
        import tarfile  # brings four compressors, which most starts do without

        manifest = b""
        try:
            with tarfile.open(path, "r:*") as archive:
                total = 0
                for count, member in enumerate(archive):
                    _refuse_unsafe(path, member)
                    total += member.size
                    if total > LARGEST_PACKAGE or count > MOST_FILES:
                        raise Misconfigured(f"The package {path.name} is larger than can be used here.")
                    name = PurePosixPath(member.name)
                    if name.parts == ("package", "package.json") and member.size <= LARGEST_FILE:
                        content = archive.extractfile(member)
                        manifest = content.read() if content is not None else b""
                    if not member.isfile() or not _wanted(name.name) or name.parent.name not in ("package", "", "."):
                        continue
                    content = archive.extractfile(member) if member.size <= LARGEST_FILE else None
                    if content is not None:
                        data = content.read()
                        self._enter(data, _unpack(zlib.compress(data, 1)))
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise Misconfigured(f"The package {path.name} cannot be read: {error}.") from None
        return manifest

    def _enter(self, data: bytes, load: Callable[[], bytes]) -> None:
        try:
            head = _head.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if not isinstance(head.resourceType, str) or head.resourceType not in KINDS:
            return
        if not isinstance(head.url, str) or not head.url:
            return
        if head.resourceType == "StructureDefinition":
            if head.derivation != "constraint" and head.url.startswith(structure.CORE):
                return
            self.profiles.setdefault(str(head.type), []).append(head.url)
        self._found.setdefault((head.resourceType, head.url), []).append((str(head.version), load))


def _needed(manifest: bytes) -> list[str]:
    """The packages that a package.json depends on, as the cache names them; R4 itself is always here."""
    try:
        said = msgspec.json.decode(manifest)
    except msgspec.DecodeError:
        return []
    listed = said.get("dependencies") if isinstance(said, dict) else None
    return [
        f"{name}#{version}"
        for name, version in (listed.items() if isinstance(listed, dict) else ())
        if isinstance(version, str) and not name.startswith("hl7.fhir.r4.core") and "/" not in name + version
    ]


def _wanted(name: str) -> bool:
    """Package files are named Type-id.json; a file named otherwise is looked into unless it is known to be no use."""
    if not name.endswith(".json") or name.startswith(".") or name == "package.json":
        return False
    kind, dash, _ = name.partition("-")
    return not dash or kind in KINDS or kind not in structure.resource_types()


def _unpack(packed: bytes) -> Callable[[], bytes]:
    return lambda: zlib.decompress(packed)


def _refuse_unsafe(path: Path, member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise Misconfigured(f"The package {path.name} has a path that leads out of it: {member.name[:100]}.")


def _cached(name: str) -> Path:
    wanted = name.replace("@", "#", 1)
    folder = CACHE.expanduser() / wanted
    if "/" not in wanted and ".." not in wanted and folder.is_dir():
        return folder
    raise Misconfigured(f"There is no package {name}: it is no folder, no file, and not in {CACHE}.")


def _version(
    versions: list[tuple[str, Callable[[], bytes]]], wanted: str
) -> tuple[str, Callable[[], bytes]] | tuple[str, None]:
    for version, load in reversed(versions):
        if version == wanted or version.startswith(wanted + "."):
            return version, load
    return wanted, None


def _of_r4(kind: str, url: str) -> dict[str, Any] | None:
    if kind == "StructureDefinition":
        return structure.structure_definition(url)
    if kind == "ValueSet":
        return structure.value_set(url)
    return structure.code_system(url) if kind == "CodeSystem" else None
