"""Diagnoses of a study: what limits the best trial of each width, or chosen trials."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from sweep.analysis.diagnosis import Diagnosis, diagnose
from sweep.analysis.floors import Floors
from sweep.config import width_class
from sweep.store.handle import StudyHandle
from sweep.store.records import TrialRow
from sweep.store.table import Choices, TrialTable


class DiagnosedTrial(NamedTuple):
    """A trial with its diagnosis."""

    trial: TrialRow
    diagnosis: Diagnosis


def diagnose_widths(study: StudyHandle, floors: Floors | None) -> list[DiagnosedTrial]:
    """Diagnose the best trial of each class of widths, narrowest first."""
    return diagnose_trials(study, best_of_widths(study.table()), floors)


def diagnose_trials(
    study: StudyHandle, numbers: Collection[int], floors: Floors | None
) -> list[DiagnosedTrial]:
    """Diagnose these trials; sorted by width and number."""
    rows = study.trials(numbers=list(numbers))
    curves = study.curves(numbers)
    diagnostics = study.diagnostics(numbers)
    diagnosed = [
        DiagnosedTrial(
            row,
            diagnose(row, curves.get(row.number, ()), diagnostics.get(row.number), floors),
        )
        for row in rows
    ]
    return sorted(diagnosed, key=lambda of: (of.trial.hidden_width or 0, of.trial.number))


def best_of_widths(table: TrialTable) -> list[int]:
    """Return the number of the best trial in each class of widths (``config.width_class``)."""
    usable = table.where(table.counting)
    if not len(usable) or "hidden_width" not in usable.settings:
        return []
    widths = usable.column("hidden_width")
    assert not isinstance(widths, Choices)
    known = usable.where(np.isfinite(widths))
    classes = np.array([width_class(int(width)) for width in widths[np.isfinite(widths)]])
    rows = [np.flatnonzero(classes == of) for of in np.unique(classes)]
    return [int(known.numbers[of[np.argmin(known.value[of])]]) for of in rows]
