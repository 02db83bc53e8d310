"""Links, checkpoints, conflicts, receipts and findings come back as they were put."""

from __future__ import annotations

from decimal import Decimal

from fhirplan.errors import Issue
from fhirplan.store import checkpoints, conflicts, findings, links, receipts
from fhirplan.store.engine import Database
from fhirplan.store.links import Link
from fhirplan.store.receipts import Receipt

HERE = "default"


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
