"""A session with a trainer of single trials: what it trains, when it listens, how a trial ends."""

import pytest
import torch

from sweep.enums import StopReason
from sweep.messages import (
    EpochsDone,
    EpochsJudged,
    Event,
    JudgedEpoch,
    Shutdown,
    Stop,
    Train,
    TrialDiverged,
    TrialDone,
    TrialFailed,
    TrialRequest,
    TrialStopped,
)
from sweep.trainer.training import Diverged
from tests.support.sessions import Stage, prune, spec


def judge(epoch: int, attempt: int = 1) -> EpochsJudged:
    return EpochsJudged(epochs=(JudgedEpoch(0, attempt, epoch),))


def stop(attempt: int = 1) -> Stop:
    return Stop(number=0, attempt=attempt, reason=StopReason.INTERRUPTED)


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
    stage.answers[answered_at] = prune(1)
    assert stage.run()[-1] == "TrialStopped"
    assert isinstance(stage.events[-1], TrialStopped)
    assert stage.events[-1].epoch == 2


def test_without_its_verdict_a_trial_waits() -> None:
    stage = Stage(Train(specs=(spec(epochs=3),)), Shutdown(), pruning=True)
    stage.answers = {2: judge(1), 3: judge(2)}
    assert stage.run() == ["EpochDone"] * 3 + ["TrialDone"]


def test_a_verdict_to_leave_is_not_taken_back_by_a_later_one() -> None:
    stage = Stage(Train(specs=(spec(epochs=5),)), Shutdown(), pruning=True)

    def both(event: Event) -> None:
        stage.hear(event)
        if isinstance(event, EpochsDone) and event.epochs[0].epoch == 2:
            stage.inbox.put(prune(1))
            stage.inbox.put(judge(2))

    stage._session._send = both
    assert stage.run() == ["EpochDone", "EpochDone", "TrialStopped"]


def test_a_verdict_on_an_older_attempt_is_not_waited_for_no_more() -> None:
    # Attempt 1 had come to epoch 2 when its worker died; that verdict says nothing of attempt 2.
    stage = Stage(judge(2), Train(specs=(spec(attempt=2),)), Shutdown(), pruning=True)
    stage.answers = {
        2: prune(1, attempt=2),
        3: judge(2, attempt=2),
    }
    assert stage.run() == ["EpochDone", "EpochDone", "TrialStopped"]


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
    stage.answers[2] = stop()
    assert stage.run() == ["EpochDone", "EpochDone", "TrialStopped"]


def test_a_trial_told_to_leave_before_it_began_leaves_untrained() -> None:
    stage = Stage(Train(specs=(spec(),)), stop(), Shutdown())
    assert stage.run() == ["TrialStopped"]


def test_a_leave_meant_for_an_older_attempt_does_not_touch_the_present_one() -> None:
    stage = Stage(stop(), Train(specs=(spec(attempt=2),)), Shutdown())
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


# What it asks for


def test_a_worker_of_single_trials_has_one_in_training_and_one_queued() -> None:
    stage = Stage()
    specs = [spec(number, epochs=1) for number in range(4)]
    answers = iter([specs[:2], specs[2:3], specs[3:]])

    def hear(event: Event) -> None:
        stage.hear(event)
        if isinstance(event, TrialRequest) and event.n:
            more = next(answers, None)
            stage.inbox.put(Shutdown() if more is None else Train(specs=tuple(more)))

    stage._session._send = hear
    stage.run()
    assert [(one.n, one.began) for one in stage.requests] == [
        (2, ()),
        (0, ((0, 1),)),
        (1, ((1, 1),)),
        (1, ((2, 1),)),
        (1, ((3, 1),)),
    ]


def test_a_trial_begins_after_the_end_of_the_one_before_and_is_told_of_at_once() -> None:
    told: list[str] = []
    stage = Stage(Train(specs=(spec(0, 1), spec(1, 1))), Shutdown())
    stage._session._send = lambda event: told.append(
        f"began {event.began[0].number}"
        if isinstance(event, TrialRequest)
        else type(event).__name__
    )
    stage.run()
    assert told == ["began 0", "EpochsDone", "TrialDone", "began 1", "EpochsDone", "TrialDone"]


def test_a_worker_that_is_to_exit_asks_for_no_more() -> None:
    stage = Stage(Train(specs=(spec(0, 1), spec(1, 1))), Shutdown())
    stage.run()
    assert [one.n for one in stage.requests] == [0, 0]
