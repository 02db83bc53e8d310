"""What was acknowledged is there after the writer was killed, and nothing half done is."""

import os
import signal
import sqlite3
import subprocess
import sys

WRITER = """
import sys
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.engine import Database

database = Database.open(sys.argv[1])
origin = Origin("nurse", "request", "api", push=True)
for number in range(100_000):
    task = {"resourceType": "Task", "status": "requested", "intent": "order", "for": {"reference": "Patient/p"}}
    with database.write() as tx:
        commit(tx, "default", [Change("create", "Task", f"t{number}", task)], now=number, origin=origin)
    print(number, flush=True)
"""


def test_every_acknowledged_write_survives_kill_9(database, url, tmp_path):
    database.close()
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER.replace("t{number}", f"t{_}-{{number}}"), url],
            stdout=subprocess.PIPE,
            text=True,
        )
        acknowledged = [int(writer.stdout.readline()) for _ in range(40)]
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout if line.strip()]
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL
        with database.read() as tx:
            run = f"t{_}-%"
            stored = [row[0] for row in tx._driver.execute("SELECT id FROM resource WHERE id LIKE ?", (run,))]
            assert {f"t{_}-{number}" for number in acknowledged} <= set(stored)
            # At most the one write that was on its way when the writer died is there unacknowledged.
            assert len(stored) <= len(acknowledged) + 1
            for table in ("version", "outbox", "audit"):
                assert (
                    tx._driver.execute(f"SELECT count(*) FROM {table}").fetchone()
                    == tx._driver.execute("SELECT count(*) FROM resource").fetchone()
                )
            statuses = tx._driver.execute("SELECT count(*) FROM index_token WHERE code = 'requested'").fetchone()
            assert statuses == tx._driver.execute("SELECT count(*) FROM resource").fetchone()
    database.close()
    with sqlite3.connect(tmp_path / "fhirplan.db") as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    file.close()
