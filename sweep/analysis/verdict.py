"""What a study says about its baseline, in numbers.

The baseline is ``TrialConfig()``: 784 ReLU units, sigmoid output, binary
cross-entropy, Adam, 5 epochs in batches of 128.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sweep.analysis.floors import Floors, pca_equivalent
from sweep.catalogue.settings import EPS, in_use
from sweep.config import TrialConfig
from sweep.store.records import TrialRow
from sweep.store.table import Choices, Column, Mask, TrialTable

# Left out: what Adam, BCE and a constant schedule ignore, and Adam's eps, for which Keras, where
# the question was asked, and torch have different defaults (1e-7 and 1e-8).
_COMPARED: Mapping[str, Any] = {
    name: value for name, value in in_use(asdict(TrialConfig())).items() if name != EPS.name
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The best trial beside the baseline and the floor at its width."""

    best: TrialRow
    #: The baseline, if it was tried; may be the best itself.
    baseline: TrialRow | None
    #: The baseline's test error over the best trial's.
    times_better: float | None
    #: PCA's test error with as many components as the best trial has hidden units.
    floor: float | None
    #: The best trial's test error over that floor; None too where the floor is 0.
    times_floor: float | None
    #: The fewest principal components that do as well as the best trial.
    pca_components: int | None
    #: Nats per pixel of the test images that no binary cross-entropy can go below.
    entropy: float | None


def verdict(rows: Sequence[TrialRow], floors: Floors | None = None) -> Verdict | None:
    """None while no trial has finished with a finite value."""
    best = best_trial(rows)
    if best is None:
        return None
    baseline = baseline_trial(rows)
    floor = None if floors is None else floor_at(floors, best.hidden_width)
    error = best.test_mse
    return Verdict(
        best=best,
        baseline=baseline,
        times_better=_ratio(baseline.test_mse if baseline else None, error),
        floor=floor,
        times_floor=_ratio(error, floor),
        pca_components=None if floors is None or error is None else pca_equivalent(floors, error),
        entropy=None if floors is None else floors.test_entropy,
    )


def counts(row: TrialRow) -> bool:
    """Whether a trial takes part in verdicts: COMPLETE, not invalid, with a finite value."""
    value = row.value
    return (
        row.state == "COMPLETE" and not row.invalid and value is not None and math.isfinite(value)
    )


def best_trial(rows: Sequence[TrialRow]) -> TrialRow | None:
    """The lowest value of the first objective; of equals the first."""
    return min(
        (row for row in rows if counts(row)), key=lambda row: (row.value, row.number), default=None
    )


def best_number(table: TrialTable) -> int | None:
    """The number of the trial that ``best_trial`` would choose."""
    rows = np.flatnonzero(table.counting)
    return int(table.numbers[rows[np.argmin(table.value[rows])]]) if rows.size else None


def baseline_number(table: TrialTable) -> int | None:
    """The number of the trial that ``baseline_trial`` would choose."""
    asked = table.numbers[table.counting & _are_baseline(table)]
    return int(asked[0]) if asked.size else None


def _are_baseline(table: TrialTable) -> Mask:
    if not _COMPARED.keys() <= table.settings.keys():
        return np.zeros(len(table), dtype=bool)
    equal = [_equal(table.settings[name], value) for name, value in _COMPARED.items()]
    mask: Mask = np.logical_and.reduce(equal)
    return mask


def _equal(column: Column, value: Any) -> Mask:
    mask: Mask = column.is_(value) if isinstance(column, Choices) else column == value
    return mask


def baseline_trial(rows: Sequence[TrialRow]) -> TrialRow | None:
    """The first finished trial of the baseline."""
    asked = (row for row in rows if counts(row) and is_baseline(row.config))
    return min(asked, key=lambda row: row.number, default=None)


def is_baseline(config: Mapping[str, Any]) -> bool:
    """Whether it is the baseline, but for what that does not depend on."""
    return all(config.get(name) == value for name, value in _COMPARED.items())


def floor_at(floors: Floors, width: int | None) -> float | None:
    """PCA's test error with as many components; with more than there are pixels it stays 0."""
    if width is None:
        return None
    return floors.test_pca_mse[min(width, floors.n_inputs)]


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    if numerator is None or not denominator:
        return None
    return numerator / denominator
