"""The Pareto set: trials that no other beats."""

import numpy as np
from numpy.typing import NDArray

from sweep.store.table import Mask


def unbeaten(
    points: NDArray[np.float64],  # (K, M) finite, lower is better
) -> Mask:
    """Rows that no other row beats: nowhere worse and somewhere lower. Equals stand together."""
    ranks = [np.unique(column, return_inverse=True)[1] for column in points.T]
    # Who beats a row has the lower sum of ranks, so that the first that is left is never beaten.
    left = np.argsort(np.sum(ranks, axis=0), kind="stable")
    front = np.zeros(len(points), dtype=bool)
    while left.size:
        first = points[left[0]]
        front[left[0]] = True
        beaten = (points[left] >= first).all(axis=1) & (points[left] > first).any(axis=1)
        left = left[~beaten][1:]
    return front
