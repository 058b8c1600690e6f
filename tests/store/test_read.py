import sqlite3
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from sqlalchemy import Engine, event

from sweep.config import TrialConfig
from sweep.enums import Outcome
from sweep.errors import NotFoundError
from sweep.store import clock, schema
from sweep.store.engine import write_transaction
from sweep.store.handle import DatabaseHandle, open_study
from sweep.store.migrate import open_store
from sweep.store.records import ChoiceDomain, NumberDomain, Reconstruction
from tests.support.spectrum_factories import BANDS, by_the_law, pack
from tests.support.store_factories import (
    DISTRIBUTIONS,
    EPOCH,
    add_curve,
    add_rows,
    add_study,
    add_trial,
    lease_row,
    sqlite_store,
)

FOREVER = EPOCH + 1e9


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = sqlite_store(tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture
def store(store_url: str) -> Iterator[Engine]:
    """A store of each kind of database."""
    engine = open_store(store_url)
    yield engine
    engine.dispose()


def test_an_empty_store_has_no_studies(engine: Engine) -> None:
    assert DatabaseHandle(engine).studies() == []


def test_studies_come_by_name(engine: Engine) -> None:
    add_study(engine, "width")
    add_study(engine, "broad")
    assert [study.name for study in DatabaseHandle(engine).studies()] == ["broad", "width"]


def test_a_study_of_optuna_alone_is_not_listed(engine: Engine) -> None:
    storage = optuna.storages.RDBStorage(engine.url.render_as_string())
    optuna.create_study(study_name="theirs", storage=storage)
    storage.engine.dispose()
    assert DatabaseHandle(engine).studies() == []


def test_an_unknown_study_names_the_close_and_the_known(engine: Engine) -> None:
    add_study(engine, "quickstart")
    add_study(engine, "width")
    with pytest.raises(NotFoundError, match="Did you mean 'quickstart'") as raised:
        open_study(engine, "quickstat").summary()
    assert "Known: quickstart, width." in str(raised.value)


def test_an_unknown_study_in_an_empty_store_says_that_it_is_empty(engine: Engine) -> None:
    with pytest.raises(NotFoundError, match="has no studies yet"):
        open_study(engine, "quickstart").trials()


def test_a_summary_counts_every_state(engine: Engine) -> None:
    study_id = add_study(engine)
    for number, state in enumerate(("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING", "FAIL")):
        add_trial(engine, study_id, number, state=state)
    add_trial(engine, study_id, 6, state="FAIL", outcome=Outcome.DIVERGED)
    study = open_study(engine, "study").summary()
    assert study.counts == {"WAITING": 1, "RUNNING": 1, "COMPLETE": 1, "PRUNED": 1, "FAIL": 3}
    assert (study.n_diverged, study.n_failed, study.n_finished) == (1, 2, 5)


def test_a_summary_has_the_best_of_its_own_study_only(engine: Engine) -> None:
    first, second = add_study(engine, "a"), add_study(engine, "b")
    add_trial(engine, first, 0, 0.02)
    add_trial(engine, second, 0, 0.03)
    add_trial(engine, second, 1, 0.01)
    best = [(study.best_number, study.best_value) for study in DatabaseHandle(engine).studies()]
    assert best == [(0, 0.02), (1, 0.01)]


def test_a_summary_without_trials_has_no_best(engine: Engine) -> None:
    add_study(engine, description="Why?", n_trials=None)
    study = open_study(engine, "study").summary()
    assert (study.best_value, study.best_number, study.trials_per_second) == (None, None, None)
    assert (study.description, study.n_trials, study.held_by) == ("Why?", None, None)
    assert study.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_held_study_runs_until_the_lease_expires(engine: Engine) -> None:
    live, expired = add_study(engine, "live"), add_study(engine, "expired")
    add_rows(engine, schema.sweep_leases, lease_row(live, FOREVER), lease_row(expired, EPOCH))
    held = {study.name: study.held_by for study in DatabaseHandle(engine).studies()}
    assert held["live"] is not None
    assert (held["live"].host, held["live"].pid, held["live"].expired) == ("elsewhere", 4711, False)
    assert held["expired"] is not None
    assert held["expired"].expired
    assert [study.running for study in DatabaseHandle(engine).studies()] == [False, True]


def test_trials_per_second_looks_at_the_last_minute_of_work(engine: Engine) -> None:
    study_id = add_study(engine)
    for number, finished in enumerate(range(0, 200, 10)):
        add_trial(engine, study_id, number, 0.1, finished_at=EPOCH + finished)
    assert open_study(engine, "study").summary().trials_per_second == pytest.approx(0.1)


def test_a_running_study_that_finishes_nothing_has_a_falling_rate(engine: Engine) -> None:
    study_id = add_study(engine)
    now = time.time()
    add_trial(engine, study_id, 0, 0.1, started_at=now - 50, finished_at=now - 40)
    add_rows(engine, schema.sweep_leases, lease_row(study_id, FOREVER))
    assert open_study(engine, "study").summary().trials_per_second == pytest.approx(1 / 50, rel=0.1)


def test_a_resumed_study_has_the_rate_of_its_coordinator_alone(engine: Engine) -> None:
    study_id = add_study(engine)
    now = time.time()
    for number, finished_at in enumerate((now - 900, now - 25, now - 5, now - 3)):
        times = {"started_at": finished_at - 4, "finished_at": finished_at}
        add_trial(engine, study_id, number, 0.1, **times)
    add_rows(engine, schema.sweep_leases, lease_row(study_id, FOREVER, taken_at=now - 10))
    assert open_study(engine, "study").summary().trials_per_second == pytest.approx(2 / 10, rel=0.1)


def test_a_study_whose_coordinator_died_before_anything_ended_has_no_rate(engine: Engine) -> None:
    study_id = add_study(engine)
    add_trial(engine, study_id, 0, state="RUNNING")
    add_rows(engine, schema.sweep_leases, lease_row(study_id, EPOCH))
    assert open_study(engine, "study").summary().trials_per_second is None


def test_a_summary_has_tags_note_and_waiting_commands(engine: Engine) -> None:
    study_id = add_study(engine)
    trial_id = add_trial(engine, study_id, 0)
    add_rows(
        engine,
        schema.sweep_tags,
        {"study_id": study_id, "tag": "paper"},
        {"study_id": study_id, "tag": "nice", "trial_id": trial_id},
    )
    add_rows(
        engine,
        schema.sweep_notes,
        {"study_id": study_id, "text": "old", "created_at": EPOCH},
        {"study_id": study_id, "text": "new", "created_at": EPOCH},
    )
    command = {"study_id": study_id, "kind": "stop", "payload": {}, "created_at": EPOCH}
    add_rows(engine, schema.sweep_commands, command, command | {"applied_at": EPOCH})
    study = open_study(engine, "study").summary()
    assert (study.tags, study.note, study.n_pending_commands) == (("paper",), "new", 1)


def test_a_trial_has_its_params_as_the_user_knows_them(engine: Engine) -> None:
    study_id = add_study(engine)
    params = {"hidden_width": 32, "activation": "tanh", "adam.learning_rate": 0.01}
    add_trial(engine, study_id, 0, 0.02, params=params, config=TrialConfig(hidden_width=32))
    (row,) = open_study(engine, "study").trials()
    assert row.params == params
    assert list(row.params) == list(params)
    assert (row.hidden_width, row.config["optimizer"], row.value) == (32, "adam", 0.02)
    assert row.datetime_start == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_trial_equals_what_optuna_reads(engine: Engine) -> None:
    study_id = add_study(engine)
    add_trial(engine, study_id, 0, 0.02, params={"hidden_width": 32, "loss": "l1"})
    storage = optuna.storages.RDBStorage(engine.url.render_as_string())
    (theirs,) = optuna.load_study(study_name="study", storage=storage).trials
    storage.engine.dispose()
    (ours,) = open_study(engine, "study").trials()
    assert (ours.number, ours.state, ours.values) == (0, theirs.state.name, tuple(theirs.values))
    assert ours.params == theirs.params
    assert ours.datetime_start is not None
    assert ours.datetime_start.astimezone().replace(tzinfo=None) == theirs.datetime_start


def test_a_trial_that_has_not_been_written_by_us_is_still_a_row(engine: Engine) -> None:
    # optuna-dashboard may add a trial that no coordinator has seen yet.
    add_study(engine)
    storage = optuna.storages.RDBStorage(engine.url.render_as_string())
    optuna.load_study(study_name="study", storage=storage).enqueue_trial({"hidden_width": 8})
    storage.engine.dispose()
    (row,) = open_study(engine, "study").trials()
    assert (row.state, row.config, row.attempt, row.hidden_width) == ("WAITING", {}, 0, None)


def test_domains_are_what_the_parameters_were_drawn_from(engine: Engine) -> None:
    study_id = add_study(engine)
    add_trial(engine, study_id, 0, 0.1, params={"loss": "mse", "hidden_width": 32})
    domains = open_study(engine, "study").domains()
    assert list(domains) == ["loss", "hidden_width"]
    assert domains["loss"] == ChoiceDomain(choices=("bce", "mse", "l1", "huber"))
    assert domains["hidden_width"] == NumberDomain(low=8, high=1024, log=True, step=1, integer=True)


def test_a_domain_that_was_widened_on_the_way_is_the_widest(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    study_id = add_study(engine)
    for number, (low, high) in enumerate([(0.0, 0.9), (0.1, 1.0)]):
        wider = FloatDistribution(low, high, step=0.1)
        monkeypatch.setitem(DISTRIBUTIONS, "sgd.momentum", wider)
        add_trial(engine, study_id, number, 0.1, params={"sgd.momentum": 0.5})
    assert open_study(engine, "study").domains()["sgd.momentum"] == NumberDomain(
        low=0.0, high=1.0, log=False, step=None, integer=False
    )


def test_trials_can_be_limited_and_chosen_by_state(engine: Engine) -> None:
    study_id = add_study(engine)
    for number, (value, width) in enumerate([(0.3, 8), (0.1, 16), (0.2, 32)]):
        add_trial(engine, study_id, number, value, config=TrialConfig(hidden_width=width))
    add_trial(engine, study_id, 3, state="FAIL")

    def numbers(**options: object) -> list[int]:
        return [row.number for row in open_study(engine, "study").trials(**options)]  # type: ignore[arg-type]

    assert numbers() == [0, 1, 2, 3]
    assert numbers(descending=True, limit=2) == [3, 2]
    assert numbers(states=["FAIL", "PRUNED"]) == [3]


def test_trials_can_be_asked_for_by_number(store: Engine) -> None:
    study_id = add_study(store)
    for number in range(4):
        add_trial(store, study_id, number, number / 10, params={"loss": "mse"})
    rows = open_study(store, "study").trials(numbers=[3, 1, 77])
    assert [(row.number, row.value, row.params["loss"]) for row in rows] == [
        (1, 0.1, "mse"),
        (3, 0.3, "mse"),
    ]
    assert open_study(store, "study").trials(numbers=[]) == []


def test_more_trials_can_be_asked_for_than_a_statement_has_parameters(store: Engine) -> None:
    @event.listens_for(store, "connect")
    def limit(connection: Any, _: object) -> None:
        if store.dialect.name == "sqlite":  # builds differ; PostgreSQL takes 65,535
            connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 32_766)

    study_id = add_study(store)
    for number in (3, 69_999, 70_000):
        add_trial(store, study_id, number, curve=[0.1])
    store.dispose()
    study, numbers = open_study(store, "study"), range(70_000)
    assert [row.number for row in study.trials(numbers)] == [3, 69_999]
    assert list(study.curves(numbers)) == [3, 69_999]


def test_best_takes_finite_complete_valid_trials_lowest_first(engine: Engine) -> None:
    study_id = add_study(engine)
    add_trial(engine, study_id, 0, 0.3)
    add_trial(engine, study_id, 1, 0.2)
    add_trial(engine, study_id, 2, 0.1, invalid=True)
    add_trial(engine, study_id, 3, 0.05, state="PRUNED")
    add_trial(engine, study_id, 4, float("inf"))
    add_trial(engine, study_id, 5, float("-inf"))
    add_trial(engine, study_id, 6, 0.2)
    assert [row.number for row in open_study(engine, "study").best()] == [1, 6, 0]
    assert [row.number for row in open_study(engine, "study").best(2)] == [1, 6]
    assert open_study(engine, "study").summary().best_number == 1
    assert open_study(engine, "study").summary().n_invalid == 1


def test_the_best_so_far_falls_at_trials_that_beat_all_before_them(store: Engine) -> None:
    study_id = add_study(store)
    for number, value in enumerate((0.5, 0.6, 0.4, 0.4, float("-inf"), 0.1)):
        add_trial(store, study_id, number, value)
    add_trial(store, study_id, 6, 0.01, invalid=True)
    add_trial(store, study_id, 7, 0.02, state="PRUNED")
    add_trial(store, add_study(store, "other"), 0, 0.05)
    add_study(store, "without trials")
    assert DatabaseHandle(store).best_so_far() == {
        "study": [(0, 0.5), (2, 0.4), (5, 0.1)],
        "other": [(0, 0.05)],
    }


def test_best_of_several_objectives_is_the_pareto_set(engine: Engine) -> None:
    study_id = add_study(engine, objectives=("val_mse", "hidden_width"))
    points = [(0.3, 8), (0.1, 64), (0.2, 64), (0.2, 32), (0.3, 8), (0.05, float("inf"))]
    for number, point in enumerate(points):
        add_trial(engine, study_id, number, point)
    rows = open_study(engine, "study").best()
    assert [row.number for row in rows] == [1, 3, 0, 4]
    assert rows[0].values == (0.1, 64.0)


def test_the_pareto_set_of_a_study_without_finished_trials_is_empty(engine: Engine) -> None:
    add_study(engine, objectives=("val_mse", "hidden_width"))
    assert open_study(engine, "study").best() == []


def test_infinite_values_come_back_as_such(engine: Engine) -> None:
    add_trial(engine, add_study(engine), 0, float("inf"))
    assert open_study(engine, "study").trials()[0].values == (float("inf"),)


def test_a_trial_in_full_has_results_events_and_notes(engine: Engine) -> None:
    study_id = add_study(engine)
    trial_id = add_trial(engine, study_id, 0, 0.1, artifact_id="weights")
    result = {"trial_id": trial_id, "seed": 5, "per_class_mse": [0.1, 0.2]}
    add_rows(
        engine,
        schema.sweep_results,
        result | {"seed_index": 1, "test_mse": 0.3},
        result | {"seed_index": 0, "test_mse": 0.2},
    )
    event = {"study_id": study_id, "at": EPOCH, "kind": "trial failed", "message": "again"}
    add_rows(engine, schema.sweep_events, event | {"number": 0}, event | {"number": 1})
    note = {"study_id": study_id, "trial_id": trial_id, "text": "odd", "created_at": EPOCH}
    add_rows(engine, schema.sweep_notes, note)
    trial = open_study(engine, "study").trial(0)
    assert [seed.test_mse for seed in trial.results] == [0.2, 0.3]
    assert trial.results[0].per_class_mse == (0.1, 0.2)
    assert [event.message for event in trial.events] == ["again"]
    assert (trial.note, trial.notes[0].text, trial.artifact_id) == ("odd", "odd", "weights")


def test_a_seeds_validation_error_is_that_of_its_last_epoch(engine: Engine) -> None:
    study_id = add_study(engine)
    for number in range(2):
        trial_id = add_trial(engine, study_id, number, 0.1, curve=[0.4, 0.1 + number])
        with write_transaction(engine) as connection:
            add_curve(connection, trial_id, [0.3, None], seed_index=1)
        seeds = ({"trial_id": trial_id, "seed_index": index, "seed": 5} for index in (1, 0))
        add_rows(engine, schema.sweep_results, *seeds)
    study = open_study(engine, "study")
    assert [result.val_mse for result in study.trial(1).results] == [1.1, None]
    assert study.seed_errors() == {0: (0.1, None), 1: (1.1, None)}


def test_an_unknown_trial_says_which_there_are(engine: Engine) -> None:
    study_id = add_study(engine)
    with pytest.raises(NotFoundError, match="it has no trials yet"):
        open_study(engine, "study").trial(0)
    add_trial(engine, study_id, 0)
    with pytest.raises(NotFoundError, match="its trials are 0 to 0"):
        open_study(engine, "study").trial(7)


def test_a_number_beyond_those_of_sql_is_an_unknown_trial(store: Engine) -> None:
    add_trial(store, add_study(store), 0)
    study = open_study(store, "study")
    for number in (-1, 2**40, 2**70):
        for read in (
            *(study.trial, study.training_record, study.notes),
            *(study.seed_curves, study.seed_spectra, study.reconstruction),
        ):
            with pytest.raises(NotFoundError, match=f"no trial {number} in study 'study'"):
                read(number)
        assert study.trials([number]) == []


def test_a_curve_is_the_mean_over_seeds(engine: Engine) -> None:
    trial_id = add_trial(engine, add_study(engine), 0, curve=[0.4, 0.2])
    with write_transaction(engine) as connection:
        add_curve(connection, trial_id, [0.2, None], seed_index=1)
    curve = open_study(engine, "study").curves()[0]
    assert [point.epoch for point in curve] == [1, 2]
    assert curve[0].val_mse == pytest.approx(0.3)
    assert curve[1].val_mse is None  # one seed was not finite, so neither is the mean
    assert [point.val_mse for point in open_study(engine, "study").seed_curves(0)[1]] == [0.2, None]


def test_curves_can_be_asked_for_by_number(engine: Engine) -> None:
    study_id = add_study(engine)
    for number in range(3):
        add_trial(engine, study_id, number, curve=[0.1])
    assert sorted(open_study(engine, "study").curves([0, 2])) == [0, 2]
    assert open_study(engine, "study").curves([]) == {}


def test_pictures_are_none_until_there_are_some(engine: Engine) -> None:
    study_id = add_study(engine)
    trial_id = add_trial(engine, study_id, 0)
    assert open_study(engine, "study").record().originals_png is None
    assert open_study(engine, "study").reconstruction(0) is None
    row = {"trial_id": trial_id, "reconstructions_png": b"r", "errors_png": b"e"}
    add_rows(engine, schema.sweep_reconstructions, row)
    found = open_study(engine, "study").reconstruction(0)
    assert found == Reconstruction(reconstructions_png=b"r", errors_png=b"e")


def test_what_repeats_a_study_is_read_back(engine: Engine) -> None:
    text = 'study.name = "study"  # a comment\n[data]\nname = "mnist"\n'
    add_study(engine, study_file=text, originals_png=b"png")
    record = open_study(engine, "study").record()
    assert (record.study_file, record.originals_png) == (text, b"png")
    assert record.provenance["git_commit"] == "abc1234"
    assert (record.settings.study.seed, record.dataset) == (0, "mnist")


def test_events_after_an_id_are_the_new_ones(engine: Engine) -> None:
    study_id = add_study(engine)
    event = {"study_id": study_id, "at": EPOCH, "kind": "ended"}
    add_rows(engine, schema.sweep_events, event | {"message": "a"}, event | {"message": "b"})
    first, second = open_study(engine, "study").events()
    assert open_study(engine, "study").events(after_id=first.event_id) == [second]


def test_the_newest_events_come_oldest_first(engine: Engine) -> None:
    study_id = add_study(engine)
    event = {"study_id": study_id, "at": EPOCH, "kind": "ended"}
    add_rows(engine, schema.sweep_events, *(event | {"message": word} for word in "abc"))
    assert [row.message for row in open_study(engine, "study").events(newest=2)] == ["b", "c"]
    first = open_study(engine, "study").events()[0]
    newest = open_study(engine, "study").events(after_id=first.event_id, newest=9)
    assert [row.message for row in newest] == ["b", "c"]


def test_a_worker_has_the_trials_that_run_under_its_name(store: Engine) -> None:
    # A study that went on names its workers anew: the first w0 is gone, and has none.
    study_id = add_study(store)
    worker = {"study_id": study_id, "name": "w0", "host": "h", "pid": 1, "device": "cpu"}
    seen = {"n_finished": 3, "started_at": EPOCH, "seen_at": EPOCH}
    for state in ("gone", "training"):
        add_rows(store, schema.sweep_workers, {**worker, **seen, "state": state})
    add_trial(store, study_id, 0, 0.1, worker="w0")
    for number, name in enumerate(("w0", "w0", "w1"), start=1):
        add_trial(store, study_id, number, state="RUNNING", worker=name)
    assert [row.n_training for row in open_study(store, "study").workers()] == [0, 2]


def test_commands_and_workers_are_listed(engine: Engine) -> None:
    study_id = add_study(engine)
    command = {"study_id": study_id, "kind": "stop", "payload": {"a": 1}, "created_at": EPOCH}
    add_rows(engine, schema.sweep_commands, command | {"applied_at": EPOCH}, command)
    worker = {"name": "w0", "host": "here", "pid": 1, "device": "cpu", "state": "ready"}
    seen = {"n_finished": 3, "started_at": EPOCH, "seen_at": EPOCH}
    add_rows(engine, schema.sweep_workers, {"study_id": study_id, **worker, **seen})
    assert len(open_study(engine, "study").commands()) == 2
    (pending,) = open_study(engine, "study").commands(pending_only=True)
    assert (pending.kind, pending.payload, pending.applied_at) == ("stop", {"a": 1}, None)
    assert [(w.name, w.n_finished) for w in open_study(engine, "study").workers()] == [("w0", 3)]


def test_reading_works_alike_on_every_database(store: Engine) -> None:
    study_id = add_study(store, objectives=("val_mse", "hidden_width"))
    trial_id = add_trial(
        store, study_id, 0, (0.1, 8), params={"loss": "mse"}, curve=[0.3, None], psnr=20.0
    )
    add_rows(store, schema.sweep_leases, lease_row(study_id, FOREVER))
    add_rows(
        store,
        schema.sweep_reconstructions,
        {"trial_id": trial_id, "reconstructions_png": b"r", "errors_png": b"e"},
    )
    study = open_study(store, "study").summary()
    assert (study.best_value, study.running, study.counts["COMPLETE"]) == (0.1, True, 1)
    assert study.trials_per_second == 0.0  # held, but nothing ended in the last minute
    (row,) = open_study(store, "study").best()
    assert (row.values, row.params, row.psnr) == ((0.1, 8.0), {"loss": "mse"}, 20.0)
    assert open_study(store, "study").trial(0).results == ()
    assert [p.val_mse for p in open_study(store, "study").curves()[0]] == [0.3, None]
    assert open_study(store, "study").reconstruction(0) is not None


def test_the_clock_of_each_database_tells_seconds_since_the_epoch(store: Engine) -> None:
    with store.connect() as connection:
        assert clock.read(connection) == pytest.approx(time.time(), abs=5)


def test_error_spectra_are_means_over_the_seeds_and_leave_out_what_was_not_measured(
    engine: Engine,
) -> None:
    study_id = add_study(engine, spectrum_bands=asdict(BANDS))
    first, second = by_the_law(0.3, [1, 2]), by_the_law(0.1, [1])
    trial_id = add_trial(engine, study_id, 0, 0.1, curve=[0.2, 0.1], spectra=pack(first))
    with write_transaction(engine) as connection:
        add_curve(connection, trial_id, [0.2, 0.1], 1, pack(second))
    study = open_study(engine, "study")
    assert study.record().spectrum_bands == BANDS
    (point,) = study.spectra()[0]
    assert point.epoch == 1
    means = [(a + b) / 2 for a, b in zip(first[0].errors, second[0].errors, strict=True)]
    assert point.errors == pytest.approx(means, rel=1e-6)
    by_seed = study.seed_spectra(0)
    assert [[of.epoch for of in points] for points in by_seed.values()] == [[1, 2], [1]]
    assert by_seed[0][1].errors == pytest.approx(first[1].errors, rel=1e-6)


def test_a_study_without_error_spectra_has_none(engine: Engine) -> None:
    add_trial(engine, add_study(engine), 0, 0.1, curve=[0.2, 0.1])
    study = open_study(engine, "study")
    assert study.record().spectrum_bands is None
    assert study.spectra() == study.seed_spectra(0) == {}
