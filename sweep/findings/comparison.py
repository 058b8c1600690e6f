"""Compare trials side by side.

Notation: n trials, in the requested order. A row has a cell for each.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweep.analysis.verdict import baseline_number, best_number
from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import count, number, percent, value
from sweep.catalogue.metrics import MEASURED, Metric
from sweep.catalogue.records import Format
from sweep.catalogue.settings import by_setting, in_use
from sweep.findings.cells import metric_cell, quantity_cell
from sweep.findings.tables import Cell
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
    """Settings, metrics and curves of trials, and which of them is the best."""

    study: str
    trials: Sequence[TrialRow]  # (n,)
    #: What distinguishes a trial, such as that it is the study's best.
    roles: Mapping[int, str]
    #: Those that differ come first.
    settings: Sequence[ComparedRow]
    seeds: ComparedRow
    measured: Sequence[ComparedRow]
    headline: str
    #: Means over the seeds.
    curves: Mapping[int, Sequence[CurvePoint]]
    #: Trials with reconstructions.
    pictured: Sequence[TrialRow]


def gather_comparison(study: StudyHandle, table: TrialTable, numbers: Sequence[int]) -> Comparison:
    """Compare those of the trials that exist. Raises NotFoundError if the study does not exist."""
    by_number = {row.number: row for row in study.trials(numbers=numbers)}
    trials = [by_number[number] for number in numbers if number in by_number]
    shown = [row.number for row in trials]
    with_pictures = study.trials_with_pictures(shown)
    return Comparison(
        study=study.name,
        trials=trials,
        roles={number: role for number, role in _roles(table).items() if number in shown},
        settings=compare_settings(trials),
        seeds=_seeds(trials),
        measured=compare_metrics(trials),
        headline=headline(trials, table),
        curves=study.curves(shown) if shown else {},
        pictured=[row for row in trials if row.number in with_pictures],
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
    return f"+{percent(ratio - 1)}" if 1 < ratio < 2 else f"× {number(ratio, 2)}"


def headline(trials: Sequence[TrialRow], table: TrialTable) -> str:
    """Say which trial is the best, by how much, and how it differs from the next."""
    counting = set(table.numbers[table.counting].tolist())
    ranked = sorted(
        (row for row in trials if row.number in counting), key=lambda row: (row.value, row.number)
    )
    if len(ranked) < 2:
        return ""
    first, second = ranked[:2]
    error = column_named(table.objectives[0]).title
    by = lead(first.value or 0.0, second.value or 0.0)
    said = (
        f"Trial {first.number} has the lowest {error} of these: {by} that of trial {second.number}"
    )
    differ = [column_named(row.name).title for row in compare_settings(ranked[:2]) if row.differs]
    if differ:
        return f"{said}. The two differ in {_join_names(differ)}."
    return f"{said}, with the same settings; only their seeds differ."


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
