"""Makes the pictures of the documentation from a running demo: python scripts/screenshots.py http://127.0.0.1:8080"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
PICTURES = {
    "care-plan.png": ("/chart/patients/b12-pat", 1280, 860),
    "care-plan-phone.png": ("/chart/patients/b12-pat", 390, 844),
    "care-plan-900.png": ("/chart/patients/pat-hf", 900, 650),
    "patients.png": ("/chart/patients", 1280, 860),
    "caseload.png": ("/chart/caseload", 1280, 860),
    "board.png": ("/chart/patients/pat-hf/tasks?view=board", 1280, 800),
    "task-wide.png": ("/chart/patients/pat-hf/tasks/task-call48", 1280, 800),
    "assessment.png": ("/chart/patients/pat-hf/assessment/form", 900, 800),
    "call.png": ("/chart/patients/pat-hf/contacts/new", 900, 800),
    "goals.png": ("/chart/patients/pat-hf/goals", 900, 800),
    "transition.png": ("/chart/patients/pat-hf/transition", 900, 650),
    "template.png": ("/chart/patients/pat-hf/templates/cm-copd-discharge?start=2026-03-06", 900, 800),
    "print-es.png": ("/chart/patients/pat-hf/print?lang=es", 900, 1100),
}


def main(base: str) -> None:
    """Takes every picture."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, (path, width, height) in PICTURES.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(base + path)
            page.screenshot(path=FOLDER / name)
            print(f"docs/images/{name}")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
