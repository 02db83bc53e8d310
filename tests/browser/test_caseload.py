"""The caseload in a real browser: how much of it is seen without scrolling, and how large what is pressed is."""

from dataclasses import replace
from datetime import datetime

import pytest

from fhirplan import assembly, settings
from fhirplan.projection.project import project_due
from fhirplan.store.engine import Database
from fhirplan.web.app import create_app
from tests.browser.conftest import BUNDLES
from tests.browser.serving import served

pytestmark = pytest.mark.browser
MOMENT = int(datetime.fromisoformat("2026-03-09T08:00:00-05:00").timestamp() * 1000)
SEEN = """() => { const rows = [...document.querySelectorAll("tbody tr")];
    return rows.filter(row => row.getBoundingClientRect().bottom <= innerHeight).length }"""
SMALL = """() => { const pressed = [...document.querySelectorAll("table a")].map(link => link.getBoundingClientRect());
    return pressed.filter(box => box.height < 24 || box.width < 24).length }"""


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """The address of a server that holds all sample patients on a Monday in March."""
    url = f"sqlite:///{tmp_path_factory.mktemp('crowd') / 'crowd.db'}"
    Database.open(url).migrate()
    chosen = settings.load({}, auth="open", validation="base", database_url=url, time_zone="America/Chicago")
    services = replace(assembly.build(chosen), clock=lambda: MOMENT)
    app = create_app(services)
    client = app.test_client()
    for path in sorted(BUNDLES.glob("b*.json")):
        sent = client.post("/fhir", data=path.read_bytes(), headers={"Content-Type": "application/fhir+json"})
        assert sent.status_code == 200
    while project_due(assembly.build_projection(services.settings, services, services.settings.default_connection)):
        pass
    with served(app) as port:
        yield f"http://127.0.0.1:{port}"
    services.database.close()


@pytest.fixture
def opened(browser, crowd):
    """Opens the caseload in a window of a size."""
    contexts = []

    def open_(width, height, **more):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **more))
        page = contexts[-1].new_page()
        assert page.goto(f"{crowd}/chart/caseload").status == 200
        return page

    yield open_
    for context in contexts:
        context.close()


def test_twelve_patients_are_seen_in_the_window_of_an_ehr(opened):
    page = opened(900, 650)
    assert page.evaluate(SEEN) >= 12
    assert page.evaluate(SMALL) == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 900


def test_six_patients_are_seen_on_a_phone(opened):
    page = opened(390, 844, has_touch=True, is_mobile=True)
    assert page.evaluate(SEEN) >= 6
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_critical_come_first_whatever_is_due_before(opened):
    states = opened(900, 650).locator("tbody td:first-child").all_inner_texts()
    order = ["Critical", "Needs attention", "On track"]
    assert [order.index(item.strip()) for item in states] == sorted(order.index(item.strip()) for item in states)
    assert "Critical" in states[0]
