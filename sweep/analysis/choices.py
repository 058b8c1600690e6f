"""Find the choice of a setting with the lowest values, if ranks distinguish it from all others.

Every pair is compared by the Mann-Whitney test (two-sided, normal approximation), because values of
trials differ by orders of magnitude and have outliers. The best choice is selected on the same
values, so p is multiplied by the number of pairs (Bonferroni).
"""

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from sweep.analysis.usage import uses_setting
from sweep.store.table import Choices, Numbers, TrialTable

#: The normal approximation of ranks is valid from about here on.
MIN_TRIALS = 5
LEVEL = 0.05


class BestChoice(NamedTuple):
    """A choice whose values rank below those of every other choice."""

    name: str
    runner_up: str
    #: Its median divided by that of the runner-up.
    ratio: float
    #: p value of the comparison with the runner-up, corrected.
    p: float


def best_choice(table: TrialTable, setting: str) -> BestChoice | None:
    """Return the choice of a setting that differs from all others with enough trials."""
    column = table.settings.get(setting)
    if not isinstance(column, Choices):
        return None
    counts = table.counting & uses_setting(table, setting) & (table.value > 0)
    groups = {str(name): table.value[counts & column.is_(name)] for name in column.names}
    return find_best_choice({name: of for name, of in groups.items() if len(of) >= MIN_TRIALS})


def find_best_choice(groups: Mapping[str, Numbers]) -> BestChoice | None:
    """Compare the group with the lowest median with all others; None if one is not different."""
    if len(groups) < 2:
        return None
    first, second, *others = sorted(groups, key=lambda name: float(np.median(groups[name])))
    n_pairs = len(list(combinations(groups, 2)))
    p = {of: min(1.0, n_pairs * _p(groups[first], groups[of])) for of in (second, *others)}
    if max(p.values()) > LEVEL:
        return None
    ratio = float(np.median(groups[first]) / np.median(groups[second]))
    return BestChoice(first, second, ratio, p[second])


def _p(a: Numbers, b: Numbers) -> float:
    """Return the probability of ranks that are so different; ties lower the variance."""
    n, m = len(a), len(b)
    total = n + m
    _, places, ties = np.unique(np.concatenate([a, b]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[places]
    spread = n * m / 12 * (total + 1 - (ties**3 - ties).sum() / (total * (total - 1)))
    if spread <= 0:
        return 1.0
    distance = abs(ranks[:n].sum() - n * (total + 1) / 2) - 0.5
    return float(min(1.0, 2 * ndtr(-max(distance, 0.0) / np.sqrt(spread))))
