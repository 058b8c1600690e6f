"""Compare a study's best trial with its baseline and with the floors."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from sweep.analysis.floors import Floors, pca_equivalent
from sweep.analysis.untried_baseline import UntriedBaseline, untried_baseline
from sweep.config import is_question
from sweep.store.handle import StudyHandle
from sweep.store.records import TrialRow
from sweep.store.table import TrialTable


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The best trial compared with the baseline and the floor at its width."""

    best: TrialRow
    #: The study's baseline, if it was tried; may be the best trial itself.
    baseline: TrialRow | None
    #: The baseline's test error divided by the best trial's.
    times_better: float | None
    #: PCA's test error with as many components as the best trial has hidden units.
    floor: float | None
    #: The best trial's test error divided by that floor; None also if the floor is 0.
    times_floor: float | None
    #: The fewest principal components with the same error as the best trial.
    pca_components: int | None
    #: Nats per pixel of the test images: the lower bound of any binary cross-entropy.
    entropy: float | None
    #: Why there is no baseline; None if there is one, or if that was not requested.
    untried: UntriedBaseline | None = None

    @property
    def baseline_number(self) -> int | None:
        """The number of the baseline."""
        return None if self.baseline is None else self.baseline.number

    @property
    def is_about_question(self) -> bool:
        """Whether the baseline is BASELINE, which some texts refer to."""
        return self.baseline is not None and is_question(self.baseline.config)


def study_verdict(
    study: StudyHandle, table: TrialTable, floors: Floors | None = None
) -> Verdict | None:
    """Return ``verdict`` for a study's trials; reads only the two trials that it compares."""
    numbers = [best_number(table), baseline_number(table)]
    found = verdict(table, study.trials([n for n in numbers if n is not None]), floors)
    if found is None or found.baseline is not None:
        return found
    return replace(found, untried=untried_baseline(study, table))


def verdict(
    table: TrialTable, rows: Iterable[TrialRow], floors: Floors | None = None
) -> Verdict | None:
    """Compare the best of a study's trials with the baseline; ``rows`` contains both.

    None while no trial has finished with a finite value.
    """
    counting: dict[int | None, TrialRow] = {row.number: row for row in rows if counts(row)}
    best = counting.get(best_number(table))
    if best is None:
        return None
    baseline = counting.get(baseline_number(table))
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
    """Return ``TrialTable.counting`` of a row, which may be newer than the table."""
    value = row.value
    return (
        row.state == "COMPLETE" and not row.invalid and value is not None and math.isfinite(value)
    )


def best_number(table: TrialTable) -> int | None:
    """Return the number of the trial with the lowest first objective; the first of equals."""
    rows = np.flatnonzero(table.counting)
    return int(table.numbers[rows[np.argmin(table.value[rows])]]) if rows.size else None


def baseline_number(table: TrialTable) -> int | None:
    """Return the number of the first baseline trial that counts; None if there is none."""
    found = table.numbers[table.counting & table.is_baseline]
    return int(found[0]) if found.size else None


def floor_at(floors: Floors, width: int | None, *, validation: bool = False) -> float | None:
    """Return PCA's error on test or validation images with as many components.

    With more than there are pixels it stays 0.
    """
    if width is None:
        return None
    errors = floors.val_pca_mse if validation else floors.test_pca_mse
    return errors[min(width, floors.n_inputs)]


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    if numerator is None or not denominator:
        return None
    return numerator / denominator
