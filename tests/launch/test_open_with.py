"""Another app opened from our chart: the menu, the form, and the whole way until it reads with its token."""

import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from fhirplan.launch.allowed import allowed, end
from fhirplan.store import tables
from fhirplan.store.access import clients
from fhirplan.store.engine import statement
from fhirplan.web.sessions import AUTHORITY
from tests.launch.test_apps import coded, exchanged, reads

BASE = "http://127.0.0.1:8080"
LAUNCH = "https://app.example.org/launch?from=us"
CROSS = {"Sec-Fetch-Site": "cross-site"}
TAB = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def server(clinic):
    made = clinic()
    with made.services.database.write() as tx:
        known = clients.get(tx, "public-app")
        for client_id, name, more in (
            ("opens", "Falls & <b>balance</b>", {}),
            ("no-launch", "No launch scope", {"scopes": ("openid", "patient/*.rs")}),
            ("no-uri", "No address", {"launch_uris": ()}),
            ("off", "Disabled", {"disabled": 1}),
        ):
            clients.add(tx, replace(known, **{"client_id": client_id, "name": name, "launch_uris": (LAUNCH,), **more}))
    return made


@pytest.fixture
def chart(server, ehr, launched):
    return launched(server, patient="pat-2", encounter="")


def form_of(page):
    part = page.get_data(as_text=True).partition("/apps")[2]
    assert page.status_code == 200
    return {**dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.get_data(as_text=True))), "_": part}


def test_the_menu_lists_what_can_be_opened_and_nothing_else(server, chart):
    page = server.client.get(f"{chart}/apps", headers=TAB)
    text = page.get_data(as_text=True)
    assert "Falls &amp; &lt;b&gt;balance&lt;/b&gt;" in text
    assert 'target="_blank"' in text
    assert not [name for name in ("No launch scope", "No address", "Disabled", "A site") if name in text]
    assert "form-action 'self' https://app.example.org;" in page.headers["Content-Security-Policy"]
    assert f'href="{chart}/apps"' in server.client.get(chart).get_data(as_text=True)


def test_it_leads_to_the_app_with_iss_and_a_launch_that_nobody_can_read(server, chart):
    form = form_of(server.client.get(f"{chart}/apps", headers=TAB))
    answer = server.client.post(f"{chart}/apps", data=form, headers=TAB)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("https://app.example.org/launch?from=us&")
    given = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
    assert given.keys() == {"from", "iss", "launch"}
    assert given["iss"] == f"{BASE}/fhir"
    patient = chart.rsplit("/", 1)[1]
    assert patient not in answer.headers["Location"]


def test_in_a_frame_it_is_a_link_to_a_tab_of_its_own(server, chart):
    """Its consent page is shown in no frame, and a partitioned cookie does not come along to another tab."""
    framed = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-origin"}
    page = server.client.get(f"{chart}/apps", headers=framed)
    assert "_blank" not in page.get_data(as_text=True)
    for headers in (framed, {}):
        answer = server.client.post(f"{chart}/apps", data=form_of(page), headers=headers)
        assert answer.status_code == 200
        assert 'target="_blank" rel="noopener noreferrer"' in answer.get_data(as_text=True)
        assert "https://app.example.org/launch?from=us&amp;iss=" in answer.get_data(as_text=True)


def test_another_site_cannot_open_one_nor_lead_elsewhere(server, chart):
    form = form_of(server.client.get(f"{chart}/apps", headers=TAB))
    for broken, headers, status in (
        ({"csrf": ""}, {}, 403),
        ({}, {"Sec-Fetch-Site": "cross-site"}, 403),
        ({}, {"Origin": "https://evil.example"}, 403),
        ({"uri": "https://evil.example/launch"}, {}, 404),
        ({"uri": LAUNCH.upper()}, {}, 404),
        ({"client": "public-app"}, {}, 404),
        ({"client": "off"}, {}, 404),
    ):
        answer = server.client.post(f"{chart}/apps", data=form | broken, headers=headers)
        assert answer.status_code == status
        assert "Location" not in answer.headers
    assert server.app.test_client().post(f"{chart}/apps", data=form).status_code == 403


def test_a_person_ends_what_they_have_allowed_and_nobody_elses(server, chart, ehr):
    said = exchanged(server, coded(server, ehr)).json
    assert reads(server, said["access_token"], "CarePlan").status_code == 200
    stranger = server.app.test_client()
    with server.services.database.read() as tx:
        [mine] = tx.all(statement(select(tables.access_grant.c.gid, tables.access_grant.c.subject)))
    page = server.client.get(f"{chart}/apps", headers=TAB)
    assert f'name="grant" value="{mine[0]}"' in page.get_data(as_text=True)
    form = {"csrf": form_of(page)["csrf"], "grant": mine[0]}
    for broken, headers, status in (({"csrf": ""}, {}, 403), ({"grant": "x"}, {}, 404), ({}, CROSS, 403)):
        assert server.client.post(f"{chart}/apps/end", data=form | broken, headers=headers).status_code == status
    assert stranger.post(f"{chart}/apps/end", data=form).status_code == 403
    authority = server.app.extensions[AUTHORITY]
    assert allowed(authority, "default", "somebody else") == ()
    assert not end(authority, "default", "somebody else", mine[0])
    assert not end(authority, "another", mine[1], mine[0])
    assert reads(server, said["access_token"], "CarePlan").status_code == 200
    assert server.client.post(f"{chart}/apps/end", data=form).status_code == 303
    assert reads(server, said["access_token"], "CarePlan").status_code == 401
    fields = {"grant_type": "refresh_token", "refresh_token": said["refresh_token"], "client_id": "public-app"}
    assert server.token(**fields).json["error"] == "invalid_grant"
    assert "End the access" not in server.client.get(f"{chart}/apps", headers=TAB).get_data(as_text=True)


def test_the_chart_of_another_patient_opens_nothing(server, chart):
    assert server.client.get(f"{chart}x/apps").status_code == 403


def test_where_no_app_can_be_opened_the_menu_says_so(start):
    server = start(auth="open")
    server.client.put("/fhir/Patient/p1", json={"resourceType": "Patient", "id": "p1"})
    page = server.client.get("/chart/patients/p1/apps").get_data(as_text=True)
    assert "No other app is registered" in page
