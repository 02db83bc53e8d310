"""Keeps a sync as it happens in a file: how both sides stood, each exchange, the ids made, and the report.

A line is a JSON object with one of the keys ``recording`` (the first), ``row``, ``exchange``, ``id`` and ``report``
(the last). Tokens are never on it; with ``scrub`` names and text are not either.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from fhirplan.ehr import tape
from fhirplan.ehr.tape import Exchange
from fhirplan.errors import FhirplanError
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.scrub import scrubbed
from fhirplan.store.sync import snapshot
from fhirplan.sync.content import SID
from fhirplan.sync.report import SyncReport
from fhirplan.sync.sides import Sides

FORM: Final = 1
"""The number of this file's form."""
MAX_BYTES: Final = 512 * 2**20
_NOT_JSON: Final = "(not JSON, left out)"


class Recording:
    """A recording under way; a context manager that opens and closes its file. ``sides`` are those to sync with.

    It takes at most ``max_bytes``. What comes then is not kept, nor is the report, and ``full`` says so: such a
    recording can be played as far as it goes.
    """

    def __init__(
        self,
        path: Path,
        sides: Sides,
        options: Mapping[str, Any],
        *,
        scrub: bool = False,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._scrub = scrub
        self._left = max_bytes
        self.full = False
        # Made anew for each recording and not kept, so that nobody can try names until a digest fits.
        self._salt = secrets.token_hex(16)
        self._options = options
        self._real = sides
        self.sides = replace(sides, new_id=self._new_id)

    def __enter__(self) -> Self:
        # Readable for its owner only: what is on it may be patients' data.
        self._path.touch(mode=0o600)
        self._path.chmod(0o600)
        self._file = self._path.open("w", encoding="utf-8", errors="surrogateescape")
        try:
            self._begin()
        except BaseException:
            self._file.close()
            raise
        # What was asked before is not on the tape.
        self._real.client.forget()
        self._real.client.observe(self._keep)
        return self

    def _begin(self) -> None:
        self._write({"recording": {"form": FORM, "at": self._real.clock(), "scrubbed": self._scrub, **self._options}})
        with self._real.database.read() as tx:
            for table, row in snapshot.rows(tx, self._real.connection):
                self._write({"row": {"table": table, "values": self._cleaned_row(table, row)}})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._file.close()

    def ended(self, report: SyncReport) -> None:
        """Writes the report, by which a replay knows whether it did the same."""
        self._write({"report": comparable_report(report, words=not self._scrub)})

    def _new_id(self) -> str:
        made = self._real.new_id()
        self._write({"id": made})
        return made

    def _keep(self, item: Exchange) -> None:
        cleaned = tape.as_json(item)
        if self._scrub:
            cleaned["said"] = ""
            for key in ("asked", "answer"):
                cleaned[key] = self._cleaned_text(cleaned[key])
        self._write({"exchange": cleaned, "at": self._real.clock()})

    def _cleaned_row(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        if not self._scrub:
            return row
        return {
            name: self._cleaned_text(value) if snapshot.holds_resource(table, name) else value
            for name, value in row.items()
        } | ({"reason": ""} if "reason" in row else {})

    def _cleaned_text(self, text: str | None) -> str | None:
        """A JSON text without names and words; what is no JSON object is left out, as nobody knows what it says."""
        if not text:
            return text
        try:
            value = codec.loads(text.encode("utf-8", "surrogateescape"))
        except FhirplanError:
            return _NOT_JSON
        return codec.dumps(self._cleaned(value)).decode() if isinstance(value, dict) else _NOT_JSON

    def _cleaned(self, resource: Resource) -> Resource:
        return scrubbed(resource, self._salt, keep_system=SID)

    def _write(self, value: dict[str, Any]) -> None:
        line = codec.dumps(value)
        with self._lock:
            self.full = self.full or len(line) + 1 > self._left
            if not self.full:
                self._left -= len(line) + 1
                self._file.write(line.decode("utf-8", "surrogateescape") + "\n")


def comparable_report(report: SyncReport, *, words: bool) -> dict[str, Any]:
    """What two runs of the same have in common: no seconds, and without ``words`` only how many sentences there are."""
    made = report.as_json()
    del made["seconds"]
    # What earlier recordings do not know of.
    for key in ("undoable", "untold"):
        if not made[key]:
            del made[key]
    made["types"] = sorted(made["types"], key=lambda item: str(item["type"]))
    for key in ("problems", "reasons", "drift"):
        made[key] = sorted(made[key]) if words else len(made[key])
    return made


def differences(recorded: Mapping[str, Any], replayed: Mapping[str, Any]) -> tuple[str, ...]:
    """In which members, and in which counts of which type, two comparable reports differ, with both values."""
    before, after = _by_name(recorded), _by_name(replayed)
    return tuple(
        f"{name}: recorded {_shown(before.get(name))}, replayed {_shown(after.get(name))}"
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    )


def _by_name(report: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a report, and in place of its list of types each count of each type."""
    counts = {
        f"{of['type']}.{name}": value for of in report.get("types", ()) for name, value in of.items() if name != "type"
    }
    return {name: value for name, value in report.items() if name != "types"} | counts


def _shown(value: Any) -> str:
    return "nothing" if value is None else codec.dumps(value).decode()
