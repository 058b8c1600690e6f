"""Explain why a baseline has no result to compare with, and how to train it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sweep.catalogue.settings import Value
from sweep.store.handle import StudyHandle
from sweep.store.table import TrialTable
from sweep.studyfile import loads_or_none


@dataclass(frozen=True, kw_only=True)
class UntriedBaseline:
    """Why no trial that counts has the study's baseline configuration."""

    #: The last trial that is the baseline, or the one that the study names; None if there is none.
    number: int | None = None
    #: That trial's state; None if there is no such trial.
    state: str | None = None
    is_invalid: bool = False
    #: What ``sweep enqueue`` needs to try it; None if the search space does not contain it.
    to_enqueue: Mapping[str, Value] | None = None
    #: Whether this version can read the study's file, which says whether the space contains it.
    is_file_readable: bool = True


def untried_baseline(study: StudyHandle, table: TrialTable) -> UntriedBaseline:
    """Find out why no trial that counts is the baseline; only for studies without one."""
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
    if (file := loads_or_none(study.record().study_file)) is None:
        return UntriedBaseline(is_file_readable=False)
    return UntriedBaseline(to_enqueue=file.baseline_to_enqueue())
