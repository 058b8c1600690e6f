"""Takes the pictures of report and dashboard that the README and docs/dashboard.md show.

make demo
python -m docs.take_screenshots demo/sweep.db quickstart
python -m docs.take_screenshots demo/sweep.db quickstart workers    # that page alone
python -m docs.take_screenshots demo/sweep.db quickstart report

Workers say most while the study runs.
"""

import logging
import sys
import threading
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

from docs.browser import open_browser
from sweep.dashboard import Access, create_app, links
from sweep.report import render
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.migrate import open_store

FOLDER = Path(__file__).with_name("images")
#: Every chart in sight has something to show.
_DRAWN = """() => [...document.querySelectorAll(".figure-card")]
    .filter((card) => card.offsetParent)
    .every((card) => card.querySelector(".xtick, .ytick, .annotation, .parcoords"))"""
_PATIENCE_MILLISECONDS = 120_000
#: For pictures to come and marks to settle.
_SETTLE_MILLISECONDS = 3000


def main(path: str, study: str, *wanted: str) -> None:
    """Open each page in a browser, or those wanted, and keep what it shows."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    engine = open_store(f"sqlite:///{path}")
    pages = _pages(engine, study)
    app = create_app(engine, Access())
    server = make_server("127.0.0.1", 0, app.server, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = open_browser(playwright)
        for name in wanted or ["report", *pages]:
            if name == "report":
                page = browser.new_page(viewport={"width": 1280, "height": 860})
                page.set_content(render(engine, study))
                page.locator(".js-plotly-plot .xtick text").first.wait_for()
                page.screenshot(path=FOLDER / "report.png")
                page.close()
                continue
            address, scheme = pages[name]
            page = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme=scheme)
            _take(page, f"http://127.0.0.1:{server.server_port}{address}", name)
            page.close()
        browser.close()
    server.shutdown()


def _pages(engine: Engine, study: str) -> dict[str, tuple[str, str]]:
    best = [row.number for row in open_study(engine, study).best(3)]
    numbers = ",".join(map(str, sorted({0, *best})))
    return {
        "studies": (links.url(), "light"),
        "overview": (links.url(links.OVERVIEW, study), "light"),
        "why": (links.url(links.WHY, study), "light"),
        "trials": (links.url(links.TRIALS, study), "light"),
        "trial": (links.url(links.TRIAL, study, best[0]), "light"),
        "compare": (links.url(links.COMPARE, study, trials=numbers), "light"),
        "explore": (links.url(links.EXPLORE, study), "dark"),
        "workers": (links.url(links.WORKERS, study), "dark"),
    }


def _take(page: Page, url: str, name: str) -> None:
    page.set_default_timeout(_PATIENCE_MILLISECONDS)
    page.goto(url)
    page.wait_for_selector(".page")
    page.wait_for_timeout(_SETTLE_MILLISECONDS)  # what is not laid out yet cannot be waited for
    page.wait_for_function(_DRAWN)
    page.wait_for_timeout(_SETTLE_MILLISECONDS)
    page.screenshot(path=FOLDER / f"dashboard-{name}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
