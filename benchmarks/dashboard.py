"""Time sweep's dashboard and optuna-dashboard on a study of N trials, in one browser.

   pip install -c constraints.txt -e '.[bench]'
   python -m benchmarks.dashboard --trials 10000

Both read the same SQLite file. Every opening uses a new browser profile, so the browser caches
nothing. The servers are new, too: their first opening is "cold", later ones are "warm". A chart
counts as soon as it has marks of data:

   drawn        sweep only: the history that the server draws, shown until Plotly is loaded
   interactive  a Plotly chart

Then the page stays open while nothing is written, to measure its CPU use. Then five trials are
written, to measure the longest time from a write until sweep's page shows it. The last figure is
the size of the largest answer with data, without scripts and styles.
"""

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError

import psutil
from playwright.sync_api import Browser, Page, Response, sync_playwright

from sweep.store import annotate
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.migrate import open_store
from tests.support.synthetic import add_study

STUDY = "synthetic"
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
_PATIENCE_SECONDS = 300
_IDLE_SECONDS = 20
_N_NEWS = 5

_DRAWN = "() => [...document.querySelectorAll('img.poster')].some((of) => of.complete)"
_INTERACTIVE = """() => [...document.querySelectorAll('.js-plotly-plot')].some((plot) =>
    plot.querySelector('.main-svg .point, .main-svg .points path, .main-svg .js-line')
    || (plot.querySelector('canvas.gl-canvas') && plot._fullData && plot._fullData.length))"""


class Side(NamedTuple):
    """A dashboard to measure."""

    name: str
    command: list[str]
    path: str


class Opening(NamedTuple):
    """Seconds from opening the page; None if the dashboard has no such chart."""

    drawn: float | None
    interactive: float


class Measured(NamedTuple):
    """Figures of one dashboard for one study."""

    cold: Opening
    warm: Opening
    largest_answer_bytes: int
    idle_cpu_percent: float
    idle_requests_per_second: float
    idle_bytes_per_second: float
    #: None if it is not measured.
    news_seconds: float | None


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--openings", type=int, default=3, help="warm openings; the median counts")
    parser.add_argument("--only-ours", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'study.db'}"
        engine = open_store(url, create=True)
        add_study(engine, STUDY, options.trials)
        sides = [side for side in _sides(url) if side.name == "sweep" or not options.only_ours]
        found = {side.name: _measure(side, options.openings, engine) for side in sides}
    _print(found, options.trials)


def _sides(url: str) -> list[Side]:
    port, other = _free_port(), _free_port()
    ours = [sys.executable, "-m", "sweep", "dashboard", "--storage", url, "--port", str(port)]
    theirs = [str(Path(sys.executable).with_name("optuna-dashboard")), url, "--port", str(other)]
    return [
        Side("sweep", ours, f"http://127.0.0.1:{port}/study/{STUDY}"),
        Side("optuna-dashboard", theirs, f"http://127.0.0.1:{other}/dashboard/studies/1"),
    ]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _measure(side: Side, n_openings: int, engine: Engine) -> Measured:
    with _serve(side) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(_FLAGS)
        )
        sizes: list[int] = []
        cold = _open(browser, side, sizes)
        warm = [_open(browser, side, sizes) for _ in range(n_openings)]
        idle = _idle(browser, side, server)
        news = _news(browser, side, engine) if side.name == "sweep" else None
        browser.close()
    return Measured(cold, _median(warm), max(sizes), *idle, news)


@contextmanager
def _serve(side: Side) -> Iterator[psutil.Process]:
    with subprocess.Popen(side.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as of:
        try:
            _await_answer(side.path, of)
            yield psutil.Process(of.pid)
        finally:
            of.terminate()


def _await_answer(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (URLError, ConnectionError):
            time.sleep(0.2)
    raise SystemExit(f"{process.args!r} ended with {process.returncode}")


def _open(browser: Browser, side: Side, sizes: list[int]) -> Opening:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(1000 * _PATIENCE_SECONDS)
    page.on("response", lambda answer: sizes.append(_data_bytes(answer)))
    begun = time.perf_counter()
    page.goto(side.path, wait_until="commit")
    drawn = _seconds_until(page, _DRAWN, begun) if side.name == "sweep" else None
    interactive = _seconds_until(page, _INTERACTIVE, begun)
    page.wait_for_timeout(3000)  # what else the page requests counts as an answer, too
    context.close()
    return Opening(drawn, interactive)


def _seconds_until(page: Page, condition: str, begun: float) -> float:
    page.wait_for_function(condition, polling=20)
    return time.perf_counter() - begun


def _data_bytes(answer: Response) -> int:
    kind = answer.headers.get("content-type", "")
    if "json" not in kind and "image/png" not in kind:
        return 0
    return int(answer.headers.get("content-length", 0))


def _median(openings: list[Opening]) -> Opening:
    drawn = [opening.drawn for opening in openings if opening.drawn is not None]
    return Opening(
        statistics.median(drawn) if drawn else None,
        statistics.median(opening.interactive for opening in openings),
    )


def _idle(browser: Browser, side: Side, server: psutil.Process) -> tuple[float, float, float]:
    page = browser.new_page()
    page.set_default_timeout(1000 * _PATIENCE_SECONDS)
    page.goto(side.path, wait_until="commit")
    page.wait_for_function(_INTERACTIVE)
    page.wait_for_timeout(5000)
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(_data_bytes(answer)))
    before = _cpu_seconds(server)
    page.wait_for_timeout(1000 * _IDLE_SECONDS)
    cpu = _cpu_seconds(server) - before
    page.close()
    return 100 * cpu / _IDLE_SECONDS, len(sizes) / _IDLE_SECONDS, sum(sizes) / _IDLE_SECONDS


def _news(browser: Browser, side: Side, engine: Engine) -> float:
    """Return the longest time from a new best trial until the page's headline has its number."""
    page = browser.new_page()
    page.set_default_timeout(1000 * _PATIENCE_SECONDS)
    page.goto(side.path, wait_until="commit")
    page.wait_for_function(_INTERACTIVE)
    page.wait_for_timeout(5000)
    taken = []
    for _ in range(_N_NEWS):
        best = open_study(engine, STUDY).summary().best_number
        assert best is not None
        begun = time.perf_counter()
        annotate.invalidate(engine, STUDY, best)
        new = f"Trial {open_study(engine, STUDY).summary().best_number} "
        named = f"() => document.querySelector('h1').textContent.startsWith('{new}')"
        taken.append(_seconds_until(page, named, begun))
        page.wait_for_timeout(5000)
    page.close()
    return max(taken)


def _cpu_seconds(server: psutil.Process) -> float:
    processes = [server, *server.children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _print(found: dict[str, Measured], n_trials: int) -> None:
    print(f"{n_trials:,} trials, SQLite; seconds from opening until the first chart has data\n")
    rows: dict[str, list[str]] = {
        "cold, drawn": [_s(of.cold.drawn) for of in found.values()],
        "cold, interactive": [_s(of.cold.interactive) for of in found.values()],
        "warm, drawn": [_s(of.warm.drawn) for of in found.values()],
        "warm, interactive": [_s(of.warm.interactive) for of in found.values()],
        "largest answer": [f"{of.largest_answer_bytes / 1e6:.2f} MB" for of in found.values()],
        "idle server": [f"{of.idle_cpu_percent:.1f} % CPU" for of in found.values()],
        "idle requests": [f"{of.idle_requests_per_second:.1f} /s" for of in found.values()],
        "idle answers": [f"{of.idle_bytes_per_second:,.0f} B/s" for of in found.values()],
        "news on the page": [_s(of.news_seconds) for of in found.values()],
    }
    print(f"{'':20}" + "".join(f"{name:>20}" for name in found))
    for label, cells in rows.items():
        print(f"{label:20}" + "".join(f"{cell:>20}" for cell in cells))
    line: dict[str, Any] = {"benchmark": "dashboard", "trials": n_trials}
    for name, of in found.items():
        openings = {"cold": of.cold._asdict(), "warm": of.warm._asdict()}
        line[name] = {**of._asdict(), **openings}
    if "optuna-dashboard" in found:
        ours, theirs = found["sweep"], found["optuna-dashboard"]
        line["ratio"] = theirs.cold.interactive / ours.cold.interactive
        print(f"\nfirst interactive chart, cold: {line['ratio']:.1f} times sooner")
    print(json.dumps(line))


def _s(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f} s"


if __name__ == "__main__":
    main()
