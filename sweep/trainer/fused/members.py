"""The trials of a population as the host sees them, and what it makes of their numbers.

Notation: K slots, D inputs, S seeds of a trial.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sweep.names import Output
from sweep.trainer.fused.kernels import codes
from sweep.trainer.fused.layout import Place
from sweep.trainer.initialisation import Weights
from sweep.trainer.pixels import psnr
from sweep.trial import Diagnostics, EpochMetrics, TestMetrics, TrialConfig, TrialSpec

Row = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tested:
    """A trial's measurements on the test set, as they came from the device."""

    #: (S, N_REPORT)
    report: Row
    #: (S, C)
    class_squares: Row
    #: (images of the strip, D) of the first seed.
    copies: Tensor


@dataclass(kw_only=True, eq=False)
class Member:
    """A trial in the population."""

    spec: TrialSpec
    #: One a seed.
    places: tuple[Place, ...]
    #: One a seed, of the next epoch, being drawn.
    orders: list["Future[Tensor]"]
    #: Epochs that the device was asked for, and those whose numbers are here.
    launched: int = 0
    epoch: int = 0
    metrics: list[tuple[EpochMetrics, ...]] = field(default_factory=list)
    diagnostics: tuple[Diagnostics, ...] = ()
    tested: Tested | None = None
    #: Told to stop before its last epoch.
    stopped: bool = False
    #: Its last ones, one a seed, on the CPU; it has no place any more then.
    weights: tuple[Weights, ...] | None = None

    @property
    def goes_on(self) -> bool:
        """Whether there is an epoch to launch."""
        return not self.stopped and self.launched < self.spec.config.epochs

    @property
    def slots(self) -> list[int]:
        return [place.slot for place in self.places]

    @property
    def train_seconds(self) -> float:
        """Mean over the seeds, as the reference trainer has it."""
        spent = sum(metrics.seconds for epoch in self.metrics for metrics in epoch)
        return spent / len(self.places)

    @property
    def last_error(self) -> float:
        """The validation error of the last epoch here, mean over the seeds."""
        last = [metrics.val_mse for metrics in self.metrics[-1]]
        return sum(last) / len(last)


def epoch_metrics(
    row: Row, config: TrialConfig, validation: Sequence[int], seconds: float
) -> EpochMetrics:
    """Of a slot's row of the report, over validation images of this shape."""
    n_pixels = validation[0] * validation[1]
    return EpochMetrics(
        train_loss=float(row[codes.TRAIN_LOSS]),
        val_mse=float(row[codes.REPORT_SQUARES]) / n_pixels,
        val_bce=_entropy(row, config, n_pixels),
        seconds=seconds,
    )


def diagnostics(row: Row, config: TrialConfig, n_images: int) -> Diagnostics:
    pairs = config.hidden_width * n_images
    return Diagnostics(
        dead_share=float(row[codes.DEAD]) / config.hidden_width,
        saturated_share=float(row[codes.SATURATED]) / pairs,
        stuck_share=_share(row[codes.REPORT_STUCK], row[codes.REPORT_SQUARES]),
        encoder_norm=float(np.sqrt(row[codes.ENCODER_SQUARES])),
        decoder_norm=float(np.sqrt(row[codes.DECODER_SQUARES])),
    )


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0


def test_metrics(
    row: Row,
    class_squares: Row,  # (C,)
    class_sizes: NDArray[np.int64],  # (C,)
    config: TrialConfig,
    n_inputs: int,
    diagnosed: Diagnostics,
) -> TestMetrics:
    n_pixels = int(class_sizes.sum()) * n_inputs
    mse = float(row[codes.REPORT_SQUARES]) / n_pixels
    return TestMetrics(
        test_mse=mse,
        test_bce=_entropy(row, config, n_pixels),
        psnr=psnr(mse),
        exact_pixels=float(row[codes.REPORT_EXACT]) / n_pixels,
        per_class_mse=tuple((class_squares / (class_sizes * n_inputs)).tolist()),
        n_parameters=(2 * n_inputs + 1) * config.hidden_width + n_inputs,
        diagnostics=diagnosed,
    )


def _entropy(row: Row, config: TrialConfig, n_pixels: int) -> float | None:
    if config.output is not Output.SIGMOID:
        return None
    return float(row[codes.REPORT_ENTROPY]) / n_pixels
