"""What limits a trial's error: one label from what was recorded of it, by rules in a fixed order.

The first rule that applies gives the label; `docs/limits.md` states them for people.

Notation: E test error, P PCA's error with as many components as hidden units (the floor), B binary
cross-entropy, S the entropy of the pixels (B's own floor).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from sweep.analysis.diagnosis import (
    LAST,
    RISEN,
    STILL_FALLING,
    USED_UP,
    fall_per_epoch,
)
from sweep.analysis.floors import Floors, pca_equivalent
from sweep.catalogue.formats import change
from sweep.enums import Loss, Outcome
from sweep.store.records import CurvePoint, TrialRow

#: A loss on test images so many times that on training images is not noise.
_GAP = 1.5
#: Of its hidden units, a layer can lose fewer than this share without much harm.
_DEAD = 0.2
#: Of (unit, image) pairs.
_SATURATED = 0.5
#: Of the squared error.
_STUCK = 0.5
#: No picture of pixels from 0 to 1 errs by more; only steps that are too large lead there.
_WHOLE_SCALE = 1.0
#: Cross-entropy above its floor that is less than this share of the floor moves little any more.
_LOSS_FLOOR = 0.02


class Limit(StrEnum):
    """What holds an error up."""

    CAPACITY = "capacity"
    BUDGET = "budget"
    OPTIMISATION = "optimisation"
    SATURATION = "saturation"
    GENERALISATION = "generalisation"
    LOSS_FLOOR = "loss floor"


@dataclass(frozen=True, kw_only=True)
class Limited:
    """A label and what it rests on."""

    #: None where too little is known.
    limit: Limit | None
    #: A sentence with the numbers.
    because: str


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a trial's training ended."""

    limited: Limited
    #: The share by which the validation error fell an epoch over the last ones; None of one epoch.
    fall_per_epoch: float | None
    #: The training loss on test images over that on training images; None where it is not known.
    loss_gap: float | None


def ending(
    trial: TrialRow,
    curve: Sequence[CurvePoint],
    diagnostics: Mapping[str, float] | None = None,
    floors: Floors | None = None,
) -> Ending:
    """The label of one trial and the numbers that it begins with; arguments as of ``limit_of``."""
    errors = [point.val_mse for point in curve if point.val_mse is not None]
    return Ending(
        limited=limit_of(trial, curve, diagnostics, floors),
        fall_per_epoch=fall_per_epoch(errors),
        loss_gap=loss_gap(trial, curve[-1].train_loss, floors) if curve else None,
    )


def limit_of(
    trial: TrialRow,
    curve: Sequence[CurvePoint],
    diagnostics: Mapping[str, float] | None = None,
    floors: Floors | None = None,
) -> Limited:
    """The label of one trial; ``curve`` and ``diagnostics`` are means over its seeds."""
    if trial.outcome == Outcome.DIVERGED:
        return Limited(limit=Limit.OPTIMISATION, because="training diverged")
    errors = [point.val_mse for point in curve if point.val_mse is not None]
    if trial.state != "COMPLETE" or trial.test_mse is None or not errors:
        return Limited(limit=None, because="it was not trained to its end")
    rules = (
        _generalisation(trial, curve, floors),
        _unsteady(curve),
        _thrown_off(trial, errors, floors),
        _units(trial, diagnostics, floors),
        _budget(errors),
        _capacity(trial, floors),
        _loss_floor(trial, floors),
        _optimisation(trial, floors),
    )
    unknown = Limited(limit=None, because="no rule applies without the floors of its data")
    return next((found for found in rules if found is not None), unknown)


def _generalisation(
    trial: TrialRow, curve: Sequence[CurvePoint], floors: Floors | None
) -> Limited | None:
    """Test images do worse than training images, or worse and worse while those do better."""
    gap = loss_gap(trial, curve[-1].train_loss, floors)
    if gap is not None and gap > _GAP:
        because = (
            f"the loss above its floor is on test images {gap:.2g} times that on training images"
        )
        return Limited(limit=Limit.GENERALISATION, because=because)
    errors = [point.val_mse or 0.0 for point in curve]
    if errors[-1] > (1 + RISEN) * min(errors) and not _loss_rose(curve):
        because = (
            f"the validation error ended {change(errors[-1] / min(errors) - 1)} above its lowest "
            "while the training loss still fell"
        )
        return Limited(limit=Limit.GENERALISATION, because=because)
    return None


def loss_gap(trial: TrialRow, train_loss: float | None, floors: Floors | None) -> float | None:
    """The training loss on test images over that on training images, each above its own floor.

    That on training images is the mean over the last epoch, as it went. None where the loss is
    not measured on test images (l1; huber where its delta is below 1, an error's largest size).
    """
    loss, config = trial.config.get("loss"), trial.config
    if train_loss is None or trial.test_mse is None:
        return None
    if loss == Loss.MSE:
        return trial.test_mse / train_loss if train_loss > 0 else None
    if (
        loss == Loss.HUBER
        and config.get("huber_delta", 0.0) >= 1
        and config.get("output_activation") == "sigmoid"
    ):
        return trial.test_mse / (2 * train_loss) if train_loss > 0 else None
    if loss == Loss.BCE and floors is not None and trial.test_bce is not None:
        above = train_loss - floors.train_entropy
        return (trial.test_bce - floors.test_entropy) / above if above > 0 else None
    return None


def _unsteady(curve: Sequence[CurvePoint]) -> Limited | None:
    """The training loss itself rises: its steps are too large."""
    if not _loss_rose(curve):
        return None
    because = "the training loss went up again in the second half of its epochs"
    return Limited(limit=Limit.OPTIMISATION, because=because)


def _thrown_off(trial: TrialRow, errors: Sequence[float], floors: Floors | None) -> Limited | None:
    """Its first steps were too large, and it has not come back: it does worse than no network."""
    if floors is None or trial.test_mse is None or trial.test_mse < floors.test_mean_mse:
        return None
    if not max(errors) > _WHOLE_SCALE:
        return None
    because = (
        f"its steps threw it off, to a validation error of {max(errors):.2g}, and it still does "
        "worse than the mean image for every image"
    )
    return Limited(limit=Limit.OPTIMISATION, because=because)


def _loss_rose(curve: Sequence[CurvePoint]) -> bool:
    losses = [point.train_loss for point in curve if point.train_loss is not None]
    late = losses[len(losses) // 2 :]
    return any(after > (1 + RISEN) * before for before, after in pairwise(late) if before > 0)


def _units(
    trial: TrialRow, diagnostics: Mapping[str, float] | None, floors: Floors | None
) -> Limited | None:
    """Units that no longer learn, of the hidden layer or the output, in a network that does worse
    than its width allows."""
    if diagnostics is None or _used_up(trial, floors):
        return None
    dead, saturated = diagnostics["dead_share"], diagnostics["saturated_share"]
    if dead >= _DEAD:
        because = f"{change(dead)} of the hidden units are dead"
        return Limited(limit=Limit.SATURATION, because=because)
    if saturated >= _SATURATED:
        because = f"the hidden units are saturated for {change(saturated)} of the images"
        return Limited(limit=Limit.SATURATION, because=because)
    stuck = diagnostics["stuck_share"]
    if stuck >= _STUCK:
        because = f"{change(stuck)} of the error is made where the output is saturated"
        return Limited(limit=Limit.SATURATION, because=because)
    return None


def _budget(errors: Sequence[float]) -> Limited | None:
    fall = fall_per_epoch(errors)
    if fall is None:
        because = "it was trained for one epoch only"
        return Limited(limit=Limit.BUDGET, because=because)
    if fall > STILL_FALLING:
        n_steps = min(LAST, len(errors) - 1)
        over = f"over the last {n_steps} epochs" if n_steps > 1 else "in the last epoch"
        because = f"the validation error still fell by {change(fall)} an epoch {over}"
        return Limited(limit=Limit.BUDGET, because=because)
    return None


def _capacity(trial: TrialRow, floors: Floors | None) -> Limited | None:
    if floors is None or trial.test_mse is None or not _used_up(trial, floors):
        return None
    components = pca_equivalent(floors, trial.test_mse)
    because = (
        f"it had settled, as good as PCA with {components} components, with {trial.hidden_width} "
        "hidden units"
    )
    return Limited(limit=Limit.CAPACITY, because=because)


def _used_up(trial: TrialRow, floors: Floors | None) -> bool:
    if floors is None or trial.test_mse is None or trial.hidden_width is None:
        return False
    return pca_equivalent(floors, trial.test_mse) >= USED_UP * trial.hidden_width


def _loss_floor(trial: TrialRow, floors: Floors | None) -> Limited | None:
    bce = trial.test_bce
    if floors is None or bce is None or trial.config.get("loss") != Loss.BCE:
        return None
    above = bce - floors.test_entropy
    if not above < _LOSS_FLOOR * floors.test_entropy:
        return None
    because = (
        f"it had settled with a cross-entropy only {change(above / floors.test_entropy)} above "
        "the pixels’ entropy"
    )
    return Limited(limit=Limit.LOSS_FLOOR, because=because)


def _optimisation(trial: TrialRow, floors: Floors | None) -> Limited | None:
    if floors is None or trial.test_mse is None:
        return None
    components = pca_equivalent(floors, trial.test_mse)
    because = (
        f"it had settled, only as good as PCA with {components} components, with "
        f"{trial.hidden_width} hidden units that learn"
    )
    return Limited(limit=Limit.OPTIMISATION, because=because)
