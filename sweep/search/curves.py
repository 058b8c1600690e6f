"""Store the curves of a study's trials by step, so that a pruning rule compares arrays.

A curve maps a step (an epoch, from 1) to the first objective at that step; lower is better. NaN
counts as worse than any number.
"""

import math
from array import array
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class CurvesAtStep(NamedTuple):
    """All trials that have reached a step, running or not; N of them, in arbitrary order."""

    step: int
    numbers: NDArray[np.int64]  # (N,)
    values: NDArray[np.float64]  # (N,) at the step; inf for NaN
    best: NDArray[np.float64]  # (N,)  the lowest up to the step


class _Step:
    """What was reported at one step, in arrays that grow."""

    def __init__(self) -> None:
        self.numbers = array("q")
        self.values = array("d")
        self.best = array("d")

    def forget(self, number: int) -> None:
        if number in self.numbers:
            place = self.numbers.index(number)
            for column in (self.numbers, self.values, self.best):
                column.pop(place)


class Curves:
    """Every trial's curve, as far as it has been reported."""

    def __init__(self) -> None:
        self._steps: dict[int, _Step] = defaultdict(_Step)
        self._left_out: NDArray[np.int64] = np.array([], np.int64)

    @classmethod
    def of(cls, curves: Mapping[int, Mapping[int, float]]) -> "Curves":
        """Build the curves from a mapping: trial number -> step -> value."""
        made = cls()
        for number, curve in curves.items():
            lowest = math.inf
            for step in sorted(curve):
                lowest = min(lowest, _finite(curve[step]))
                made.report(number, step, curve[step], lowest)
        return made

    def report(self, number: int, step: int, value: float, best: float) -> None:
        """Add a trial's value at a step, and its lowest value up to that step."""
        at = self._steps[step]
        at.numbers.append(number)
        at.values.append(_finite(value))
        at.best.append(best)

    def forget(self, number: int) -> None:
        """Remove a trial's curve, before it starts again."""
        for step in self._steps.values():
            step.forget(number)

    def leave_out(self, numbers: frozenset[int]) -> None:
        """Exclude exactly these trials from comparisons."""
        self._left_out = np.array(sorted(numbers), np.int64)

    def at(self, step: int) -> CurvesAtStep:
        """Return the values of all trials at a step, without the excluded ones."""
        found = self._steps.get(step) or _Step()
        # Copies: an array whose memory is shared cannot grow.
        numbers = np.array(found.numbers, np.int64)
        values, best = np.array(found.values, np.float64), np.array(found.best, np.float64)
        if self._left_out.size:
            kept = ~np.isin(numbers, self._left_out)
            numbers, values, best = numbers[kept], values[kept], best[kept]
        return CurvesAtStep(step, numbers, values, best)


def _finite(value: float) -> float:
    return math.inf if math.isnan(value) else value
