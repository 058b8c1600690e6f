"""Schedule the learning rate, step by step: a factor of ``TrialConfig.learning_rate``.

Notation: step counts from 0 over all n steps of a trial, w of which are the warm-up. constant: 1.
cosine: (1 + cos(pi step / n)) / 2, from 1 towards 0. linear_warmup: (step + 1) / w up to 1, so that
the first step already moves and the last step of the warm-up has the full rate.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from sweep.enums import Schedule


class Moment(NamedTuple):
    """A step within a trial's training."""

    #: Counted from 0.
    step: int
    n_steps: int
    #: Steps of the warm-up.
    n_warmup: int


def constant(_: Moment) -> float:
    """Return 1: the learning rate is constant."""
    return 1.0


def cosine(moment: Moment) -> float:
    """Return the factor that lowers the learning rate to 0 along half a cosine."""
    return 0.5 * (1.0 + math.cos(math.pi * moment.step / moment.n_steps))


def linear_warmup(moment: Moment) -> float:
    """Return the factor that raises the learning rate linearly, then keeps it."""
    return min(1.0, (moment.step + 1) / moment.n_warmup) if moment.n_warmup else 1.0


SCHEDULES: dict[Schedule, Callable[[Moment], float]] = {
    Schedule.CONSTANT: constant,
    Schedule.COSINE: cosine,
    Schedule.LINEAR_WARMUP: linear_warmup,
}
