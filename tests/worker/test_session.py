"""A worker's conversation: what it trains, when it listens, how a trial leaves."""

from queue import SimpleQueue

import pytest
import torch

from sweep.config import TrialConfig
from sweep.messages import (
    EpochDone,
    Event,
    Leave,
    Order,
    Shutdown,
    Train,
    TrialDiverged,
    TrialDone,
    TrialFailed,
    TrialLeft,
    TrialSpec,
    Verdict,
)
from sweep.trainer.training import Diverged
from sweep.worker.session import Session
from tests.fake_workers import FakeTraining


class Stage:
    """A session with a pretended trainer; orders are given beforehand, or on an event."""

    def __init__(self, *orders: Order, pruning: bool = False) -> None:
        self.inbox: SimpleQueue[Order] = SimpleQueue()
        self.events: list[Event] = []
        self.answers: dict[int, Order] = {}  # by the epoch that was reported
        self.error: Exception | None = None
        for order in orders:
            self.inbox.put(order)
        self._session = Session(self, self.inbox, self._hear, pruning=pruning)

    def start(self, spec: TrialSpec) -> FakeTraining:
        return FakeTraining(self, spec)  # type: ignore[arg-type]

    def on_epoch(self, _worker: object, _spec: TrialSpec, epoch: int) -> None:
        if self.error is not None and epoch == 2:
            raise self.error

    def run(self) -> list[str]:
        self._session.run()
        return [type(event).__name__ for event in self.events]

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, EpochDone) and event.epoch in self.answers:
            self.inbox.put(self.answers[event.epoch])


def spec(number: int = 0, epochs: int = 3, attempt: int = 1) -> TrialSpec:
    config = TrialConfig(hidden_width=8, epochs=epochs)
    return TrialSpec(number=number, attempt=attempt, config=config, seeds=(1,))


def verdict(epoch: int, *, leave: bool) -> Verdict:
    return Verdict(number=0, attempt=1, epoch=epoch, leave=leave)


def test_a_trial_reports_every_epoch_and_then_its_result() -> None:
    stage = Stage(Train(specs=(spec(),)), Shutdown())
    assert stage.run() == ["EpochDone"] * 3 + ["TrialDone"]


def test_trials_that_were_handed_over_are_trained_before_the_shutdown() -> None:
    stage = Stage(Train(specs=(spec(0, 1),)), Train(specs=(spec(1, 1),)), Shutdown())
    stage.run()
    done = [event.number for event in stage.events if isinstance(event, TrialDone)]
    assert done == [0, 1]


@pytest.mark.parametrize("answered_at", [1, 2])
def test_a_pruned_trial_ends_at_the_same_epoch_however_late_its_verdict(answered_at: int) -> None:
    # The verdict on epoch 1 may arrive before epoch 2 begins or after it ended.
    stage = Stage(Train(specs=(spec(epochs=5),)), Shutdown(), pruning=True)
    stage.answers[answered_at] = verdict(1, leave=True)
    assert stage.run()[-1] == "TrialLeft"
    assert isinstance(stage.events[-1], TrialLeft)
    assert stage.events[-1].epoch == 2


def test_without_its_verdict_a_trial_waits() -> None:
    stage = Stage(Train(specs=(spec(epochs=3),)), Shutdown(), pruning=True)
    stage.answers = {2: verdict(1, leave=False), 3: verdict(2, leave=False)}
    assert stage.run() == ["EpochDone"] * 3 + ["TrialDone"]


def test_a_verdict_to_leave_is_not_taken_back_by_a_later_one() -> None:
    stage = Stage(Train(specs=(spec(epochs=5),)), Shutdown(), pruning=True)

    def both(event: Event) -> None:
        stage.events.append(event)
        if isinstance(event, EpochDone) and event.epoch == 2:
            stage.inbox.put(verdict(1, leave=True))
            stage.inbox.put(verdict(2, leave=False))

    stage._session._send = both
    assert stage.run() == ["EpochDone", "EpochDone", "TrialLeft"]


def test_a_verdict_on_an_older_attempt_is_not_waited_for_no_more() -> None:
    # Attempt 1 had come to epoch 2 when its worker died; that verdict says nothing of attempt 2.
    stage = Stage(
        verdict(2, leave=False), Train(specs=(spec(attempt=2),)), Shutdown(), pruning=True
    )
    stage.answers = {
        2: Verdict(number=0, attempt=2, epoch=1, leave=True),
        3: Verdict(number=0, attempt=2, epoch=2, leave=False),
    }
    assert stage.run() == ["EpochDone", "EpochDone", "TrialLeft"]


def test_a_device_in_no_state_to_go_on_ends_the_worker() -> None:
    stage = Stage(Train(specs=(spec(),)), Shutdown())
    stage.error = torch.AcceleratorError("an illegal memory access was encountered")
    with pytest.raises(torch.AcceleratorError):
        stage.run()


def test_a_trial_without_memory_fails_and_leaves_its_worker_alive() -> None:
    # Page-locked memory and libraries run out of it with the error of a device that is lost.
    stage = Stage(Train(specs=(spec(),)), Shutdown())
    stage.error = torch.AcceleratorError("CUDA error: out of memory")
    assert stage.run() == ["EpochDone", "TrialFailed"]


def test_a_trial_told_to_leave_finishes_its_epoch() -> None:
    stage = Stage(Train(specs=(spec(epochs=9),)), Shutdown())
    stage.answers[2] = Leave(number=0, attempt=1)
    assert stage.run() == ["EpochDone", "EpochDone", "TrialLeft"]


def test_a_trial_told_to_leave_before_it_began_leaves_untrained() -> None:
    stage = Stage(Train(specs=(spec(),)), Leave(number=0, attempt=1), Shutdown())
    assert stage.run() == ["TrialLeft"]


def test_a_leave_meant_for_an_older_attempt_does_not_touch_the_present_one() -> None:
    stage = Stage(Leave(number=0, attempt=1), Train(specs=(spec(attempt=2),)), Shutdown())
    assert stage.run()[-1] == "TrialDone"


def test_a_diverged_trial_says_when_and_why_and_the_next_one_trains() -> None:
    stage = Stage(Train(specs=(spec(),)), Shutdown())
    stage.error = Diverged(2, "training loss became nan in epoch 2")
    stage.run()
    assert stage.events[-1] == TrialDiverged(
        number=0, attempt=1, epoch=2, reason="training loss became nan in epoch 2"
    )


def test_a_trial_that_cannot_be_trained_fails_alone() -> None:
    stage = Stage(Train(specs=(spec(0),)), Train(specs=(spec(1, epochs=1),)), Shutdown())
    stage.error = RuntimeError("out of memory")
    stage.run()
    failed = next(event for event in stage.events if isinstance(event, TrialFailed))
    assert failed.reason == "RuntimeError: out of memory"
    assert isinstance(stage.events[-1], TrialDone)
