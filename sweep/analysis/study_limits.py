"""The labels of a study: what limits the best trial of each width, or any trials."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from sweep.analysis.floors import Floors
from sweep.analysis.limits import Limited, limit_of
from sweep.config import width_class
from sweep.store.handle import StudyHandle
from sweep.store.records import TrialRow
from sweep.store.table import Choices, TrialTable


class LimitedTrial(NamedTuple):
    """A trial and what limits it."""

    trial: TrialRow
    limited: Limited


def limits_by_width(study: StudyHandle, floors: Floors | None) -> list[LimitedTrial]:
    """The best trial of each width, the narrowest first; widths within about a fifth are one."""
    return limits_of(study, best_of_widths(study.table()), floors)


def limits_of(
    study: StudyHandle, numbers: Collection[int], floors: Floors | None
) -> list[LimitedTrial]:
    """These trials, by width and number."""
    rows = study.trials(numbers=list(numbers))
    curves = study.curves(numbers)
    diagnostics = study.diagnostics(numbers)
    labelled = [
        LimitedTrial(
            row,
            limit_of(row, curves.get(row.number, ()), diagnostics.get(row.number), floors),
        )
        for row in rows
    ]
    return sorted(labelled, key=lambda of: (of.trial.hidden_width or 0, of.trial.number))


def best_of_widths(table: TrialTable) -> list[int]:
    """The number of the best trial in each class of widths (``trial.width_class``)."""
    usable = table.where(table.counting)
    if not len(usable) or "hidden_width" not in usable.settings:
        return []
    widths = usable.column("hidden_width")
    assert not isinstance(widths, Choices)
    known = usable.where(np.isfinite(widths))
    classes = np.array([width_class(int(width)) for width in widths[np.isfinite(widths)]])
    rows = [np.flatnonzero(classes == of) for of in np.unique(classes)]
    return [int(known.numbers[of[np.argmin(known.value[of])]]) for of in rows]
