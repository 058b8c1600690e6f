"""Studies with workers that train populations: what is handed out, and what comes back."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from optuna.trial import TrialState

from sweep.config import TrialConfig, width_class
from sweep.coordinator.handlers import _describe_smaller
from sweep.coordinator.plan import plan
from sweep.coordinator.progress import Progress
from sweep.coordinator.running_trial import RunningTrial
from sweep.coordinator.worker_pool import Worker
from sweep.coordinator.workload import estimate_workload
from sweep.enums import StopReason, Trainer
from sweep.errors import DeviceError
from sweep.launch.launcher import WorkerHandle
from sweep.launch.resources import RunOptions
from sweep.messages import Capacity, Order, Train, TrialSpec, WorkloadEstimate
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.migrate import open_store
from tests.support.coordinator_runs import ONE, STUDY, run, states, study_file, trials
from tests.support.fake_populations import FakePopulation
from tests.support.fake_workers import FakeLauncher

CAPACITY = Capacity(slots=8, hidden_units=4096, tile_units=32)


def spec(number: int) -> TrialSpec:
    return TrialSpec(number=number, attempt=1, config=TrialConfig(), seeds=(0,))


class Silent:
    """A worker's handle that takes orders."""

    def send(self, order: Order) -> None:
        pass


def worker(n_requested: int, *specs: TrialSpec, **changes: Any) -> Worker:
    made = Worker(name="w0", device="0", handle=cast(WorkerHandle, Silent()), **changes)
    made.n_requested = n_requested
    for one in specs:
        made.hand(RunningTrial(spec=one))
    return made


def test_a_worker_is_owed_what_it_requested_and_was_not_given() -> None:
    assert worker(3, spec(0)).n_requested == 2
    assert worker(2, spec(0), spec(1)).n_requested == 0


def test_trials_that_began_are_suspect_or_else_all_that_were_sent() -> None:
    three = worker(3, spec(0), spec(1), spec(2))
    assert three.suspects == []
    three.unsent.clear()
    assert [trial.number for trial in three.suspects] == [0, 1, 2]
    three.trials[1].has_begun = True
    assert [trial.number for trial in three.suspects] == [1]


def test_successors_that_begin_early_are_not_counted_beyond_the_slots() -> None:
    # On the device they come after the last epoch of those before, which is not collected yet.
    full = worker(3, spec(0), spec(1), spec(2), capacity=Capacity(slots=2, hidden_units=64))
    for trial in full.trials.values():
        trial.has_begun = True
    assert full.n_training == 2


def test_of_two_reasons_to_stop_a_trial_the_stronger_is_kept() -> None:
    one = worker(1, spec(0))
    for reason in (StopReason.INTERRUPTED, StopReason.PRUNED, StopReason.INTERRUPTED):
        one.stop(one.trials[0], reason)
    assert one.trials[0].stop_reason is StopReason.PRUNED


def test_a_study_fills_its_workers_populations(engine: Engine, url: str) -> None:
    launcher = FakeLauncher(capacity=CAPACITY)
    seen: list[Progress] = []
    file = study_file(STUDY, "budget.trials=40")
    assert run(engine, launcher, file, observer=seen.append) == "finished"
    assert states(url) == [TrialState.COMPLETE] * 40
    first = next(order for order in launcher.workers[0].orders if isinstance(order, Train))
    assert len(first.specs) == 10, "8 slots and a quarter more"
    assert max(worker.n_training for progress in seen for worker in progress.workers) <= 8
    assert open_study(engine, "x").workers()[0].slots == 8
    assert open_study(engine, "x").workers()[0].hidden_units == 4096


def test_a_sampler_is_told_how_many_trials_train_together(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr("sweep.coordinator.trial_source.share_fits", lambda _, n: told.append(n))
    run(engine, FakeLauncher(capacity=CAPACITY), study_file(STUDY, "study.repeat=2"))
    assert told == [4]


def test_pictures_come_of_the_best_and_the_curves_of_all(engine: Engine, url: str) -> None:
    file = study_file(STUDY, "budget.trials=40", "study.duplicates=train")
    run(engine, FakeLauncher(capacity=CAPACITY), file)
    shown = [n for n in range(40) if open_study(engine, "x").reconstruction(n) is not None]
    assert open_study(engine, "x").best(1)[0].number in shown
    assert 0 < len(shown) < 40
    assert best_of_widths(engine) <= set(shown)
    assert all(is_kept(engine, number) for number in best_of_widths(engine))
    assert all(set(trial.intermediate_values) == {1, 2, 3} for trial in trials(url))


def best_of_widths(engine: Engine) -> set[int]:
    """The numbers of the trials with the lowest error of their class of widths."""
    rows = [row for row in open_study(engine, "x").trials() if row.value is not None]
    rows.sort(key=lambda row: (row.value, row.number), reverse=True)
    return set({width_class(row.hidden_width or 1): row.number for row in rows}.values())


def is_kept(engine: Engine, number: int) -> bool:
    return open_study(engine, "x").trial(number).artifact_id is not None


def test_every_network_is_analysed_that_the_study_asks_for(engine: Engine) -> None:
    run(engine, FakeLauncher(capacity=CAPACITY), study_file(STUDY, "study.probe=true"))
    # But for those that are analysed by now and not the best of their width.
    assert open_study(engine, "x").probes().keys() == set(range(12))
    assert {n for n in range(12) if is_kept(engine, n)} == best_of_widths(engine)


def test_a_pruned_study_with_one_worker_repeats(tmp_path: Path) -> None:
    text = STUDY + 'pruner.name = "median"\npruner.n_startup_trials = 3\n'
    seen = []
    for folder in "ab":
        url = f"sqlite:///{tmp_path / folder}.db"
        file = study_file(text, "space.epochs=6", "budget.trials=8")  # all at the same time
        run(open_store(url, create=True), FakeLauncher(capacity=CAPACITY), file)
        seen.append([(t.params, t.values, t.state, t.intermediate_values) for t in trials(url)])
    assert seen[0] == seen[1]
    assert TrialState.PRUNED in [state for _, _, state, _ in seen[0]]


@pytest.mark.parametrize(
    ("smaller", "told"),
    [
        ({"slots": 4, "hidden_units": 2048}, "from 8 slots and 4,096 hidden units to 4 and 2,048"),
        ({"n_populations": 1}, "from 3 batch sizes at the same time to 1"),
        ({}, "one trial at a time from now on"),
    ],
)
def test_what_trains_together_after_memory_ran_out_is_described(
    smaller: dict[str, int], told: str
) -> None:
    before = replace(CAPACITY, n_populations=3)
    assert _describe_smaller(before, replace(before, **smaller)) == told


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("Triton Error [CUDA]: out of memory"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_out_of_memory_is_noted_and_trials_begin_anew_in_half_the_room(
    engine: Engine, url: str, error: Exception
) -> None:
    failed: list[int] = []

    def on_launch(population: FakePopulation) -> None:
        if not failed and population.log.count("launch") == 3:
            failed.append(1)
            raise error

    assert run(engine, FakeLauncher(capacity=CAPACITY, on_launch=on_launch)) == "finished"
    assert states(url) == [TrialState.COMPLETE] * 12
    assert all(set(trial.intermediate_values) == {1, 2, 3} for trial in trials(url))
    curves = open_study(engine, "x").curves()
    assert all([point.epoch for point in curve] == [1, 2, 3] for curve in curves.values())
    (event,) = [e for e in open_study(engine, "x").events() if e.kind == "population halved"]
    assert "from 8 slots and 4,096 hidden units to 4 and 2,048" in event.message
    assert max(row.attempt for row in open_study(engine, "x").trials()) == 2
    assert open_study(engine, "x").workers()[0].slots == 4


def test_a_space_says_how_wide_its_trials_are() -> None:
    file = study_file(STUDY + "space.batch_size.choices = [64, 256]\n", "study.repeat=3")
    assert estimate_workload(file) == WorkloadEstimate(
        mean_hidden_width=210, max_hidden_width=1024, n_seeds=3, max_batch_size=256, n_batch_sizes=2
    )


def test_the_cpu_trains_with_the_trainer_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan(study_file(), ONE, 0).trainer is Trainer.CPU
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    fused = RunOptions(gpus="cpu", cpu_workers=1, trainer=Trainer.FUSED)
    assert plan(study_file(), fused, 0).trainer is Trainer.FUSED, "in the interpreter"
    monkeypatch.delenv("TRITON_INTERPRET")
    with pytest.raises(DeviceError, match=r"--trainer fused: .* `--trainer cpu`"):
        plan(study_file(), fused, 0)


def test_the_worker_of_a_gpu_chooses_its_trainer_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert plan(study_file(), RunOptions(), 0).trainer is Trainer.AUTO
    assert plan(study_file(), RunOptions(trainer=Trainer.FUSED), 0).trainer is Trainer.FUSED
    reference = RunOptions(trainer=Trainer.REFERENCE)
    assert plan(study_file(), reference, 0).trainer is Trainer.REFERENCE
