"""kill -9 of server and worker during 200 creates: each acknowledged one stays and reaches the EHR exactly once."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import requests

from fhirplan.fhir import codec

CREATES, CLIENTS, KILLS = 200, 4, 3
SYSTEM = "http://fhirplan.dev/fhir/sid/killed"
PROGRAM = [sys.executable, "-c", "from fhirplan.cli.main import main; main()", "serve", "--with-worker", "--port"]
KIND = {"Content-Type": "application/fhir+json"}


class Served:
    """The server with its worker as processes of their own, which can be killed and started again."""

    def __init__(self, folder: Path, ehr: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self._log = (folder / "server.log").open("ab")
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("FHIRPLAN_")} | {
            "FHIRPLAN_DATA_DIR": str(folder),
            "FHIRPLAN_AUTH": "open",
            "FHIRPLAN_BASE_URL": self.base,
            "FHIRPLAN_EHR_URL": ehr,
            "FHIRPLAN_PUSH_INTERVAL": "0.1",
            "FHIRPLAN_PULL_INTERVAL": "1",
        }
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [*PROGRAM, str(self.port)], env=self._env, stdout=self._log, stderr=self._log, start_new_session=True
        )
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                if requests.get(f"{self.base}/readyz", timeout=5).status_code == 200:
                    return
            except requests.RequestException:
                time.sleep(0.1)
        raise AssertionError("the server did not come up")

    def kill(self) -> None:
        """kill -9 of every process of it at once, as a power failure would."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()


def task(number: int) -> bytes:
    return codec.dumps(
        {
            "resourceType": "Task",
            "meta": {"profile": ["http://fhirplan.dev/fhir/StructureDefinition/case-management-task"]},
            "identifier": [{"system": SYSTEM, "value": str(number)}],
            "status": "requested",
            "intent": "order",
            "code": {
                "coding": [{"system": "http://fhirplan.dev/fhir/CodeSystem/cm-task-type", "code": "screen-eligibility"}]
            },
            "for": {"reference": "Patient/p"},
            "authoredOn": "2026-03-09T08:00:00-05:00",
            "lastModified": "2026-03-09T08:00:00-05:00",
            "requester": {"reference": "PractitionerRole/r"},
            "owner": {"reference": "PractitionerRole/r"},
            "restriction": {"period": {"end": "2026-03-12"}},
        }
    )


def conditional_create(served: Served, number: int) -> requests.Response | None:
    """Creates a task unless it is there; None when there was no answer, so that it may or may not be there."""
    headers = {**KIND, "If-None-Exist": f"identifier={SYSTEM}|{number}"}
    try:
        return requests.post(f"{served.base}/fhir/Task", data=task(number), headers=headers, timeout=20)
    except requests.RequestException:
        return None


def test_nothing_acknowledged_is_lost_and_nothing_is_sent_twice(clinic: Any, tmp_path: Path) -> None:
    clinic.put({"resourceType": "Patient", "id": "p"})
    clinic.put({"resourceType": "PractitionerRole", "id": "r"})
    served = Served(tmp_path, clinic.base)
    acknowledged: dict[int, str] = {}
    numbers = iter(range(CREATES))
    taking = threading.Lock()

    def create() -> None:
        while True:
            with taking:
                number = next(numbers, None)
            if number is None:
                return
            while (answer := conditional_create(served, number)) is None:
                time.sleep(0.1)
            assert answer.status_code in (200, 201), answer.text
            acknowledged[number] = answer.json()["id"]

    clients = [threading.Thread(target=create) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    chance = random.Random(7)
    killed_at = []
    for _ in range(KILLS):
        target = len(acknowledged) + chance.randint(15, 45)
        while len(acknowledged) < target and any(client.is_alive() for client in clients):
            time.sleep(0.002)
        served.kill()
        killed_at.append(len(acknowledged))
        served.start()
    for client in clients:
        client.join()
    try:
        assert killed_at[-1] < len(acknowledged), "the last kill came while creates were still under way"
        assert len(acknowledged) == CREATES
        for id_ in acknowledged.values():
            assert requests.get(f"{served.base}/fhir/Task/{id_}", timeout=20).status_code == 200
        stored = _identifiers(f"{served.base}/fhir/Task?_count=1000")
        assert stored == Counter(range(CREATES))
        end = time.monotonic() + 60
        while (there := _identifiers(f"{clinic.base}/Task?_count=500")).keys() != stored.keys():
            assert time.monotonic() < end, f"{len(stored) - len(there)} did not reach the EHR"
            time.sleep(0.2)
        assert set(there.values()) == {1}, "each is in the EHR exactly once"
    finally:
        served.stop()


def _identifiers(url: str) -> Counter[int]:
    entries = requests.get(url, timeout=30).json().get("entry", [])
    listed = [item for entry in entries for item in entry["resource"].get("identifier", ())]
    return Counter(int(item["value"]) for item in listed if item["system"] == SYSTEM)
