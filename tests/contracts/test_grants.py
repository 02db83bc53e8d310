"""Clients, grants, tickets, assertions and sessions behave alike on both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from fhirplan.store.access import clients, grants, sessions, tickets
from fhirplan.store.access.clients import Client
from fhirplan.store.access.grants import Grant
from fhirplan.store.access.sealing import Sealer
from fhirplan.store.access.sessions import Session

HOUR = 3_600_000


@pytest.fixture
def seals(tmp_path):
    return Sealer(tmp_path / "encryption.key")


def test_a_ticket_is_used_once_whoever_comes_first(database, seals):
    with database.write() as tx:
        secret = tickets.issue(tx, seals, "code", {"a": "ü"}, expires=HOUR, now=0, gid="g")

    def redeem(_):
        with database.write() as tx:
            return tickets.redeem(tx, seals, "code", secret, 1).state

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(redeem, range(8))) == ["good"] + ["used"] * 7
    with database.write() as tx:
        assert tickets.look(tx, seals, "code", secret, 1).body == {"a": "ü"}
        assert tickets.reseal(tx, seals) == 1
        tickets.issue(tx, seals, "code", {}, expires=9 * HOUR, now=2 * HOUR)
        assert tickets.look(tx, seals, "code", secret, 1) is None


def test_an_assertion_is_used_once_and_forgotten_when_it_has_ended(database):
    with database.write() as tx:
        assert grants.use_once(tx, "a", "j", expires=100, now=0)
        assert not grants.use_once(tx, "a", "j", expires=100, now=0)
        assert grants.use_once(tx, "b", "j", expires=100, now=0)
        assert grants.use_once(tx, "a", "j", expires=300, now=101)


def test_a_grant_stands_until_it_ends_is_revoked_or_its_client_is_disabled(database):
    client = Client("c", "default", "A client", "key", ("system/*.rs",), jwks_url="https://c.example", created=1)
    made = Grant("g", "default", "c", "s", "Practitioner/x", "system/*.rs", "", "", 0, HOUR)
    with database.write() as tx:
        clients.add(tx, client)
        grants.add(tx, made)
        grants.add(tx, replace(made, gid="h"))
        grants.add(tx, replace(made, gid="file", client_id="of-a-file"))
        assert clients.get(tx, "c") == client
        assert clients.listed(tx) == [client]
        assert grants.get(tx, "g") == made
        assert grants.live(tx, "g", 1)
        assert grants.live(tx, "file", 1)
        assert not grants.live(tx, "g", HOUR)
        assert not grants.live(tx, "none", 1)
        grants.revoke(tx, "g", 5)
        assert not grants.live(tx, "g", 6)
        assert grants.live(tx, "h", 6)
        clients.change(tx, replace(client, disabled=7))
        assert not grants.live(tx, "h", 8)
        assert grants.revoke_client(tx, "c", 9) == 1


def test_a_session_is_opened_by_its_secret_and_renewed_by_one(database, seals):
    session = Session("0123456789abcdef", "default", "s", "Practitioner/x", "p", "", 0, HOUR, 0, 10, {"token": "t"})
    with database.write() as tx:
        sessions.begin(tx, seals, session, "secret", 0)
        assert sessions.get(tx, seals, session.sid, "secret", 1) == session
        assert sessions.get(tx, seals, session.sid, "other", 1) is None
        assert sessions.get(tx, seals, session.sid, "secret", HOUR) is None
        assert sessions.claim_renewal(tx, session.sid, 10, 40)
        assert not sessions.claim_renewal(tx, session.sid, 10, 40)
        sessions.change(tx, seals, replace(session, patient="q", renew_at=50, body={"token": "u"}))
        found = sessions.get(tx, seals, session.sid, "secret", 1)
        assert (found.patient, found.renew_at, found.body) == ("q", 50, {"token": "u"})
        assert sessions.reseal(tx, seals) == 1
        sessions.forget(tx, session.sid)
        assert sessions.get(tx, seals, session.sid, "secret", 1) is None
