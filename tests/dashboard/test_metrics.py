"""What Prometheus is told, and whom else."""

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from sweep.dashboard import Access, create_app
from sweep.dashboard.metrics import HELP, exposition
from sweep.store.engine import Engine
from sweep.store.handle import DatabaseHandle
from sweep.store.schema import sweep_leases, sweep_workers
from tests.support.store_factories import (
    EPOCH,
    add_rows,
    add_study,
    add_trial,
    lease_row,
    sqlite_store,
)

#: A sample line of the text format.
SAMPLE = re.compile(
    r'[a-z_]+\{[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*\} \S+'
)


@pytest.fixture
def store(tmp_path: Path) -> Engine:
    """A study that runs, with a living worker, one that is gone, and one trial of each kind."""
    engine = sqlite_store(tmp_path)
    study_id = add_study(engine, 'a "b"\\\n')
    add_trial(engine, study_id, 0, 0.25)
    add_trial(engine, study_id, 1, state="FAIL")
    add_trial(engine, study_id, 2, state="FAIL", outcome="diverged")
    add_rows(engine, sweep_leases, lease_row(study_id, EPOCH + 1e9))
    of_worker = {
        **{"study_id": study_id, "host": "h", "pid": 1, "device": "0", "n_finished": 7},
        **{"started_at": EPOCH, "seen_at": EPOCH + 2},
    }
    living = {**of_worker, "name": "w0", "state": "training", "busy": 0.5, "n_training": 3}
    living |= {"utilisation": 0.75}
    add_rows(engine, sweep_workers, living, {**of_worker, "name": "w1", "state": "gone"})
    return engine


def values(page: str) -> dict[str, float]:
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_the_page_tells_what_the_study_is_at(store: Engine) -> None:
    study = r'study="a \"b\"\\\n"'
    found = values(exposition(DatabaseHandle(store)))
    assert found[f"sweep_study_running{{{study}}}"] == 1
    assert found[f'sweep_study_trials{{{study},state="fail"}}'] == 2
    assert found[f"sweep_study_trials_failed{{{study}}}"] == 1
    assert found[f"sweep_study_best_value{{{study}}}"] == 0.25
    worker = f'{study},worker="w0",host="h",device="0"'
    assert found[f"sweep_worker_busy_ratio{{{worker}}}"] == 0.5
    assert found[f"sweep_worker_utilisation_ratio{{{worker}}}"] == 0.75
    assert found[f"sweep_worker_seen_timestamp_seconds{{{worker}}}"] == EPOCH + 2
    assert not any("w1" in name for name in found)


def test_every_line_is_of_the_format_and_every_metric_explained_once(store: Engine) -> None:
    lines = exposition(DatabaseHandle(store)).splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    assert all(SAMPLE.fullmatch(line) for line in samples)
    shown = list(dict.fromkeys(line.partition("{")[0] for line in samples))
    assert shown == [name for name in HELP if name in shown]
    comments = [f"# {kind} {name}" for name in shown for kind in ("HELP", "TYPE")]
    assert [" ".join(line.split()[:3]) for line in lines if line.startswith("#")] == comments


def test_what_is_not_known_is_left_out_rather_than_zero(tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    assert exposition(DatabaseHandle(engine)) == ""
    add_study(engine, n_trials=None)
    page = exposition(DatabaseHandle(engine))
    assert "sweep_study_best_value" not in page
    assert "sweep_study_trials_wanted" not in page
    assert 'sweep_study_running{study="study"} 0.0' in page


def client(engine: Engine, access: Access) -> FlaskClient:
    return create_app(engine, access).server.test_client()


def test_it_is_off_unless_asked_for_and_under_the_password(store: Engine) -> None:
    off = client(store, Access()).get("/metrics")
    assert off.mimetype != "text/plain"  # the page's frame, as at any address
    on = client(store, Access(metrics=True)).get("/metrics")
    assert (on.status_code, on.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    guarded = client(store, Access(host="0.0.0.0", password="correct horse", metrics=True))
    assert guarded.get("/metrics").status_code == 401
    known = {"Authorization": "Bearer correct horse"}
    assert guarded.get("/metrics", headers=known).status_code == 200


def test_a_store_that_is_gone_is_503(store: Engine, tmp_path: Path) -> None:
    asked = client(store, Access(metrics=True))
    store.dispose()
    (tmp_path / "sweep.db").unlink()
    (tmp_path / "sweep.db").mkdir()
    assert asked.get("/metrics").status_code == 503
