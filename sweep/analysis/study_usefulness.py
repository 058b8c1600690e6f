"""What the codes of a study tell of the labels: of all trials whose networks were looked into."""

from threading import Lock
from typing import NamedTuple

import numpy as np

from sweep.analysis.usefulness import Probed, Usefulness, usefulness
from sweep.store import read, read_beside
from sweep.store.engine import Engine
from sweep.store.table import TrialTable
from sweep.trial import width_class


def study_usefulness(engine: Engine, name: str) -> Usefulness | None:
    """None where no trial that counts was looked into.

    The best of a width is the best of those that were: a trial is looked into when it ends as the
    best of its width (``trial.width_class``), by validation error.
    """
    return UsefulnessReader(engine, name).look(read.table(engine, name))


class _Known(NamedTuple):
    """A trial that was looked into."""

    #: Trained again, it has another code.
    attempt: int
    trial: Probed


class UsefulnessReader:
    """Reads what a study's codes tell again and again, each time only what is new.

    Threads may share it.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._lock = Lock()
        self._forget((0, 0.0))

    def _forget(self, made: tuple[int, float]) -> None:
        self._made = made
        self._revision = -1
        self._known: dict[int, _Known] = {}
        self._told: Usefulness | None = None

    def look(self, table: TrialTable) -> Usefulness | None:
        """Of the study's trials: the very same while nothing about those that count changed."""
        with self._lock:
            self._read(table)
            rows = self._rows(table)
            trials = [self._known[int(table.numbers[row])].trial for row in rows]
            if self._told is None or list(self._told.trials) != _sorted(trials):
                self._told = _told(trials, table.metrics["val_mse"][rows].tolist())
            return self._told

    def _read(self, table: TrialTable) -> None:
        made = read.made(self._engine, self._name)
        if made != self._made:
            self._forget(made)
        for number, probe in read_beside.probes(
            self._engine, self._name, after=self._revision
        ).items():
            row = table.row_of(number)
            # What ended after the table was read is newer than its revision: it is read again.
            if row is not None and table.states.value(row) == "COMPLETE":
                width, test_mse = (table.metrics[of][row] for of in ("hidden_width", "test_mse"))
                trial = Probed.of(number, int(width), float(test_mse), probe)
                self._known[number] = _Known(int(table.attempts[row]), trial)
        self._revision = table.revision

    def _rows(self, table: TrialTable) -> list[int]:
        """Of the trials that count and were looked into as they are now."""
        looked_into = np.isin(table.numbers, list(self._known))
        return [
            row
            for row in np.flatnonzero(looked_into & table.counting).tolist()
            if self._known[int(table.numbers[row])].attempt == table.attempts[row]
        ]


def _sorted(trials: list[Probed]) -> list[Probed]:
    return sorted(trials, key=lambda of: (of.hidden_width, of.number))


def _told(trials: list[Probed], val_mse: list[float]) -> Usefulness | None:
    if not trials:
        return None
    best: dict[int, tuple[float, Probed]] = {}
    for trial, error in zip(trials, val_mse, strict=True):
        key, found = width_class(trial.hidden_width), (error, trial)
        best[key] = min(best.get(key, found), found, key=lambda of: of[0])
    return usefulness([best[of][1] for of in sorted(best)], _sorted(trials))
