"""Judge whether a search has converged, by the gain of its last trials and the spread of its best.

Notation: n trials that count, in the order of their ends; b(i) the lowest error of the first i.

The minimum itself is unknown, but the errors of the best trials indicate the distance to it. With d
relevant settings, the share of trials within e of the minimum grows as e^(d/2), so for d up to 6
the distance of the best of evenly drawn trials to the minimum is at most about the distance between
the tenth best and the best.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from sweep.store.table import TrialTable

#: Minimum number of trials for a judgement.
MIN_TRIALS = 40
#: Number of best trials whose spread indicates the distance to the minimum.
N_BEST = 10
#: The share of the trials, the last of them, whose gain is computed.
LAST_SHARE = 1 / 3
#: In that share the error of an unfinished search falls by more than this ...
_STILL_FALLING = 0.1
#: ... and that of a converged search by less than this, over half of the trials.
_SETTLED = 0.02
#: The best trials of a converged search lie within this of each other.
_CLOSE = 0.1
#: The best trials of an unfinished search are farther apart: a sampler that has just come close to
#: the minimum improves too, but has many trials near it.
_APART = 0.2
#: A fall of fewer standard deviations of the seeds' noise is not significant.
_N_DEVIATIONS = 3.0


class SearchState(StrEnum):
    """Whether more trials are likely to improve the search."""

    CONVERGED = "converged"
    IMPROVING = "improving"


@dataclass(frozen=True, kw_only=True)
class Convergence:
    """The end of a search."""

    state: SearchState
    n_trials: int
    #: The trial, and its position from 1 in the order of ends, that last lowered the best by more
    #: than ``_SETTLED``.
    last_number: int
    last_place: int
    #: 1 - b(n) / b(n - n / 3).
    gain: float
    #: Tenth best error divided by the best, minus 1.
    spread: float


def convergence(table: TrialTable) -> Convergence | None:
    """Judge the search by the first objective; None if it is undecided, or trials are too few."""
    counting = table.counting & (table.value > 0)
    rows = np.flatnonzero(counting)
    n = len(rows)
    if n < MIN_TRIALS:
        return None
    ended = np.nan_to_num(table.ended[rows], nan=np.inf)
    rows = rows[np.lexsort((table.numbers[rows], ended))]
    values = table.value[rows]
    best = np.minimum.accumulate(values)
    gain = 1.0 - best[-1] / best[n - 1 - int(LAST_SHARE * n)]
    place = _last_improvement(best)
    # Trials that reuse a configuration's result have the same value.
    ranked = np.unique(values)
    spread = float(ranked[min(N_BEST, len(ranked)) - 1] / ranked[0] - 1.0)
    noise = _noise(table, rows[np.argsort(values, kind="stable")[:N_BEST]])
    if gain > max(_STILL_FALLING, _N_DEVIATIONS * noise) and spread > _APART:
        state = SearchState.IMPROVING
    elif place <= n / 2 and spread < _CLOSE and len(ranked) >= N_BEST:
        state = SearchState.CONVERGED
    else:
        return None
    return Convergence(
        state=state,
        n_trials=n,
        last_number=int(table.numbers[rows[place - 1]]),
        last_place=place,
        gain=float(gain),
        spread=spread,
    )


def _last_improvement(best: np.ndarray) -> int:
    """Return the position, from 1, after which the best fell by no more than ``_SETTLED``."""
    settled = np.flatnonzero(best <= best[-1] / (1.0 - _SETTLED))
    return int(settled[0]) + 1


def _noise(table: TrialTable, rows: np.ndarray) -> float:
    """Return the best trials' relative standard deviation over seeds; 0 if it is unknown."""
    spreads = table.metrics.get("val_mse_std")
    if spreads is None:
        return 0.0
    known = spreads[rows] / table.value[rows]
    known = known[np.isfinite(known)]
    return float(np.median(known)) if known.size else 0.0
