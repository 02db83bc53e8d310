"""The sessions of a person: idle ones end and lose no typed text, and a person sees theirs and ends them."""

import re
import time

import pytest

from fhirplan.web.sessions import AUTHORITY

MINUTE = 60_000


@pytest.fixture
def server(clinic):
    return clinic()


@pytest.fixture
def wait(server):
    """Moves the clock of sessions on, by ms."""
    authority = server.app.extensions[AUTHORITY]
    ahead = [0]
    object.__setattr__(authority, "clock", lambda: int(time.time() * 1000) + ahead[0])

    def later(ms):
        ahead[0] += ms

    return later


def root(where):
    return where.partition("/chart/patients")[0]


def csrf(page):
    return re.search(r'name="csrf" value="([^"]+)"', page.get_data(as_text=True))[1]


def rows(page):
    """The rows of the table of sessions: the id in each form, "" for the one that is looked at."""
    body = page.get_data(as_text=True).partition("<tbody>")[2].partition("</tbody>")[0]
    found = [re.search(r'name="sid" value="([0-9a-f]+)"', row) for row in body.split("<tr>")[1:]]
    return [item[1] if item else "" for item in found]


def test_an_idle_session_ends_and_what_was_typed_is_in_the_next(server, launched, wait):
    where = launched(server)
    page = f"{where}/contacts/new"
    form = {"csrf": csrf(server.client.get(page)), "form": "call", "how": "left-message", "said": "Half a sentence"}
    wait(29 * MINUTE)
    assert server.client.get(where).status_code == 200
    wait(29 * MINUTE)
    assert server.client.get(where).status_code == 200
    wait(31 * MINUTE)
    saved = server.client.post(page, data=form)
    assert (saved.status_code, saved.headers["X-Draft"]) == (401, "kept")
    assert server.client.get(where).status_code == 401
    # The EHR's clock stayed where it was, so what it signs would be too old.
    wait(-89 * MINUTE)
    assert "Half a sentence" in server.client.get(f"{launched(server)}/contacts/new").get_data(as_text=True)


def test_typing_is_use_and_a_page_that_lies_open_is_none(server, launched, wait):
    where = launched(server)
    form = {"csrf": csrf(server.client.get(f"{where}/contacts/new")), "form": "call", "said": "A word"}
    for _ in range(3):
        wait(20 * MINUTE)
        assert server.client.post(f"{where}/draft", data=form).status_code == 200
    for _ in range(2):
        wait(14 * MINUTE)
        assert server.client.get(f"{where}/pulse").status_code == 200
    wait(3 * MINUTE)
    assert server.client.get(f"{where}/pulse").status_code == 401


def test_no_end_by_idleness_where_the_settings_want_none(clinic, launched):
    server = clinic(session_idle_minutes="0")
    where = launched(server)
    authority = server.app.extensions[AUTHORITY]
    object.__setattr__(authority, "clock", lambda: int(time.time() * 1000) + 50 * MINUTE)
    assert server.client.get(where).status_code == 200


def test_a_person_sees_their_sessions_and_ends_one_or_all_others(server, launched):
    one, two, three = launched(server), launched(server, patient="pat-2"), launched(server)
    others = launched(server, user="Practitioner/other")
    page = server.client.get(f"{root(one)}/chart/sessions")
    text = page.get_data(as_text=True)
    sids = [root(item)[-16:] for item in (one, two, three)]
    assert sorted(rows(page)) == sorted(["", *sids[1:]])
    assert root(others)[-16:] not in text
    assert "127.0.0.1" in text
    assert "Peter Two" not in text
    ended = server.client.post(f"{root(one)}/chart/sessions", data={"csrf": csrf(page), "sid": sids[1]})
    assert ended.status_code == 303
    assert server.client.get(two).status_code == 401
    assert "X-Draft" not in server.client.post(f"{two}/draft", data={"csrf": csrf(page), "said": "x"}).headers
    assert [server.client.get(item).status_code for item in (one, three, others)] == [200, 200, 200]
    assert server.client.post(f"{root(one)}/chart/sessions", data={"csrf": csrf(page)}).status_code == 303
    assert [server.client.get(item).status_code for item in (one, three, others)] == [200, 401, 200]
    left = server.client.get(f"{root(one)}/chart/sessions", headers={"Accept-Language": "es"}).get_data(as_text=True)
    assert "ninguna otra" in left


def test_nobody_ends_the_session_of_somebody_else(server, launched):
    mine, theirs = launched(server), launched(server, user="Practitioner/other")
    launched(server)
    page = server.client.get(f"{root(mine)}/chart/sessions")
    form = {"csrf": csrf(page), "sid": root(theirs)[-16:]}
    assert server.client.post(f"{root(mine)}/chart/sessions", data=form).status_code == 404
    assert server.client.post(f"{root(mine)}/chart/sessions", data={"sid": form["sid"]}).status_code == 403
    stranger = server.app.test_client()
    stranger.set_cookie("fhirplan_form", server.client.get_cookie("fhirplan_form", path="/chart").value, path="/chart")
    assert stranger.post(f"{root(mine)}/chart/sessions", data={"csrf": csrf(page)}).status_code == 401
    assert server.client.get(theirs).status_code == 200


def test_an_open_server_has_no_sessions_to_show(start):
    page = start(auth="open").client.get("/chart/sessions")
    assert page.status_code == 200
    assert rows(page) == []
