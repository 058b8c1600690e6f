"""Tabulate why trials of a study failed."""

from collections import defaultdict
from collections.abc import Sequence

from sweep.findings.cells import count_cell
from sweep.findings.tables import Cell, FindingTable, TableColumn
from sweep.store.handle import StudyHandle
from sweep.store.records import TrialRow

#: Number of latest failures whose reasons are counted.
_N_COUNTED = 500
#: Trials that a row names.
_N_NAMED = 10
_COLUMNS = (
    TableColumn("reason", "Reason"),
    TableColumn("n_trials", "Trials", is_number=True),
    TableColumn("numbers", "Numbers"),
)


def latest_failed(study: StudyHandle) -> list[TrialRow]:
    """Read the latest of a study's failed and diverged trials."""
    return study.trials(states=["FAIL"], descending=True, limit=_N_COUNTED)


def failure_table(failed: Sequence[TrialRow], n_failed: int) -> FindingTable:
    """Count failed and diverged trials by their reason, the most frequent first.

    ``failed`` are the latest of ``n_failed`` trials.
    """
    numbers: dict[str, list[int]] = defaultdict(list)
    for trial in sorted(failed, key=lambda trial: trial.number):
        numbers[trial.reason or "no reason was recorded"].append(trial.number)
    by_frequency = sorted(numbers.items(), key=lambda item: -len(item[1]))
    counted = f" Of the latest {len(failed):,}." if n_failed > len(failed) else ""
    return FindingTable(
        title="Failed trials",
        columns=_COLUMNS,
        rows=[_row(reason, of) for reason, of in by_frequency],
        note=f"They are excluded from all numbers.{counted}",
    )


def _row(reason: str, numbers: Sequence[int]) -> list[Cell]:
    named = numbers[:_N_NAMED]
    more = " …" if len(numbers) > len(named) else ""
    text = ", ".join(map(str, named)) + more
    return [Cell(reason, reason), count_cell(len(numbers)), Cell(text, numbers, trials=named)]
