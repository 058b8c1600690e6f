"""A study that runs, watched in a real browser from its first trial to its last."""

import os
import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.dashboard_requests import Serve
from tests.support.store_factories import sqlite_store

STUDY = """
study.name = "live"
space.hidden_width = {low = 16, high = 64, log = true}
space.epochs = 4
budget.trials = 24
"""


def test_a_study_is_watched_from_beginning_to_end(page: Page, serve: Serve, tmp_path: Path) -> None:
    page.goto(serve(sqlite_store(tmp_path)))
    expect(page.get_by_text("sweep start")).to_be_visible()  # how to begin, while there is none
    (tmp_path / "live.toml").write_text(STUDY)
    options = ["--storage", f"sqlite:///{tmp_path / 'sweep.db'}", "--gpus", "cpu"]
    with subprocess.Popen(
        [sys.executable, "-m", "sweep", "start", str(tmp_path / "live.toml"), *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as study:
        page.get_by_role("link", name="live").first.click(timeout=30_000)
        done = page.locator("#overview-strip .tile-value").first
        # Some are done, not all: news came while it ran.
        expect(done).to_have_text(re.compile("^(1?[1-9]|10|2[0-3])$"), timeout=60_000)
        expect(done).to_have_text("24", timeout=180_000)
        assert study.wait(timeout=30) == 0
    expect(page.get_by_role("heading", level=1)).to_contain_text("has the best copies")
    expect(page.locator(".ranking td.rank").last).to_have_text("5")  # the best five are there
    expect(page.get_by_text("finished").first).to_be_visible()
