"""kill -9 of a pulling process before and after each of its commits: nothing lost, nothing twice, nothing skipped."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest
import requests

from fhirplan.store import versions
from fhirplan.sync.points import PULLING, Point, arm
from fhirplan.sync.presence import Presence
from fhirplan.sync.pull import pull
from fhirplan.sync.report import Tally

HOUR = 3_600_000


class Died(BaseException):
    """Stands for the end of the process, where a test needs none of its own."""


def next_worker(ours: Any, folder: Path) -> Any:
    """Whoever comes after the dead one."""
    return type(ours)(dataclasses.replace(ours.sides, presence=Presence(folder / "workers"), worker="next"))


def history(ours: Any, type_: str, id_: str) -> list[dict[str, Any] | None]:
    """What each version of ours says, newest first; None for a deletion."""
    with ours.database.read() as tx:
        found = versions.history(tx, "default", type_, id_, before=None, count=100)
    return [None if item.deleted else {**item.resource(), "meta": {}} for item in found]


def fill(clinic: Any, resources: list[dict[str, Any]]) -> None:
    """Puts all of them into the clinic at once."""
    entries = [
        {"resource": item, "request": {"method": "PUT", "url": f"{item['resourceType']}/{item['id']}"}}
        for item in resources
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    kind = {"Content-Type": "application/fhir+json"}
    assert requests.post(clinic.base, json=bundle, headers=kind, timeout=30).status_code == 200


@pytest.mark.parametrize("point", PULLING)
def test_a_pull_killed_at_each_commit_loses_and_doubles_nothing(
    point: Point, clinic: Any, ours: Any, workers: Any, make: Any, tmp_path: Path
) -> None:
    """In each round both sides change things, then the pull dies at its next commit, until none is left to die at."""
    fill(clinic, [make.patient(), *(make.goal(f"g{number}", text="Agreed") for number in range(105))])
    gone: set[str] = set()
    for number in itertools.count(1):
        if number > 1:
            clinic.put({**clinic.get(f"Goal/g{number}"), "statusReason": f"clinic {number}"})
            clinic.put(make.plan(f"cp{number}", goal=[{"reference": f"Goal/g{number}"}]))
            clinic.delete(f"Goal/g{50 + number}")
            gone.add(f"g{50 + number}")
            if ours.get("Goal", f"g{number}") is not None:
                ours.edit("Goal", f"g{number}", description={"text": f"ours {number}"})
        if not workers.begin(ours.database.url, clinic.base, tmp_path, f"{point}:{number}", "pull").killed():
            break
    assert number > 2, "the pull did not come to this point"
    report = next_worker(ours, tmp_path).sync()
    assert (report.agreed, report.conflicts) == (True, 0), report
    there = {goal["id"]: goal for goal in clinic.all("Goal")}
    for name in [f"g{n}" for n in range(105)]:
        mine = ours.get("Goal", name)
        assert (mine is None) == (name in gone) == (name not in there)
        if mine is not None:
            assert (mine["description"], mine.get("statusReason")) == (
                there[name]["description"],
                there[name].get("statusReason"),
            )
        said = history(ours, "Goal", name)
        assert all(one != other for one, other in itertools.pairwise(said)), said
    assert any(goal["description"]["text"].startswith("ours") for goal in there.values())
    for said in clinic.history("Goal").values():
        assert all({**one, "meta": {}} != {**other, "meta": {}} for one, other in itertools.pairwise(said)), said
    assert ours.sync().calls < 2 * len(ours.sides.catalog), "the checkpoints did not move"


def test_a_deletion_is_not_skipped_when_the_pull_dies_after_a_checkpoint(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    for name in ("g1", "g2"):
        clinic.put(make.goal(name))
    ours.sync()
    clinic.delete("Goal/g1")
    with clinic.store.skewed(HOUR):
        clinic.store.write("PUT", 200, "g2", make.goal("g2", text="Changed"))
    left = ["Goal"]

    def die(point: Point) -> None:
        with ours.database.read() as tx:
            row = tx._driver.execute("SELECT count(*) FROM version").fetchone()
        if point == "moved" and row[0] >= 4 and left:
            left.clear()
            raise Died

    arm(die)
    try:
        with pytest.raises(Died):
            pull(ours.sides, Tally())
    finally:
        arm(None)
    assert ours.sync().agreed
    assert ours.get("Goal", "g1") is None


def test_one_deletion_that_may_not_be_asked_for_keeps_no_other_back(
    clinic: Any, ours: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fhirplan.errors import EhrRejected

    clinic.put(make.patient())
    for name in ("g1", "g2"):
        clinic.put(make.goal(name))
    ours.sync()
    for name in ("g1", "g2"):
        clinic.delete(f"Goal/{name}")
    read = ours.sides.client.read

    def refusing(type_: str, id_: str) -> Any:
        if id_ == "g1":
            raise EhrRejected("Not for you.", status=403)
        return read(type_, id_)

    with monkeypatch.context() as patched:
        patched.setattr(ours.sides.client, "read", refusing)
        assert ours.sync().untold == 1
    assert ours.get("Goal", "g2") is None
    assert ours.sync().agreed
    assert ours.get("Goal", "g1") is None
