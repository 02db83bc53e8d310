"""Makes the pictures of the documentation from the samples, on a Monday in March: scripts/screenshots.py [NAME]…"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from fhirplan import assembly, settings
from fhirplan.projection.project import project_due
from fhirplan.sandbox.app import create_app as sandbox
from fhirplan.sandbox.loading import load_folder
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.server import Server
from fhirplan.store.engine import Database
from fhirplan.sync.run import run_sync
from fhirplan.web.app import create_app

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "images"
MOMENT = datetime.fromisoformat("2026-03-09T08:00:00-05:00")
P = "/chart/patients/pat-hf"
MANY = 400
LIGHT = ("en", "light")
# Name: address, width, height, language and colors.
PICTURES = {
    "care-plan.png": (P, 1440, 900, *LIGHT),
    "care-plan-900.png": (P, 900, 650, *LIGHT),
    "care-plan-phone.png": (P, 390, 844, *LIGHT),
    "care-plan-dark.png": (P, 900, 650, "en", "dark"),
    "care-plan-contrast.png": (P, 900, 650, "es", "contrast"),
    "caseload.png": ("/chart/caseload", 1280, 860, *LIGHT),
    "caseload-phone.png": ("/chart/caseload", 390, 844, *LIGHT),
    "board.png": (f"{P}/tasks?view=board", 1280, 800, *LIGHT),
    "task-wide.png": (f"{P}/tasks/task-call48", 1920, 1000, *LIGHT),
    "many-tasks.png": ("/chart/patients/pat-many/tasks", 1280, 860, *LIGHT),
    "assessment.png": (f"{P}/assessment/form", 900, 800, *LIGHT),
    "call.png": (f"{P}/contacts/new", 900, 800, *LIGHT),
    "goals.png": (f"{P}/goals", 900, 800, *LIGHT),
    "transition.png": (f"{P}/transition", 900, 650, *LIGHT),
    "template.png": (f"{P}/templates/cm-copd-discharge?start=2026-03-06", 900, 800, *LIGHT),
    "print-es.png": (f"{P}/print?lang=es", 900, 1100, *LIGHT),
}


def main(names: list[str]) -> None:
    """Takes the pictures of these names, without any all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, _site(Path(folder)) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name, (path, width, height, language, colors) in PICTURES.items():
            if not names or name in names:
                page = _opened(browser, site, path, width, height, language, colors)
                _keep(page, name)
        if not names or names[-1] in ("undo.png", "conflict.png"):
            _undo(_opened(browser, site, f"{P}/tasks/task-visit7", 900, 650, *LIGHT))
            _conflict(_opened(browser, site, f"{P}/tasks/task-hh", 900, 650, *LIGHT), site)
        browser.close()


def _opened(browser: Browser, site: Site, path: str, width: int, height: int, language: str, colors: str) -> Page:
    context = browser.new_context(viewport={"width": width, "height": height})
    value = f"{language}|{colors}|America/Chicago|on"
    context.add_cookies([{"name": "fhirplan_view", "value": value, "url": f"{site.base}/chart"}])
    page = context.new_page()
    answer = page.goto(site.base + path)
    assert answer is not None
    assert answer.status == 200, path
    return page


def _keep(page: Page, name: str) -> None:
    page.screenshot(path=FOLDER / name)
    print(f"docs/images/{name}")
    page.context.close()


def _undo(page: Page) -> None:
    """A due date that was just moved, with the way back."""
    page.locator("#edit-due").fill("2026-03-12")
    page.locator("section[aria-labelledby=h-edit] button.main-act").click()
    page.wait_for_selector("#undo button")
    _keep(page, "undo.png")


def _conflict(page: Page, site: Site) -> None:
    """A due date that was moved here while the clinic moved it as well."""
    task: dict[str, Any] = requests.get(f"{site.ehr}/Task/task-hh", timeout=10).json()
    task["restriction"]["period"]["end"] = "2026-03-16T23:59:59-05:00"
    requests.put(f"{site.ehr}/Task/task-hh", json=task, timeout=10).raise_for_status()
    page.locator("#edit-due").fill("2026-03-12")
    page.locator("section[aria-labelledby=h-edit] button.main-act").click()
    page.wait_for_selector("#said")
    site.sync()
    page.goto(f"{site.base}{P}/sync")
    page.get_by_role("link", name="Settle").first.click()
    page.wait_for_selector(".conflict")
    _keep(page, "conflict.png")


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: Any) -> None:
        """Says nothing of a request."""


class Site:
    """A server in step with a sandbox EHR, both with the samples, at a set moment."""

    def __init__(self, folder: Path, ehr: str) -> None:
        self.ehr = ehr
        self.settings = settings.load(
            {}, auth="open", database_url=f"sqlite:///{folder / 'ours.db'}", data_dir=str(folder), ehr_url=ehr,
            ehr_label="Epic", clinic_label="Lakemont Clinic", time_zone="America/Chicago", import_validation="base",
            api_validation="base", log_level="error",
        )  # fmt: skip
        self.now = int(MOMENT.timestamp() * 1000)
        self.services = replace(assembly.build(self.settings), clock=lambda: self.now)
        self.server = make_server("127.0.0.1", 0, create_app(self.services), threaded=True, request_handler=_Quiet)
        self.base = f"http://127.0.0.1:{self.server.server_port}"

    def sync(self) -> None:
        """Brings both in step, and the lists up to date; what was saved has waited its seconds."""
        self.now += 60_000
        sides = assembly.build_sync(self.settings, self.services, self.settings.default_connection)
        with sides.client:
            run_sync(sides)
        connection = self.settings.default_connection
        while project_due(assembly.build_projection(self.settings, self.services, connection)):
            pass


@contextmanager
def _site(folder: Path) -> Iterator[Site]:
    shutil.copytree(ROOT / "fixtures" / "bundles", folder / "bundles")
    (folder / "bundles" / "many.json").write_text(json.dumps(_many()), encoding="utf-8")
    store = Store(folder / "ehr.db")
    ehr = Server("127.0.0.1", 0, sandbox(store))
    ehr.start()
    load_folder(store, folder / "bundles")
    Database.open(f"sqlite:///{folder / 'ours.db'}").migrate()
    site = Site(folder, f"{ehr.url}/fhir")
    site.sync()
    threading.Thread(target=site.server.serve_forever, daemon=True).start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    ehr.stop()
    store.close()
    site.services.database.close()


def _many() -> dict[str, Any]:
    """An invented patient whose plan has as many tasks as any page has to bear."""
    patient = {"reference": "Patient/pat-many"}
    made: list[dict[str, Any]] = [
        {
            "resourceType": "Patient",
            "id": "pat-many",
            "name": [{"given": ["Ines"], "family": "Longacre"}],
            "birthDate": "1949-03-02",
        },
        {
            "resourceType": "CarePlan",
            "id": "plan-many",
            "status": "active",
            "intent": "plan",
            "title": "A year of everything",
            "subject": patient,
            "period": {"start": "2026-01-05"},
            "activity": [{"reference": {"reference": f"Task/many-{number}"}} for number in range(MANY)],
        },
    ]
    for number in range(MANY):
        day = f"2026-{3 + number % 9:02d}-{1 + number % 28:02d}T12:00:00-06:00"
        made.append(
            {
                "resourceType": "Task",
                "id": f"many-{number}",
                "basedOn": [{"reference": "CarePlan/plan-many"}],
                "status": ("accepted", "in-progress", "ready", "requested")[number % 4],
                "intent": "order",
                "priority": "urgent" if number % 25 == 0 else "routine",
                "code": {"text": f"Step {number + 1} of the year"},
                "for": patient,
                "restriction": {"period": {"end": day}},
            }
        )
    entries = [
        {"resource": item, "request": {"method": "PUT", "url": f"{item['resourceType']}/{item['id']}"}} for item in made
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


if __name__ == "__main__":
    main(sys.argv[1:])
