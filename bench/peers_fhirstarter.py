"""A FHIR server made with fhirstarter over SQLite; run by the Python of its own environment.

Its own models validate what comes and what goes. One table, an index for the patient of a plan, no history.
"""

import json
import os
import sqlite3
import sys
import threading
from pathlib import Path
from uuid import uuid4

from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.careplan import CarePlan
from fhir.resources.R4B.task import Task
from fhirstarter import FHIRProvider, FHIRStarter, InteractionContext
from fhirstarter.exceptions import FHIRResourceNotFoundError

_kept = threading.local()


def _database() -> sqlite3.Connection:
    if not hasattr(_kept, "made"):
        _kept.made = sqlite3.connect(os.environ["PEER_DATABASE"], isolation_level=None, timeout=30)
        _kept.made.execute("PRAGMA journal_mode=WAL")
        _kept.made.execute("PRAGMA synchronous=FULL")
    return _kept.made


def fill(path: Path) -> None:
    """Makes the table and puts the resources of a file of one a line into it."""
    run = _database().execute
    run("CREATE TABLE resource (type TEXT, id TEXT, patient TEXT, body TEXT, PRIMARY KEY (type, id))")
    run("CREATE INDEX of_patient ON resource (type, patient)")
    run("BEGIN")
    with path.open() as file:
        for line in file:
            item = json.loads(line)
            patient = item.get("subject", item.get("for", {})).get("reference", "")
            run("INSERT INTO resource VALUES (?, ?, ?, ?)", (item["resourceType"], item["id"], patient, line))
    run("COMMIT")


def _body(type_: str, id_: str) -> str:
    row = _database().execute("SELECT body FROM resource WHERE type = ? AND id = ?", (type_, id_)).fetchone()
    if row is None:
        raise FHIRResourceNotFoundError
    return row[0]


provider = FHIRProvider()


@provider.read(CarePlan)
def read_plan(context: InteractionContext, id_: str) -> CarePlan:
    """The plan as its model."""
    return CarePlan.model_validate_json(_body("CarePlan", id_))


@provider.create(Task)
def create_task(context: InteractionContext, resource: Task) -> str:
    """Stores it under a new id."""
    resource.id = str(uuid4())
    values = (resource.id, resource.for_fhir.reference, resource.model_dump_json())
    _database().execute("INSERT INTO resource VALUES ('Task', ?, ?, ?)", values)
    return resource.id


@provider.update(Task)
def update_task(context: InteractionContext, id_: str, resource: Task) -> str:
    """Stores it in place of what was there; If-Match does not reach a handler."""
    body = resource.model_dump_json()
    done = _database().execute("UPDATE resource SET body = ? WHERE type = 'Task' AND id = ?", (body, id_))
    if done.rowcount == 0:
        raise FHIRResourceNotFoundError
    return id_


@provider.search_type(CarePlan)
def search_plans(context: InteractionContext, patient: str | None, status: str | None) -> Bundle:
    """The patient's plans of a status, with the goals, teams and tasks that they name."""
    rows = _database().execute("SELECT body FROM resource WHERE type = 'CarePlan' AND patient = ?", (patient,))
    plans = [plan for plan in (json.loads(row[0]) for row in rows) if plan["status"] == status]
    found = list(plans)
    for plan in plans:
        named = [*plan["goal"], *plan["careTeam"], *(item["reference"] for item in plan["activity"])]
        found += [json.loads(_body(*item["reference"].split("/"))) for item in named]
    return Bundle(type="searchset", total=len(plans), entry=[{"resource": item} for item in found])


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
else:
    app = FHIRStarter(title="peer")
    app.add_providers(provider)
