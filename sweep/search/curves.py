"""The curves of a study's trials, kept by step, so that a pruning rule compares arrays.

A curve maps a step (an epoch, from 1) to the first objective there; lower is better. NaN counts as
worse than any number.
"""

import math
from array import array
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Standing(NamedTuple):
    """All trials that have reached a step, running or not; N of them, in no order that matters."""

    step: int
    numbers: NDArray[np.int64]  # (N,)
    values: NDArray[np.float64]  # (N,)  at the step; inf where not a number
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
        self._last: dict[int, float] = {}
        self._best: dict[int, float] = {}
        self._left_out: NDArray[np.int64] = np.array([], np.int64)

    @classmethod
    def of(cls, curves: Mapping[int, Mapping[int, float]]) -> "Curves":
        """Trial number -> step -> value."""
        made = cls()
        for number, curve in curves.items():
            for step in sorted(curve):
                made.report(number, step, curve[step])
        return made

    def report(self, number: int, step: int, value: float) -> None:
        """A trial reached a step; it reports its steps in their order."""
        finite = math.inf if math.isnan(value) else value
        best = self._best[number] = min(finite, self._best.get(number, math.inf))
        self._last[number] = value
        at = self._steps[step]
        at.numbers.append(number)
        at.values.append(finite)
        at.best.append(best)

    def forget(self, number: int) -> None:
        """A trial begins anew."""
        if self._last.pop(number, None) is not None:
            del self._best[number]
            for step in self._steps.values():
                step.forget(number)

    def leave_out(self, numbers: frozenset[int]) -> None:
        """These trials, and no others, are not compared with."""
        self._left_out = np.array(sorted(numbers), np.int64)

    def last(self, number: int) -> float | None:
        """What a trial reported last."""
        return self._last.get(number)

    def at(self, step: int) -> Standing:
        """How the trials stand at a step, those left out apart."""
        found = self._steps.get(step) or _Step()
        # Copies: an array that lends its memory cannot grow.
        numbers = np.array(found.numbers, np.int64)
        values, best = np.array(found.values, np.float64), np.array(found.best, np.float64)
        if self._left_out.size:
            kept = ~np.isin(numbers, self._left_out)
            numbers, values, best = numbers[kept], values[kept], best[kept]
        return Standing(step, numbers, values, best)
