"""SMART clients that others wrote complete an authorization here, search, and renew their tokens."""

import html
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from werkzeug.serving import make_server

from fhirplan import assembly, settings
from fhirplan.sandbox import sample_app
from fhirplan.sandbox.app import create_app as create_sandbox
from fhirplan.sandbox.desk import App, Desk
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server
from fhirplan.store.access import clients
from fhirplan.store.access.clients import Client
from fhirplan.store.engine import Database
from fhirplan.sync.run import run_sync
from fhirplan.web.app import create_app
from tests.ports import own_port

SCRIPT = Path(__file__).with_name("smart.mjs")
SCOPES = (
    *("openid", "fhirUser", "profile", "launch", "launch/patient", "offline_access", "online_access"),
    "patient/*.rs",
)
PEOPLE = [
    {"resourceType": "Practitioner", "id": "nurse", "name": [{"text": "Nora Nurse"}]},
    {"resourceType": "Patient", "id": "pat-1", "name": [{"text": "Paula One"}]},
    {
        "resourceType": "Goal",
        "id": "g",
        "lifecycleStatus": "active",
        "description": {"text": "Walk"},
        "subject": {"reference": "Patient/pat-1"},
    },
]


class Site:
    def __init__(self, base, ehr, services):
        self.base, self.ehr, self.services = base, ehr, services

    def register(self, client_id, redirect, *launch):
        made = Client(client_id, "default", client_id, "public", SCOPES, redirect_uris=(redirect,), launch_uris=launch)
        with self.services.database.write() as tx:
            clients.add(tx, made)

    def opened_from_the_chart(self, client_id, browser):
        """The address that our chart opens an app with, the chart having been opened by the EHR."""
        chosen = "app=us&user=Practitioner/nurse&patient=pat-1"
        frame = browser.get(f"{self.ehr}/launcher/chart?{chosen}").text
        chart = browser.get(html.unescape(re.search(r'<iframe src="([^"]+)"', frame)[1]))
        apps = urljoin(chart.url, re.search(r'href="([^"]+/apps)"', chart.text)[1])
        page = browser.get(apps).text
        form = next(part for part in page.split("<form")[1:] if f'value="{client_id}"' in part)
        fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))
        ready = browser.post(apps, data=fields)
        return html.unescape(re.search(r'href="([^"]+)" target="_blank"', ready.text)[1])

    def consented(self, url, browser):
        """Where the app is sent back to, once a person signed in, picked a patient and allowed everything."""
        answer = browser.get(url, timeout=30)
        number = re.search(r'name="request" value="([^"]+)"', answer.text)[1]
        form = {"request": number, "user": "Practitioner/nurse", "patient": "pat-1", "allow": "yes"}
        page = browser.post(f"{self.ehr}/auth/sign-in", data=form, timeout=30)
        assert page.status_code == 200, page.text
        secret = re.search(r'name="request" value="([^"]+)"', page.text)[1]
        offered = re.findall(r'name="scope" value="([^"]+)"', page.text)
        data = [("request", secret), ("answer", "allow"), *(("scope", item) for item in offered)]
        back = browser.post(f"{self.base}/auth/consent", data=data, allow_redirects=False, timeout=30)
        assert back.status_code == 303, back.text
        return back.headers["Location"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smart")
    port = own_port()
    base = f"http://127.0.0.1:{port}"
    store = Store(None)
    for resource in PEOPLE:
        store.write("PUT", 201, resource["id"], resource)
    desk = Desk({"us": App("us", (f"{base}/auth/callback",), f"{base}/auth/launch")})
    sandbox = Server("127.0.0.1", 0, create_sandbox(store, desk=desk, opens_sample=f"{base}/fhir"))
    sandbox.start()
    url = f"sqlite:///{folder / 'ours.db'}"
    Database.open(url).migrate()
    given = {"ehr_url": f"{sandbox.url}/fhir", "launch_client_id": "us", "data_dir": str(folder)}
    services = assembly.build(settings.load({}, database_url=url, base_url=base, **given))
    sides = assembly.build_sync(services.settings, services, services.settings.default_connection)
    with sides.client:
        run_sync(sides)
    server = make_server("127.0.0.1", port, create_app(services), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Site(base, sandbox.url, services)
    server.shutdown()
    server.server_close()
    sandbox.stop()
    store.close()
    services.database.close()


class Browser:
    """Like a browser, it sends cookies that are Secure to this machine without TLS, each to the host that set it."""

    def __init__(self):
        self.cookies = {}

    def get(self, url, **more):
        return self._sent("GET", url, **more)

    def post(self, url, **more):
        return self._sent("POST", url, **more)

    def _sent(self, method, url, data=None, allow_redirects=True, timeout=30):
        host = urlsplit(url).netloc
        known = self.cookies.setdefault(host, {})
        said = {"Cookie": "; ".join(f"{name}={value}" for name, value in known.items())} if known else {}
        answer = requests.request(method, url, data=data, headers=said, allow_redirects=False, timeout=timeout)
        for item in answer.raw.headers.getlist("Set-Cookie"):
            name, _, value = item.partition(";")[0].partition("=")
            known[name] = value
        if allow_redirects and answer.status_code in (301, 302, 303, 307):
            return self._sent("GET", urljoin(url, answer.headers["Location"]), timeout=timeout)
        return answer


@pytest.fixture
def browser():
    return Browser()


def test_the_python_client_signs_in_and_searches(site, browser):
    client = pytest.importorskip("fhirclient.client", reason="fhirclient is not installed; pip install fhirclient")
    from fhirclient.models.goal import Goal

    redirect = "http://127.0.0.1:1/python"
    site.register("python-app", redirect)
    scope = "openid fhirUser launch/patient offline_access patient/*.rs"
    given = {"app_id": "python-app", "api_base": f"{site.base}/fhir", "redirect_uri": redirect, "scope": scope}
    app = client.FHIRClient(settings=given)
    assert not app.ready
    app.prepare()
    assert app.authorize_url.startswith(f"{site.base}/auth/authorize?")
    app.handle_callback(site.consented(app.authorize_url, browser))
    assert app.ready
    assert app.patient.name[0].text == "Paula One"
    found = list(Goal.where(struct={"patient": app.patient_id}).perform_resources_iter(app.server))
    assert [one.description.text for one in found] == ["Walk"]
    assert app.reauthorize()
    assert app.patient_id == found[0].subject.reference.partition("/")[2]


def test_the_sandboxs_sample_app_is_opened_from_our_chart_and_shows_what_it_was_let_read(site, browser):
    made = Client(
        sample_app.CLIENT,
        "default",
        "Sample app",
        "public",
        sample_app.SCOPES,
        redirect_uris=(site.ehr + sample_app.BACK,),
        launch_uris=(site.ehr + sample_app.LAUNCH,),
    )
    with site.services.database.write() as tx:
        clients.add(tx, made)
    begin = site.opened_from_the_chart(sample_app.CLIENT, browser)
    sent = browser.get(begin, allow_redirects=False)
    assert sent.status_code == 302, sent.text
    back = site.consented(sent.headers["Location"], browser)
    assert Browser().get(back).status_code == 400, "it is another browser's"
    sent = browser.get(site.opened_from_the_chart(sample_app.CLIENT, browser), allow_redirects=False)
    page = browser.get(site.consented(sent.headers["Location"], browser))
    assert page.status_code == 200, page.text
    assert "Patient: <strong>Paula One</strong>" in page.text
    assert "Tasks: 0" in page.text
    for wrong in ("http://evil.example/fhir", "", f"{site.base}/fhirx"):
        refused = browser.get(f"{site.ehr}{sample_app.LAUNCH}?iss={wrong}&launch=x", allow_redirects=False)
        assert (refused.status_code, "Location" in refused.headers) == (403, False)


@pytest.fixture(scope="module")
def package(from_npm):
    return from_npm("fhirclient")


@contextmanager
def running(package, site, client_id):
    """An app that uses the JavaScript client; gives where it listens."""
    command = ["node", shutil.copy(SCRIPT, package), f"{site.base}/fhir", client_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as app:
        try:
            yield f"http://127.0.0.1:{app.stdout.readline().strip()}"
        finally:
            app.terminate()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("from_chart", [False, True], ids=["standalone", "from our chart"])
def test_the_javascript_client_signs_in_searches_and_renews(package, site, browser, from_chart):
    client_id = f"js-{from_chart}"
    with running(package, site, client_id) as address:
        site.register(client_id, f"{address}/app", f"{address}/launch")
        begin = site.opened_from_the_chart(client_id, browser) if from_chart else f"{address}/launch"
        assert begin.startswith(f"{address}/launch")
        sent = browser.get(begin, allow_redirects=False, timeout=30)
        assert sent.status_code in (302, 303), sent.text
        back = site.consented(sent.headers["Location"], browser)
        answer = browser.get(back, timeout=60)
        assert answer.status_code == 200, answer.text
        told = answer.json()
    assert told["goals"] == 1
    assert told["patient"] == told["again"]
    assert "Practitioner/" in told["user"]
