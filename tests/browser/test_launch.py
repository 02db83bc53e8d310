"""Our pages opened by the sandbox EHR in a real browser: in a frame of another site, and in two charts at once."""

import re
import shutil
import time
from pathlib import Path

import pytest

from fhirplan import assembly, settings
from fhirplan.sandbox.app import create_app as create_sandbox
from fhirplan.sandbox.desk import App, Desk
from fhirplan.sandbox.loading import load_folder
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server
from fhirplan.store.access import clients
from fhirplan.store.access.clients import Client
from fhirplan.store.engine import Database
from fhirplan.sync.run import run_sync
from fhirplan.web.app import create_app
from fhirplan.web.sessions import AUTHORITY
from tests.browser.serving import served
from tests.ports import own_port

pytestmark = pytest.mark.browser
BUNDLES = Path(__file__).resolve().parents[2] / "fixtures" / "bundles"
ONE, TWO = "Elena Marquez", "b06-pat"


class Site:
    """The EHR on the site ``localhost`` and ours on the site ``127.0.0.1``: each is a third party to the other."""

    def __init__(self, ehr, ours, desk, app, services):
        self.ehr, self.ours, self.desk, self.app, self.services = ehr, ours, desk, app, services

    def chart(self, patient, app="fhirplan"):
        return f"{self.ehr}/launcher/chart?app={app}&user=Practitioner/{self.user}&patient={patient}"

    user = ""

    def ahead(self, seconds):
        authority = self.app.extensions[AUTHORITY]
        object.__setattr__(authority, "clock", lambda: int((time.time() + seconds) * 1000))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("launch")
    chosen = folder / "bundles"
    chosen.mkdir()
    for name in ("b01-hf-home-health", "b06-hospice"):
        shutil.copy(BUNDLES / f"{name}.json", chosen)
    port = own_port()
    ours = f"http://127.0.0.1:{port}"
    desk = Desk({"fhirplan": App("fhirplan", (f"{ours}/auth/callback",), f"{ours}/auth/launch")})
    store = Store(None)
    load_folder(store, chosen)
    sandbox = Server("127.0.0.1", 0, create_sandbox(store, desk=desk))
    sandbox.start()
    ehr = f"http://localhost:{sandbox.server_address[1]}"
    url = f"sqlite:///{folder / 'ours.db'}"
    Database.open(url).migrate()
    services = assembly.build(
        settings.load(
            {},
            database_url=url,
            data_dir=str(folder),
            base_url=ours,
            ehr_url=f"{ehr}/fhir",
            launch_client_id="fhirplan",
            # Hours pass at once here, in which somebody would have clicked.
            session_idle_minutes=0,
        )
    )
    sides = assembly.build_sync(services.settings, services, services.settings.default_connection)
    with sides.client:
        run_sync(sides)
    app = create_app(services)
    made = Site(ehr, ours, desk, app, services)
    made.user = store.versions("type = ? AND until = ?", ["Practitioner", 2**63 - 1])[0].id
    with served(app, port):
        yield made
    sandbox.stop()
    store.close()
    services.database.close()


@pytest.fixture
def window(browser, place):
    """A browser of its own, that keeps third parties' cookies out as browsers do, and what it complained of."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context
    place.ahead(0)
    context.close()


def framed(page, place):
    """Our page inside the EHR's, once it is there."""
    inner = page.frame_locator("iframe")
    inner.locator("h1").first.wait_for(timeout=20_000)
    return inner, next(item for item in page.frames if item.url.startswith(place.ours))


def seen(page, frame):
    """Brings the tab to the front and waits until the frame in it is drawn, as a person who clicks in it does.

    Chromium gives a frame of another process no mouse while it stands in a tab behind or is not yet drawn.
    """
    page.bring_to_front()
    frame.evaluate("() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


def test_opened_in_a_frame_of_the_ehrs_page_it_shows_the_right_patient(window, place):
    page = window.new_page()
    page.goto(place.chart("pat-hf"))
    _, frame = framed(page, place)
    assert re.search(r"/chart/s/[0-9a-f]{16}/chart/patients/", frame.url)
    assert ONE in frame.content()
    cookies = [item for item in window.cookies() if item["name"].startswith("__Host-fhirplan-")]
    session = next(item for item in cookies if re.fullmatch(r"__Host-fhirplan-[0-9a-f]{16}", item["name"]))
    assert session["secure"]
    assert session["httpOnly"]
    assert session["sameSite"] == "None"
    form = next(item for item in window.cookies() if item["name"] == "fhirplan_form")
    assert (form["secure"], form["sameSite"]) == (True, "None")


def test_a_form_in_the_frame_is_taken(window, place):
    page = window.new_page()
    page.goto(place.chart("pat-hf"))
    _, frame = framed(page, place)
    forms = frame.locator("form[method=post]")
    assert forms.count() > 0
    answer = frame.evaluate(
        """async () => {
            const form = document.querySelector("form[method=post]")
            const body = new URLSearchParams(new FormData(form))
            return (await fetch(form.action, {method: "POST", body})).status
        }"""
    )
    assert answer != 403


def test_clickjacking_another_site_cannot_frame_the_chart(window, place):
    page = window.new_page()
    page.goto(place.chart("pat-hf"))
    _, frame = framed(page, place)
    inside = frame.url
    errors = []
    page.on("console", lambda message: errors.append(message.text))
    # Our own name for this machine is another site than the EHR's, so the frame has neither leave nor a session.
    page.goto(f"{place.ehr.replace('localhost', '127.0.0.1')}/launcher")
    page.evaluate("url => { const f = document.createElement('iframe'); f.src = url; document.body.append(f) }", inside)
    page.wait_for_timeout(1500)
    blocked = [item for item in page.frames if item != page.main_frame]
    assert any("frame-ancestors" in text or "refused" in text.lower() for text in errors) or all(
        ONE not in item.content() for item in blocked
    )


def test_two_charts_at_once_do_not_mix(window, place):
    one, two = window.new_page(), window.new_page()
    one.goto(place.chart("pat-hf"))
    _, first = framed(one, place)
    two.goto(place.chart(TWO))
    _, second = framed(two, place)
    assert first.url.split("/chart/patients")[0] != second.url.split("/chart/patients")[0]
    assert ONE in first.content()
    assert ONE not in second.content()
    # The first goes on where it was, and each is refused the other's patient.
    first.goto(first.url)
    assert ONE in first.content()
    crossed = first.url.split("/chart/patients")[0] + "/chart/patients/" + second.url.rsplit("/", 1)[1]
    assert first.goto(crossed).status == 403


def test_standalone_a_person_signs_in_picks_a_patient_and_lands_on_the_chart(window, place):
    page = window.new_page()
    page.goto(f"{place.ours}/auth/login")
    assert page.url.startswith(place.ehr)
    page.select_option("select[name=patient]", "pat-hf")
    page.click("button[value=yes]")
    page.wait_for_url(re.compile(r"/chart/s/[0-9a-f]{16}/chart/patients/"))
    assert ONE in page.content()


def test_it_goes_on_past_the_ehrs_token_and_ends_with_the_ehrs_session(window, place):
    page = window.new_page()
    page.goto(place.chart("pat-hf"))
    _, frame = framed(page, place)
    place.ahead(3590)
    assert frame.goto(frame.url).status == 200
    assert ONE in frame.content()
    place.desk.end_grants()
    place.ahead(7190)
    assert frame.goto(frame.url).status == 401
    assert ONE not in frame.content()
    # Opened again from the chart, it is there again.
    place.ahead(0)
    page.goto(place.chart("pat-hf"))
    _, frame = framed(page, place)
    assert ONE in frame.content()


def test_a_session_that_is_over_shows_nothing_and_says_what_to_do(window, place):
    page = window.new_page()
    page.goto(place.chart("pat-hf"))
    _, frame = framed(page, place)
    place.ahead(11 * 3600)
    assert frame.goto(frame.url).status == 401
    assert "EHR" in frame.content()


@pytest.fixture(scope="module")
def small_app(place, another_app):
    """An app registered with us, that our chart can open."""
    made = Client(
        *("small-app", "default", "Small app", "public", ("openid", "fhirUser", "launch", "patient/*.rs")),
        redirect_uris=(f"{another_app}/back",),
        launch_uris=(f"{another_app}/launch",),
    )
    with place.services.database.write() as tx:
        clients.add(tx, made)
    return another_app


def test_another_app_is_opened_from_the_chart_and_reads_its_patient(window, place, small_app):
    page = window.new_page()
    page.goto(place.chart("pat-hf"))
    inner, frame = framed(page, place)
    seen(page, frame)
    inner.locator("details.more summary").click()
    inner.get_by_role("link", name="Open with…").click()
    inner.get_by_role("button", name="Open Small app").click()
    with window.expect_page() as opened:
        inner.get_by_role("link", name="Open Small app in a tab of its own").click()
    tab = opened.value
    tab.wait_for_load_state()
    assert tab.url.startswith(place.ehr)
    tab.click("button[value=yes]")
    tab.get_by_role("heading", name="Small app asks for access").wait_for()
    assert ONE in tab.content()
    tab.get_by_role("button", name="Allow").click()
    tab.wait_for_url(f"{small_app}/back**")
    assert "pat-hf" not in tab.url
    told = tab.evaluate("JSON.parse(document.body.innerText)")
    assert told["patient"]["name"][0]["family"] == ONE.split()[-1]


def test_whoever_leaves_while_typing_finds_the_words_again_and_the_other_chart_stays(window, place):
    one, two = window.new_page(), window.new_page()
    one.goto(place.chart("pat-hf"))
    inner, first = framed(one, place)
    two.goto(place.chart(TWO))
    _, second = framed(two, place)
    first.goto(f"{first.url}/contacts/new")
    seen(one, first)
    inner.get_by_label("What was said?").fill("Half a sentence")
    inner.get_by_role("button", name="Leave this chart").click()
    inner.get_by_role("heading", name="You have left").wait_for()
    assert ONE not in first.content()
    assert second.goto(second.url).status == 200
    one.goto(place.chart("pat-hf"))
    inner, first = framed(one, place)
    first.goto(f"{first.url}/contacts/new")
    assert inner.get_by_label("What was said?").input_value() == "Half a sentence"


def test_a_session_that_ends_while_typing_keeps_the_words_for_the_next(window, place):
    page = window.new_page()
    page.goto(place.chart("pat-hf"))
    inner, frame = framed(page, place)
    frame.goto(f"{frame.url}/contacts/new")
    seen(page, frame)
    place.ahead(11 * 3600)
    inner.get_by_label("What was said?").fill("Typed after the end")
    inner.get_by_role("button", name="Save call").click()
    inner.locator("#alert", has_text="kept as a draft").wait_for()
    assert inner.get_by_label("What was said?").input_value() == "Typed after the end"
    place.ahead(0)
    page.goto(place.chart("pat-hf"))
    inner, frame = framed(page, place)
    frame.goto(f"{frame.url}/contacts/new")
    assert inner.get_by_label("What was said?").input_value() == "Typed after the end"


def test_in_open_mode_nothing_of_this_is_needed(browser, site):
    context = browser.new_context()
    page = context.new_page()
    assert page.goto(f"{site}/chart/patients/pat-hf").status == 200
    context.close()
