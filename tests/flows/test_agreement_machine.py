"""Random work on both sides while everything goes wrong; when it stops, both agree or a conflict says why not.

Creates, edits and deletions of all four types with references among them, faults of the EHR, two workers at once,
workers that die between the EHR's answer and our note of it, restarts, clocks that are off.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from fhirplan.catalog import CATALOG
from fhirplan.ehr.client import EhrClient
from fhirplan.ehr.transport import Transport
from fhirplan.errors import EhrFailure
from fhirplan.fhir import codec
from fhirplan.sandbox.app import create_app
from fhirplan.sandbox.faults import Faults, Rule
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server
from fhirplan.store import versions
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.engine import Database
from fhirplan.store.sync import conflicts, links
from fhirplan.sync import points
from fhirplan.sync.content import comparable, marks, same
from fhirplan.sync.identity import Border, inbound
from fhirplan.sync.pull import pull
from fhirplan.sync.push import push
from fhirplan.sync.report import Tally
from fhirplan.sync.run import run_sync
from fhirplan.sync.sides import Sides

API = Origin(actor="Practitioner/nurse", request_id="test", source="api", push=True)
TYPES = ("Goal", "CarePlan", "CareTeam", "Task")
HOUR = 3_600_000
FAULTS = (
    "lost-reply",
    "lost-request",
    "reset",
    "throttle",
    "unavailable",
    "html",
    "duplicates",
    "bump",
    "skew",
    "stale",
    "slow",
    "expired-page",
    "outcome",
    "unavailable after",
    "html after",
    "throttle asking",
)
MORE: dict[str, Any] = {
    "bump": {"edit": {"language": "en"}},
    "skew": {"seconds": -60.0},
    "stale": {"behind": 3},
    # Longer than we wait for an answer; it is taken once, since each costs seconds.
    "slow": {"seconds": 2.3, "times": 1},
    "outcome": {"code": "4100"},
    "unavailable after": {"after": True},
    "html after": {"after": True, "status": 502},
    "throttle asking": {"retry_after": 1, "times": 3},
}
FIGURES: Counter[str] = Counter()
kinds = st.sampled_from(TYPES)
picks = st.integers(0, 10**6)
fields = st.sampled_from(["one", "two"])


class Killed(BaseException):
    """The worker dies here; nothing catches this on its way."""


def subject(kind: str) -> str:
    return "for" if kind == "Task" else "subject"


def first(kind: str, id_: str, text: str, named: dict[str, str]) -> dict[str, Any]:
    """A new resource of a kind that says ``text`` and refers to what there is."""
    goal, plan, task = (named.get(name) for name in ("Goal", "CarePlan", "Task"))
    needed: dict[str, dict[str, Any]] = {
        "Goal": {"lifecycleStatus": "active", "description": {"text": "A goal"}},
        "CarePlan": {
            "status": "active",
            "intent": "plan",
            **({"goal": [{"reference": goal}]} if goal else {}),
            **({"activity": [{"reference": {"reference": task}}]} if task else {}),
        },
        "CareTeam": {"status": "active"},
        "Task": {"status": "requested", "intent": "order", **({"basedOn": [{"reference": plan}]} if plan else {})},
    }
    about = {subject(kind): {"reference": "Patient/p1"}}
    return said({"resourceType": kind, "id": id_, **needed[kind], **about}, "one", text)


def said(resource: dict[str, Any], field: str, text: str) -> dict[str, Any]:
    """The resource with one of its two texts changed; both are extensions, so that all types have them."""
    url = f"http://example.org/{field}"
    kept = [item for item in resource.get("extension", []) if item["url"] != url]
    return {**resource, "extension": sorted([*kept, {"url": url, "valueString": text}], key=lambda item: item["url"])}


def texts(resource: dict[str, Any]) -> dict[str, str]:
    return {item["url"]: item["valueString"] for item in resource.get("extension", []) if "valueString" in item}


class Machine(RuleBasedStateMachine):
    """Both sides, what was written where, and everything that goes wrong."""

    template: Path

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(self.template, self.folder / "fhirplan.db")
        self.database = Database.open(f"sqlite:///{self.folder / 'fhirplan.db'}")
        numbers = itertools.count(1)
        self.store, self.faults = Store(new_id=lambda: f"ehr-{next(numbers)}"), Faults()
        self.server = Server("127.0.0.1", 0, create_app(self.store, faults=self.faults))
        self.server.start()
        self.base, self.offset, self.count, self.opened = f"{self.server.url}/fhir", 0, 0, []
        self.off = [0, 0]
        self.ids = itertools.count(1)
        self.written: dict[tuple[str, str, str], str] = {}
        self.deleted_here: set[tuple[str, str]] = set()
        self.workers = [self.worker(0), self.worker(1)]
        self.clinic("PUT", "Patient/p1", {"resourceType": "Patient", "id": "p1", "name": [{"family": "Sample"}]})
        for kind in TYPES:
            self.the_clinic_creates(kind, 0)
        run_sync(self.workers[0])

    def worker(self, place: int) -> Sides:
        client = EhrClient(Transport(self.base, timeout=2.0))
        self.opened.append(client)
        return Sides(
            connection="default",
            database=self.database,
            client=client,
            border=Border(self.base, "http://127.0.0.1:8080/fhir", frozenset(CATALOG)),
            catalog={type_: CATALOG[type_] for type_ in ("Patient", *TYPES)},
            clock=lambda: time.time_ns() // 1_000_000 + self.offset + self.off[place],
            new_id=lambda: f"our-{next(self.ids)}",
            chance=lambda: 0.5,
            validate=lambda _resource: (),
            worker=f"worker-{len(self.opened)}",
            timeout=2.0,
        )

    def clinic(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the clinic's staff do: past every fault."""
        asked = codec.dumps({"method": method, "path": path, **({"body": body} if body else {})})
        answer = requests.post(f"{self.server.url}/admin/edit", data=asked, timeout=10)
        found: dict[str, Any] = codec.loads(answer.content) if answer.content else {}
        return found

    def theirs(self, kind: str) -> list[dict[str, Any]]:
        return [entry["resource"] for entry in self.clinic("GET", f"{kind}?_count=1000").get("entry", [])]

    def mine(self, kind: str) -> list[dict[str, Any]]:
        with self.database.read() as tx:
            rows = tx._driver.execute("SELECT id FROM resource WHERE type = ? AND deleted = 0 ORDER BY id", (kind,))
            found = [versions.current(tx, "default", kind, row[0]) for row in rows.fetchall()]
        return [item.resource() for item in found if item is not None]

    def text(self, who: str) -> str:
        self.count += 1
        FIGURES["edits"] += 1
        return f"{who} {self.count}"

    def commit(self, change: Change) -> None:
        with self.database.write() as tx:
            commit(tx, "default", [change], now=self.workers[0].clock(), origin=API)

    @rule(kind=kinds, pick=picks)
    def we_create(self, kind: str, pick: int) -> None:
        named = {k: f"{k}/{found[pick % len(found)]['id']}" for k in TYPES if (found := self.mine(k))}
        made = first(kind, f"mine-{self.count}", self.text("ours"), named)
        self.commit(Change("create", kind, made["id"], made))
        self.written[kind, made["id"], "one"] = texts(made)["http://example.org/one"]

    @rule(kind=kinds, pick=picks)
    def the_clinic_creates(self, kind: str, pick: int) -> None:
        named = {k: f"{k}/{found[pick % len(found)]['id']}" for k in TYPES if (found := self.theirs(k))}
        made = first(kind, f"theirs-{self.count}", self.text("clinic"), named)
        self.clinic("PUT", f"{kind}/{made['id']}", made)

    @rule(kind=kinds, pick=picks, field=fields)
    def we_edit(self, kind: str, pick: int, field: str) -> None:
        if found := self.mine(kind):
            chosen = found[pick % len(found)]
            text = self.text("ours")
            self.commit(Change("update", kind, chosen["id"], said(chosen, field, text)))
            self.written[kind, chosen["id"], field] = text

    @rule(kind=kinds, pick=picks, field=fields)
    def the_clinic_edits(self, kind: str, pick: int, field: str) -> None:
        if found := self.theirs(kind):
            chosen = found[pick % len(found)]
            self.clinic("PUT", f"{kind}/{chosen['id']}", said(chosen, field, self.text("clinic")))

    @rule(kind=kinds, pick=picks, ours=fields, theirs=fields)
    def both_edit_the_same(self, kind: str, pick: int, ours: str, theirs: str) -> None:
        with self.database.read() as tx:
            pairs = [(id_, ehr_id) for type_, id_, ehr_id in links.pairs(tx, "default") if type_ == kind]
        here, there = ({item["id"]: item for item in side(kind)} for side in (self.mine, self.theirs))
        if live := [(id_, ehr_id) for id_, ehr_id in pairs if id_ in here and ehr_id in there]:
            id_, ehr_id = live[pick % len(live)]
            text = self.text("ours")
            self.commit(Change("update", kind, id_, said(here[id_], ours, text)))
            self.written[kind, id_, ours] = text
            self.clinic("PUT", f"{kind}/{ehr_id}", said(there[ehr_id], theirs, self.text("clinic")))

    @rule(kind=kinds, pick=picks)
    def we_delete(self, kind: str, pick: int) -> None:
        if found := self.mine(kind):
            id_ = found[pick % len(found)]["id"]
            self.commit(Change("delete", kind, id_))
            self.deleted_here.add((kind, id_))

    @rule(kind=kinds, pick=picks)
    def the_clinic_deletes(self, kind: str, pick: int) -> None:
        if found := self.theirs(kind):
            self.clinic("DELETE", f"{kind}/{found[pick % len(found)]['id']}")

    @rule(fault=st.sampled_from(FAULTS), rate=st.sampled_from([0.1, 0.3, 0.6]), played=st.integers(0, 99))
    def trouble_begins(self, fault: Any, rate: float, played: int) -> None:
        more = MORE.get(fault, {})
        self.faults.play([Rule(fault=fault.partition(" ")[0], rate=rate, **more)], played)

    @rule()
    def trouble_ends(self) -> None:
        self.faults.play([])

    @rule(which=st.integers(0, 1), whole=st.booleans())
    def a_worker_works(self, which: int, whole: bool) -> None:
        if whole:
            run_sync(self.workers[which], once=False)
        else:
            with contextlib.suppress(EhrFailure):
                push(self.workers[which], Tally(), everything=True)

    @rule()
    def both_work_at_once(self) -> None:
        with ThreadPoolExecutor(len(self.workers)) as together:
            list(together.map(lambda sides: run_sync(sides, once=False), self.workers))

    @rule(point=st.sampled_from(points.PUSHING + points.PULLING), which=st.integers(0, 1), times=st.integers(1, 3))
    def a_worker_dies_and_another_comes(self, point: points.Point, which: int, times: int) -> None:
        left = [times]

        def die(here: points.Point) -> None:
            if here == point:
                left[0] -= 1
                if left[0] <= 0:
                    raise Killed

        points.arm(die)
        try:
            with contextlib.suppress(EhrFailure):
                if point in points.PULLING:
                    pull(self.workers[which], Tally())
                else:
                    push(self.workers[which], Tally(), everything=True)
        except Killed:
            FIGURES["workers killed"] += 1
        finally:
            points.arm(None)
        self.workers[which] = self.worker(which)

    @rule()
    def everything_restarts(self) -> None:
        self.database.close()
        self.database = Database.open(self.database.url)
        self.workers = [self.worker(0), self.worker(1)]

    @rule(which=st.integers(0, 1), by=st.sampled_from([-90_000, 0, 90_000]))
    def a_workers_clock_is_off(self, which: int, by: int) -> None:
        self.off[which] = by

    @rule(by=st.sampled_from([5_000, HOUR, 24 * HOUR, -5_000]))
    def our_clock_jumps(self, by: int) -> None:
        self.offset += by

    @invariant()
    def counted(self) -> None:
        FIGURES["operations"] += 1

    def teardown(self) -> None:
        if not hasattr(self, "server"):
            return
        try:
            self.settle()
            self.check()
        finally:
            for client in self.opened:
                client.__exit__()
            self.server.stop()
            self.store.close()
            self.database.close()
            shutil.rmtree(self.folder)

    def settle(self) -> None:
        """The trouble is over; leases end, and each worker syncs until nothing moves."""
        FIGURES["runs"] += 1
        FIGURES["faults injected"] += sum(self.faults.counters()["injected"].values())
        FIGURES["calls"] += self.faults.counters()["requests"]
        self.faults.clear()
        self.off = [0, 0]
        for number in range(4):
            self.offset += 2 * HOUR
            report = run_sync(self.workers[number % 2], full=True)
        assert report.problems == (), report
        assert (report.waiting, report.parked) == (0, 0), report.reasons

    def check(self) -> None:
        with self.database.read() as tx:
            noted = conflicts.listed(tx, "default", resolved=True)
        torn = {(item.type, item.id) for item in noted if item.state == "open"}
        FIGURES["conflicts"] += len(noted)
        pairs = self.agreed(torn)
        kept = {text for item in noted for copy in (item.local, item.remote) if copy for text in texts(copy).values()}
        self.nothing_twice()
        self.nothing_acknowledged_is_lost(pairs, torn, kept)
        self.nothing_unseen_was_overwritten(kept)
        FIGURES["resources compared"] += len(pairs)

    def agreed(self, torn: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Checks that both sides say the same of whatever is in no conflict; gives the EHR's id of each of ours."""
        pairs: dict[tuple[str, str], str] = {}
        sides = self.workers[0]
        for kind in TYPES:
            here = {item["id"]: item for item in self.mine(kind)}
            for remote in self.theirs(kind):
                with self.database.write() as tx:
                    ids = sides.ids(tx)
                    our_id = ids.ours(kind, remote["id"])
                    there = comparable(inbound(ids, remote, our_id))
                pairs[kind, our_id] = remote["id"]
                if (kind, our_id) not in torn:
                    assert same(comparable(here.get(our_id)), there), (kind, our_id)
            for our_id in here:
                assert (kind, our_id) in pairs or (kind, our_id) in torn, f"{kind}/{our_id} is here only"
        return pairs

    def nothing_twice(self) -> None:
        for kind in TYPES:
            found = [mark for item in self.theirs(kind) for mark in marks(item)]
            assert len(found) == len(set(found)), f"{kind}: {found}"

    def nothing_acknowledged_is_lost(
        self, pairs: dict[tuple[str, str], str], torn: set[tuple[str, str]], kept: set[str]
    ) -> None:
        """Our last word on each field reached the EHR or a conflict, unless somebody deleted the resource."""
        for (kind, id_, field), text in self.written.items():
            if (kind, id_) in self.deleted_here or (kind, id_) not in pairs or (kind, id_) in torn:
                continue
            reached = {t for copy in self.history(kind).get(pairs[kind, id_], []) for t in texts(copy).values()}
            assert text in reached | kept, f"{kind}/{id_} {field}: {text!r} is lost"

    def nothing_unseen_was_overwritten(self, kept: set[str]) -> None:
        with self.database.read() as tx:
            rows = tx._driver.execute("SELECT body FROM version WHERE body IS NOT NULL").fetchall()
        known = kept | {text for row in rows for text in texts(codec.loads(row[0])).values()}
        for kind in TYPES:
            for id_, copies in self.history(kind).items():
                for newer, older in itertools.pairwise(copies):
                    for url, text in texts(older).items():
                        if text.startswith("clinic") and texts(newer).get(url, "ours").startswith("ours"):
                            assert text in known, f"{kind}/{id_}: {text!r} was overwritten unseen"

    def history(self, kind: str) -> dict[str, list[dict[str, Any]]]:
        """The versions of each resource in the EHR, newest first, without deletions."""
        found: dict[str, list[dict[str, Any]]] = {}
        for entry in self.clinic("GET", f"{kind}/_history?_count=1000").get("entry", []):
            if "resource" in entry:
                found.setdefault(entry["resource"]["id"], []).append(entry["resource"])
        return found


def run(template: Path, examples: int, steps: int, chosen_seed: int) -> None:
    FIGURES.clear()
    machine = type("Bound", (Machine,), {"template": template})
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        print_blob=True,
        database=None,
    )
    run_state_machine_as_test(seed(chosen_seed)(machine), settings=chosen)


def test_both_sides_agree_whatever_goes_wrong(empty_database: Path) -> None:
    run(empty_database, examples=5, steps=14, chosen_seed=random.randrange(2**32))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_both_sides_agree_whatever_goes_wrong_for_long(empty_database: Path, capsys: Any) -> None:
    """``FHIRPLAN_TEST_SEED`` plays a run again, ``FHIRPLAN_TEST_RUNS`` says how many there are."""
    chosen = int(os.environ.get("FHIRPLAN_TEST_SEED", random.randrange(2**32)))
    with capsys.disabled():
        sys.stdout.write(f"\nrandom work on both sides, seed {chosen}\n")
    run(empty_database, int(os.environ.get("FHIRPLAN_TEST_RUNS", "300")), 40, chosen)
    told = ", ".join(f"{name} {number}" for name, number in sorted(FIGURES.items()))
    with capsys.disabled():
        sys.stdout.write(f"{told}, losses 0, duplicates 0 (each run is checked for both)\n")
