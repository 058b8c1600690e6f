"""Summarise groups of trials, for charts of more trials than can be drawn individually."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Groups(NamedTuple):
    """Statistics of each group; groups without trials are NaN, number -1."""

    counts: NDArray[np.int64]  # (C,)
    best: NDArray[np.float64]  # (C,)
    best_numbers: NDArray[np.int64]  # (C,)
    median: NDArray[np.float64]  # (C,)
    #: Bounds of the middle 80 % of the trials.
    low: NDArray[np.float64]  # (C,)
    high: NDArray[np.float64]  # (C,)


def group(
    places: NDArray[np.intp],  # (K,) from 0
    values: NDArray[np.float64],  # (K,) finite
    numbers: NDArray[np.int64],  # (K,)
    n_groups: int,
    *,
    highest: bool = False,
) -> Groups:
    """Count, best (the lowest, unless ``highest``), median and spread of each group."""
    order = np.lexsort((numbers, -values if highest else values, places))
    counts = np.bincount(places, minlength=n_groups)
    filled = counts > 0
    starts = (np.cumsum(counts) - counts)[filled]

    def at(share: float) -> NDArray[np.float64]:
        of_groups = np.full(n_groups, np.nan)
        rank = share * (counts[filled] - 1)
        before, after = np.floor(rank).astype(np.intp), np.ceil(rank).astype(np.intp)
        below, above = values[order[starts + before]], values[order[starts + after]]
        of_groups[filled] = below + (rank - before) * (above - below)
        return of_groups

    best_numbers = np.full(n_groups, -1, dtype=np.int64)
    best_numbers[filled] = numbers[order[starts]]
    spread = (at(0.9), at(0.1)) if highest else (at(0.1), at(0.9))
    return Groups(counts, at(0.0), best_numbers, at(0.5), *spread)
