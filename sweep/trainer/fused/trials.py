"""A trial in the fused trainer: its place on the device, and its numbers so far."""

from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sweep.active_trial import ActiveTrial
from sweep.messages import Diagnostics, EpochMetrics
from sweep.trainer.fused.layout import SlotPlace
from sweep.trainer.fused.row_weights import RowWeights

Row = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tested:
    """A trial's raw measurements on the test set."""

    #: (S, N_REPORT)
    report: Row
    #: (S, C)
    class_squares: Row
    #: Squared errors (S, N_VALUES) on black and on white pixels.
    value_squares: Row
    #: Reconstructions (images of the strip, D) of the first seed.
    reconstructions: Tensor


@dataclass(kw_only=True, eq=False)
class FusedTrial(ActiveTrial):
    """A trial in the population. S seeds, each in a separate slot."""

    #: One per seed.
    places: tuple[SlotPlace, ...]
    #: Draws in progress, one per seed: initial weights until written, and the next epoch's orders.
    first_weights: list["Future[RowWeights]"] = field(default_factory=list)
    orders: list["Future[None]"] = field(default_factory=list)
    metrics: list[tuple[EpochMetrics, ...]] = field(default_factory=list)
    diagnostics: tuple[Diagnostics, ...] = ()
    tested: Tested | None = None
    #: Final weights, one per seed, on the CPU; set once its place is freed.
    last_weights: list[RowWeights] | None = None
    #: Event at which their copy is complete; None on a CPU.
    weights_copied: torch.cuda.Event | None = None

    @property
    def slots(self) -> list[int]:
        """List the trial's slots, one per seed."""
        return [place.slot for place in self.places]

    @property
    def train_seconds(self) -> float:
        """Mean over the seeds, as in the reference trainer."""
        spent = sum(metrics.seconds for epoch in self.metrics for metrics in epoch)
        return spent / len(self.places)

    @property
    def last_error(self) -> float:
        """The validation error of the last epoch here, mean over the seeds."""
        last = [metrics.val_mse for metrics in self.metrics[-1]]
        return sum(last) / len(last)
