"""Measures the chart's first page in a headless browser: when the largest thing on it is painted, and what is fetched.

    python bench/browser.py [--rounds 20]

The server runs in a process of its own; each round is a browser that has fetched nothing before. Needs Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from multiprocessing import Process, Queue
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chart import MOST_BYTES, fill
from playwright.sync_api import Browser, sync_playwright

from fhirplan import assembly, settings
from fhirplan.store.engine import Database

GOAL_MS = 500.0
PAGE = "/chart/patients/pat-hf"
BARE = "/bare"
WATCH = """() => new Promise(done => {
    let last = 0;
    new PerformanceObserver(list => { for (const entry of list.getEntries()) last = entry.startTime; })
        .observe({type: 'largest-contentful-paint', buffered: true});
    setTimeout(() => done(last), 250); })"""


def main() -> int:
    """0 when every mark was met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        print("not measured: no Chromium on this machine; on Debian: apt-get install chromium")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        told: Queue[int] = Queue()
        server = Process(target=_serve, args=(Path(folder), told), daemon=True)
        server.start()
        base = f"http://127.0.0.1:{told.get(timeout=120)}"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            _visit(browser, base + PAGE)
            found = [_visit(browser, base + PAGE) for _ in range(rounds)]
            bare = [_visit(browser, base + BARE)[0] for _ in range(rounds)]
            browser.close()
        server.terminate()
    painted = [item[0] for item in found]
    most, strangers = max(item[1] for item in found), sum(item[2] for item in found)
    middle, high = statistics.median(painted), statistics.quantiles(painted, n=20)[-1]
    print(f"largest contentful paint: p50 {middle:.0f} ms, p95 {high:.0f} ms (goal {GOAL_MS:.0f})")
    print(f"that of a page of one word from the same server: p50 {statistics.median(bare):.0f} ms")
    print(f"transferred: {most} bytes (at most {MOST_BYTES}); requests to another origin: {strangers}")
    return int(high > GOAL_MS or most > MOST_BYTES or strangers > 0)


def _visit(browser: Browser, address: str) -> tuple[float, int, int]:
    """When the largest thing was painted (ms), how many bytes came over the wire, how many requests went elsewhere."""
    context = browser.new_context(viewport={"width": 900, "height": 650})
    page = context.new_page()
    sizes: list[int] = []
    strangers: list[str] = []
    page.on("request", lambda asked: strangers.append(asked.url) if urlsplit(asked.url).netloc not in address else None)
    page.on("requestfinished", lambda asked: sizes.append(_size(asked)))
    page.goto(address, wait_until="load")
    painted = float(page.evaluate(WATCH))
    context.close()
    assert painted > 0
    return painted, sum(sizes), len(strangers)


def _size(asked: Any) -> int:
    found = asked.sizes()
    return int(found["responseBodySize"] + found["responseHeadersSize"])


def _serve(folder: Path, told: Queue[int]) -> None:
    from werkzeug.serving import WSGIRequestHandler, make_server

    from fhirplan.web.app import create_app

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *_: Any) -> None:
            """Says nothing of a request."""

    url = f"sqlite:///{folder / 'browser.db'}"
    Database.open(url).migrate()
    services = assembly.build(settings.load({}, auth="open", database_url=url, validation="base", log_level="error"))
    app = create_app(services)
    app.add_url_rule(BARE, "bare", lambda: "<!doctype html><title>Bare</title><link rel=icon href=data:,><h1>Bare</h1>")
    fill(app.test_client())
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    told.put(server.server_port)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
