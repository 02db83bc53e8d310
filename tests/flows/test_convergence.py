"""Random edits on both sides through a door that breaks: afterwards both agree, or a conflict says why not."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import random
from typing import Any

import pytest

from fhirplan.catalog import CATALOG
from fhirplan.ehr.answered import RemoteCopy
from fhirplan.errors import EhrFailure
from fhirplan.store import versions
from fhirplan.store.sync import conflicts
from fhirplan.sync.content import comparable, marks, same
from fhirplan.sync.identity import inbound
from fhirplan.sync.push import push
from fhirplan.sync.report import Tally

TYPES = ("Patient", "Goal", "CarePlan", "Task")
FAULTS = ("cut", "refuse", "half", "500", "503", "html", "empty")
HOUR = 3_600_000


class World:
    """Both sides, a source of chance, and what was written where."""

    def __init__(self, seed: int, clinic: Any, door: Any, ours: Any, make: Any) -> None:
        self.chance = random.Random(seed)
        self.clinic, self.door, self.make = clinic, door, make
        self.offset = 0
        clock = ours.sides.clock
        catalog = {type_: CATALOG[type_] for type_ in TYPES}
        self.ours = type(ours)(
            dataclasses.replace(ours.sides, catalog=catalog, clock=lambda: clock() + self.offset, timeout=0.5)
        )
        self.count = 0
        self.by_clinic: set[str] = set()
        self.deleted_by_clinic: set[str] = set()
        door.fault = self.fault
        self.faulty = self.racing = False
        self.rate = 0.0
        door.on = self.meanwhile

    def fault(self, _method: str, _path: str) -> str:
        return self.chance.choice(FAULTS) if self.faulty and self.chance.random() < self.rate else ""

    def meanwhile(self, when: str, method: str, _path: str) -> None:
        """The clinic edits just before our write arrives."""
        if self.racing and when == "before" and method in ("PUT", "DELETE") and self.chance.random() < 0.3:
            self.clinic_edits()

    def text(self, who: str) -> str:
        self.count += 1
        if who == "clinic":
            self.by_clinic.add(f"clinic {self.count}")
        return f"{who} {self.count}"

    def step(self) -> None:
        act = self.chance.choice((self.ours_creates, self.ours_edits, self.ours_edits, self.ours_deletes))
        if self.chance.random() < 0.4:
            act = self.chance.choice((self.clinic_creates, self.clinic_edits, self.clinic_edits, self.clinic_deletes))
        act()
        if self.chance.random() < 0.4:
            self.offset += self.chance.choice((0, 0, 5_000, HOUR))
            self.sync()

    def sync(self) -> None:
        """A whole sync or a push alone, with or without faults, with or without the clinic writing meanwhile."""
        self.faulty, self.racing = self.chance.random() < 0.7, self.chance.random() < 0.5
        self.rate = self.chance.choice((0.1, 0.3, 0.6))
        if self.chance.random() < 0.4:
            with contextlib.suppress(EhrFailure):
                push(self.ours.sides, Tally(), everything=True)
        else:
            self.ours.sync(once=self.chance.random() < 0.5)
        self.faulty = self.racing = False

    def ours_creates(self) -> None:
        name = f"our-{self.count}"
        goals, tasks = self.mine("Goal"), self.mine("Task")
        kind = self.chance.choice(("Goal", "CarePlan", "Task"))
        if kind == "Goal":
            self.ours.save(self.make.goal(name, self.text("ours")))
        elif kind == "Task":
            plans = self.mine("CarePlan")
            based = {"basedOn": [{"reference": f"CarePlan/{self.chance.choice(plans)}"}]} if plans else {}
            self.ours.save(self.make.task(name, description=self.text("ours"), **based))
        else:
            refs = {"goal": [{"reference": f"Goal/{self.chance.choice(goals)}"}]} if goals else {}
            acts = {"activity": [{"reference": {"reference": f"Task/{self.chance.choice(tasks)}"}}]} if tasks else {}
            self.ours.save(self.make.plan(name, title=self.text("ours"), **refs, **acts))

    def mine(self, type_: str) -> list[str]:
        with self.ours.database.read() as tx:
            rows = tx._driver.execute("SELECT id FROM resource WHERE type = ? AND deleted = 0 ORDER BY id", (type_,))
            return [row[0] for row in rows.fetchall()]

    def ours_edits(self) -> None:
        type_ = self.chance.choice(TYPES[1:])
        if known := self.mine(type_):
            id_ = self.chance.choice(known)
            self.ours.save(said(self.ours.get(type_, id_), self.text("ours")))

    def ours_deletes(self) -> None:
        type_ = self.chance.choice(TYPES[1:])
        if (known := self.mine(type_)) and self.chance.random() < 0.4:
            self.ours.delete(type_, self.chance.choice(known))

    def clinic_creates(self) -> None:
        self.clinic.put(self.make.goal(f"their-{self.count}", self.text("clinic")))

    def clinic_edits(self) -> None:
        type_ = self.chance.choice(TYPES[1:])
        if known := self.clinic.all(type_):
            self.clinic.put(said(self.chance.choice(known), self.text("clinic")))

    def clinic_deletes(self) -> None:
        type_ = self.chance.choice(TYPES[1:])
        if (known := self.clinic.all(type_)) and self.chance.random() < 0.3:
            id_ = self.chance.choice(known)["id"]
            self.clinic.delete(f"{type_}/{id_}")
            self.deleted_by_clinic.add(id_)


def said(resource: Any, text: str) -> Any:
    """The resource with its text changed, whatever its type calls it."""
    key = {"CarePlan": "title", "Task": "description"}.get(resource["resourceType"])
    return {**resource, **({key: text} if key else {"description": {"text": text}})}


def words(resource: Any) -> str:
    value = resource.get("title") or resource.get("description")
    return str(value["text"] if isinstance(value, dict) else value)


@pytest.mark.parametrize("seed", range(4))
def test_random_edits_on_both_sides_end_in_agreement(
    seed: int, clinic: Any, door: Any, behind_door: Any, make: Any
) -> None:
    world = World(seed, clinic, door, behind_door, make)
    clinic.put(make.patient())
    world.ours.sync()
    for _ in range(40):
        world.step()
    for _ in range(4):
        world.offset += 2 * HOUR
        report = world.ours.sync(full=True)
    assert report.problems == ()
    assert (report.waiting, report.parked) == (0, 0), world.ours.waiting()
    check_agreement(world)
    check_no_duplicates(world)
    check_nothing_unseen_was_overwritten(world)


def check_agreement(world: World) -> None:
    """Every resource without an open conflict is the same on both sides, and on both sides or on neither."""
    ours = world.ours
    torn = {(item.type, item.id) for item in ours.conflicts()}
    seen = set()
    for type_ in TYPES:
        for remote in clinic_copies(world, type_):
            with ours.database.write() as tx:
                ids = ours.sides.ids(tx)
                our_id = ids.ours(type_, remote.id)
                theirs = comparable(inbound(ids, remote.resource, our_id))
            seen.add((type_, our_id))
            if (type_, our_id) not in torn:
                assert same(comparable(ours.get(type_, our_id)), theirs), (type_, our_id, remote.id)
    for type_ in TYPES:
        for our_id in world.mine(type_):
            assert (type_, our_id) in seen | torn, f"{type_}/{our_id} is here only"


def clinic_copies(world: World, type_: str) -> list[RemoteCopy]:
    return [RemoteCopy(type_, item["id"], "", "", item) for item in world.clinic.all(type_)]


def check_no_duplicates(world: World) -> None:
    for type_ in TYPES:
        found = [mark for item in world.clinic.all(type_) for mark in marks(item)]
        assert len(found) == len(set(found)), f"{type_}: {found}"


def check_nothing_unseen_was_overwritten(world: World) -> None:
    """What the clinic wrote and we wrote over is in our versions, or in a conflict that a person saw."""
    with world.ours.database.read() as tx:
        known = {words(versions.of_row(row).resource()) for row in _all_versions(tx)}
        kept = conflicts.listed(tx, "default", resolved=True)
    known |= {words(copy) for item in kept for copy in (item.remote, item.base) if copy}
    for type_ in TYPES[1:]:
        for id_, written in histories(world, type_).items():
            for newer, older in itertools.pairwise(written):
                by_us = newer not in world.by_clinic and (newer or id_ not in world.deleted_by_clinic)
                if older in world.by_clinic and by_us:
                    assert older in known, f"{type_}/{id_}: {older!r} was overwritten unseen by {newer or 'a deletion'}"


def histories(world: World, type_: str) -> dict[str, list[str]]:
    """The words of each version of each resource in the EHR, newest first, "" for a deletion."""
    found: dict[str, list[str]] = {}
    for entry in world.clinic.get(f"{type_}/_history?_count=1000").get("entry", []):
        id_ = entry["request"]["url"].split("/")[1] if "resource" not in entry else entry["resource"]["id"]
        found.setdefault(id_, []).append(words(entry["resource"]) if "resource" in entry else "")
    return found


def _all_versions(tx: Any) -> Any:
    from sqlalchemy import select

    from fhirplan.store import tables
    from fhirplan.store.engine import statement

    joined = tables.resource.join(tables.version, tables.version.c.rid == tables.resource.c.rid)
    chosen = select(*versions.COLUMNS).select_from(joined)
    return tx.all(statement(chosen.where(tables.version.c.body.is_not(None), tables.resource.c.type != "Patient")))
