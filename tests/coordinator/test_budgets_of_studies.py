"""Whole studies that end by a budget: study-wide, over resumes, and saying why."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.trial import TrialState
from sqlalchemy import Engine, event

from sweep.coordinator import usage_tracker
from sweep.coordinator.budget import Improvement
from sweep.coordinator.progress import Progress
from sweep.coordinator.usage_tracker import UsageTracker
from sweep.enums import Trainer
from sweep.errors import FailureLimitError, StoreError
from sweep.launch.resources import RunResources
from sweep.messages import EpochMetrics, Train, TrialSpec
from sweep.store.handle import open_study
from sweep.store.usage import Usage
from tests.support.coordinator_runs import STUDY, THREE, go_on, run, states, study_file, trials
from tests.support.fake_workers import FakeLauncher, FakeWorker, slowly


def why(engine: Any) -> str:
    """Why the study ended, as its row and its last event both say."""
    study = open_study(engine, "x").summary()
    (event,) = open_study(engine, "x").events(newest=1)
    assert event.message == f"{study.phase}: {study.ended_because}"
    assert event.kind == "ended"
    return str(study.ended_because)


def assert_nothing_began_after(url: str, number: int) -> None:
    """Each trial was handed out before this one was done; a worker has one more in hand."""
    done = trials(url)[number].datetime_complete
    assert all(trial.datetime_start < done for trial in trials(url))
    assert set(states(url)) == {TrialState.COMPLETE}
    assert len(states(url)) < 10


def test_a_study_says_that_all_its_trials_are_done(engine) -> None:
    run(engine)
    assert why(engine) == "all 12 trials are done (budget.trials)"


def test_time_is_counted_over_resumes_and_a_study_out_of_time_starts_no_workers(
    engine, url: str
) -> None:
    file = study_file(STUDY, "budget.max_seconds=0.6", "budget.trials=1000")
    assert run(engine, FakeLauncher(slowly), file) == "out of time"
    assert "budget.max_seconds is 0.6" in why(engine)
    n_complete = states(url).count(TrialState.COMPLETE)
    assert 0 < n_complete < 1000
    assert TrialState.RUNNING not in states(url)
    launcher = FakeLauncher()
    assert go_on(engine, launcher) == "out of time"
    assert launcher.workers == []
    assert open_study(engine, "x").usage().wall_seconds >= 0.6
    more = study_file(STUDY, "budget.max_seconds=1e6", f"budget.trials={n_complete + 2}")
    assert go_on(engine, study_file=more, trials=len(states(url))) == "finished"
    assert open_study(engine, "x").summary().ended_because is not None


def test_failures_are_counted_over_resumes_and_more_may_be_allowed(engine, url: str) -> None:
    def fail(worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        raise RuntimeError("no such kernel")

    file = study_file(STUDY, "budget.max_failures=2", "budget.trials=100")
    with pytest.raises(FailureLimitError, match="--set budget.max_failures=14"):
        run(engine, FakeLauncher(fail), file)
    assert why(engine) == "more than 2 trials failed (budget.max_failures)"
    n = len(states(url))
    launcher = FakeLauncher()
    with pytest.raises(FailureLimitError):
        go_on(engine, launcher)
    assert len(states(url)) == n
    assert not [order for w in launcher.workers for order in w.orders if isinstance(order, Train)]
    more = study_file(STUDY, "budget.max_failures=5", "budget.trials=100")
    with pytest.raises(FailureLimitError, match="more than 5 trials"):
        go_on(engine, FakeLauncher(fail), study_file=more)
    assert 6 <= states(url).count(TrialState.FAIL) <= 7, "one more had been handed out"


class SimulatedClock:
    """The clock of an SQLite database and of its coordinator: it goes on when told to."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self._seconds = time.time()
        event.listen(engine, "connect", self._put_into)
        engine.dispose()  # those that are open have the real clock
        monkeypatch.setattr(usage_tracker, "time", SimpleNamespace(monotonic=self.now))

    def _put_into(self, connection: Any, _record: Any) -> None:
        connection.create_function("julianday", 1, lambda _: 2440587.5 + self.now() / 86400)

    def now(self) -> float:
        return self._seconds

    def advance(self, *_: Any) -> None:
        """Let 20 ms pass; called at each epoch of each worker."""
        self._seconds += 0.02


def test_gpu_hours_are_summed_over_gpus_and_resumes(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimulatedClock(engine, monkeypatch)
    # On a busy machine the first answer takes longer, and trials would be handed out before it.
    monkeypatch.setattr("sweep.coordinator.background_query.WAIT_SECONDS", 60.0)

    def resources() -> RunResources:
        return RunResources(
            devices=("0", "1"),
            trainer=Trainer.REFERENCE,
            population=None,
            n_threads=None,
            launcher=FakeLauncher(clock.advance),
        )

    # 1.404 s: no whole number of epochs, because an SQLite clock has steps of 0.04 ms.
    file = study_file(STUDY, "budget.max_gpu_hours=0.00039", "budget.trials=1000")
    assert run(engine, file=file, resources=resources()) == "out of time"
    assert "budget.max_gpu_hours is 0.00039" in why(engine)
    used = open_study(engine, "x").usage()
    assert used.gpu_seconds >= 1.404
    assert used.gpu_seconds == pytest.approx(2 * used.wall_seconds, rel=0.2), "two GPUs at once"
    n = len(states(url))
    assert TrialState.RUNNING not in states(url)
    assert go_on(engine, resources=resources()) == "out of time"
    assert len(states(url)) == n


def test_time_between_two_runs_is_not_counted(engine) -> None:
    file = study_file(STUDY, "budget.max_seconds=1e6", "budget.trials=2")
    run(engine, file=file)
    used = open_study(engine, "x").usage().wall_seconds
    time.sleep(0.3)
    assert open_study(engine, "x").usage().wall_seconds == used > 0


def test_a_running_study_has_no_reason_to_have_ended(engine) -> None:
    run(engine)
    seen: list[str | None] = []

    def look(progress: Progress) -> None:
        if progress.n_running:
            seen.append(open_study(engine, "x").summary().ended_because)

    file = study_file(STUDY, "budget.trials=13")
    run(engine, FakeLauncher(slowly), file, observer=look, go_on=True)
    assert set(seen) == {None}


def test_no_trial_is_handed_out_after_one_that_reached_the_target(engine, url: str) -> None:
    file = study_file(STUDY + "[[enqueue]]\nhidden_width = 8\n[[enqueue]]\nhidden_width = 1000\n")
    file = file.model_copy(
        update={"budget": file.budget.model_copy(update={"target_value": 0.0345})}
    )
    assert run(engine, file=file) == "finished"
    assert_nothing_began_after(url, 1)
    assert why(engine).startswith("target reached: trial 1 has 0.0343")
    launcher = FakeLauncher()
    assert go_on(engine, launcher) == "finished"
    assert launcher.workers == []


def test_with_several_workers_trials_in_training_go_on_to_their_end(engine, url: str) -> None:
    file = study_file(STUDY, "budget.target_value=0.5", "budget.trials=500")
    assert run(engine, FakeLauncher(slowly), file, THREE) == "finished"
    assert set(states(url)) == {TrialState.COMPLETE}
    first = min(trials(url), key=lambda trial: trial.datetime_complete)
    assert_nothing_began_after(url, first.number)


def test_a_plateau_ends_the_study_at_the_very_trial_and_over_a_resume(engine, url: str) -> None:
    keys = ("budget.plateau_trials=4", "budget.plateau_improvement=0.01", "budget.trials=200")
    file = study_file(STUDY, *keys)
    assert run(engine, file=study_file(STUDY, *keys[:2], "budget.trials=3")) == "finished"
    assert go_on(engine, study_file=file) == "finished"
    assert why(engine).startswith("plateau: the last 4 trials improved the best by")
    finished = open_study(engine, "x").values_in_order()
    kept = Improvement(4)
    for number, value in finished:
        kept.add(value)
        if kept.latest is not None and kept.latest < 0.01:
            assert_nothing_began_after(url, number)
            return
    pytest.fail("no plateau, yet the study ended")


def test_values_come_in_the_order_in_which_trials_finished(engine, url: str) -> None:
    def first_is_slow(worker: Any, spec: Any, epoch: int) -> None:
        time.sleep(0.2 if spec.number == 0 else 0.01)

    run(engine, FakeLauncher(first_is_slow), study_file(STUDY, "budget.trials=4"), THREE)
    done = sorted(trials(url), key=lambda trial: trial.datetime_complete)
    assert [n for n, _ in open_study(engine, "x").values_in_order()] == [
        trial.number for trial in done
    ]
    assert done[0].number != 0


def test_a_trial_over_its_time_ends_early_is_no_failure_and_is_learned_from(
    engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def long_for_the_first(**fields: Any) -> EpochMetrics:
        return EpochMetrics(**{**fields, "seconds": 1.0 if fields["val_mse"] > 0.12 else 0.0})

    monkeypatch.setattr("tests.support.fake_workers.EpochMetrics", long_for_the_first)
    keys = ("budget.max_trial_seconds=1.5", "budget.max_failures=0", "space.epochs=8")
    file = study_file(
        STUDY + "[[enqueue]]\nhidden_width = 8\n[[enqueue]]\nhidden_width = 1024\n",
        *keys,
        "budget.trials=2",
    )
    assert run(engine, FakeLauncher(slowly), file) == "finished"
    assert states(url) == [TrialState.PRUNED, TrialState.COMPLETE]
    slow = open_study(engine, "x").trial(0)
    assert slow.outcome == "timed out"
    assert "over 1.5 s (budget.max_trial_seconds)" in str(slow.reason)
    assert trials(url)[0].value == trials(url)[0].intermediate_values[trials(url)[0].last_step]
    assert 2 <= (trials(url)[0].last_step or 0) < 8
    assert open_study(engine, "x").summary().n_failed == 0


# --- counting while it runs -----------------------------------------------------------------


def test_spending_goes_on_while_the_database_is_away() -> None:
    answers: list[Usage] = [Usage(wall_seconds=100.0, gpu_seconds=50.0, n_gpus=2)]

    def read_usage() -> Usage:
        if not answers:
            raise StoreError("away")
        return answers.pop()

    spending = UsageTracker(read_usage)
    first = spending.now()
    spending._tried_at -= 60  # a minute later
    spending._read_at -= 60
    later = spending.now()
    assert later.wall_seconds - first.wall_seconds == pytest.approx(60, abs=5)
    assert later.gpu_seconds - first.gpu_seconds == pytest.approx(120, abs=10)


def test_without_such_a_budget_nothing_is_read() -> None:
    assert UsageTracker(None).now() == Usage()
