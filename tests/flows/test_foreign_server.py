"""A FHIR server that is not ours, Medplum's router over its repository in memory: full agreement in both directions."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from fhirplan.catalog import CATALOG
from fhirplan.ehr.client import EhrClient
from fhirplan.ehr.transport import Transport
from fhirplan.fhir import codec
from fhirplan.interactions.services import Services
from fhirplan.sandbox.server import Server
from fhirplan.settings import load
from fhirplan.store.engine import Database
from fhirplan.sync.agreement import compare
from fhirplan.sync.resolve import resolve
from fhirplan.validation import Validator
from fhirplan.web.app import create_app

VERSION = "4.5.2"
PACKAGES = [f"@medplum/{name}@{VERSION}" for name in ("fhir-router", "core", "definitions")]
SCRIPT = Path(__file__).with_name("medplum.mjs")
QUIET = ["--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps", "--fetch-retries=0"]


class Foreign:
    """The other server as its own users see it."""

    def __init__(self, base: str) -> None:
        self.base = base

    def put(self, resource: dict[str, Any]) -> dict[str, Any]:
        return self._send("PUT", f"{resource['resourceType']}/{resource['id']}", resource)

    def edit(self, path: str, **changed: Any) -> dict[str, Any]:
        return self.put({**self.get(path), **changed})

    def get(self, path: str) -> dict[str, Any]:
        return self._send("GET", path, None)

    def all(self, type_: str) -> list[dict[str, Any]]:
        return [entry["resource"] for entry in self.get(f"{type_}?_count=1000").get("entry", [])]

    def delete(self, path: str) -> None:
        self._send("DELETE", path, None)

    def status(self, path: str) -> int:
        return requests.get(f"{self.base}/{path}", timeout=10).status_code

    def _send(self, method: str, path: str, body: Any) -> dict[str, Any]:
        data = None if body is None else codec.dumps(body)
        kind = {"Content-Type": "application/fhir+json"}
        answer = requests.request(method, f"{self.base}/{path}", data=data, headers=kind, timeout=10)
        assert answer.status_code < 300, answer.text
        made: dict[str, Any] = codec.loads(answer.content)
        return made


@pytest.fixture(scope="session")
def installed(pytestconfig: pytest.Config) -> Path:
    """A folder with the packages, kept between runs."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        pytest.skip("node and npm are not installed, so there is no server that is not ours to sync with")
    cache = pytestconfig.cache
    assert cache is not None
    folder = cache.mkdir(f"medplum-{VERSION}")
    if not (folder / "node_modules" / "@medplum" / "fhir-router").is_dir():
        try:
            done = subprocess.run(
                [npm, "install", *QUIET, "--prefix", str(folder), *PACKAGES], capture_output=True, timeout=120
            )
        except subprocess.TimeoutExpired:
            pytest.skip("npm did not install Medplum's router within two minutes")
        if done.returncode:
            pytest.skip("npm cannot install Medplum's router here")
    shutil.copy(SCRIPT, folder)
    return folder


@pytest.fixture
def foreign(installed: Path) -> Iterator[Foreign]:
    types = ",".join(type_ for type_, spec in CATALOG.items() if spec.sync != "none")
    process = subprocess.Popen(
        ["node", str(installed / SCRIPT.name), types], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        assert port.isdigit(), "Medplum's router did not start"
        yield Foreign(f"http://127.0.0.1:{port}/fhir")
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(20)


@pytest.fixture
def here(ours: Any, foreign: Foreign, sides_of: Any) -> Any:
    return type(ours)(sides_of(foreign.base))


@pytest.fixture
def our_api(database: Database, tmp_path: Path) -> Iterator[str]:
    """Our own FHIR API over the same store, so that both sides are read over HTTP."""
    settings = load({}, auth="open", data_dir=str(tmp_path), validation="base")
    services = Services(database, Validator.load(), settings, clock=lambda: 0, new_id=lambda: "unused")
    server = Server("127.0.0.1", 0, create_app(services))
    server.start()
    yield f"{server.url}/fhir"
    server.stop()


def agreed(here: Any, our_api: str, *, pairs: int) -> None:
    with EhrClient(Transport(our_api)) as mine:
        found = compare(here.sides, mine)
    assert (found.compared, found.differences) == (pairs, ())


@pytest.mark.timeout(600)
def test_both_sides_agree_after_every_kind_of_change(foreign: Any, here: Any, our_api: str, make: Any) -> None:
    """Creates, references, edits, merges and deletions on both sides, and pages."""
    for number in range(130):
        foreign.put(make.patient(f"p{number}"))
    foreign.put(make.goal("theirs"))
    foreign.put(make.plan("their-plan", goal=[{"reference": "Goal/theirs"}]))
    foreign.put({"resourceType": "CareTeam", "id": "team", "status": "active", "subject": {"reference": "Patient/p1"}})
    assert here.sync().agreed
    agreed(here, our_api, pairs=133)

    here.save(make.goal("mine", text="Walk to church"))
    here.save(make.task("task", focus={"reference": "CarePlan/mine"}, basedOn=[{"reference": "CarePlan/mine"}]))
    here.save(
        make.plan("mine", goal=[{"reference": "Goal/mine"}], activity=[{"reference": {"reference": "Task/task"}}])
    )
    here.edit("Goal", "theirs", startDate="2026-11-01")
    foreign.edit("Goal/theirs", description={"text": "Changed there"})
    foreign.edit("CarePlan/their-plan", status="on-hold")
    here.edit("CareTeam", "team", name="Home team")
    report = here.sync()
    assert report.agreed, report
    assert here.get("CarePlan", "their-plan")["status"] == "on-hold"
    merged = foreign.get("Goal/theirs")
    assert (merged["startDate"], merged["description"]["text"]) == ("2026-11-01", "Changed there")
    (tasked,) = foreign.all("Task")
    planned = next(item for item in foreign.all("CarePlan") if item["id"] != "their-plan")
    assert tasked["focus"] == {"reference": f"CarePlan/{planned['id']}"}
    assert planned["activity"] == [{"reference": {"reference": f"Task/{tasked['id']}"}}]
    agreed(here, our_api, pairs=136)

    here.delete("Goal", "mine")
    foreign.delete(f"Task/{tasked['id']}")
    report = here.sync(full=True)
    assert report.agreed, report
    assert [goal["id"] for goal in foreign.all("Goal")] == ["theirs"]
    assert here.get("Task", "task") is None
    assert here.sync().pushed == 0
    agreed(here, our_api, pairs=134)


@pytest.mark.timeout(600)
def test_a_conflict_waits_and_its_resolution_is_on_both_sides(foreign: Any, here: Any, our_api: str, make: Any) -> None:
    foreign.put(make.patient())
    foreign.put(make.goal())
    here.sync()
    here.edit("Goal", "g1", description={"text": "Our words"})
    foreign.edit("Goal/g1", description={"text": "Their words"})
    assert here.sync().conflicts == 1
    assert foreign.get("Goal/g1")["description"]["text"] == "Their words"
    resolve(here.sides, here.conflicts()[0].cid, "ours", actor="nurse")
    report = here.sync()
    assert report.agreed, report
    assert foreign.get("Goal/g1")["description"]["text"] == "Our words"
    agreed(here, our_api, pairs=3 if foreign.all("Provenance") else 2)


@pytest.mark.timeout(600)
def test_an_edit_there_between_our_look_and_our_write_is_not_overwritten(
    foreign: Any, here: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its If-Match is good for: the edit is met by the write itself."""
    foreign.put(make.patient())
    foreign.put(make.goal())
    here.sync()
    here.edit("Goal", "g1", description={"text": "Our words"})
    real, raced = here.sides.client.update, [True]

    def late(resource: Any, **how: Any) -> Any:
        if raced and raced.pop():
            foreign.edit("Goal/g1", startDate="2026-10-01")
        return real(resource, **how)

    monkeypatch.setattr(here.sides.client, "update", late)
    report = here.sync()
    assert report.agreed, report
    held = foreign.get("Goal/g1")
    assert (held["description"]["text"], held["startDate"]) == ("Our words", "2026-10-01")


@pytest.mark.timeout(600)
def test_a_lost_reply_to_a_create_makes_no_second_one_there(
    foreign: Any, here: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found by our identifier, or by its own conditional create."""
    from fhirplan.errors import EhrUnavailable

    foreign.put(make.patient())
    here.sync()
    here.save(make.goal("mine"))
    real, lost = here.sides.client.create, [True]

    def unheard(resource: Any, **how: Any) -> Any:
        made = real(resource, **how)
        if lost and lost.pop():
            raise EhrUnavailable("The reply was lost.", outcome_unknown=True)
        return made

    monkeypatch.setattr(here.sides.client, "create", unheard)
    here.sync()
    report = here.sync()
    assert report.agreed, report
    assert len(foreign.all("Goal")) == 1
