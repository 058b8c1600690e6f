"""Diagnosis of a trial: what limits its error, by rules in a fixed order.

The first rule that applies gives the label; `docs/diagnose.md` states them for people.

Notation: E test error, P PCA's error with as many components as hidden units (the floor), B binary
cross-entropy, S the entropy of the pixels (B's own floor).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from sweep.analysis.floors import Floors, pca_equivalent
from sweep.catalogue.formats import change, count
from sweep.enums import Loss, Noise, Outcome, Output
from sweep.store.records import CurvePoint, TrialRow

#: Epochs at the end of a curve that its trend is read from.
LAST = 3
#: More epochs would continue a fall of the error by more than this share per epoch.
STILL_FALLING = 0.02
#: An error this share above its lowest is more than noise.
RISEN = 0.03
#: The width is used up when PCA needs this share of as many components to do as well.
USED_UP = 0.9
#: A loss this many times as high on test images as on training images is more than noise.
_GAP = 1.5
#: A layer can lose a smaller share of its hidden units without much harm.
_DEAD = 0.2
#: Share of (unit, image) pairs.
_SATURATED = 0.5
#: Share of the squared error.
_STUCK = 0.5
#: Largest error of any image with pixels from 0 to 1; only steps that are too large exceed it.
_WHOLE_SCALE = 1.0
#: Cross-entropy above its floor, as a share of the floor, below which it hardly moves.
_LOSS_FLOOR = 0.02


class Limit(StrEnum):
    """What keeps an error up."""

    CAPACITY = "capacity"
    BUDGET = "budget"
    OPTIMISATION = "optimisation"
    SATURATION = "saturation"
    GENERALISATION = "generalisation"
    LOSS_FLOOR = "loss floor"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What limits a trial's error, and how its training ended."""

    #: None where too little is known.
    limit: Limit | None
    #: The reason with its numbers: a sentence without its capital and full stop.
    because: str
    #: Share by which the validation error fell per epoch at the end; None after one epoch.
    fall_per_epoch: float | None = None
    #: Training loss on test images over that on training images; None where it is not known.
    loss_gap: float | None = None


#: A label with its reason; None where the rule does not apply.
_Label = tuple[Limit, str] | None


def diagnose(
    trial: TrialRow,
    curve: Sequence[CurvePoint],
    diagnostics: Mapping[str, float] | None = None,
    floors: Floors | None = None,
) -> Diagnosis:
    """Diagnose a trial; ``curve`` and ``diagnostics`` are means over its seeds."""
    limit, because = _label(trial, curve, diagnostics, floors)
    return Diagnosis(
        limit=limit,
        because=because,
        fall_per_epoch=fall_per_epoch(validation_errors(curve)),
        loss_gap=loss_gap(trial, curve[-1].train_loss, floors) if curve else None,
    )


def validation_errors(curve: Sequence[CurvePoint]) -> list[float]:
    """Return the validation errors of the epochs that have one."""
    return [point.val_mse for point in curve if point.val_mse is not None]


def _label(
    trial: TrialRow,
    curve: Sequence[CurvePoint],
    diagnostics: Mapping[str, float] | None,
    floors: Floors | None,
) -> tuple[Limit | None, str]:
    if trial.outcome == Outcome.DIVERGED:
        return Limit.OPTIMISATION, "training diverged"
    errors = validation_errors(curve)
    if trial.state != "COMPLETE" or trial.test_mse is None or not errors:
        return None, "training did not finish"
    labels = (
        _generalisation(trial, curve, floors),
        _unsteady(curve),
        _thrown_off(trial, errors, floors),
        _units(trial, diagnostics, floors),
        _budget(errors),
        _capacity(trial, floors),
        _loss_floor(trial, floors),
        _optimisation(trial, floors),
    )
    unknown = None, "no rule applies without the lower bounds of its data"
    return next((label for label in labels if label is not None), unknown)


def _generalisation(trial: TrialRow, curve: Sequence[CurvePoint], floors: Floors | None) -> _Label:
    """Test error far above training error, or rising while the training loss falls."""
    gap = loss_gap(trial, curve[-1].train_loss, floors)
    if gap is not None and gap > _GAP:
        return Limit.GENERALISATION, (
            f"the excess loss is {gap:.2g} times as high on test images as on training images"
        )
    errors = [point.val_mse or 0.0 for point in curve]
    if errors[-1] > (1 + RISEN) * min(errors) and not _loss_rose(curve):
        return Limit.GENERALISATION, (
            f"the validation error ended {change(errors[-1] / min(errors) - 1)} above its lowest "
            "value while the training loss was still falling"
        )
    return None


def loss_gap(trial: TrialRow, train_loss: float | None, floors: Floors | None) -> float | None:
    """Return the excess loss on test images over that on training images.

    The excess loss is what is above the loss's own floor. On training images it is the mean over
    the last epoch while training. None where the loss is not measured on test images (l1; huber
    where its delta is below 1, the largest size of an error), and where inputs were noisy.
    """
    loss, config = trial.config.get("loss"), trial.config
    if train_loss is None or trial.test_mse is None:
        return None
    if config.get("noise", Noise.NONE) != Noise.NONE:
        return None  # the training loss is that of copies of noisy images
    if loss == Loss.MSE:
        return trial.test_mse / train_loss if train_loss > 0 else None
    if (
        loss == Loss.HUBER
        and config.get("huber_delta", 0.0) >= 1
        and config.get("output_activation") == Output.SIGMOID
    ):
        return trial.test_mse / (2 * train_loss) if train_loss > 0 else None
    if loss == Loss.BCE and floors is not None and trial.test_bce is not None:
        above = train_loss - floors.train_entropy
        return (trial.test_bce - floors.test_entropy) / above if above > 0 else None
    return None


def _unsteady(curve: Sequence[CurvePoint]) -> _Label:
    """The training loss itself rises: the steps are too large."""
    if not _loss_rose(curve):
        return None
    return Limit.OPTIMISATION, "the training loss rose in the second half of the epochs"


def _thrown_off(trial: TrialRow, errors: Sequence[float], floors: Floors | None) -> _Label:
    """Its first steps were too large, and it still does worse than no network."""
    if floors is None or trial.test_mse is None or trial.test_mse < floors.test_mean_mse:
        return None
    if not max(errors) > _WHOLE_SCALE:
        return None
    return Limit.OPTIMISATION, (
        f"large steps raised the validation error to {max(errors):.2g}, and the network still "
        "does worse than the mean image"
    )


def _loss_rose(curve: Sequence[CurvePoint]) -> bool:
    losses = [point.train_loss for point in curve if point.train_loss is not None]
    late = losses[len(losses) // 2 :]
    return any(after > (1 + RISEN) * before for before, after in pairwise(late) if before > 0)


def _units(
    trial: TrialRow, diagnostics: Mapping[str, float] | None, floors: Floors | None
) -> _Label:
    """Hidden or output units that no longer learn, in a network worse than its width allows."""
    if diagnostics is None or _is_used_up(trial, floors):
        return None
    dead, saturated = diagnostics["dead_share"], diagnostics["saturated_share"]
    stuck = diagnostics["stuck_share"]
    if dead >= _DEAD:
        return Limit.SATURATION, f"{change(dead)} of the hidden units are dead"
    if saturated >= _SATURATED:
        because = f"the hidden units are saturated for {change(saturated)} of the images"
        return Limit.SATURATION, because
    if stuck >= _STUCK:
        return Limit.SATURATION, f"saturated outputs make {change(stuck)} of the error"
    return None


def _budget(errors: Sequence[float]) -> _Label:
    fall = fall_per_epoch(errors)
    if fall is None:
        return Limit.BUDGET, "training lasted one epoch only"
    if fall > STILL_FALLING:
        return Limit.BUDGET, (
            f"the validation error was still falling by {change(fall)} per epoch "
            f"{last_epochs(errors)}"
        )
    return None


def fall_per_epoch(errors: Sequence[float]) -> float | None:
    """Return the share by which the error fell per epoch at the end; None after one epoch."""
    n_steps = min(LAST, len(errors) - 1)
    if n_steps < 1 or errors[-1 - n_steps] <= 0:
        return None
    return 1.0 - float((errors[-1] / errors[-1 - n_steps]) ** (1 / n_steps))


def last_epochs(errors: Sequence[float]) -> str:
    """Return when the fall of ``fall_per_epoch`` was measured, in words."""
    n_steps = min(LAST, len(errors) - 1)
    return f"over the last {n_steps} epochs" if n_steps > 1 else "in the last epoch"


def _capacity(trial: TrialRow, floors: Floors | None) -> _Label:
    if floors is None or trial.test_mse is None or not _is_used_up(trial, floors):
        return None
    components = pca_equivalent(floors, trial.test_mse)
    return Limit.CAPACITY, (
        f"the error settled; {count(trial.hidden_width or 0, 'hidden unit')} do as well as PCA "
        f"with {count(components, 'component')}"
    )


def _is_used_up(trial: TrialRow, floors: Floors | None) -> bool:
    if floors is None or trial.test_mse is None or trial.hidden_width is None:
        return False
    return pca_equivalent(floors, trial.test_mse) >= USED_UP * trial.hidden_width


def _loss_floor(trial: TrialRow, floors: Floors | None) -> _Label:
    bce = trial.test_bce
    if floors is None or bce is None or trial.config.get("loss") != Loss.BCE:
        return None
    above = bce - floors.test_entropy
    if not above < _LOSS_FLOOR * floors.test_entropy:
        return None
    return Limit.LOSS_FLOOR, (
        f"the error settled with a cross-entropy only {change(above / floors.test_entropy)} above "
        "the pixels’ entropy"
    )


def _optimisation(trial: TrialRow, floors: Floors | None) -> _Label:
    if floors is None or trial.test_mse is None:
        return None
    components = pca_equivalent(floors, trial.test_mse)
    return Limit.OPTIMISATION, (
        f"the error settled, but {count(trial.hidden_width or 0, 'hidden unit')} do only as well "
        f"as PCA with {count(components, 'component')}"
    )
