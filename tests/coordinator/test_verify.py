"""Training a trial again, with pretended workers."""

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from sweep.coordinator.replay import Agreement
from sweep.coordinator.verify import Verification, VerifyOptions, train_weights, verify
from sweep.errors import SweepError, UsageError
from sweep.messages import TrialSpec
from sweep.store.engine import Engine, write_transaction
from sweep.store.handle import DatabaseHandle, open_study
from sweep.store.schema import sweep_studies, sweep_trials
from tests.support.coordinator_runs import STUDY, diverge_at, go_on, run, study_file
from tests.support.fake_workers import FakeLauncher, FakeWorker


def again(engine: Any, number: int = 1, launcher: FakeLauncher | None = None) -> Verification:
    return verify(
        engine,
        "x",
        number,
        VerifyOptions(),
        say=lambda line: None,
        launcher=launcher or FakeLauncher(),
    )


def otherwise_from(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From this epoch on, errors come out a little larger."""
    from tests.support import fake_workers

    real = fake_workers.error_of
    monkeypatch.setattr(
        fake_workers,
        "error_of",
        lambda spec, at, seed: real(spec, at, seed) * (1.01 if at >= epoch else 1.0),
    )


def test_a_trial_comes_out_bit_for_bit_the_same(engine) -> None:
    run(engine, file=study_file(STUDY, "study.repeat=2"))
    found = again(engine)
    assert found.comparison.agreement is Agreement.EQUAL
    assert (found.n_epochs, found.n_seeds) == (3, 2)
    assert found.comparison.n_numbers == 3 * 2 * 3 + 2 * 6
    assert found.differs == ()


def test_weights_come_of_a_training_with_the_results_on_record_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(engine)
    monkeypatch.setattr(
        "sweep.coordinator.verify.verify",
        lambda *args, **options: verify(*args, **options, launcher=FakeLauncher()),
    )
    study = open_study(engine, "x")
    assert train_weights(study, 1, say=lambda line: None) == b"weights"
    otherwise_from(2, monkeypatch)
    with pytest.raises(SweepError, match="does not train to the results on record"):
        train_weights(study, 1, say=lambda line: None)


def test_it_is_trained_from_its_own_settings_and_seeds(engine) -> None:
    run(engine)
    specs: list[TrialSpec] = []
    launcher = FakeLauncher(lambda worker, spec, epoch: specs.append(spec))
    again(engine, 3, launcher)
    row = open_study(engine, "x").trial(3)
    assert specs[0].seeds == row.seeds
    assert dataclasses.asdict(specs[0].config) == dict(row.config)
    assert not launcher.workers[0]._thread.is_alive()


def test_nothing_is_written(engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(engine)
    (empty := tmp_path / "empty").mkdir()
    monkeypatch.chdir(empty)
    before = DatabaseHandle(engine).studies()
    again(engine)
    assert DatabaseHandle(engine).studies() == before
    assert list(empty.iterdir()) == []


def test_the_epoch_is_named_at_which_it_went_another_way(
    engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(engine)
    otherwise_from(2, monkeypatch)
    first = again(engine).comparison.first
    assert first is not None
    assert (first.epoch, first.metric) == (2, "val_mse")


def test_other_data_code_and_versions_are_told(engine) -> None:
    run(engine)
    provenance = open_study(engine, "x").record().provenance
    packages = {**provenance["packages"], "numpy": "0.0.1"}
    changed = {"git_commit": "abc", "data_sha256": "7" * 64, "packages": packages}
    with write_transaction(engine) as connection:
        connection.execute(sweep_studies.update().values(provenance=provenance | changed))
    told = again(engine).differs
    assert [line.partition(":")[0] for line in told] == ["data SHA-256", "git commit", "numpy"]
    assert "was 0.0.1, is " in told[2]


def test_a_trial_is_held_against_the_run_in_which_it_began(engine) -> None:
    run(engine, file=study_file(STUDY, "budget.trials=2"))
    go_on(engine, trials=4)
    provenance = open_study(engine, "x").record().provenance
    (resumed,) = provenance["resumed"]
    resumed["python"] = "3.99"
    with write_transaction(engine) as connection:
        connection.execute(sweep_studies.update().values(provenance=provenance))
    assert open_study(engine, "x").training_record(1).provenance["python"] != "3.99"
    assert open_study(engine, "x").training_record(3).provenance["python"] == "3.99"
    assert open_study(engine, "x").training_record(3).n_threads is not None


def test_a_pruned_trial_is_compared_as_far_as_it_came(engine) -> None:
    run(engine, file=study_file(STUDY + "pruner.name = 'median'\n", "space.epochs=30"))
    pruned = next(row for row in open_study(engine, "x").trials(states=["PRUNED"]))
    found = again(engine, pruned.number)
    assert found.comparison.agreement is Agreement.EQUAL
    assert 0 < found.n_epochs < 30


def test_a_diverged_trial_must_diverge_in_the_same_epoch(engine) -> None:
    run(engine, FakeLauncher(diverge_at(2)), study_file(STUDY, "budget.trials=2"))
    assert again(engine, 1, FakeLauncher(diverge_at(2))).comparison.agreement == "equal"
    first = again(engine, 1, FakeLauncher()).comparison.first
    assert first is not None and (first.epoch, first.stored, first.again) == (2, 2, None)


def test_what_was_not_trained_is_refused(engine) -> None:
    run(engine)
    with write_transaction(engine) as connection:
        change = sweep_trials.update().where(sweep_trials.c.number == 1)
        connection.execute(change.values(outcome="reused", reused_from=0))
        connection.execute(
            sweep_trials.update().where(sweep_trials.c.number == 2).values(outcome="failed")
        )
    with pytest.raises(UsageError, match="sweep verify x 0"):
        again(engine, 1)
    with pytest.raises(UsageError, match="nothing to compare"):
        again(engine, 2)


def test_an_interrupt_ends_it_at_once_and_its_worker(engine) -> None:
    run(engine)

    def interrupt(worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)

    launcher = FakeLauncher(interrupt)
    with pytest.raises(KeyboardInterrupt):
        again(engine, 1, launcher)
    assert launcher.workers[0].wait(10)


def test_a_worker_that_dies_is_an_error_and_no_verdict(engine) -> None:
    from tests.support.coordinator_runs import die_at

    run(engine)
    with pytest.raises(SweepError, match="killed by signal 9"):
        again(engine, 1, FakeLauncher(die_at(0)))
