"""A disk without room: the write is refused in words, what was stored stays, and it works again with room."""

import pytest

from fhirplan.errors import StoreFull
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.engine import Database
from fhirplan.store.versions import current

NURSE = Origin(actor="Practitioner/n", request_id="r", source="api", push=False)


def test_a_full_disk_refuses_the_write_and_keeps_what_was_there(tmp_path):
    database = Database.open(f"sqlite:///{tmp_path / 'small.db'}")
    database.migrate()

    def write(number):
        note = [{"text": "x" * 50_000}]
        goal = {"resourceType": "Goal", "id": f"g{number}", "description": {"text": "Walk"}, "note": note}
        with database.write() as tx:
            commit(tx, "default", [Change("create", "Goal", f"g{number}", goal)], now=1, origin=NURSE)

    write(0)
    with database.read() as tx:
        pages = tx._driver.execute("PRAGMA page_count").fetchone()[0]
    # SQLite answers a grown-beyond-its-bound file exactly as it answers a full disk: SQLITE_FULL.
    with database.read() as tx:
        tx._driver.execute(f"PRAGMA max_page_count={pages + 40}")
    written = []

    def fill():
        for number in range(1, 100):
            write(number)
            written.append(number)

    with pytest.raises(StoreFull) as refused:
        fill()
    stored = len(written) + 1
    assert "nothing of this was stored" in refused.value.text
    with database.read() as tx:
        assert current(tx, "default", "Goal", "g0") is not None
        assert current(tx, "default", "Goal", f"g{stored - 1}") is not None
        assert current(tx, "default", "Goal", f"g{stored}") is None
        tx._driver.execute("PRAGMA max_page_count=1000000")
    write(stored)
    with database.read() as tx:
        assert current(tx, "default", "Goal", f"g{stored}") is not None
    database.close()
