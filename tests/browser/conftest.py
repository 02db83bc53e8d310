"""A headless Chromium of the machine, and a server with the sample bundles behind a real socket."""

import importlib.util
import json
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import requests

from fhirplan import assembly, settings
from fhirplan.projection.project import project_due
from fhirplan.sandbox.app import create_app as sandbox
from fhirplan.sandbox.loading import load_folder
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server
from fhirplan.store.engine import Database
from fhirplan.sync.run import run_sync
from fhirplan.web.app import create_app
from tests.browser.serving import served
from tests.ports import own_port

BUNDLES = Path(__file__).resolve().parents[2] / "fixtures" / "bundles"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The address of a server that holds two of the sample patients."""
    path = tmp_path_factory.mktemp("site") / "site.db"
    Database.open(f"sqlite:///{path}").migrate()
    services = assembly.build(settings.load({}, auth="open", validation="base", database_url=f"sqlite:///{path}"))
    app = create_app(services)
    client = app.test_client()
    for name in ("b01-hf-home-health", "b06-hospice"):
        text = (BUNDLES / f"{name}.json").read_text(encoding="utf-8")
        answer = client.post("/fhir", data=text, headers={"Content-Type": "application/fhir+json"})
        assert answer.status_code == 200, answer.get_data(as_text=True)[:500]
    while project_due(assembly.build_projection(services.settings, services, services.settings.default_connection)):
        pass
    with served(app) as port:
        yield f"http://127.0.0.1:{port}"
    services.database.close()


@pytest.fixture(scope="session")
def another_app():
    """The address of a small SMART app."""
    spec = importlib.util.spec_from_file_location("small_app", Path(__file__).with_name("app.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = module.start()
    yield server.url
    server.shutdown()
    server.server_close()


class Ward:
    """A server beside a sandbox EHR that both hold the first sample patient, and a nurse's browser."""

    def __init__(self, base, ehr, sync):
        self.base, self.ehr, self._sync = base, ehr, sync

    def sync(self):
        self._sync()

    def clinic_edits(self, ref, change):
        """The clinic's staff change a resource of theirs, found by what both sides call it."""
        resource = requests.get(f"{self.ehr}/{ref}", timeout=10).json()
        change(resource)
        answer = requests.put(f"{self.ehr}/{ref}", json=resource, timeout=10)
        assert answer.status_code == 200, answer.text

    def stored(self, ref):
        return requests.get(f"{self.base}/fhir/{ref}", timeout=10).json()


@pytest.fixture(scope="session")
def in_step(tmp_path_factory):
    """A folder with our database and that of a sandbox EHR after their first sync, and the EHR's port."""
    folder = tmp_path_factory.mktemp("in_step")
    (folder / "bundles").mkdir()
    shutil.copy(BUNDLES / "b01-hf-home-health.json", folder / "bundles")
    store = Store(folder / "ehr.db")
    port = own_port()
    ehr = Server("127.0.0.1", port, sandbox(store))
    ehr.start()
    load_folder(store, folder / "bundles")
    services, sync = _ours(folder, ehr.url)
    sync()
    services.database.close()
    ehr.stop()
    store.close()
    return folder, port


def _ours(folder, ehr):
    """Our services over the database of a folder, and what brings it in step with the EHR."""
    url = f"sqlite:///{folder / 'ward.db'}"
    Database.open(url).migrate()
    chosen = settings.load(
        {}, auth="open", database_url=url, data_dir=str(folder), ehr_url=f"{ehr}/fhir", ehr_label="Epic",
        clinic_label="Lakeside Clinic", time_zone="America/Chicago", import_validation="base", api_validation="base",
    )  # fmt: skip
    services = assembly.build(chosen)

    def sync():
        sides = assembly.build_sync(chosen, services, chosen.default_connection)
        with sides.client:
            run_sync(sides)

    return services, sync


@pytest.fixture
def ward(tmp_path, in_step):
    """Our server over its own database, in step with a sandbox EHR that holds the first sample patient."""
    begun, port = in_step
    folder = tmp_path / "ward"
    shutil.copytree(begun, folder)
    store = Store(folder / "ehr.db")
    ehr = Server("127.0.0.1", port, sandbox(store))
    ehr.start()
    services, sync = _ours(folder, ehr.url)
    with served(create_app(services)) as ours:
        yield Ward(f"http://127.0.0.1:{ours}", f"{ehr.url}/fhir", sync)
    ehr.stop()
    store.close()
    services.database.close()


class Stay:
    """A server that holds the first sample patient while she is still in hospital, with a clock that is set by hand."""

    def __init__(self, base, clock):
        self.base, self._clock = base, clock

    def at(self, moment):
        self._clock[0] = int(datetime.fromisoformat(moment).timestamp() * 1000)

    def stored(self, ref):
        return requests.get(f"{self.base}/fhir/{ref}", timeout=10).json()

    def put(self, resource):
        ref = f"{resource['resourceType']}/{resource['id']}"
        headers = {"Content-Type": "application/fhir+json", "If-Match": f'W/"{resource["meta"]["versionId"]}"'}
        answer = requests.put(f"{self.base}/fhir/{ref}", json=resource, headers=headers, timeout=10)
        assert answer.status_code == 200, answer.text


@pytest.fixture
def stay(tmp_path):
    """The ward on 3 March 2026, under the checks of case management; the EHR writes by our API as it would."""
    url = f"sqlite:///{tmp_path / 'stay.db'}"
    Database.open(url).migrate()
    chosen = settings.load({}, auth="open", database_url=url, validation="case-management", time_zone="America/Chicago")
    clock = [0]
    services = replace(assembly.build(chosen), clock=lambda: clock[0])
    with served(create_app(services)) as port:
        made = Stay(f"http://127.0.0.1:{port}", clock)
        made.at("2026-03-03T09:00:00-06:00")
        answer = requests.post(f"{made.base}/fhir", json=_in_hospital(), timeout=30)
        assert answer.status_code == 200, answer.text[:1000]
        yield made
    services.database.close()


def _in_hospital():
    """The first sample bundle as it was on the second day of the stay: nothing of the discharge has happened."""
    bundle = json.loads((BUNDLES / "b01-hf-home-health.json").read_text(encoding="utf-8"))
    bundle["entry"] = [item for item in bundle["entry"] if item["resource"]["resourceType"] != "Communication"]
    held = {item["resource"]["id"]: item["resource"] for item in bundle["entry"]}
    encounter = held["enc-hf-ip"]
    encounter["status"] = "in-progress"
    encounter["period"].pop("end")
    encounter.get("hospitalization", {}).pop("dischargeDisposition", None)
    stage = held["task-transition"]["businessStatus"]["coding"][0]
    stage.update(code="admitted", display="Admitted")
    held["task-transition"]["businessStatus"].pop("text", None)
    return bundle
