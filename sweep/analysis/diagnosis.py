"""Diagnose a trial: what limits its error, and the single change that should help most.

Problems that are measured directly come first (divergence, units that do not learn, steps that are
too large); otherwise the largest gain of a doubling identifies the limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from sweep.analysis.floors import Floors, pca_equivalent
from sweep.analysis.gains import Doubling, Gain, Gains, fit_curve, gain_from_pca
from sweep.catalogue.formats import change, count, percent
from sweep.catalogue.settings import Value
from sweep.enums import Activation, Loss, Noise, Outcome, Output, Schedule
from sweep.store.records import CurvePoint, TrialRow

#: An error this share above its minimum is more than noise.
RISEN = 0.03
#: The width is used up if PCA needs this share of as many components for the same error.
USED_UP = 0.9
#: A doubling that gains less is not worth its cost.
WORTHWHILE = 0.1
#: Squared error of rounding to 8 bits: a step's variance (1/255)^2 / 12. A copy with a smaller
#: error has lost nothing.
ROUNDED = 1 / (12 * 255**2)
#: A loss this many times as high on test images as on training images is more than noise.
_GAP = 1.5
#: Share of the mean image's error below which a gap between two small errors is no problem.
_SMALL = 0.01
#: A layer can lose a smaller share of its hidden units without much harm.
_DEAD = 0.2
#: Share of (unit, image) pairs.
_SATURATED = 0.5
#: Share of the squared error.
_STUCK = 0.5
#: Relative scatter of the validation errors about their trend at a constant rate.
_JITTER = 0.1
#: Cross-entropy above its floor, as a share of the floor, below which it hardly changes.
_LOSS_FLOOR = 0.02


class Limit(StrEnum):
    """What limits an error."""

    NOTHING = "nothing"
    DIVERGED = "diverged"
    DEAD_UNITS = "dead units"
    SATURATED_UNITS = "saturated units"
    SATURATED_OUTPUTS = "saturated outputs"
    WORSE_THAN_MEAN = "worse than the mean image"
    UNSTABLE = "unstable"
    OVERFITS = "overfits"
    TOO_FEW_EPOCHS = "too few epochs"
    TOO_NARROW = "too narrow"
    WRONG_LOSS = "wrong loss"
    STUCK = "stuck"


class Remedy(StrEnum):
    """A single change that may lower the error."""

    EPOCHS = "twice the epochs"
    WIDTH = "twice the width"
    IMAGES = "twice the images"
    OUTPUT = "linear outputs with MSE"
    ACTIVATION = "a leaky activation"
    CALMER = "half the learning rate, falling to 0"
    LOWER = "a tenth of the learning rate"
    HIGHER = "ten times the learning rate"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What limits a trial's error, and how its training ended."""

    #: None if too little is known.
    limit: Limit | None
    #: The reason with its numbers: a sentence without its capital and full stop.
    because: str
    #: None if nothing needs fixing, or the fix is unknown.
    remedy: Remedy | None = None
    #: Gains of another doubling, as far as they are known.
    gains: Gains = field(default_factory=dict)
    #: Loss on test images divided by that on training images; None if it is unknown.
    loss_gap: float | None = None


class _Label(NamedTuple):
    limit: Limit
    because: str
    remedy: Remedy | None


def diagnose(
    trial: TrialRow,
    curve: Sequence[CurvePoint],
    diagnostics: Mapping[str, float] | None = None,
    floors: Floors | None = None,
    known: Gains | None = None,
) -> Diagnosis:
    """Diagnose a trial; ``curve`` and ``diagnostics`` are means over its seeds.

    ``known`` are gains from other trials; they take precedence over those of the trial's own curve.
    """
    if trial.outcome == Outcome.DIVERGED:
        because = "the loss was no longer finite"
        return Diagnosis(limit=Limit.DIVERGED, because=because, remedy=Remedy.LOWER)
    if trial.state != "COMPLETE" or trial.test_mse is None or not validation_errors(curve):
        return Diagnosis(limit=None, because="training did not finish")
    case = _Case(trial, curve, diagnostics, floors, known or {})
    found = next((label for rule in _RULES if (label := rule(case))), None)
    unknown = "no rule applies without the lower bounds of its data"
    return Diagnosis(
        limit=found.limit if found else None,
        because=found.because if found else unknown,
        remedy=found.remedy if found else None,
        gains=case.gains,
        loss_gap=case.gap,
    )


def validation_errors(curve: Sequence[CurvePoint]) -> list[float]:
    """Return the validation errors of the epochs that have one."""
    return [point.val_mse for point in curve if point.val_mse is not None]


class _Case:
    """A trained trial with the inputs of the rules."""

    def __init__(
        self,
        trial: TrialRow,
        curve: Sequence[CurvePoint],
        diagnostics: Mapping[str, float] | None,
        floors: Floors | None,
        known: Gains,
    ) -> None:
        assert trial.test_mse is not None
        self.error = trial.test_mse
        self.trial, self.curve, self.floors = trial, curve, floors
        self.diagnostics = diagnostics
        self.errors = validation_errors(curve)
        self.fit = fit_curve(trial, curve)
        self.gap = loss_gap(trial, curve[-1].train_loss, floors)
        fitted = (self.fit.gain if self.fit else None, gain_from_pca(trial, floors))
        self.gains: Gains = {**{of.of: of for of in fitted if of}, **known}

    @property
    def width(self) -> int:
        return self.trial.hidden_width or 0

    @property
    def components(self) -> int | None:
        """Number of components with which PCA has the same error."""
        return None if self.floors is None else pca_equivalent(self.floors, self.error)

    def is_used_up(self, dead_share: float = 0.0) -> bool:
        """Return whether the live units do about as well as a linear code of their number can."""
        components = self.components
        return components is not None and components >= USED_UP * (1 - dead_share) * self.width

    def gain(self, of: Doubling) -> float:
        """Return the gain of a doubling; 0 if it is unknown."""
        return self.gains[of].estimate if of in self.gains else 0.0

    @property
    def largest(self) -> Gain | None:
        """The largest worthwhile gain that differs significantly from none.

        From as many units as inputs on, the width is never the limit.
        """
        wide = self.floors is not None and self.width >= self.floors.n_inputs
        usable = [
            of
            for of in self.gains.values()
            if of.estimate >= WORTHWHILE
            and (of.low is None or of.low > 0)
            and not (wide and of.of is Doubling.WIDTH)
        ]
        return max(usable, key=lambda of: of.estimate, default=None)


def _nothing(case: _Case) -> _Label | None:
    if case.error >= ROUNDED:
        return None
    return _Label(Limit.NOTHING, "its error is below that of rounding pixels to 8 bits", None)


def _units(case: _Case) -> _Label | None:
    """Detect units that no longer learn, in a network that is worse than its width allows."""
    found = case.diagnostics
    if found is None or case.is_used_up():
        return None
    remedy = Remedy.ACTIVATION
    if case.trial.config.get("activation") == Activation.LEAKY_RELU:
        remedy = Remedy.CALMER
    dead, saturated, stuck = (found[f"{of}_share"] for of in ("dead", "saturated", "stuck"))
    # Dead units matter once the live ones are used up; until then the limit is training.
    if dead >= _DEAD and (case.floors is None or case.is_used_up(dead)):
        return _Label(Limit.DEAD_UNITS, f"{change(dead)} of the hidden units are dead", remedy)
    if saturated >= _SATURATED:
        because = f"the hidden units are saturated for {change(saturated)} of the images"
        return _Label(Limit.SATURATED_UNITS, because, remedy)
    if stuck >= _STUCK:
        because = f"saturated outputs make {change(stuck)} of the error"
        return _Label(Limit.SATURATED_OUTPUTS, because, Remedy.OUTPUT)
    return None


def _worse_than_mean(case: _Case) -> _Label | None:
    if case.floors is None or case.error < case.floors.test_mean_mse:
        return None
    mean = case.floors.val_mean_mse
    # An error above 1, which no pixel can have, or one that rose far above the mean image's, is
    # caused by the size of the steps.
    thrown_off = max(case.errors) > min(1.0, max(2 * mean, (1 + RISEN) * case.errors[0]))
    because = "it does no better than the mean image"
    if thrown_off or _loss_rose(case.curve):
        because += f", and large steps raised its error to {max(case.errors):.2g}"
        return _Label(Limit.WORSE_THAN_MEAN, because, Remedy.LOWER)
    return _Label(Limit.WORSE_THAN_MEAN, because, Remedy.HIGHER)


def _unstable(case: _Case) -> _Label | None:
    """Detect steps that are too large for what is left to learn."""
    if _loss_rose(case.curve):
        because = "the training loss rose in the second half of the epochs"
        return _Label(Limit.UNSTABLE, because, Remedy.CALMER)
    constant = case.trial.config.get("lr_schedule") != Schedule.COSINE
    if constant and case.fit and case.fit.scatter > _JITTER:
        because = f"the validation error jumps by {percent(case.fit.scatter)} about its trend"
        return _Label(Limit.UNSTABLE, because, Remedy.CALMER)
    return None


def _loss_rose(curve: Sequence[CurvePoint]) -> bool:
    losses = [point.train_loss for point in curve if point.train_loss is not None]
    late = losses[len(losses) // 2 :]
    return any(after > (1 + RISEN) * before for before, after in pairwise(late) if before > 0)


def _overfits(case: _Case) -> _Label | None:
    """Detect a test error far above the training error, or rising while the training loss falls."""
    if case.floors is not None and case.error < _SMALL * case.floors.test_mean_mse:
        return None
    gap, errors = case.gap, case.errors
    if errors[-1] > (1 + RISEN) * min(errors):
        return _Label(
            Limit.OVERFITS,
            f"the validation error ended {change(errors[-1] / min(errors) - 1)} above its lowest "
            "value, and the training loss did not rise",
            Remedy.IMAGES,
        )
    # With more images the test error falls at most to the training error.
    if gap is None or gap <= _GAP or 1 - 1 / gap < case.gain(Doubling.EPOCHS):
        return None
    because = f"the excess loss is {gap:.2g} times as high on test images as on training images"
    return _Label(Limit.OVERFITS, because, Remedy.IMAGES)


def loss_gap(trial: TrialRow, train_loss: float | None, floors: Floors | None) -> float | None:
    """Return the excess loss on test images divided by that on training images.

    The excess loss is the loss above its own floor. On training images it is the mean over the last
    epoch during training. None if the loss is not measured on test images (l1; huber if its delta
    is below 1, the largest possible error), or if inputs were noisy.
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


def _output_bound(case: _Case) -> _Label | None:
    """Detect an error of all linear codes with sigmoid outputs, above any doubling's gain."""
    bound = case.floors.sigmoid if case.floors else None
    config = case.trial.config
    if bound is None or case.floors is None or config.get("activation") != Activation.LINEAR:
        return None
    if config.get("loss") != Loss.BCE or config.get("output_activation") != Output.SIGMOID:
        return None
    above = (case.curve[-1].train_loss or 0.0) - case.floors.train_entropy
    share = (bound.train_bce - case.floors.train_entropy) / above if above > 0 else 0.0
    largest = case.largest
    if share < max(WORTHWHILE, largest.estimate if largest else 0.0):
        return None
    because = "even the best linear code with sigmoid outputs, of any width, has "
    because += f"{change(min(share, 1.0))} of its excess loss"
    return _Label(Limit.WRONG_LOSS, because, Remedy.OUTPUT)


_BY_DOUBLING = {
    Doubling.EPOCHS: (Limit.TOO_FEW_EPOCHS, Remedy.EPOCHS),
    Doubling.WIDTH: (Limit.TOO_NARROW, Remedy.WIDTH),
    Doubling.IMAGES: (Limit.OVERFITS, Remedy.IMAGES),
}


def _largest_gain(case: _Case) -> _Label | None:
    if len(case.errors) == 1 and Doubling.EPOCHS not in case.gains:
        return _Label(Limit.TOO_FEW_EPOCHS, "training lasted one epoch only", Remedy.EPOCHS)
    gain = case.largest
    if gain is None:
        return None
    limit, remedy = _BY_DOUBLING[gain.of]
    because = f"twice the {gain.of} would lower the error by {gain}, estimated from {gain.source}"
    return _Label(limit, because, remedy)


def _loss_floor(case: _Case) -> _Label | None:
    bce, floors = case.trial.test_bce, case.floors
    if floors is None or bce is None or case.trial.config.get("loss") != Loss.BCE:
        return None
    above = bce - floors.test_entropy
    if not above < _LOSS_FLOOR * floors.test_entropy:
        return None
    because = (
        f"its cross-entropy is only {change(above / floors.test_entropy)} above the pixels’ entropy"
    )
    return _Label(Limit.WRONG_LOSS, because, Remedy.OUTPUT)


def _stuck(case: _Case) -> _Label | None:
    if case.components is None:
        return None
    because = (
        f"the error settled, but {count(case.width, 'hidden unit')} do only as well as PCA with "
        f"{count(case.components, 'component')}"
    )
    return _Label(Limit.STUCK, because, Remedy.CALMER)


#: The first rule that applies determines the diagnosis.
_RULES = (
    _nothing,
    _units,
    _worse_than_mean,
    _unstable,
    _overfits,
    _output_bound,
    _loss_floor,
    _largest_gain,
    _stuck,
)


def changes(remedy: Remedy, config: Mapping[str, Value]) -> dict[str, Value]:
    """Return the settings that a remedy changes, with their new values; none for more images."""
    rate, epochs, width = (config.get(of, 0) for of in ("learning_rate", "epochs", "hidden_width"))
    new: Mapping[Remedy, dict[str, Value]] = {
        Remedy.EPOCHS: {"epochs": 2 * int(epochs)},
        Remedy.WIDTH: {"hidden_width": 2 * int(width)},
        Remedy.IMAGES: {},
        Remedy.OUTPUT: {"output_activation": Output.LINEAR.value, "loss": Loss.MSE.value},
        Remedy.ACTIVATION: {"activation": Activation.LEAKY_RELU.value},
        Remedy.CALMER: {
            "learning_rate": float(rate) / 2,
            "lr_schedule": Schedule.COSINE.value,
        },
        Remedy.LOWER: {"learning_rate": float(rate) / 10},
        Remedy.HIGHER: {"learning_rate": 10 * float(rate)},
    }
    return {name: of for name, of in new[remedy].items() if config.get(name) != of}
