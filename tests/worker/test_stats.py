"""A worker's statistics: sent every few seconds, and never in anybody's way."""

import shutil
import sys
from functools import partial
from types import SimpleNamespace

import psutil
import pytest
import torch

from sweep.codec import EVENTS
from sweep.messages import EpochDone, Event, Order, Shutdown, Train, WorkerStats
from sweep.worker import session
from sweep.worker.stats import REPORT_SECONDS, Memory, StatsReporter, device_memory, device_meter
from tests.support.fake_nvml import fake_nvml
from tests.support.sessions import Stage, prune, spec


class Clock:
    """Stands still until it is told to go on."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def reporter(clock: Clock, told: list[WorkerStats], trained: Clock) -> StatsReporter:
    return StatsReporter(told.append, partial(Memory, used=3, total=4), trained, clock)


def test_a_worker_is_busy_for_the_share_in_which_it_trains(clock: Clock) -> None:
    told: list[WorkerStats] = []
    trained = Clock()
    stats = reporter(clock, told, trained)
    clock.seconds += 4
    trained.seconds += 3
    stats.report()
    assert told == [WorkerStats(busy=0.75, memory_used_bytes=3, memory_total_bytes=4)]
    clock.seconds += REPORT_SECONDS
    trained.seconds += REPORT_SECONDS
    stats.report()
    assert told[1].busy == 1.0, "what was told before does not count again"


def test_statistics_are_not_told_more_often_than_every_two_seconds(clock: Clock) -> None:
    told: list[WorkerStats] = []
    stats = reporter(clock, told, clock)
    for _ in range(100):
        clock.seconds += 0.1
        stats.report()
    assert 4 <= len(told) <= 5


def test_the_memory_of_a_cpu_worker_is_its_own_of_the_machines() -> None:
    memory = device_memory(torch.device("cpu"))
    assert memory.total == psutil.virtual_memory().total
    assert 0 < memory.used < memory.total


def test_utilisation_is_told_with_its_mean_since_the_first_epoch(clock: Clock) -> None:
    told: list[WorkerStats] = []
    known = iter((0.9, None, 0.5, None, 0.75))
    memory = partial(Memory, used=3, total=4)
    stats = StatsReporter(told.append, memory, clock, clock, utilisation=partial(next, known))
    for epoch in range(5):
        if epoch > 0:  # before the first, others use the card
            with stats.mark_training():
                clock.seconds += 1
        clock.seconds += REPORT_SECONDS
        stats.report()
    assert [one.utilisation for one in told] == [0.9, None, 0.5, None, 0.75]
    means = [one.utilisation_since_first for one in told]
    assert means == [None, None, 0.5, 0.5, 0.625]


def test_a_gpus_driver_is_asked_of_the_very_card_that_torch_trains_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml())
    uuids = {"cuda:0": "5c89852c", "cuda:1": "another"}
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda of: SimpleNamespace(uuid=uuids[str(of)])
    )
    assert device_meter(torch.device("cuda:0"))() == 0.37
    assert device_meter(torch.device("cuda:1"))() is None
    assert device_meter(torch.device("cpu"))() is None


def test_statistics_survive_the_way_to_the_coordinator() -> None:
    stats = WorkerStats(busy=1 / 3, memory_used_bytes=2**40, memory_total_bytes=2**41)
    assert EVENTS.decode(EVENTS.encode(stats)) == stats


def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """WorkerStats are due whenever they may be told."""
    monkeypatch.setattr("sweep.worker.stats.REPORT_SECONDS", 0.0)
    monkeypatch.setattr(session, "REPORT_SECONDS", 0.01)


def test_a_worker_that_waits_tells_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    stage = Stage()
    answer: list[Order] = [Shutdown()]

    def hear(event: Event) -> None:
        stage.events.append(event)
        if len(stage.events) == 3:
            stage.inbox.put(answer.pop())

    stage._session._stats._send = hear
    assert stage.run() == ["WorkerStats"] * 3
    assert isinstance(stage.events[1], WorkerStats)
    assert stage.events[1].busy < 0.5


def test_a_worker_that_trains_tells_it_between_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    stage = Stage(Train(specs=(spec(epochs=2),)), Shutdown())
    assert stage.run() == ["EpochDone", "WorkerStats", "EpochDone", "TrialDone", "WorkerStats"]


def test_statistics_change_nothing_for_a_pruned_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once(monkeypatch)
    stage = Stage(Train(specs=(spec(epochs=5),)), Shutdown(), pruning=True)
    stage.answers[2] = prune(1)
    stage.run()
    assert sum(isinstance(event, EpochDone) for event in stage.events) == 2
