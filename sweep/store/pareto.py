"""Find the Pareto set: trials that no other trial dominates."""

import numpy as np
from numpy.typing import NDArray

from sweep.store.table import Mask


def unbeaten(
    points: NDArray[np.float64],  # (K, M) finite, lower is better
) -> Mask:
    """Select the rows that no other row dominates.

    A row dominates another if it is nowhere higher and somewhere lower; equal rows all stay.
    """
    ranks = [np.unique(column, return_inverse=True)[1] for column in points.T]
    # A dominating row has the lower sum of ranks, so the first remaining row is never dominated.
    left = np.argsort(np.sum(ranks, axis=0), kind="stable")
    front = np.zeros(len(points), dtype=bool)
    while left.size:
        first = points[left[0]]
        front[left[0]] = True
        beaten = (points[left] >= first).all(axis=1) & (points[left] > first).any(axis=1)
        left = left[~beaten][1:]
    return front
