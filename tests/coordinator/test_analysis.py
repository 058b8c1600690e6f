"""Networks are analysed on free cores and before a study ends; training never waits for it.

The process that analyses is a puppet too: it answers when a test says so.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy import update

from sweep.coordinator import analysis
from sweep.coordinator.requests import request_trial
from sweep.coordinator.run import resume
from sweep.coordinator.study_state import StudyState
from sweep.coordinator.usage_tracker import UsageTracker
from sweep.enums import CommandKind, StudyPhase
from sweep.launch.launcher import Gone
from sweep.messages import (
    AnalyseNetwork,
    Heartbeat,
    NetworkAnalysed,
    NetworkAnalysis,
    TrialSpec,
    WorkerFailed,
    WorkerSetup,
)
from sweep.store import annotate, commands
from sweep.store.artifacts import artifact_path
from sweep.store.engine import Engine, write_transaction
from sweep.store.handle import DatabaseHandle, open_study
from sweep.store.kept_weights import NOT_FINITE, KeptWeights, due, kept_weights, superseded_weights
from sweep.store.schema import sweep_studies
from sweep.store.usage import Usage
from sweep.store.writer import StudyWriter
from tests.support.coordinator_runs import ONE
from tests.support.fake_workers import ANALYSIS, FakeLauncher
from tests.support.lockstep import Lockstep, Puppet, epochs_done, lockstep, trial_done
from tests.support.store_factories import sqlite_store

SETUP = WorkerSetup(dataset="x", validation_fraction=0.1, split_seed=0, pruning=False)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    # Every tick is written, and waits for its transaction.
    monkeypatch.setattr("sweep.coordinator.buffered_writer.GATHER_SECONDS", 0.0)
    monkeypatch.setattr("sweep.coordinator.buffered_writer.WAIT_SECONDS", 60.0)
    monkeypatch.setattr("sweep.coordinator.user_requests.COMMAND_SECONDS", 0.0)
    monkeypatch.setattr("sweep.coordinator.run.wanted_threads", lambda: 1)
    return sqlite_store(tmp_path)


class Stage:
    """A study of two widths, its one worker, and the process that analyses."""

    def __init__(self, coordinator: Lockstep) -> None:
        self.coordinator = coordinator
        self.worker = coordinator.puppets.started[0]

    @property
    def process(self) -> Puppet:
        return self.coordinator.puppets.analyses[-1]

    def settle(self) -> None:
        """What was said is heard, and what was asked for is ordered."""
        for _ in range(3):
            if not self.coordinator.ended:
                self.coordinator.tick()

    def finish(self, spec: TrialSpec, error: float = 0.5, worker: Puppet | None = None) -> None:
        for epoch in (1, 2, 3):
            (worker or self.worker).say(epochs_done(spec, epoch, error))
        (worker or self.worker).say(replace(trial_done(spec), weights=b"weights"))

    def finish_all(self) -> None:
        """Train everything; then nothing but the analyses is left."""
        finished: list[TrialSpec] = []
        while new := [spec for spec in self.worker.given() if spec not in finished]:
            for spec in new:
                self.finish(spec)
            finished += new
            self.coordinator.tick()
        self.settle()

    def asked(self) -> list[int]:
        """Numbers of all networks that processes were given, in order."""
        orders = [order for one in self.coordinator.puppets.analyses for order in one.orders]
        return [order.number for order in orders if isinstance(order, AnalyseNetwork)]

    def setups(self) -> list[WorkerSetup]:
        """What the processes were told first, in order."""
        orders = [order for one in self.coordinator.puppets.analyses for order in one.orders]
        return [order for order in orders if isinstance(order, WorkerSetup)]

    def answer(self, analysis: NetworkAnalysis | None = ANALYSIS, **failure: str) -> None:
        self.process.say(NetworkAnalysed(number=self.asked()[-1], analysis=analysis, **failure))
        self.settle()


@contextmanager
def stage(engine: Engine, *overrides: str) -> Iterator[Stage]:
    two = ("space.hidden_width={choices=[8, 64]}", "sampler.name=grid", "budget.trials=2")
    with lockstep(engine, *two, "study.probe=true", *overrides) as coordinator:
        yield Stage(coordinator)


def list_analysed(engine: Engine) -> set[int]:
    probes = open_study(engine, "x").probes()
    assert set(open_study(engine, "x").decompositions()) == set(probes)
    assert ANALYSIS.probe is not None
    expected = json.loads(json.dumps(asdict(ANALYSIS.probe)))
    assert all(probe == expected for probe in probes.values())
    return set(probes)


def read_events(engine: Engine, kind: str) -> list[tuple[int | None, str]]:
    return [(e.number, e.message) for e in open_study(engine, "x").events() if e.kind == kind]


def test_the_best_of_each_width_are_analysed_before_the_study_ends(engine: Engine) -> None:
    with stage(engine) as study:
        study.finish_all()
        assert not study.coordinator.ended and study.asked() == [0]
        progress = study.coordinator.progress
        assert progress is not None and progress.phase is StudyPhase.ANALYSING
        assert (progress.n_analysed, progress.n_to_analyse) == (0, 2)
        assert progress.workers == ()
        assert [worker.state for worker in open_study(engine, "x").workers()] == ["gone"]
        assert open_study(engine, "x").summary().phase is StudyPhase.ANALYSING
        study.answer()
        assert study.asked() == [0, 1] and list_analysed(engine) == {0}
        study.answer()
        assert study.coordinator.phase == "finished"
    assert list_analysed(engine) == {0, 1}
    assert read_events(engine, "analysing networks") == [
        (None, "training is complete; 2 networks still to be analysed")
    ]


def test_a_network_is_analysed_beside_the_training_on_a_free_core(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.coordinator.run.wanted_threads", lambda: 64)
    with stage(engine) as study:
        first, second = study.worker.given()
        study.finish(first)
        study.settle()
        (order,) = [o for o in study.process.orders if isinstance(o, AnalyseNetwork)]
        assert (order.number, order.n_threads) == (first.number, 1)
        study.answer()
        assert list_analysed(engine) == {first.number}
        study.finish(second)  # it went on training
        study.settle()
        assert study.process.orders[-1] == replace(
            order, number=second.number, n_threads=64, weights=study.process.orders[-1].weights
        )


def test_no_network_is_analysed_while_training_uses_every_core(engine: Engine) -> None:
    with stage(engine, "sampler.name=random", "budget.trials=20") as study:
        study.finish(study.worker.given()[0])
        study.settle()
        assert study.coordinator.puppets.analyses == []


def test_the_process_loads_while_the_last_trials_train(engine: Engine) -> None:
    with stage(engine) as study:
        assert study.coordinator.puppets.analyses == []  # nothing is due yet
        study.finish(study.worker.given()[0])
        study.settle()
        assert len(study.coordinator.puppets.analyses) == 1 and study.asked() == []
        study.finish(study.worker.given()[1])
        study.settle()
        assert len(study.coordinator.puppets.analyses) == 1 and study.asked() == [0]


def test_a_process_that_is_killed_costs_no_study_and_its_network_is_tried_again(
    engine: Engine,
) -> None:
    with stage(engine) as study:
        study.finish_all()
        study.process.say(Gone(reason="killed by signal 9"))
        study.settle()
        assert study.asked() == [0, 0] and len(study.coordinator.puppets.analyses) == 2
        study.answer()
        study.answer()
        assert study.coordinator.phase == "finished"
    assert list_analysed(engine) == {0, 1}
    assert read_events(engine, "network not analysed") == [(0, "killed by signal 9")]


def test_what_codes_are_compared_with_is_computed_once_in_a_database(engine: Engine) -> None:
    with stage(engine) as study:
        study.finish_all()
        assert study.setups()[0].baselines == ()
        study.answer()
        study.process.say(Gone(reason="killed by signal 9"))
        study.settle()
        assert study.setups()[1].baselines == ANALYSIS.baselines  # it is not stored yet
        study.answer()
    assert DatabaseHandle(engine).probe_baselines() == list(ANALYSIS.baselines)
    with stage(engine, "study.name=another") as study:
        study.finish_all()
        assert study.setups()[0].baselines == ANALYSIS.baselines
        study.answer()
        study.answer()
    assert DatabaseHandle(engine).probe_baselines() == list(ANALYSIS.baselines)


def test_a_network_that_kills_its_process_twice_is_left_out_and_stays_due(engine: Engine) -> None:
    with stage(engine) as study:
        study.finish_all()
        for _ in range(2):
            study.process.say(Gone(reason="killed by signal 9"))
            study.settle()
        assert study.asked() == [0, 0, 1]
        study.answer()
        assert study.coordinator.phase == "finished"
    assert list_analysed(engine) == {1}
    assert [one.number for one in due(kept_weights(engine, "x"))] == [0]


def test_a_process_that_never_comes_up_is_not_started_for_ever(engine: Engine) -> None:
    with stage(engine) as study:
        study.finish_all()
        while not study.coordinator.ended:
            study.process.say(Gone(reason="exit code 1: no torch"))
            study.settle()
        assert study.coordinator.phase == "finished"
        assert len(study.coordinator.puppets.analyses) == analysis.MOST_STARTS
    assert list_analysed(engine) == set()


def test_an_analysis_that_fails_is_told_with_its_reason(engine: Engine) -> None:
    with stage(engine) as study:
        study.finish_all()
        study.answer(None, failure="DataError: these bytes are no weights")
        study.answer(NetworkAnalysis(decomposition=None, probe=None))
        assert study.coordinator.phase == "finished"
    assert list_analysed(engine) == set()
    assert read_events(engine, "network not analysed") == [
        (0, "DataError: these bytes are no weights")
    ]
    assert read_events(engine, "code not finite") == [(1, NOT_FINITE)]


def test_a_network_whose_code_is_not_finite_is_not_tried_again(engine: Engine) -> None:
    with stage(engine) as study:
        study.finish_all()
        study.answer(NetworkAnalysis(decomposition=None, probe=None))
        study.answer()
        assert study.coordinator.phase == "finished"
    assert due(kept_weights(engine, "x")) == []
    launcher = FakeLauncher()
    resume(engine, "x", ONE, lambda _: None, say=lambda _: None, launcher=launcher)
    assert launcher.analyses == [] and list_analysed(engine) == {1}


def test_data_that_are_not_there_end_the_analyses_alone(engine: Engine) -> None:
    with stage(engine) as study:
        study.finish_all()
        study.process.say(WorkerFailed(error="DataError", message="no such folder"))
        study.settle()
        assert study.coordinator.phase == "finished"
    assert read_events(engine, "network not analysed") == [(None, "no such folder")]


def test_a_failure_of_the_process_is_told_once_while_trials_train(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.coordinator.run.wanted_threads", lambda: 64)
    with stage(engine) as study:
        study.finish(study.worker.given()[0])
        study.settle()
        study.process.say(WorkerFailed(error="DataError", message="no such folder"))
        study.process.say(Gone(reason="exit code 3"))
        study.settle()
        study.finish(study.worker.given()[1])
        study.settle()
        assert study.coordinator.phase == "finished" and study.asked() == [0]
    assert read_events(engine, "network not analysed") == [(None, "no such folder")]


def test_a_study_whose_time_runs_out_in_its_analyses_waits_for_none_and_is_finished(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = [Usage(wall_seconds=1.0)]
    monkeypatch.setattr(UsageTracker, "now", lambda self, *, may_read=True: usage[-1])
    with stage(engine, "budget.max_seconds=60") as study:
        study.finish_all()
        assert not study.coordinator.ended and study.asked() == [0]
        usage.append(Usage(wall_seconds=61.0))
        study.settle()
        assert study.coordinator.phase == "finished"
    assert list_analysed(engine) == set()
    assert (
        open_study(engine, "x").summary().ended_because == "all 2 trials are done (budget.trials)"
    )


def test_networks_that_wait_are_put_in_order_after_a_change_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where each network is analysed, thousands wait: to sort them takes as long as a tick.
    n_sorted: list[int] = []

    def order(kept: Iterable[KeptWeights]) -> list[KeptWeights]:
        n_sorted.append(len(listed := [*kept]))
        return due(listed)

    monkeypatch.setattr("sweep.coordinator.study_weights.due", order)
    with stage(engine) as study:
        study.finish(study.worker.given()[0])
        study.settle()
        study.settle()
        assert n_sorted == [0, 1]


def test_a_new_result_is_compared_with_no_network_that_waits(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_compared: list[int] = []

    def compare(kept: Iterable[KeptWeights], *, until_analysed: bool) -> list[KeptWeights]:
        n_compared.append(len(listed := [*kept]))
        return superseded_weights(listed, until_analysed=until_analysed)

    monkeypatch.setattr("sweep.coordinator.study_weights.superseded_weights", compare)
    with stage(engine) as study:
        for spec in study.worker.given():
            study.finish(spec)
        study.settle()
        assert n_compared == [0, 1, 1]


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Job:
    """Analyses of two networks, on simulated time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.processes: list[Puppet] = []
        self.killed: list[str] = []
        self.events: list[tuple[int | None, str]] = []
        monkeypatch.setattr(Puppet, "kill", lambda puppet: self.killed.append(puppet.name))
        weights = SimpleNamespace(due=[make_weights(0), make_weights(1)], folder=Path())
        events = SimpleNamespace(
            add=lambda _, reason, number=None: self.events.append((number, reason))
        )
        state = {"events": events, "weights": weights, "probe_baselines": []}
        self.job = analysis.AnalysisJob(
            study_state=cast(StudyState, SimpleNamespace(**state)),
            writer=cast(StudyWriter, None),
            setup=replace(SETUP, silence_seconds=60.0),
            start=self.start,
            clock=self.clock,
        )

    def start(self, name: str) -> Puppet:
        self.processes.append(Puppet(name, "cpu", SimpleQueue()))
        return self.processes[-1]

    def asked(self) -> list[int]:
        orders = [order for one in self.processes for order in one.orders]
        return [order.number for order in orders if isinstance(order, AnalyseNetwork)]

    def listen(self, seconds: int, *, beats: bool) -> None:
        """Let time pass, in which the process sends heartbeats or nothing."""
        for _ in range(seconds):
            self.job.advance(1)
            self.clock.seconds += 1
            self.job.end_stalled()
            if beats:
                self.job.handle(self.processes[-1].name, Heartbeat())


def make_weights(number: int) -> KeptWeights:
    return KeptWeights(
        number=number, artifact_id=f"{number}", hidden_width=8, val_mse=0.5, is_invalid=False
    )


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Job:
    return Job(monkeypatch)


def test_a_suspended_process_is_noticed_as_a_silent_worker_is(job: Job) -> None:
    job.listen(400, beats=True)
    job.listen(59, beats=False)
    assert job.killed == []
    job.listen(2, beats=False)
    assert job.killed == ["analysis-0"] and job.asked() == [0, 0]
    assert job.events == [(0, "killed: no heartbeat for 60 s")]


def test_a_network_that_takes_too_long_is_given_up(job: Job) -> None:
    job.listen(3599, beats=True)
    assert job.killed == []
    job.listen(7200, beats=True)
    assert job.killed == ["analysis-0", "analysis-1"] and job.asked() == [0, 0, 1]
    assert job.events == [(0, "killed: it took more than 3600 s")] * 2


def test_each_network_has_the_whole_time(job: Job) -> None:
    failed = NetworkAnalysed(number=0, analysis=None, failure="no weights")
    job.listen(3000, beats=True)
    job.job.handle("analysis-0", failed)
    job.listen(3000, beats=True)
    assert job.killed == [] and job.asked() == [0, 1]


def test_time_in_which_the_coordinator_was_suspended_is_not_the_process_s(job: Job) -> None:
    job.listen(10, beats=False)
    job.clock.seconds += 3600
    job.job.end_stalled()
    assert job.killed == []


def test_a_process_without_a_network_may_be_silent(job: Job) -> None:
    job.job.start_process()
    for _ in range(1000):
        job.clock.seconds += 1
        job.job.end_stalled()
    job.listen(59, beats=False)
    assert job.killed == [] and job.asked() == [0]


def test_what_a_process_says_that_was_given_up_is_ignored(job: Job) -> None:
    job.listen(61, beats=False)
    job.job.advance(1)
    job.job.handle("analysis-0", NetworkAnalysed(number=0, analysis=ANALYSIS))
    job.job.handle("analysis-0", Gone(reason="killed by signal 9"))
    assert job.job.n_done == 0 and job.asked() == [0, 0]
    assert job.events == [(0, "killed: no heartbeat for 60 s")]


def test_a_study_does_not_wait_for_a_network_that_takes_too_long(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis, "LIMIT_SECONDS", 0.0)
    with stage(engine) as study:
        study.finish_all()
        while not study.coordinator.ended:
            study.coordinator.tick()
        assert study.coordinator.phase == "finished"
    assert "took more than" in read_events(engine, "network not analysed")[0][1]


def test_networks_are_analysed_on_the_cores_of_a_paused_study(engine: Engine) -> None:
    widths = "space.hidden_width={low=8, high=1024}"
    with stage(engine, widths, "sampler.name=random", "budget.trials=20") as study:
        study.finish(study.worker.given()[0])
        commands.post(engine, "x", CommandKind.PAUSE)
        study.settle()
        assert study.coordinator.puppets.analyses == []  # its worker still trains
        for spec in study.worker.given()[1:]:
            study.finish(spec)
        study.settle()
        progress = study.coordinator.progress
        assert progress is not None and progress.phase is StudyPhase.PAUSED
        assert len(study.asked()) == 1
        study.answer()
        assert len(list_analysed(engine)) == 1
        n_given = len(study.worker.given())
        commands.post(engine, "x", CommandKind.CONTINUE)
        study.settle()
        assert len(study.worker.given()) > n_given


@pytest.mark.parametrize("ends", ["interrupted", "stopped"])
def test_a_study_that_is_told_to_end_waits_for_no_analysis_and_resume_goes_on(
    engine: Engine, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupts: list[Callable[[], None]] = []
    monkeypatch.setattr(
        "sweep.coordinator.run._signals", lambda one: interrupts.append(one) or nullcontext()
    )
    with stage(engine) as study:
        study.finish_all()
        study.answer()
        if ends == "stopped":
            commands.post(engine, "x", CommandKind.STOP)
        else:
            interrupts[0]()
        study.settle()
        assert study.coordinator.phase == ends
    assert list_analysed(engine) == {0}
    launcher = FakeLauncher()
    again = resume(engine, "x", ONE, lambda _: None, say=lambda _: None, launcher=launcher)
    assert again == "finished" and list_analysed(engine) == {0, 1}
    assert len(launcher.analyses) == 1 and len(open_study(engine, "x").workers()) == 1


def test_a_coordinator_that_dies_takes_no_analysis_with_it(engine: Engine) -> None:
    with stage(engine) as study:
        study.finish_all()
        study.answer()
    resume(engine, "x", ONE, lambda _: None, say=lambda _: None, launcher=FakeLauncher())
    assert list_analysed(engine) == {0, 1}


def test_a_study_that_was_killed_as_it_analysed_goes_on_without_workers(engine: Engine) -> None:
    with stage(engine) as study:
        study.finish_all()
        study.answer()
    with write_transaction(engine) as connection:  # as SIGKILL leaves it
        connection.execute(update(sweep_studies).values(phase=StudyPhase.ANALYSING))
    launcher = FakeLauncher()
    resume(engine, "x", ONE, lambda _: None, say=lambda _: None, launcher=launcher)
    assert list_analysed(engine) == {0, 1} and launcher.workers == []


def test_a_study_that_waits_for_analyses_still_trains_what_is_enqueued(engine: Engine) -> None:
    with stage(engine, "space.hidden_width={low=8, high=1024}", "sampler.name=random") as study:
        study.finish_all()
        assert open_study(engine, "x").summary().phase is StudyPhase.ANALYSING
        request_trial(open_study(engine, "x"), {"hidden_width": 333})
        study.settle()
        assert open_study(engine, "x").summary().phase is StudyPhase.RUNNING
        assert not study.coordinator.ended
        _, successor = study.coordinator.puppets.started
        assert successor.device == study.worker.device


def test_weights_of_a_width_go_when_a_better_trial_has_some(engine: Engine) -> None:
    with stage(engine, "space.hidden_width={choices=[64, 65]}", "study.probe=false") as study:
        first, second = study.worker.given()
        study.finish(first, 0.5)
        study.settle()
        old = open_study(engine, "x").trial(first.number).artifact_id
        assert old is not None and artifact_path(engine.url, old).exists()
        study.finish(second, 0.4)
        study.settle()
        new = open_study(engine, "x").trial(second.number).artifact_id
        assert new is not None and artifact_path(engine.url, new).exists()
        assert open_study(engine, "x").trial(first.number).artifact_id is None
        assert not artifact_path(engine.url, old).exists()


def test_of_a_study_that_is_probed_weights_stay_until_they_are_analysed(engine: Engine) -> None:
    with stage(engine, "space.hidden_width={choices=[64, 65]}") as study:
        study.finish(study.worker.given()[0], 0.4)
        study.settle()
        study.finish(study.worker.given()[1], 0.5)
        study.settle()
        assert [one.number for one in kept_weights(engine, "x")] == [0, 1]
        study.answer()
        study.answer()
        assert study.coordinator.phase == "finished"
    assert list_analysed(engine) == {0, 1}
    assert [one.number for one in kept_weights(engine, "x")] == [0]


def test_weights_of_a_trial_that_is_marked_invalid_stay_and_are_not_analysed(
    engine: Engine,
) -> None:
    with stage(engine, "space.hidden_width={choices=[64, 65]}") as study:
        study.finish(study.worker.given()[0], 0.4)
        study.settle()
        annotate.invalidate(engine, "x", 0)
        study.settle()
        study.finish(study.worker.given()[1], 0.5)
        study.settle()
        assert study.asked() == [1]
        assert [one.number for one in kept_weights(engine, "x")] == [0, 1]
