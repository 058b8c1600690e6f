"""A baseline that has no result to compare with: which trial it would be, and how to train it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sweep.catalogue.settings import Value
from sweep.store.handle import StudyHandle
from sweep.store.table import TrialTable
from sweep.studyfile import loads


@dataclass(frozen=True, kw_only=True)
class UntriedBaseline:
    """Why a study's baseline is none of the trials that count."""

    #: The last trial that is the baseline, or the one that the study names; None where none is.
    number: int | None = None
    #: That trial's state; None where there is no such trial.
    state: str | None = None
    is_invalid: bool = False
    #: What ``sweep enqueue`` needs to try it; None where the search space does not have it.
    to_enqueue: Mapping[str, Value] | None = None


def untried_baseline(study: StudyHandle, table: TrialTable) -> UntriedBaseline:
    """Find out why no trial that counts is the baseline; for a study of which that is so."""
    rows = np.flatnonzero(table.is_baseline)
    if rows.size:
        row = int(rows[-1])
        return UntriedBaseline(
            number=int(table.numbers[row]),
            state=table.states.value(row),
            is_invalid=bool(table.invalid[row]),
        )
    if table.baseline.number is not None:
        return UntriedBaseline(number=table.baseline.number)
    file = loads(study.record().study_file, f"study '{study.name}'", check_packages=False)
    return UntriedBaseline(to_enqueue=file.baseline_to_enqueue())
