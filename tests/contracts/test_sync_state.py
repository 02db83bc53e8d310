"""Links, checkpoints, conflicts, receipts and findings come back as they were put."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import select

from fhirplan.errors import Issue
from fhirplan.store import findings, parameters
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.engine import Database, statement
from fhirplan.store.sync import checkpoints, conflicts, links, receipts, refusals
from fhirplan.store.sync.links import Link
from fhirplan.store.sync.receipts import Receipt
from fhirplan.store.sync.refusals import Refusal
from fhirplan.store.tables import coding_system

HERE = "default"
BY = Origin(actor="t", request_id="", source="api", push=False)


def test_a_link_keeps_the_base_digit_for_digit(database: Database) -> None:
    link = Link("Goal", "g", "77", "3", "2026-01-01T00:00:00Z", {"resourceType": "Goal", "v": Decimal("1.50")}, 4)
    with database.write() as tx:
        links.put(tx, HERE, link, 1)
    with database.read() as tx:
        known = links.by_id(tx, HERE, "Goal", "g")
        assert known == link == links.by_ehr_id(tx, HERE, "Goal", "77")
        assert str(known.base["v"]) == "1.50" if known and known.base else False
        assert links.their_id(tx, HERE, "Goal", "g") == "77"
        assert links.our_id(tx, "another", "Goal", "77") == ""


def test_a_reserved_link_gives_ids_and_is_no_pair_yet(database: Database) -> None:
    with database.write() as tx:
        links.put(tx, HERE, Link("Goal", "g", "77"), 1)
        assert links.their_id(tx, HERE, "Goal", "g") == "77"
        assert links.pairs(tx, HERE) == []


def test_a_link_that_is_gone_gives_no_id_for_references(database: Database) -> None:
    with database.write() as tx:
        links.put(tx, HERE, Link("Goal", "g", "77", ehr_gone=True), 1)
        assert links.their_id(tx, HERE, "Goal", "g") == ""


def test_a_checkpoint_moves(database: Database) -> None:
    with database.write() as tx:
        assert checkpoints.get(tx, HERE, "Goal") == ""
        checkpoints.put(tx, HERE, "Goal", "a", 1)
        checkpoints.put(tx, HERE, "Goal", "b", 2)
        assert checkpoints.get(tx, HERE, "Goal") == "b"
        assert checkpoints.get(tx, HERE, "Task") == ""


def test_a_resource_has_one_open_conflict_which_takes_the_newer_copies(database: Database) -> None:
    def record(text: str) -> None:
        copy = {"resourceType": "Goal", "id": "g", "note": text}
        with database.write() as tx:
            conflicts.record(
                tx,
                HERE,
                "Goal",
                "g",
                base=None,
                local=copy,
                remote=None,
                ehr_version=text,
                paths=("Goal.note",),
                now=5,
            )

    record("1")
    record("2")
    with database.write() as tx:
        (only,) = conflicts.listed(tx, HERE)
        assert (only.ehr_version, only.local, only.remote, only.paths, only.created) == (
            "2",
            {"resourceType": "Goal", "id": "g", "note": "2"},
            None,
            ("Goal.note",),
            5,
        )
        assert conflicts.resolve(tx, only.cid, 9)
        assert not conflicts.resolve(tx, only.cid, 9)
        assert conflicts.count(tx, HERE) == 0
        assert [item.state for item in conflicts.listed(tx, HERE, resolved=True)] == ["resolved"]


def test_a_receipt_is_brought_up_to_date_and_tells_what_we_wrote(database: Database) -> None:
    with database.write() as tx:
        receipts.put(tx, HERE, Receipt(1, "Goal", "g", 1, "none", "waiting", outcome="{}", at=1))
        receipts.put(tx, HERE, Receipt(1, "Goal", "g", 1, "create", "sent", "77", "4", at=2))
        receipts.put(tx, HERE, Receipt(2, "Goal", "g", 2, "none", "parked", at=3))
        assert [item.state for item in receipts.of(tx, HERE, "Goal", "g")] == ["sent", "parked"]
        latest = receipts.latest(tx, HERE, "Goal", "g")
        assert latest is not None
        assert latest.version == 2
        assert receipts.wrote(tx, HERE, "Goal", "g", "4")
        assert not receipts.wrote(tx, HERE, "Goal", "g", "5")
        assert not receipts.wrote(tx, HERE, "Goal", "g", "")


def test_findings_belong_to_one_version(database: Database) -> None:
    with database.write() as tx:
        findings.put(tx, 1, 2, [Issue("warning", "required", "A reason is missing.", "Goal.description")])
        findings.put(tx, 1, 3, [])
        assert [item.text for item in findings.of(tx, 1, 2)] == ["A reason is missing."]
        assert findings.of(tx, 1, 3) == ()


def test_several_links_are_looked_up_and_written_at_once(database: Database) -> None:
    base = {"resourceType": "Goal", "id": "a"}
    with database.write() as tx:
        links.add(tx, HERE, [Link("Goal", "a", 'x"1'), Link("Goal", "b", "ü2"), Link("Task", "a", "ü2")], now=1)
        links.agree(tx, HERE, [Link("Goal", "a", 'x"1', "3", "", base, 1)], now=2)
        found = links.stored_of(tx, HERE, "Goal", ['x"1', "ü2", "unknown", ""])
        assert {ehr_id: (item.id, item.ehr_version, item.base is None) for ehr_id, item in found.items()} == {
            'x"1': ("a", "3", False),
            "ü2": ("b", "", True),
        }
        assert links.stored_of(tx, HERE, "Goal", []) == {}
        assert links.stored_of(tx, "elsewhere", "Goal", ["ü2"]) == {}


def test_an_id_is_taken_by_a_link_or_by_a_resource_even_a_deleted_one(database: Database) -> None:
    resources = [Change("create", "Goal", id_, {"resourceType": "Goal"}) for id_ in ("stored", "deleted")]
    with database.write() as tx:
        commit(tx, HERE, [*resources, Change("delete", "Goal", "deleted")], now=1, origin=BY)
        links.add(tx, HERE, [Link("Goal", "linked", "77")], now=1)
        wanted = ["stored", "deleted", "linked", "77", "free"]
        assert links.taken(tx, HERE, "Goal", wanted) == {"stored", "deleted", "linked"}
        assert links.taken(tx, HERE, "Task", wanted) == set()


def test_a_part_that_fails_is_undone_with_what_it_put_off_until_the_commit(database: Database) -> None:
    done: list[str] = []
    with database.write() as tx:
        checkpoints.put(tx, HERE, "Goal", "before", 1)
        tx.after_commit(lambda: done.append("whole"))
        with pytest.raises(LookupError), tx.part():  # noqa: PT012 - what is done before it fails is what is undone
            checkpoints.put(tx, HERE, "Goal", "in the part", 2)
            tx.after_commit(lambda: done.append("part"))
            raise LookupError
        with tx.part():
            checkpoints.put(tx, HERE, "Task", "kept", 3)
    with database.read() as tx:
        assert checkpoints.get(tx, HERE, "Goal") == "before"
        assert checkpoints.get(tx, HERE, "Task") == "kept"
    assert done == ["whole"]


def test_a_code_system_of_a_part_that_was_undone_is_not_remembered(database: Database) -> None:
    with database.write() as tx, pytest.raises(LookupError), tx.part():  # noqa: PT012 - as above
        parameters.system(tx, "http://example.org/undone")
        raise LookupError
    with database.write() as tx:
        first = parameters.system(tx, "http://example.org/first")
        assert parameters.system(tx, "http://example.org/undone") != first
    with database.read() as tx:
        stored = dict(tx.all(statement(select(coding_system.c.uri, coding_system.c.sid))))
        assert stored["http://example.org/first"] == first
        assert stored["http://example.org/undone"] == parameters.system(tx, "http://example.org/undone")


def test_a_refusal_is_noted_once_and_forgotten(database: Database) -> None:
    with database.write() as tx:
        refusals.note(tx, HERE, Refusal("Goal", "resource", "1", 5, "No."))
        refusals.note(tx, HERE, Refusal("Goal", "resource", "1", 9, "Still no."))
        refusals.note(tx, HERE, Refusal("Goal", "resource", "2", 3, "No."))
        refusals.note(tx, HERE, Refusal("Goal", "patient", "1", 4, "No."))
        assert list(refusals.of(tx, HERE, "Goal", "resource").items()) == [("2", 3), ("1", 9)]
        assert [item.said for item in refusals.listed(tx, HERE)] == ["No.", "Still no.", "No."]
        refusals.forget(tx, HERE, "Goal", "resource", "1")
        assert list(refusals.of(tx, HERE, "Goal", "resource")) == ["2"]
        assert list(refusals.of(tx, HERE, "Goal", "patient")) == ["1"]
        assert refusals.listed(tx, "another") == []
