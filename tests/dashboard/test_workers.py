"""The page of workers, without a browser."""

import time
from pathlib import Path
from typing import Any

import pytest

from sweep.dashboard import links
from sweep.dashboard.pages import workers as page
from sweep.dashboard.view import View
from sweep.enums import CommandKind
from sweep.findings.activity import SILENT_SECONDS
from sweep.store import commands, schema
from sweep.store.engine import Engine
from tests.support.pages import as_json, texts
from tests.support.store_factories import (
    EPOCH,
    add_rows,
    add_study,
    add_trial,
    lease_row,
    sqlite_store,
    trial_row,
    trial_table,
)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


@pytest.fixture
def view(engine: Engine) -> View:
    return View(engine=engine)


@pytest.fixture
def study_id(engine: Engine) -> int:
    """A study that a coordinator runs."""
    study_id = add_study(engine, phase="running")
    add_rows(engine, schema.sweep_leases, lease_row(study_id, time.time() + 60))
    return study_id


def add_worker(engine: Engine, study_id: int, name: str = "w0", **columns: Any) -> None:
    row = {"host": "gpu-box", "pid": 41, "device": "0", "device_name": "H100", "n_finished": 3}
    times = {"started_at": EPOCH, "seen_at": time.time()}
    row = {"study_id": study_id, "name": name, "state": "training", **row, **times, **columns}
    add_rows(engine, schema.sweep_workers, row)


def text_of(view: View) -> str:
    return " ".join(texts(page.workers(view, "study")))


def test_a_worker_is_told_with_its_device_and_how_hard_it_works(
    view: View, engine: Engine, study_id: int
) -> None:
    memory = {"memory_used_bytes": 3 * 2**30, "memory_total_bytes": 80 * 2**30}
    card = {"driver_version": "580.82.07", "utilisation": 0.62, "utilisation_since_first": 0.71}
    add_worker(engine, study_id, busy=0.934, **memory, **card)
    add_trial(engine, study_id, 0, state="RUNNING", worker="w0")
    told = text_of(view)
    about = ("w0", "gpu-box", "pid 41", "training", "GPU 0", "H100, driver 580.82.07")
    for said in (*about, "93 %", "62 %", "mean 71 %", "3.0 of 80 GiB"):
        assert said in told


def test_a_worker_without_the_fused_trainer_is_marked_with_every_difference(
    view: View, engine: Engine, study_id: int
) -> None:
    reason = "other numbers\n  ieee: val_mse differs by 1.0e-02, limit 1e-05"
    add_worker(engine, study_id, trainer="reference", fallback_reason=reason)
    add_worker(engine, study_id, "w1", trainer="fused")
    assert "state-fallback" in as_json(page.workers(view, "study"))
    told = text_of(view)
    assert "reference, not fused" in told and "limit 1e-05" in told
    assert told.count("not fused") == 1 and "fused" in told.replace("not fused", "")


def test_vitals_that_are_not_known_are_left_open(view: View, engine: Engine, study_id: int) -> None:
    add_worker(engine, study_id, device="cpu", device_name=None)
    assert "CPU" in text_of(view)
    assert "%" not in text_of(view)
    assert "GiB" not in text_of(view)


def test_a_silent_worker_is_marked_while_the_study_runs(
    view: View, engine: Engine, study_id: int
) -> None:
    add_worker(engine, study_id, "w0", seen_at=time.time() - SILENT_SECONDS - 5)
    assert '"className": "late"' in as_json(page.workers(view, "study"))
    with engine.begin() as connection:
        connection.execute(schema.sweep_leases.delete())
    assert '"className": "late"' not in as_json(page.workers(view, "study"))
    assert "gone" in text_of(view)


def test_those_at_work_come_first_and_then_the_latest(
    view: View, engine: Engine, study_id: int
) -> None:
    add_worker(engine, study_id, "old", state="gone")
    add_worker(engine, study_id, "young", state="gone", started_at=EPOCH + 5)
    add_worker(engine, study_id, "here")
    told = text_of(view)
    assert told.index("here") < told.index("young") < told.index("old")


def test_trials_per_second_are_counted_by_worker_over_the_last_minute() -> None:
    rows = [trial_row(number=n, values=(0.1,), worker=f"w{n % 2}") for n in range(100)]
    # Trial n ends at second n + 1; the study's work began at second 0.
    table = trial_table(*rows)
    assert page.paces(table, until=EPOCH + 100) == {"w0": 0.5, "w1": 0.5}
    assert page.paces(table, until=EPOCH + 10) == {"w0": 0.5, "w1": 0.5}
    assert page.paces(table, until=EPOCH + 1000) == {"w0": 0.0, "w1": 0.0}
    assert page.paces(trial_table(), until=EPOCH) == {}


def test_the_pace_of_a_name_is_its_newest_workers(
    view: View, engine: Engine, study_id: int
) -> None:
    # A resumed study names its workers anew from w0.
    add_worker(engine, study_id, state="gone", n_finished=3)
    add_worker(engine, study_id, started_at=EPOCH + 5, n_finished=9)
    ended = {"started_at": time.time() - 100, "finished_at": time.time() - 1}
    for number in range(6):
        add_trial(engine, study_id, number, 0.1, worker="w0", **ended)
    told = texts(page.workers(view, "study"))
    assert told[told.index("9") - 1] == "0.10"
    assert told[told.index("3") - 1] == "–"


@pytest.mark.usefixtures("study_id")
def test_a_study_without_workers_says_why(view: View, engine: Engine) -> None:
    assert "is starting its workers" in text_of(view)
    add_study(engine, "new", phase="new")
    assert "sweep resume new" in " ".join(texts(page.workers(view, "new")))


def add_events(engine: Engine, study_id: int, *kinds: str) -> None:
    rows = [
        {"study_id": study_id, "kind": kind, "message": f"event {n}", "number": n, "at": EPOCH + n}
        for n, kind in enumerate(kinds)
    ]
    add_rows(engine, schema.sweep_events, *rows)


def layout(view: View, **query: str) -> Any:
    return page.layout(view, links.Place(links.WORKERS, "study", query=query))


def test_events_come_newest_first_with_links_to_their_trials(
    view: View, engine: Engine, study_id: int
) -> None:
    add_events(engine, study_id, "trial failed", "worker gone")
    told = " ".join(texts(layout(view)))
    assert told.index("event 1") < told.index("event 0")
    assert "/study/study/trials/1" in as_json(layout(view))


def test_events_are_filtered_by_the_kind_that_the_address_asks_for(
    view: View, engine: Engine, study_id: int
) -> None:
    add_events(engine, study_id, "trial failed", "worker gone")
    told = texts(layout(view, kind="worker gone"))
    assert "event 1" in told
    assert "event 0" not in told
    assert "None of this kind." in texts(layout(view, kind="no such kind"))


def test_of_many_events_the_newest_are_shown(view: View, engine: Engine, study_id: int) -> None:
    add_events(engine, study_id, *["trial failed"] * (page.MAX_EVENTS + 1))
    told = texts(layout(view))
    assert "event 0" not in told
    assert f"event {page.MAX_EVENTS}" in told
    assert f"The newest {page.MAX_EVENTS} events of the study." in told


def test_commands_that_wait_are_shown(view: View, engine: Engine, study_id: int) -> None:
    assert page.list_waiting(view, "study") is None
    payload = {"configuration": {"hidden_width": 32, "activation": "relu"}}
    commands.post(engine, "study", CommandKind.ENQUEUE, payload)
    assert "hidden_width=32 activation=relu" in texts(page.list_waiting(view, "study"))


def test_messages_stay_text(view: View, engine: Engine, study_id: int) -> None:
    event = {"study_id": study_id, "kind": "trial failed", "at": EPOCH}
    add_rows(engine, schema.sweep_events, {**event, "message": "<script>alert(1)</script>"})
    assert "<script>alert(1)</script>" in texts(layout(view))
