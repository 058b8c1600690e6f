"""Messages that contradict what is known of a trial, where a whole study would be too much."""

import math
from dataclasses import replace

import pytest

from sweep.coordinator.message_checks import (
    ProtocolError,
    check_epoch,
    check_request,
    check_result,
    check_stopped,
)
from sweep.coordinator.running_trial import RunningTrial
from sweep.enums import StopReason
from sweep.messages import (
    N_BANDS,
    Capacity,
    EpochDone,
    EpochMetrics,
    TrialRequest,
    TrialStopped,
)
from tests.support.lockstep import SEEDS, trial_done
from tests.support.trainer_factories import make_spec


def test_a_stop_comes_after_the_last_epoch_that_was_reported() -> None:
    trial = RunningTrial(spec=make_spec())
    trial.note_stop(StopReason.INTERRUPTED)
    stopped = {"number": trial.number, "attempt": trial.spec.attempt}
    check_stopped(trial, TrialStopped(**stopped, epoch=0))
    with pytest.raises(ProtocolError, match="a stop after epoch 2 instead of 0"):
        check_stopped(trial, TrialStopped(**stopped, epoch=2))


@pytest.mark.parametrize("error", [math.nan, math.inf])
def test_a_trial_that_continues_has_a_finite_error(error: float) -> None:
    trial = RunningTrial(spec=make_spec())
    metrics = EpochMetrics(train_loss=0.1, val_mse=error, val_bce=None, seconds=0.1)
    event = EpochDone(number=3, attempt=1, epoch=1, metrics=(metrics,))
    with pytest.raises(ProtocolError, match=r"error that is not finite, .* \(trial 3\)$"):
        check_epoch(trial, event)


def test_a_result_comes_after_the_last_epoch_and_from_each_seed() -> None:
    spec = make_spec(seeds=tuple(range(SEEDS)))
    trial, done, n_epochs = RunningTrial(spec=spec), trial_done(spec), spec.config.epochs
    metrics = EpochMetrics(train_loss=0.1, val_mse=0.1, val_bce=None, seconds=0.1)
    with pytest.raises(ProtocolError, match=rf"^a result after 0 of {n_epochs} .* \(trial 3\)$"):
        check_result(trial, done)
    for epoch in range(1, n_epochs + 1):
        trial.report(EpochDone(number=3, attempt=1, epoch=epoch, metrics=(metrics,) * SEEDS))
    check_result(trial, done)
    with pytest.raises(
        ProtocolError, match=rf"^the results of 1 seeds instead of {SEEDS} \(trial 3\)$"
    ):
        check_result(trial, replace(done, results=done.results[:1]))


@pytest.mark.parametrize("spectrum", [bytes(4), b"\xff" * 4 * N_BANDS])
def test_an_error_spectrum_has_a_finite_number_for_each_band(spectrum: bytes) -> None:
    metrics = EpochMetrics(train_loss=0.1, val_mse=0.1, val_bce=None, seconds=0.1)
    trial = RunningTrial(spec=make_spec())
    about = {"number": trial.number, "attempt": trial.spec.attempt, "epoch": 1}
    check_epoch(trial, EpochDone(**about, metrics=(replace(metrics, spectrum=bytes(64)),)))
    with pytest.raises(ProtocolError, match="an invalid error spectrum"):
        check_epoch(trial, EpochDone(**about, metrics=(replace(metrics, spectrum=spectrum),)))


def test_a_population_may_request_a_successor_for_every_slot_and_its_queue() -> None:
    capacity = Capacity(slots=8, hidden_units=256, n_populations=2)
    check_request(capacity, TrialRequest(n=2 * 2 * 8 + 2))
    with pytest.raises(ProtocolError, match="35 trials, with room for 34"):
        check_request(capacity, TrialRequest(n=35))


def test_a_trial_of_several_seeds_takes_as_many_slots() -> None:
    capacity = Capacity(slots=64, hidden_units=2048, n_seeds=4)
    assert (capacity.n_trials, capacity.n_queued) == (16, 4)
    check_request(capacity, TrialRequest(n=2 * 16 + 4))
    with pytest.raises(ProtocolError, match="37 trials, with room for 36"):
        check_request(capacity, TrialRequest(n=37))
