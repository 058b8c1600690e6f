"""Decide whose weights and pictures are sent: those of the best trial of about its width.

A trial carries a limit from its coordinator, as of its dispatch. Hundreds are dispatched before the
first is done, so trials that finished here meanwhile count too.
"""

from math import inf
from statistics import fmean

from sweep.config import width_class
from sweep.messages import EpochDone, TrialSpec


class ArtifactPolicy:
    """The limits of a worker's trials: the lowest error since their dispatch."""

    def __init__(self) -> None:
        #: By number: the class of the width, and the limit. A trial that is always kept has none.
        self._limits: dict[int, tuple[int, float]] = {}

    def begin(self, spec: TrialSpec) -> None:
        """Record that a trial was received."""
        if not spec.keep_always:
            self._limits[spec.number] = width_class(spec.config.hidden_width), spec.keep_below

    def forget(self, number: int) -> None:
        """Forget a trial that ended without a result, or whose result failed."""
        self._limits.pop(number, None)

    def finish(self, last: EpochDone) -> float:
        """Return the limit for a finished trial; its error counts for the others."""
        if last.number not in self._limits:
            return inf
        error = fmean(metrics.val_mse for metrics in last.metrics)
        width, limit = self._limits.pop(last.number)
        for number, (other, before) in self._limits.items():
            if other == width:
                self._limits[number] = other, min(before, error)
        return limit
