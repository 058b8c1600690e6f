"""Whose weights are worth sending, and whose pictures, and into whose network it is worth looking:
of the best so far, and of the best of about its width.

A trial comes with limits from its coordinator, as of its hand-out. Hundreds are handed out before
the first is done, so what finished here meanwhile counts too.
"""

from statistics import fmean

from sweep.config import width_class
from sweep.messages import EpochDone, Limits, TrialSpec


class ArtifactPolicy:
    """The limits of the trials that a worker has: the lowest error since the hand-out."""

    def __init__(self) -> None:
        #: With the class of the width.
        self._limits: dict[int, tuple[int, Limits]] = {}

    def begin(self, spec: TrialSpec) -> None:
        """A trial was handed over."""
        limits = Limits(spec.keep_weights_below, spec.keep_pictures_below)
        self._limits[spec.number] = width_class(spec.config.hidden_width), limits

    def forget(self, number: int) -> None:
        """Forget a trial that ended without a result, or whose result could not be made."""
        self._limits.pop(number, None)

    def finish(self, last: EpochDone) -> Limits:
        """The limits for a trial that has finished; its error counts for the others."""
        error = fmean(metrics.val_mse for metrics in last.metrics)
        width, limits = self._limits.pop(last.number)
        for number, (other, before) in self._limits.items():
            pictures = min(before.pictures, error) if other == width else before.pictures
            self._limits[number] = other, Limits(min(before.weights, error), pictures)
        return limits
