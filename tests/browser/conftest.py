"""A headless Chromium of the machine, and a server with the sample bundles behind a real socket."""

import shutil
import threading
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from fhirplan import assembly, settings
from fhirplan.store.engine import Database
from fhirplan.web.app import create_app

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
    services = assembly.build(settings.load({}, auth="open", database_url=f"sqlite:///{path}"))
    app = create_app(services)
    client = app.test_client()
    for name in ("b01-hf-home-health", "b06-hospice"):
        text = (BUNDLES / f"{name}.json").read_text(encoding="utf-8")
        answer = client.post("/fhir", data=text, headers={"Content-Type": "application/fhir+json"})
        assert answer.status_code == 200, answer.get_data(as_text=True)[:500]
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    services.database.close()
