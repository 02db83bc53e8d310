"""kill -9 at each point between claim and commit, and two workers over one PostgreSQL: nothing lost, nothing twice."""

from __future__ import annotations

import dataclasses
import itertools
import os
import random
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.engine import Database
from fhirplan.store.sync import receipts
from fhirplan.sync.content import marks
from fhirplan.sync.points import PUSHING
from fhirplan.sync.presence import Presence
from fhirplan.sync.push import push
from fhirplan.sync.report import Tally

API = Origin(actor="Practitioner/nurse", request_id="test", source="api", push=True)
SERVER = os.environ.get("FHIRPLAN_TEST_POSTGRESQL", "postgresql://root@127.0.0.1/test")


@dataclass
class Work:
    """What we wrote: the last words of each resource, and what was deleted."""

    patients: int
    chance: random.Random
    said: dict[tuple[str, str], str] = field(default_factory=dict)
    deleted: set[tuple[str, str]] = field(default_factory=set)
    edited_there: set[str] = field(default_factory=set)
    changes: int = 0
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def patient(self) -> dict[str, str]:
        return {"reference": f"Patient/p{self.chance.randrange(self.patients)}"}

    def goal(self, id_: str, subject: dict[str, str]) -> dict[str, Any]:
        text = f"words {next(self.numbers)}"
        self.said["Goal", id_] = text
        named = {"lifecycleStatus": "active", "description": {"text": text}, "subject": subject}
        return {"resourceType": "Goal", "id": id_, **named}

    def plan(self, id_: str, goals: list[str], task: str, subject: dict[str, str]) -> dict[str, Any]:
        text = f"words {next(self.numbers)}"
        self.said["CarePlan", id_] = text
        return {
            "resourceType": "CarePlan",
            "id": id_,
            "status": "active",
            "intent": "plan",
            "title": text,
            "subject": subject,
            "goal": [{"reference": f"Goal/{goal}"} for goal in goals],
            "activity": [{"reference": {"reference": f"Task/{task}"}}],
        }

    def task(self, id_: str, plan: str, subject: dict[str, str]) -> dict[str, Any]:
        """A task that its plan names and that names its plan: a circle."""
        text = f"words {next(self.numbers)}"
        self.said["Task", id_] = text
        return {
            "resourceType": "Task",
            "id": id_,
            "status": "requested",
            "intent": "order",
            "description": text,
            "for": subject,
            "basedOn": [{"reference": f"CarePlan/{plan}"}],
        }


def begin(clinic: Any, ours: Any, work: Work, theirs: int) -> None:
    """Patients and goals of the clinic on both sides."""
    entries = [{"resourceType": "Patient", "id": f"p{n}", "name": [{"family": "Sample"}]} for n in range(work.patients)]
    entries += [work.goal(f"theirs-{n}", work.patient()) for n in range(theirs)]
    for resource in entries:
        clinic.put(resource)
    work.said.clear()
    work.edited_there.update(f"theirs-{n}" for n in range(0, theirs, 2))
    ours.sync()


def write(ours: Any, work: Work, count: int) -> None:
    """So many changes: creates with references in both directions, edits and deletions, as one caller sends them."""
    with ours.database.read() as tx:
        rows = tx._driver.execute("SELECT id FROM resource WHERE type = 'Goal' AND deleted = 0 ORDER BY id").fetchall()
    live = [row[0] for row in rows]
    changes: list[Change] = []
    touched: set[str] = set()
    while len(changes) < count:
        kind = work.chance.choices(["create", "circle", "edit", "delete"], [4, 1, 4, 1])[0]
        left = [id_ for id_ in live if id_ not in touched]
        if kind == "create" or not left:
            id_ = f"mine-{next(work.numbers)}"
            changes.append(Change("create", "Goal", id_, work.goal(id_, work.patient())))
        elif kind == "circle":
            subject, number = work.patient(), next(work.numbers)
            plan = work.plan(f"plan-{number}", [f"goal-{number}"], f"task-{number}", subject)
            changes += [
                Change("create", "CarePlan", plan["id"], plan),
                Change("create", "Goal", f"goal-{number}", work.goal(f"goal-{number}", subject)),
                Change("create", "Task", f"task-{number}", work.task(f"task-{number}", plan["id"], subject)),
            ]
        else:
            id_ = work.chance.choice(left)
            touched.add(id_)
            if kind == "delete" and id_ not in work.edited_there:
                work.deleted.add(("Goal", id_))
                changes.append(Change("delete", "Goal", id_))
            else:
                known = ours.get("Goal", id_)
                changes.append(Change("update", "Goal", id_, {**known, **work.goal(id_, known["subject"])}))
    with ours.database.write() as tx:
        commit(tx, "default", changes, now=ours.sides.clock(), origin=API)
    work.changes += len(changes)


def the_clinic_edits(clinic: Any, work: Work, count: int) -> None:
    """Other elements than we edit, so that both edits are kept; and nothing that we delete."""
    goals = [goal for goal in clinic.all_pages("Goal") if goal["id"] in work.edited_there]
    for goal in work.chance.sample(goals, min(count, len(goals))):
        clinic.put({**goal, "statusReason": f"clinic {next(work.numbers)}"})


def words(resource: dict[str, Any]) -> str:
    text = resource.get("title") or resource.get("description")
    return str(text["text"] if isinstance(text, dict) else text)


def figures(clinic: Any, ours: Any, work: Work) -> dict[str, int]:
    """What was lost and what is there twice: resources, and versions that say the same again."""
    lost, twice = 0, 0
    there: dict[tuple[str, str], dict[str, Any]] = {}
    for kind in ("Goal", "CarePlan", "Task"):
        copies = clinic.all_pages(kind)
        names = Counter(mark for copy in copies for mark in marks(copy))
        twice += sum(number - 1 for number in names.values())
        there |= {(kind, (marks(copy) or (copy["id"],))[0]): copy for copy in copies}
        for versions in clinic.history(kind).values():
            contents = [{key: value for key, value in copy.items() if key != "meta"} for copy in versions]
            twice += sum(one == other for one, other in itertools.pairwise(contents))
    for key, text in work.said.items():
        if key not in work.deleted and (key not in there or words(there[key]) != text):
            lost += 1
    lost += sum(key in there for key in work.deleted)
    with ours.database.read() as tx:
        unsent = [key for key in work.said if {r.state for r in receipts.of(tx, "default", *key)} != {"sent"}]
    return {"changes": work.changes, "lost": lost + len(unsent), "duplicated": twice}


def die_everywhere(
    clinic: Any, ours: Any, workers: Any, folder: Path, changes: int, seed: int, passes: tuple[int, ...]
) -> dict[str, Any]:
    """Changes in rounds; in each a worker dies somewhere and another one takes over, until all is done."""
    work = Work(max(changes // 40, 4), random.Random(seed))
    begin(clinic, ours, work, changes // 4)
    killed: Counter[str] = Counter()
    # Few passes over one point, or many: at the first piece, and in the middle of the work.
    scripts = [f"{point}:{number}" for number in passes for point in PUSHING]
    for number, script in enumerate(scripts):
        if work.changes < changes:
            the_clinic_edits(clinic, work, 3)
            write(ours, work, min(-(-changes // len(scripts)), changes - work.changes))
        if workers.begin(ours.database.url, clinic.base, folder, script).killed():
            killed[script.partition(":")[0]] += 1
        elif number < len(PUSHING):
            # The point was not come to: something must have changed there.
            the_clinic_edits(clinic, work, 10)
    # Whoever comes next frees what the dead had claimed, and finishes.
    sides = dataclasses.replace(ours.sides, presence=Presence(folder / "workers"), worker="last")
    report = type(ours)(sides).sync()
    assert report.agreed, report
    return {**figures(clinic, ours, work), "kills": sum(killed.values()), "points": dict(killed), "seed": seed}


def told(capsys: Any, title: str, made: dict[str, Any]) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{title}: {', '.join(f'{key} {value}' for key, value in made.items())}\n")


def test_workers_killed_at_each_point_lose_and_double_nothing(
    clinic: Any, ours: Any, workers: Any, tmp_path: Path
) -> None:
    made = die_everywhere(clinic, ours, workers, tmp_path, changes=100, seed=1, passes=(1, 4))
    assert (made["changes"] >= 100, made["lost"], made["duplicated"]) == (True, 0, 0), made
    assert {"claimed", "sending", "answered", "settling", "settled"} <= made["points"].keys(), made


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_workers_killed_at_each_point_across_a_thousand_changes(
    where: str, request: Any, clinic: Any, workers: Any, tmp_path: Path, capsys: Any
) -> None:
    ours = request.getfixturevalue("ours" if where == "sqlite" else "ours_on_postgresql")
    made = die_everywhere(
        clinic,
        ours,
        workers,
        tmp_path,
        changes=1000,
        seed=int(os.environ.get("FHIRPLAN_TEST_SEED", "7")),
        passes=(1, 2, 3, 4, 6, 8, 10),
    )
    told(capsys, f"kill -9 at each point, {where}", made)
    assert (made["changes"] >= 1000, made["lost"], made["duplicated"]) == (True, 0, 0), made


@pytest.fixture
def ours_on_postgresql(clinic: Any, sides_of: Callable[..., Any], ours: Any) -> Iterator[Any]:
    """Our side with a PostgreSQL schema of its own."""
    psycopg = pytest.importorskip("psycopg")
    try:
        server = psycopg.connect(SERVER, autocommit=True, connect_timeout=2)
    except psycopg.OperationalError:
        pytest.skip(f"no PostgreSQL answers at {SERVER}; FHIRPLAN_TEST_POSTGRESQL names another")
    schema = f"t{uuid.uuid4().hex}"
    with server:
        server.execute(f"CREATE SCHEMA {schema}")
        database = Database.open(f"{SERVER}?options=-csearch_path%3D{schema}")
        try:
            database.migrate()
            yield type(ours)(sides_of(clinic.base, database=database))
        finally:
            database.close()
            server.execute(f"DROP SCHEMA {schema} CASCADE")


def two_workers(clinic: Any, ours: Any, workers: Any, folder: Path, changes: int) -> dict[str, Any]:
    """Two processes push at once, each with lanes of its own, until nothing is due."""
    work = Work(max(changes // 25, 10), random.Random(changes))
    begin(clinic, ours, work, changes // 4)
    before = len(clinic.writes())
    write(ours, work, changes)
    pair = [workers.begin(ours.database.url, clinic.base, folder / str(number)) for number in (1, 2)]
    assert [worker.killed() for worker in pair] == [False, False]
    writes = clinic.writes()[before:]
    report = ours.sync()
    assert report.agreed, report
    refused = sum(status >= 300 for _, _, status in writes)
    return {**figures(clinic, ours, work), "calls": len(writes), "refused": refused}


def test_two_workers_on_postgresql_have_each_effect_once(
    clinic: Any, ours_on_postgresql: Any, workers: Any, tmp_path: Path
) -> None:
    made = two_workers(clinic, ours_on_postgresql, workers, tmp_path, 300)
    assert (made["lost"], made["duplicated"], made["refused"]) == (0, 0, 0), made


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_workers_on_postgresql_have_each_of_5000_effects_once(
    clinic: Any, ours_on_postgresql: Any, workers: Any, tmp_path: Path, capsys: Any
) -> None:
    made = two_workers(clinic, ours_on_postgresql, workers, tmp_path, 5000)
    told(capsys, "two workers on PostgreSQL", made)
    assert (made["lost"], made["duplicated"], made["refused"]) == (0, 0, 0), made


def test_two_lanes_of_claims_on_postgresql_never_share_a_patient(ours_on_postgresql: Any, make: Any) -> None:
    """Two claims of one lane that begin at the same moment: the second sees the first."""
    import threading
    from concurrent.futures import ThreadPoolExecutor

    from fhirplan.store.sync import leases

    ours = ours_on_postgresql
    for number in range(40):
        ours.save(make.goal(f"g-{number}"))
    start, taken = threading.Barrier(4), []

    def take(worker: int) -> None:
        start.wait()
        for number in range(worker, 40, 4):
            with ours.database.write() as tx:
                if leases.claim(tx, "default", "Goal", f"g-{number}", worker=f"w{worker}", lease_until=2**50):
                    taken.append(worker)
        ours.database.leave()

    with ThreadPoolExecutor(4) as together:
        list(together.map(take, range(4)))
    assert len(set(taken)) == 1
    push(ours.sides, Tally())
