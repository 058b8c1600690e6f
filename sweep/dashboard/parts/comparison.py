"""Trials side by side: gathered in one place, before they are laid out.

Notation: n trials, in the order in which they were asked for. A line has a cell for each.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sweep import datasets
from sweep.analysis.usage import used
from sweep.analysis.verdict import baseline_number, best_number
from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import cell, quantity
from sweep.catalogue.metrics import MEASURED, Metric
from sweep.catalogue.records import Format
from sweep.dashboard import links
from sweep.dashboard.view import View
from sweep.figures import words
from sweep.store.records import CurvePoint, TrialRow
from sweep.store.table import TrialTable

#: More would not fit side by side.
MOST = 8
_N_BEST = 3


class Chosen(NamedTuple):
    """Which trials to compare."""

    numbers: list[int]
    #: What of the wish could not be met, as sentences.
    complaints: list[str]


class Line(NamedTuple):
    """What the trials have for a setting or a measurement."""

    label: str
    cells: tuple[str, ...]  # (n,)
    #: The trials do not all have the same.
    differs: bool
    #: Places of the best.
    best: frozenset[int] = frozenset()
    #: How far from the best each is.
    beside: tuple[str, ...] = ()


class Comparison(NamedTuple):
    """Everything that the page shows."""

    study: str
    trials: list[TrialRow]  # (n,)
    #: What is special about a trial, such as that it is the study's best.
    roles: Mapping[int, str]
    settings: list[Line]
    measured: list[Line]
    headline: str
    curves: Mapping[int, Sequence[CurvePoint]]
    class_names: tuple[str, ...]
    #: Trials with reconstructions.
    pictured: list[TrialRow]
    #: Number of the study's baseline, whether it is among them or not.
    baseline: int | None

    @property
    def mark(self) -> str:
        """Differs when the page has anything new to show."""
        return hashlib.blake2b(repr(self).encode(), digest_size=12).hexdigest()


def choose(table: TrialTable, wanted: Sequence[str]) -> Chosen:
    """The trials of this study among the wanted numbers, each once, MOST at the most."""
    numbers, complaints = [], []
    for text in dict.fromkeys(part.strip() for part in wanted if part.strip()):
        number = links.trial_number(text)
        if number is None:
            complaints.append(f"“{text}” is no trial number.")
        elif table.row_of(number) is None:
            complaints.append(f"This study has no trial {number}.")
        else:
            numbers.append(number)
    numbers = list(dict.fromkeys(numbers))
    if len(numbers) > MOST:
        left_out = ", ".join(map(str, numbers[MOST:]))
        complaints.append(f"{MOST} trials fit side by side; left out: {left_out}.")
    return Chosen(numbers[:MOST], complaints)


def usual(table: TrialTable) -> list[int]:
    """What is worth comparing first: the best trials and the baseline."""
    best = suggestions(table, _N_BEST)
    baseline = baseline_number(table)
    return best if baseline is None or baseline in best else [*best, baseline]


def suggestions(table: TrialTable, n: int) -> list[int]:
    """The best trials, best first."""
    rows = np.flatnonzero(table.counting)
    order = np.argsort(table.value[rows], kind="stable")[:n]
    return [int(number) for number in table.numbers[rows[order]]]


def gather_comparison(view: View, name: str, numbers: Sequence[int]) -> Comparison:
    """Raises NotFoundError without the study."""
    table = view.table(name)
    by_number = {row.number: row for row in view.study(name).trials(numbers=numbers)}
    trials = [by_number[number] for number in numbers if number in by_number]
    shown = [row.number for row in trials]
    with_pictures = view.study(name).pictured(shown)
    return Comparison(
        study=name,
        trials=trials,
        roles={number: role for number, role in _roles(table).items() if number in shown},
        settings=setting_lines(table, shown),
        measured=measured_lines(trials),
        headline=headline(trials, table),
        curves=view.study(name).curves(shown) if shown else {},
        class_names=_class_names(view, name),
        pictured=[row for row in trials if row.number in with_pictures],
        baseline=baseline_number(table),
    )


def _class_names(view: View, name: str) -> tuple[str, ...]:
    return datasets.class_names(view.study(name).record().settings.data.name)


def _roles(table: TrialTable) -> dict[int, str]:
    roles = {baseline_number(table): "baseline", best_number(table): "the best"}
    if len(roles) == 1:  # one and the same trial
        roles = dict.fromkeys(roles, "the best, baseline")
    return {number: role for number, role in roles.items() if number is not None}


def setting_lines(table: TrialTable, numbers: Sequence[int]) -> list[Line]:
    """Settings that some of the trials use: those that differ first, then the searched ones."""
    part = table.where(np.isin(table.numbers, numbers))
    order = [int(np.searchsorted(part.numbers, number)) for number in numbers]
    names = dict.fromkeys((*part.searched, *part.settings))
    lines = [_setting_line(part, name, order) for name in names if name in part.settings]
    return sorted((line for line in lines if any(line.cells)), key=lambda line: not line.differs)


def _setting_line(part: TrialTable, name: str, order: Sequence[int]) -> Line:
    texts, is_used = words.texts(part, name), used(part, name)
    cells = tuple(texts[row] if is_used[row] else "" for row in order)
    return Line(column_named(name).heading, cells, differs=len(set(cells)) > 1)


def measured_lines(trials: Sequence[TrialRow]) -> list[Line]:
    """What was measured, with the best of each line; invalid trials are no one's best."""
    lines = [_measured_line(trials, metric) for metric in MEASURED]
    return [line for line in lines if any(line.cells)]


def _measured_line(trials: Sequence[TrialRow], metric: Metric) -> Line:
    values = [getattr(row, metric.name) for row in trials]
    known = [
        value
        for row, value in zip(trials, values, strict=True)
        if value is not None and not row.invalid and math.isfinite(value)
    ]
    best = (max if metric.higher_is_better else min)(known, default=None)
    is_contest = len(known) > 1 and len(set(known)) > 1
    return Line(
        label=metric.heading,
        cells=tuple(_cell(row, metric) for row in trials),
        differs=len(set(values)) > 1,
        best=frozenset(
            place
            for place, (row, value) in enumerate(zip(trials, values, strict=True))
            if is_contest and value == best and not row.invalid
        ),
        beside=tuple(_times(value, best) if metric.compares_by_ratio else "" for value in values),
    )


def _cell(row: TrialRow, metric: Metric) -> str:
    value = getattr(row, metric.name)
    if value is None:
        return ""
    if metric.format is Format.DECIBELS:  # its heading has the unit
        return cell(metric, value)
    return quantity(metric, value, getattr(row, f"{metric.name}_std", None) or None)


def _times(value: float | None, best: float | None) -> str:
    """How many times the best's a number is; nothing for the best itself."""
    if not value or not best or not math.isfinite(value) or value == best:
        return ""
    ratio = value / best
    return f"+{words.percent(ratio - 1)}" if 1 < ratio < 2 else f"× {words.number(ratio, 2)}"


def headline(trials: Sequence[TrialRow], table: TrialTable) -> str:
    """Which is the best of them, by how much, and in what it differs from the next."""
    counting = set(table.numbers[table.counting].tolist())
    ranked = sorted(
        (row for row in trials if row.number in counting), key=lambda row: (row.value, row.number)
    )
    if len(ranked) < 2:
        return ""
    first, second = ranked[:2]
    error = column_named(table.objectives[0]).title
    by = _lead(first.value or 0.0, second.value or 0.0)
    differ = [
        line.label if line.label[0] > "z" else line.label[0].lower() + line.label[1:]
        for line in setting_lines(table, [first.number, second.number])
        if line.differs
    ]
    return (
        f"Trial {first.number} has the lowest {error} of these: {by} trial {second.number}’s. "
        f"The two differ in {_listed(differ)}."
        if differ
        else f"Trial {first.number} has the lowest {error} of these: {by} trial "
        f"{second.number}’s, with the same settings; only their seeds differ."
    )


def _lead(first: float, second: float) -> str:
    if first == second:
        return "the same as"
    if first <= 0 or second / first >= 2:
        times = words.number(second / first, 2) if first > 0 else "many"
        return f"{times} times lower than"
    return f"{words.percent(1 - first / second)} lower than"


def _listed(names: Sequence[str]) -> str:
    shown = list(names if len(names) <= 5 else names[:4])
    if len(names) > len(shown):
        shown.append(f"{len(names) - len(shown)} more settings")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
