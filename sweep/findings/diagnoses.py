"""Table of the diagnoses of a study's trials."""

from collections.abc import Sequence
from shlex import quote

from sweep.analysis.floors import Floors
from sweep.analysis.study_diagnosis import DiagnosedTrial
from sweep.findings.cells import count_cell, metric_cell, times_floor_cell, trial_cell
from sweep.findings.tables import Cell, FindingTable, TableColumn

_COLUMNS = (
    TableColumn("hidden_width", "Width", is_number=True),
    TableColumn("number", "Trial", is_number=True),
    TableColumn("test_mse", "Test error", is_number=True),
    TableColumn("times_floor", "vs PCA", is_number=True),
    TableColumn("limit", "Limited by"),
    TableColumn("because", "Because"),
)


def diagnosis_table(
    study: str, diagnosed: Sequence[DiagnosedTrial], floors: Floors | None
) -> FindingTable:
    """Lay out what limits each trial, one row a trial."""
    rows = [_row(of, floors) for of in diagnosed]
    resume = f"`sweep resume {quote(study)}`"
    note = _METHOD if rows else f"Diagnoses come with the first trial that finishes: {resume}."
    return FindingTable(title="What limits the error", columns=_COLUMNS, rows=rows, note=note)


_METHOD = (
    "From a trial’s curve, its hidden units and the floors of the data; the rules are in "
    "docs/diagnose.md."
)


def _row(of: DiagnosedTrial, floors: Floors | None) -> Sequence[Cell]:
    trial, diagnosis = of
    return (
        count_cell(trial.hidden_width),
        trial_cell(trial.number),
        metric_cell(trial, "test_mse"),
        times_floor_cell(trial, floors),
        Cell(diagnosis.limit or "not known", diagnosis.limit),
        Cell(diagnosis.because, diagnosis.because),
    )
