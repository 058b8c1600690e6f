"""How well the codes of a study predict the labels: of all trials whose networks are analysed."""

from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.probe_summary import ProbedTrial, ProbeSummary, summarise_probes
from sweep.analysis.study_data import study_data
from sweep.config import width_class
from sweep.messages import ProbeBaseline
from sweep.store.handle import DatabaseHandle, StudyHandle
from sweep.store.records import TrialDetail
from sweep.store.table import TrialTable


def study_probes(study: StudyHandle) -> ProbeSummary | None:
    """Summarise the probe's results; None where no trial that counts is analysed.

    The best of a width class (``config.width_class``) is the best of its trials that are analysed,
    by validation error.
    """
    return ProbeReader(study).look(study.table())


def probed_trial(study: StudyHandle, trial: TrialDetail) -> ProbedTrial | None:
    """Return what a trial's code tells; None where it is not analysed, or has no labels."""
    if trial.probe is None or trial.hidden_width is None or trial.test_mse is None:
        return None
    return ProbedTrial.of(
        trial.number, trial.hidden_width, trial.test_mse, trial.probe, study_baselines(study)
    )


def study_baselines(study: StudyHandle) -> list[ProbeBaseline]:
    """Return what the codes of a study are compared with, as far as it is stored."""
    data = study_data(study)
    return [] if data is None else DatabaseHandle(study.engine).probe_baselines(data.key)


class _Known(NamedTuple):
    """A trial whose network is analysed."""

    #: Trained again, it has another code.
    attempt: int
    trial: ProbedTrial


class ProbeReader:
    """Reads what a study's codes tell again and again, each time only what is new.

    Threads may share it.
    """

    def __init__(self, study: StudyHandle) -> None:
        self._study = study
        self._lock = Lock()
        self._revision = -1
        self._known: dict[int, _Known] = {}
        self._told: ProbeSummary | None = None

    def look(self, table: TrialTable) -> ProbeSummary | None:
        """Summarise the trials' probes: the same object while nothing that counts changed."""
        with self._lock:
            self._read(table)
            seen = self._is_current(table)
            of_row = {
                row: self._known[int(table.numbers[row])].trial
                for row in np.flatnonzero(seen & table.counting).tolist()
            }
            if not of_row:
                return None
            trials = sorted(of_row.values(), key=lambda of: (of.hidden_width, of.number))
            best = [row for row in _best(table, seen) if not seen[row]]
            unseen = [int(table.numbers[row]) for row in best]
            told = self._told
            if told is None or (list(told.trials), list(told.unseen)) != (trials, unseen):
                shown = [of_row[row] for row in _best(table, seen, among=seen)]
                self._told = summarise_probes(shown, trials, unseen=unseen)
            return self._told

    def _read(self, table: TrialTable) -> None:
        probes = self._study.probes(after=self._revision)
        baselines = study_baselines(self._study) if probes else []
        for number, probe in probes.items():
            row = table.row_of(number)
            # What ended after the table was read is newer than its revision: it is read again.
            if row is not None and table.states.value(row) == "COMPLETE":
                width, test_mse = (table.metrics[of][row] for of in ("hidden_width", "test_mse"))
                trial = ProbedTrial.of(number, int(width), float(test_mse), probe, baselines)
                if trial is not None:
                    self._known[number] = _Known(int(table.attempts[row]), trial)
        self._revision = table.revision

    def _is_current(self, table: TrialTable) -> NDArray[np.bool_]:  # (N,)
        """Select the trials that are analysed as they are now."""
        seen = np.isin(table.numbers, list(self._known))
        for row in np.flatnonzero(seen).tolist():
            seen[row] = self._known[int(table.numbers[row])].attempt == table.attempts[row]
        return seen


def _best(
    table: TrialTable,
    seen: NDArray[np.bool_],  # (N,)  of equal errors one that is analysed
    *,
    among: NDArray[np.bool_] | None = None,  # (N,)
) -> list[int]:
    """Rows of the best trials that count, one of each width, the narrowest first."""
    widths, errors = table.metrics["hidden_width"], table.metrics["val_mse"]
    rows = np.flatnonzero(
        table.counting
        & np.isfinite(widths)
        & np.isfinite(errors)
        & (True if among is None else among)
    )
    if not rows.size:
        return []
    kinds, kind = np.unique(widths[rows], return_inverse=True)
    classes = np.array([width_class(int(width)) for width in kinds])[kind]
    order = np.lexsort((~seen[rows], errors[rows], classes))
    _, first = np.unique(classes[order], return_index=True)
    best: list[int] = rows[order[first]].tolist()
    return best
