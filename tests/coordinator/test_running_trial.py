"""A trial that a worker has."""

from sweep.coordinator.running_trial import RunningTrial
from sweep.enums import StopReason
from sweep.messages import EpochDone, EpochMetrics
from tests.support.trainer_factories import make_spec


def epoch(epoch: int, *seconds: float) -> EpochDone:
    metrics = tuple(
        EpochMetrics(train_loss=1.0, val_mse=s, val_bce=None, seconds=s) for s in seconds
    )
    return EpochDone(number=0, attempt=1, epoch=epoch, metrics=metrics)


def check_limit(trial: RunningTrial, limit: float | None, *epochs: EpochDone) -> list[bool]:
    """After each epoch, whether that one took the trial over its limit."""
    found = []
    for one in epochs:
        trial.report(one)
        found.append(trial.just_exceeded(limit))
    return found


def test_a_trial_is_over_its_time_once() -> None:
    trial = RunningTrial(spec=make_spec())
    epochs = [epoch(n, 1.0) for n in (1, 2, 3, 4)]
    assert check_limit(trial, 2.5, *epochs) == [False, False, True, False]


def test_a_trials_time_is_the_mean_of_its_seeds() -> None:
    trial = RunningTrial(spec=make_spec())
    assert check_limit(trial, 2.5, epoch(1, 1.0, 3.0), epoch(2, 0.0, 2.0)) == [False, True]
    assert trial.val_mse == 1.0


def test_of_several_reasons_to_end_a_trial_the_first_in_the_enum_counts() -> None:
    for order in (tuple(StopReason), tuple(reversed(StopReason))):
        trial = RunningTrial(spec=make_spec())
        for reason in order:
            trial.note_stop(reason)
        assert trial.stop_reason is StopReason.TIMED_OUT


def test_without_a_limit_no_time_is_too_long() -> None:
    trial = RunningTrial(spec=make_spec())
    assert check_limit(trial, None, epoch(1, 1e9)) == [False]
