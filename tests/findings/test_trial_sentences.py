"""What is said of a trial from its curve, its floors and its end."""

from collections.abc import Sequence
from typing import Any

import pytest

from sweep.analysis.floors import Floors
from sweep.config import TrialConfig
from sweep.enums import Loss, Output
from sweep.findings.trial_sentences import training_sentences
from sweep.store.records import CurvePoint
from tests.support.finding_factories import floors
from tests.support.store_factories import trial_row


def curve(*errors: float | None) -> list[CurvePoint]:
    return [
        CurvePoint(epoch=epoch, train_loss=None, val_mse=error, val_bce=None, seconds=2.0)
        for epoch, error in enumerate(errors, start=1)
    ]


def describe(
    errors: Sequence[float | None] = (), about: Floors | None = None, **fields: Any
) -> str:
    row = trial_row(**{"number": 7, "values": (0.1,), **fields})
    return " ".join(training_sentences(row, curve(*errors), about))


def test_a_curve_that_rises_again_was_best_before_its_end() -> None:
    assert "lowest in epoch 2 (0.500) and ended 20 % above that" in describe([1.0, 0.5, 0.55, 0.6])


@pytest.mark.parametrize("errors", [(), (0.5,), (None, None), (0.5, None), (1.0, 0.5, 0.51)])
def test_nothing_is_said_of_a_rise_that_is_none(errors: Sequence[float | None]) -> None:
    assert describe(errors) == ""


def test_a_diverged_trial_is_advised_a_lower_learning_rate() -> None:
    sentence = describe(
        [0.1, 0.2],
        state="FAIL",
        outcome="diverged",
        reason="the loss was not finite.",
        config=TrialConfig(learning_rate=0.5),
    )
    assert sentence == (
        "Training diverged after 2 epochs (the loss was not finite). "
        "A learning rate below 0.5 may help adam."
    )


def test_a_failed_trial_tells_its_reason() -> None:
    assert describe(state="FAIL", outcome="failed", reason="out of memory").startswith(
        "It failed (out of memory)"
    )


def test_a_pruned_trial_is_held_against_the_best_at_the_same_epoch() -> None:
    row = trial_row(number=7, state="PRUNED", config=TrialConfig(epochs=9))
    assert training_sentences(row, curve(0.4, 0.3), best_curve=curve(0.2, 0.1, 0.05)) == [
        "It was pruned after epoch 2 of 9, at a validation error of 0.300; "
        "the best trial had 0.100 then."
    ]
    assert training_sentences(row, []) == ["It was pruned before its first epoch ended."]


def test_a_running_trial_tells_what_is_left() -> None:
    running = {"state": "RUNNING", "values": (), "config": TrialConfig(epochs=5)}
    assert describe([0.3, 0.2], **running) == "2 of 5 epochs are done, about 6.0 s left."
    assert describe(**running) == "It is in its first epoch."
    assert describe(state="WAITING", attempt=0) == "It waits for a worker."


@pytest.mark.parametrize(
    ("test_mse", "sentence"),
    [
        (0.95, "It is no better than the mean image."),
        (0.55, "as good as PCA with 2 components, with 4 hidden units; PCA is no lower bound of"),
        (0.05, "beats PCA with as many components as it has hidden units; PCA is no lower bound"),
    ],
)
def test_the_error_stands_beside_pca(test_mse: float, sentence: str) -> None:
    # At width 4 PCA errs by 0.12.
    shown = describe(
        about=floors(0.9, 0.7, 0.5, 0.3, 0.12, 0.05, 0.0),
        test_mse=test_mse,
        config=TrialConfig(hidden_width=4),
    )
    assert sentence in shown


def test_of_linear_outputs_pca_may_be_a_bound() -> None:
    linear = TrialConfig(hidden_width=2, output_activation=Output.LINEAR, loss=Loss.MSE)
    shown = describe(about=floors(0.9, 0.5, 0.1, 0.0), test_mse=0.5, config=linear)
    assert shown == "It is as good as PCA with 1 component, with 2 hidden units."


def test_retries_and_pace_are_told() -> None:
    shown = describe([0.1], attempt=3, train_seconds=4.0)
    assert shown == (
        "It took 3 attempts; the results of earlier ones were discarded. "
        "Training took 4.0 s, 2.0 s per epoch."
    )
