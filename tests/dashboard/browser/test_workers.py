"""The page of workers, in a real browser."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from sweep.findings.activity import SILENT_SECONDS
from sweep.store import annotate, schema
from sweep.store.engine import Engine
from tests.support.store_factories import EPOCH, add_rows, add_study, lease_row


@pytest.fixture
def study_id(engine: Engine) -> int:
    """A study "live" that a coordinator runs, with a worker that is about to fall silent."""
    study_id = add_study(engine, "live", phase="running")
    add_rows(engine, schema.sweep_leases, lease_row(study_id, time.time() + 600))
    worker = {"name": "w0", "host": "box", "pid": 41, "device": "0", "state": "training"}
    times = {"started_at": EPOCH, "seen_at": time.time() - SILENT_SECONDS + 4}
    add_rows(
        engine, schema.sweep_workers, {"study_id": study_id, "n_finished": 3, **worker, **times}
    )
    return study_id


@pytest.mark.usefixtures("study_id")
def test_a_worker_that_falls_silent_is_marked_though_nothing_is_written(
    page: Page, dashboard: str
) -> None:
    page.goto(f"{dashboard}/study/live/workers")
    seen = page.locator("table.workers time")
    expect(seen).to_have_text(re.compile(r"^(2[6-9]|[3-5]\d) s ago$"))
    expect(seen).to_have_class("late")


def test_events_arrive_and_are_filtered(
    page: Page, dashboard: str, engine: Engine, study_id: int
) -> None:
    def happen(kind: str, message: str) -> None:
        event = {"study_id": study_id, "kind": kind, "message": message, "at": time.time()}
        add_rows(engine, schema.sweep_events, event)
        annotate.note(engine, "live", "so that the revision moves")

    happen("trial failed", "out of memory")
    page.goto(f"{dashboard}/study/live/workers")
    expect(page.get_by_text("out of memory")).to_be_visible()
    happen("worker gone", "killed by signal 9")
    expect(page.get_by_text("killed by signal 9")).to_be_visible()
    page.get_by_role("textbox", name="Kind of event").click()
    page.get_by_role("option", name="worker gone").click()
    expect(page.get_by_text("out of memory")).to_be_hidden()
    expect(page).to_have_url(re.compile(r"\?kind=worker%20gone$"))
    happen("worker gone", "killed by signal 15")
    expect(page.get_by_text("killed by signal 15")).to_be_visible()
    expect(page.get_by_text("out of memory")).to_be_hidden()
