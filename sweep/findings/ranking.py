"""Rank the best trials of a study, with its baseline."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sweep.analysis.floors import Floors
from sweep.analysis.verdict import baseline_number
from sweep.findings.cells import quantity_cell, times_floor_cell, trial_cell
from sweep.findings.configurations import configuration
from sweep.findings.tables import Cell, FindingTable, TableColumn
from sweep.store.handle import StudyHandle
from sweep.store.pareto import unbeaten
from sweep.store.records import TrialRow
from sweep.store.table import TrialTable

BASELINE_NAME = "the baseline"
EARLIEST = "the earliest finished trial"

_COLUMNS = (
    TableColumn("rank", "#", is_number=True),
    TableColumn("number", "Trial", is_number=True),
    TableColumn("configuration", "Configuration"),
    TableColumn("val_mse", "Validation error", is_number=True),
    TableColumn("test_mse", "Test error", is_number=True),
    TableColumn("times_floor", "vs PCA", is_number=True),
    TableColumn("psnr", "PSNR", is_number=True),
    TableColumn("exact_pixel_share", "Exact pixels", is_number=True),
    TableColumn("train_seconds", "Training time", is_number=True),
)


class RankedTrial(NamedTuple):
    """A trial of the ranking."""

    trial: TrialRow
    #: From 1; None for a baseline that is not among the best.
    rank: int | None
    #: What the baseline is; empty for others.
    role: str = ""

    @property
    def remarks(self) -> list[str]:
        """Its role, tags and note."""
        return [said for said in (self.role, *self.trial.tags, self.trial.note) if said]


def gather_ranking(study: StudyHandle, table: TrialTable, n: int) -> list[RankedTrial]:
    """Read the ``n`` best trials, preceded by the baseline if it is not one of them."""
    best, base = best_numbers(table, n), _baseline_of(table)
    ranks: dict[int, int | None] = {number: rank for rank, number in enumerate(best, start=1)}
    roles = dict([base] if base else [])
    rows = {row.number: row for row in study.trials(numbers={*ranks, *roles})}
    numbers = [*(number for number in roles if number not in ranks), *ranks]
    return [
        RankedTrial(rows[number], ranks.get(number), roles.get(number, ""))
        for number in numbers
        if number in rows
    ]


def best_numbers(table: TrialTable, n: int) -> list[int]:
    """Return the trials with the lowest first objective.

    With several objectives, the Pareto set.
    """
    rows = np.flatnonzero(table.counting)
    if len(table.objectives) > 1:
        rows = rows[np.isfinite(table.values[rows]).all(axis=1)]
        rows = rows[unbeaten(table.values[rows])]
    ordered = rows[np.argsort(table.value[rows], kind="stable")]
    return [int(number) for number in table.numbers[ordered[:n]]]


def _baseline_of(table: TrialTable) -> tuple[int, str] | None:
    """Return the number of the trial to compare the best with, and what it is."""
    baseline = baseline_number(table)
    if baseline is not None:
        return baseline, BASELINE_NAME
    finished = table.numbers[table.counting]
    return (int(finished[0]), EARLIEST) if finished.size else None


def ranking_table(
    ranking: Sequence[RankedTrial], floors: Floors | None, objectives: Sequence[str]
) -> FindingTable:
    """Tabulate the ranking, one row per trial."""
    if not ranking:
        note = "Nothing to compare yet: no trial has finished with a finite error."
    elif len(objectives) > 1:
        note = f"{_PARETO} {_ERRORS}"
    else:
        note = f"{_CHOSEN} {_ERRORS}"
    rows = [_row(line, floors) for line in ranking]
    table = FindingTable(title="Best configurations", columns=_COLUMNS, rows=rows, note=note)
    return table.without_empty()


def _row(line: RankedTrial, floors: Floors | None) -> list[Cell]:
    trial = line.trial
    said = " · ".join([configuration(trial), *line.remarks])
    return [
        Cell() if line.rank is None else Cell(str(line.rank), line.rank),
        trial_cell(trial.number),
        Cell(said, said),
        quantity_cell(trial, "val_mse"),
        quantity_cell(trial, "test_mse"),
        times_floor_cell(trial, floors),
        quantity_cell(trial, "psnr"),
        quantity_cell(trial, "exact_pixel_share"),
        quantity_cell(trial, "train_seconds"),
    ]


_PARETO = "The Pareto set, lowest error first: trials that no other trial dominates."
_CHOSEN = (
    "Chosen by validation error; the test error was measured once, at the end of each trial’s "
    "training."
)
_ERRORS = "Errors are mean squared errors per pixel on the scale from 0 to 1."
