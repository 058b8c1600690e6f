"""Tables of workers, events and waiting commands, the same in a terminal and on pages."""

import time
from pathlib import Path

import pytest

from sweep.cli.output import show_finding
from sweep.dashboard.parts.cards import tiles_of
from sweep.dashboard.parts.findings import finding_table
from sweep.enums import CommandKind
from sweep.findings.activity import command_table, event_table, worker_table
from sweep.findings.progress import progress_table
from sweep.findings.tables import FindingTable
from sweep.store import commands
from sweep.store.handle import StudyHandle, open_study
from sweep.store.schema import sweep_events, sweep_leases, sweep_workers
from tests.support.pages import texts
from tests.support.store_factories import (
    EPOCH,
    add_rows,
    add_study,
    add_trial,
    lease_row,
    sqlite_store,
)


@pytest.fixture
def study(tmp_path: Path) -> StudyHandle:
    """A study that a coordinator runs, with a worker, an event and a waiting command."""
    store = sqlite_store(tmp_path)
    study_id = add_study(store, phase="running")
    add_rows(store, sweep_leases, lease_row(study_id, time.time() + 60))
    worker = {"host": "box", "pid": 41, "device": "0", "device_name": "H100", "state": "training"}
    vitals = {"busy": 0.5, "busy_since_first": 0.75, "n_finished": 3, "trainer": "fused"}
    times = {"started_at": EPOCH, "seen_at": EPOCH}
    add_rows(
        store, sweep_workers, {"study_id": study_id, "name": "w0", **worker, **vitals, **times}
    )
    event = {"study_id": study_id, "at": EPOCH, "kind": "worker gone", "worker": "w1"}
    add_rows(store, sweep_events, {**event, "message": "killed by signal 9"})
    add_trial(store, study_id, 0, 0.25)
    commands.post(store, "study", CommandKind.EXTEND, {"n_trials": 50})
    return open_study(store, "study")


def tables(study: StudyHandle) -> list[FindingTable]:
    return [
        worker_table(study.workers(), running=True),
        event_table(study.events(newest=8)),
        command_table(study.commands(pending_only=True)),
        progress_table(study.summary(), study.workers()),
    ]


def test_a_terminal_and_a_page_say_the_same_of_who_works_and_what_happened(
    study: StudyHandle, capsys: pytest.CaptureFixture[str]
) -> None:
    for table in tables(study):
        show_finding(table)
        terminal = " ".join(capsys.readouterr().out.split())
        page = " ".join(texts(finding_table("study", table)))
        said = [text for row in table.rows for of in row for text in (of.text, of.detail)]
        moments = {of.text for row in table.rows for of in row if of.at is not None}
        for text in {*said} - moments - {"", "\u2013"}:
            assert text in terminal and text in page


def test_a_strip_shows_the_table_of_progress(study: StudyHandle) -> None:
    table = progress_table(study.summary(), study.workers())
    strip = " ".join(texts(tiles_of("study", table)))
    assert "Done 1 of 20 trials" in strip
    assert "GPU busy 50 % of 1 worker" in strip
    for row in table.rows:
        assert " ".join(filter(None, (of.text for of in row))) in strip


def test_a_worker_that_is_gone_is_at_no_work(study: StudyHandle) -> None:
    (left_behind,) = worker_table(study.workers(), running=False).records()
    at_work = {"busy", "utilisation", "memory", "training"}
    assert {name: left_behind.get(name) for name in at_work} == dict.fromkeys(at_work)
    assert left_behind["state"] == "gone" and left_behind["finished"] == 3
