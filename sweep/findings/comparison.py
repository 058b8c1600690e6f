"""Compare trials side by side.

Notation: n trials, in the requested order. A row has a cell for each.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sweep.analysis.verdict import baseline_number, best_number, counts
from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import count, number, percent, value
from sweep.catalogue.metrics import MEASURED, Metric
from sweep.catalogue.records import Format
from sweep.catalogue.settings import by_setting, in_use
from sweep.findings.cells import count_cell, metric_cell, number_cell, quantity_cell, text_cell
from sweep.findings.tables import Cell, FindingTable, TableColumn
from sweep.store.handle import StudyHandle
from sweep.store.records import CurvePoint, TrialRow
from sweep.store.table import TrialTable


@dataclass(frozen=True, kw_only=True)
class ComparedRow:
    """A setting or a metric of each trial."""

    name: str
    label: str
    cells: Sequence[Cell]  # (n,)
    #: Whether the trials have different values.
    differs: bool
    #: Indices of the best.
    best: frozenset[int] = frozenset()
    #: Distance of each from the best.
    beside: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Settings, metrics and curves of trials of one study or of several."""

    #: The study, or the first of several.
    study: str
    #: The study of each trial.
    studies: Sequence[str]  # (n,)
    trials: Sequence[TrialRow]  # (n,)
    #: Those that differ come first.
    settings: Sequence[ComparedRow]
    seeds: ComparedRow
    measured: Sequence[ComparedRow]
    headline: str
    #: Means over the seeds.
    curves: Sequence[Sequence[CurvePoint]]  # (n,)
    #: Why the errors are not comparable, or caveats; a sentence each.
    cautions: Sequence[str] = ()
    #: What distinguishes a trial, such as that it is the study's best.
    roles: Mapping[int, str] = field(default_factory=dict)
    #: Trials with reconstructions.
    pictured: Sequence[TrialRow] = ()

    @property
    def differences(self) -> list[str]:
        """Names of the settings that differ."""
        return [row.name for row in (*self.settings, self.seeds) if row.differs]

    @property
    def tables(self) -> dict[str, FindingTable]:
        """Tabulate settings, metrics and the ends of the curves, a column per trial."""
        last = [vars(curve[-1]) if curve else {} for curve in self.curves]
        ends: dict[str, list[Cell]] = {
            "state": [text_cell(row.state.lower()) for row in self.trials],
            "epoch": [count_cell(point.get("epoch")) for point in last],
            "train_loss": [number_cell(point.get("train_loss")) for point in last],
            "val_mse": [number_cell(point.get("val_mse")) for point in last],
        }
        at_end = [(Cell(name, name), Cell(""), *cells) for name, cells in ends.items()]
        settings = [_with_mark(row) for row in (*self.settings, self.seeds)]
        measured = [_with_mark(row) for row in self.measured]
        return {
            "settings": self._table("Settings", settings),
            "measured": self._table("Measured", measured).without("differs"),
            "last_epoch": self._table("Last epoch", at_end).without("differs"),
        }

    def _table(self, title: str, rows: Sequence[Sequence[Cell]]) -> FindingTable:
        names = trial_names(self.studies, self.trials)
        columns = [TableColumn(name, name, is_number=True) for name in names]
        about = [TableColumn("name", "", is_name=True), TableColumn("differs", "")]
        return FindingTable(title=title, columns=[*about, *columns], rows=rows)


#: Marks the settings that differ.
MARK = "*"


def _with_mark(row: ComparedRow) -> Sequence[Cell]:
    return Cell(row.label, row.name), Cell(MARK if row.differs else ""), *row.cells


def trial_names(studies: Sequence[str], trials: Sequence[TrialRow]) -> list[str]:
    """Name trials by their numbers; those of several studies as commands do: ``a:0``."""
    if len(set(studies)) < 2:
        return [f"trial {row.number}" for row in trials]
    return [f"{study}:{row.number}" for study, row in zip(studies, trials, strict=True)]


def gather_comparison(study: StudyHandle, table: TrialTable, numbers: Sequence[int]) -> Comparison:
    """Compare those of the trials that exist. Raises NotFoundError if the study does not exist."""
    by_number = {row.number: row for row in study.trials(numbers=numbers)}
    trials = [by_number[number] for number in numbers if number in by_number]
    shown = [row.number for row in trials]
    curves, with_pictures = study.curves(shown) if shown else {}, study.trials_with_pictures(shown)
    found = compare_trials(
        study.name,
        [study.name] * len(trials),
        trials,
        curves=[curves.get(number, []) for number in shown],
        objective=table.objectives[0],
    )
    return replace(
        found,
        roles={number: role for number, role in _roles(table).items() if number in shown},
        pictured=[row for row in trials if row.number in with_pictures],
    )


def compare_trials(
    study: str,
    studies: Sequence[str],
    trials: Sequence[TrialRow],
    *,
    curves: Sequence[Sequence[CurvePoint]],  # (n,) means over the seeds
    objective: str,
) -> Comparison:
    """Compare trials of one study or of several."""
    return Comparison(
        study=study,
        studies=studies,
        trials=trials,
        settings=compare_settings(trials),
        seeds=_seeds(trials),
        measured=compare_metrics(trials),
        headline=headline(studies, trials, objective),
        curves=curves,
    )


def _roles(table: TrialTable) -> dict[int, str]:
    roles = {baseline_number(table): "baseline", best_number(table): "the best"}
    if len(roles) == 1:  # one and the same trial
        roles = dict.fromkeys(roles, "the best, baseline")
    return {number: role for number, role in roles.items() if number is not None}


def compare_settings(trials: Sequence[TrialRow]) -> list[ComparedRow]:
    """Return settings that some trials use: differing ones first, then searched ones."""
    searched = [by_setting(row.params) for row in trials]
    used = [in_use({**of, **row.config}) for of, row in zip(searched, trials, strict=True)]
    names = dict.fromkeys(name for settings in (*searched, *used) for name in settings)
    rows = [_setting(name, used) for name in names if any(name in of for of in used)]
    return sorted(rows, key=lambda row: not row.differs)


def _setting(name: str, used: Sequence[Mapping[str, object]]) -> ComparedRow:
    cells = [Cell(value(of[name]), of[name]) if name in of else Cell() for of in used]
    differs = len({cell.text for cell in cells}) > 1
    return ComparedRow(name=name, label=column_named(name).heading, cells=cells, differs=differs)


def _seeds(trials: Sequence[TrialRow]) -> ComparedRow:
    cells = [Cell(", ".join(map(str, row.seeds)), row.seeds) for row in trials]
    differs = len({cell.value for cell in cells}) > 1
    return ComparedRow(name="seeds", label="Seeds", cells=cells, differs=differs)


def compare_metrics(trials: Sequence[TrialRow]) -> list[ComparedRow]:
    """Return the measurements, with the best of each row; an invalid trial is never the best."""
    rows = [_metric(trials, metric) for metric in MEASURED]
    return [row for row in rows if any(cell.value is not None for cell in row.cells)]


def _metric(trials: Sequence[TrialRow], metric: Metric) -> ComparedRow:
    cells = [_cell(row, metric) for row in trials]
    values: list[float | None] = [cell.value for cell in cells]
    known = [
        of
        for row, of in zip(trials, values, strict=True)
        if of is not None and not row.invalid and math.isfinite(of)
    ]
    best = (max if metric.higher_is_better else min)(known, default=None)
    is_contest = len(set(known)) > 1
    return ComparedRow(
        name=metric.name,
        label=metric.heading,
        cells=cells,
        differs=len(set(values)) > 1,
        best=frozenset(
            place
            for place, (row, of) in enumerate(zip(trials, values, strict=True))
            if is_contest and of == best and not row.invalid
        ),
        beside=[_times(of, best) if metric.compares_by_ratio else "" for of in values],
    )


def _cell(row: TrialRow, metric: Metric) -> Cell:
    has_unit_above = metric.format is Format.DECIBELS
    return (metric_cell if has_unit_above else quantity_cell)(row, metric.name)


def _times(value: float | None, best: float | None) -> str:
    """Divide a number by the best's, in words; empty for the best itself."""
    if not value or not best or not math.isfinite(value) or value == best:
        return ""
    ratio = value / best
    if not 1 < ratio < 2:
        return f"× {number(ratio, 2)}"
    more = percent(ratio - 1)
    return more.replace("< ", "< +") if more.startswith("<") else f"+{more}"


def headline(studies: Sequence[str], trials: Sequence[TrialRow], objective: str) -> str:
    """Say which trial is the best, by how much, and how it differs from the next."""
    names = zip(trial_names(studies, trials), studies, trials, strict=True)
    counting = [of for of in names if counts(of[-1])]
    if len(counting) < 2:
        return ""
    ranked = sorted(counting, key=lambda of: (of[-1].value, of[-1].number))
    (first, study, best), (second, other_study, next_best) = ranked[:2]
    error = column_named(objective).title
    if best.value == next_best.value:
        said = f"Of these, {first} and {second} have the same {error}, the lowest"
    else:
        by = lead(best.value or 0.0, next_best.value or 0.0)
        said = f"Of these, {first} has the lowest {error}: {by} that of {second}"
    rows = compare_settings([best, next_best])
    differ = [column_named(row.name).title for row in rows if row.differs]
    if differ:
        return f"{said}. The two differ in {_join_names(differ)}."
    if best.seeds == next_best.seeds:
        return f"{said}, with the same settings and seeds."
    if study == other_study:
        return f"{said}, with the same settings; only their seeds differ."
    return f"{said}, with the same settings and other seeds."


def lead(first: float, second: float) -> str:
    """Say how much lower the first value is: "12 % lower than"."""
    if first == second:
        return "the same as"
    if first <= 0 or second / first >= 2:
        times = number(second / first, 2) if first > 0 else "many"
        return f"{times} times lower than"
    return f"{percent(1 - first / second)} lower than"


def _join_names(names: Sequence[str]) -> str:
    shown = list(names if len(names) <= 5 else names[:4])
    if len(names) > len(shown):
        shown.append(count(len(names) - len(shown), "more setting"))
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
