"""Diagnose what limits the best trial of each width of a study, or chosen trials."""

import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from sweep.analysis.diagnosis import Diagnosis, Remedy, changes, diagnose
from sweep.analysis.floors import Floors
from sweep.analysis.gains import Doubling, Gain, Gains
from sweep.analysis.trained_pairs import (
    LargerSet,
    Partner,
    find_partners,
    larger_sets,
    read_partners,
    trained_gains,
)
from sweep.analysis.width_law import Law, WidthLaw, width_errors, width_law
from sweep.catalogue.settings import Value, by_setting, in_use
from sweep.config import width_class
from sweep.store.handle import StudyHandle, StudyRecord
from sweep.store.records import CurvePoint, TrialRow
from sweep.store.table import Choices, TrialTable
from sweep.studyfile import StudyFile, loads_or_none
from sweep.studyfile.enqueue import read_configuration


class DiagnosedTrial(NamedTuple):
    """A trial with its diagnosis."""

    trial: TrialRow
    diagnosis: Diagnosis
    #: What ``sweep enqueue`` needs to try the remedy; None if the search space does not contain it.
    to_enqueue: Mapping[str, Value] | None = None
    #: Keys and values of the study file with which another study tries the remedy.
    overrides: Mapping[str, Value] = MappingProxyType({})

    @property
    def changes(self) -> Mapping[str, Value]:
        """The settings that the remedy changes, with their new values."""
        remedy = self.diagnosis.remedy
        return changes(remedy, self.trial.config) if remedy else {}


def diagnose_widths(study: StudyHandle, floors: Floors | None) -> list[DiagnosedTrial]:
    """Diagnose the best trial of each width class, narrowest first."""
    table = study.table()
    return diagnose_trials(study, table, best_of_widths(table), floors)


def diagnose_trials(
    study: StudyHandle,
    table: TrialTable,
    numbers: Collection[int],
    floors: Floors | None,
    width: WidthLaw | None = None,
) -> list[DiagnosedTrial]:
    """Diagnose these trials; sorted by width and number. ``width`` is fitted unless given."""
    curves, diagnostics = study.curves(numbers), study.diagnostics(numbers)
    rows = study.trials(numbers=list(numbers))
    diagnoser = Diagnoser(study, table, floors, rows, width)
    diagnosed = [
        diagnoser.diagnose(row, curves.get(row.number, ()), diagnostics.get(row.number))
        for row in rows
    ]
    return sorted(diagnosed, key=lambda of: (of.trial.hidden_width or 0, of.trial.number))


class Diagnoser:
    """Diagnoses ``trials`` of a study with evidence from others: pairs, the width law."""

    def __init__(
        self,
        study: StudyHandle,
        table: TrialTable,
        floors: Floors | None,
        trials: Iterable[TrialRow],
        width: WidthLaw | None = None,
    ) -> None:
        self._study, self._table, self._floors, self._width = study, table, floors, width
        self._partners = {trial.number: self._find_partners(trial) for trial in trials}
        pairs = (partner for of in self._partners.values() for partner in of.values())
        self._rows = read_partners(pairs)

    def diagnose(
        self,
        trial: TrialRow,
        curve: Sequence[CurvePoint],
        diagnostics: Mapping[str, float] | None,
    ) -> DiagnosedTrial:
        """Diagnose a trial; ``curve`` and ``diagnostics`` are means over its seeds."""
        found = diagnose(trial, curve, diagnostics, self._floors, self._known_gains(trial))
        if found.remedy is None or not trial.config:
            return DiagnosedTrial(trial, found)
        if found.remedy is Remedy.IMAGES:
            limit = self._record.settings.data.train_limit
            images: Value = "N" if limit is None else 2 * limit
            return DiagnosedTrial(trial, found, overrides={"data.train_limit": images})
        return DiagnosedTrial(
            trial,
            found,
            self._to_enqueue(trial, found.remedy),
            self._overrides(changes(found.remedy, trial.config)),
        )

    def _overrides(self, changed: Mapping[str, Value]) -> Mapping[str, Value]:
        """Fix the settings to their new values, also where ``[[enqueue]]`` names other ones."""
        return {f"space.{name}": value for name, value in changed.items()} | {
            f"enqueue.{place}.{name}": value
            for place, entry in enumerate(self._queued)
            for name, value in changed.items()
            if entry.get(name, value) != value
        }

    def _to_enqueue(self, trial: TrialRow, remedy: Remedy) -> Mapping[str, Value] | None:
        if self._file is None:
            return None
        changed = changes(remedy, trial.config)
        used = in_use({**trial.config, **changed})
        searched = by_setting(trial.params) | changed
        wanted = {name: value for name, value in searched.items() if name in used}
        return None if read_configuration(self._file.space, wanted, "")[1] else wanted

    @cached_property
    def _file(self) -> StudyFile | None:
        """Read the study file; None if it is invalid by today's rules."""
        return loads_or_none(self._record.study_file)

    @cached_property
    def _queued(self) -> Sequence[Mapping[str, Value]]:
        """Read ``[[enqueue]]``; empty if the study file is invalid by today's rules."""
        raw = {} if self._file is None else tomllib.loads(self._record.study_file)
        entries: Sequence[Mapping[str, Value]] = raw.get("enqueue", ())
        return entries

    @cached_property
    def _record(self) -> StudyRecord:
        return self._study.record()

    def _find_partners(self, trial: TrialRow) -> Mapping[Doubling, Partner]:
        row = self._table.row_of(trial.number)
        if row is None or not self._table.counting[row]:
            return {}
        return find_partners(self._study, self._table, trial, self._larger_sets)

    def _known_gains(self, trial: TrialRow) -> Gains:
        pairs = trained_gains(self._study, trial, self._partners[trial.number], self._rows)
        by_law = {} if Doubling.WIDTH in pairs else self._by_law(trial)
        return {**by_law, **pairs}

    @cached_property
    def _larger_sets(self) -> list[LargerSet]:
        return larger_sets(self._study)

    @cached_property
    def _law(self) -> tuple[Law | None, Collection[int]]:
        errors = width_errors(self._table)
        return (self._width or width_law(errors)).law, errors.numbers.tolist()

    def _by_law(self, trial: TrialRow) -> Gains:
        """Return the gain of twice the width by the law, which is valid for the best of a width."""
        law, best = self._law
        if law is None or trial.number not in best or trial.hidden_width is None:
            return {}
        low, estimate, high = law.gain(trial.hidden_width)
        gain = Gain(
            of=Doubling.WIDTH, estimate=estimate, low=low, high=high, source="the width law"
        )
        return {Doubling.WIDTH: gain}


def best_of_widths(table: TrialTable) -> list[int]:
    """Return the number of the best trial in each width class (``config.width_class``)."""
    usable = table.where(table.counting)
    if not len(usable) or "hidden_width" not in usable.settings:
        return []
    widths = usable.column("hidden_width")
    assert not isinstance(widths, Choices)
    known = usable.where(np.isfinite(widths))
    classes = np.array([width_class(int(width)) for width in widths[np.isfinite(widths)]])
    rows = [np.flatnonzero(classes == of) for of in np.unique(classes)]
    return [int(known.numbers[of[np.argmin(known.value[of])]]) for of in rows]
