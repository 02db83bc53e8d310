"""What is sealed in the database, and what becomes of it when its key changes."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet

from fhirplan.errors import Misconfigured
from fhirplan.store.access import tickets
from fhirplan.store.access.sealing import Sealer
from fhirplan.store.access.signing import SigningKeys

HOUR = 3_600_000


@pytest.fixture
def seals(tmp_path):
    return Sealer(tmp_path / "keys" / "encryption.key")


def test_the_key_file_is_for_its_owner_only_and_another_is_refused(seals, tmp_path):
    assert seals.open(seals.seal(b"token")) == b"token"
    path = tmp_path / "keys" / "encryption.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(Misconfigured, match="invalid"):
        Sealer(path).seal(b"x")


def test_many_processes_that_start_at_once_have_one_key(tmp_path):
    ready = threading.Barrier(8)

    def start(_process):
        ready.wait()
        return Sealer(tmp_path / "keys" / "encryption.key").seal(b"x")

    with ThreadPoolExecutor(8) as together:
        made = list(together.map(start, range(8)))
    assert {Sealer(tmp_path / "keys" / "encryption.key").open(one) for one in made} == {b"x"}
    assert os.listdir(tmp_path / "keys") == ["encryption.key"]


def test_a_running_process_seals_with_the_new_key_and_opens_with_the_old(seals, tmp_path):
    other = Sealer(tmp_path / "keys" / "encryption.key")
    old = other.seal(b"before")
    seals.renew()
    assert other.open(old) == b"before"
    newest = Fernet((tmp_path / "keys" / "encryption.key").read_text().split()[0])
    assert newest.decrypt(other.seal(b"after")) == b"after"
    seals.renew()
    assert other.open(old) is None


def test_what_was_changed_in_the_database_is_not_opened(seals):
    sealed = bytearray(seals.seal(b"token"))
    sealed[20] ^= 1
    assert seals.open(bytes(sealed)) is None


def test_a_setting_that_is_no_key_is_told(tmp_path):
    with pytest.raises(Misconfigured):
        Sealer(tmp_path / "x", ("short",)).seal(b"x")
    assert not (tmp_path / "x").exists()


def test_a_ticket_is_good_once_and_its_secret_is_nowhere_in_the_database(database, seals, tmp_path):
    with database.write() as tx:
        secret = tickets.issue(tx, seals, "code", {"say": "friend"}, expires=HOUR, now=0, gid="g")
    with database.write() as tx:
        assert tickets.redeem(tx, seals, "refresh", secret, 1) is None
        first = tickets.redeem(tx, seals, "code", secret, 1)
        assert (first.state, first.gid, first.body) == ("good", "g", {"say": "friend"})
        assert tickets.redeem(tx, seals, "code", secret, 2).state == "used"
        late = tickets.issue(tx, seals, "code", {}, expires=HOUR, now=0)
        assert tickets.redeem(tx, seals, "code", late, HOUR).state == "expired"
        assert tickets.redeem(tx, seals, "code", "guess", 1) is None
        tickets.reseal(tx, seals)
        assert tickets.look(tx, seals, "code", secret, 3).body == {"say": "friend"}
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("fhirplan.db*"))
    assert secret.encode() not in kept
    assert b"friend" not in kept


def test_a_new_signing_key_signs_and_the_last_ones_stay_published(tmp_path):
    path = tmp_path / "signing.json"
    keys, running = SigningKeys(path), SigningKeys(path)
    before = running.public()["keys"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any({"d", "p", "q"} & set(key) for key in before)
    keys.rotate()
    after = running.public()["keys"]
    assert {key["kid"] for key in before} < {key["kid"] for key in after}
    assert running.sign({"a": 1}, "ES384", "at+jwt") != ""
    for _ in range(5):
        keys.rotate()
    assert len(running.public()["keys"]) == 6
