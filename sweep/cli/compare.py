"""compare: trials side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sweep.cli import words
from sweep.cli.options import LARGEST, Json, Storage, StudyName, stored_study
from sweep.cli.output import show, show_finding, show_json, show_titled_table
from sweep.cli.records import trial_json
from sweep.errors import UsageError
from sweep.findings.dialects import in_ascii
from sweep.findings.tables import Cell, FindingTable, TableColumn

if TYPE_CHECKING:
    from sweep.findings.comparison import ComparedRow, Comparison

_MARK = "*"


def compare(
    name: StudyName,
    numbers: Annotated[
        list[int],
        typer.Argument(metavar="NUMBER", min=0, max=LARGEST, help="Two trials or more."),
    ],
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Show trials side by side: settings (* where they differ), metrics, ends of the curves."""
    from sweep.findings.comparison import gather_comparison

    chosen = list(dict.fromkeys(numbers))
    if len(chosen) < 2:
        raise UsageError("compare takes two trials or more, such as `sweep compare NAME 0 7`.")
    study = stored_study(name, storage)
    for number in chosen:
        study.trial(number)  # raises NotFoundError with those that are there
    found = gather_comparison(study, study.table(), chosen)
    if as_json:
        show_json(_json(found))
        return
    show(f"study '{name}'; {_MARK} marks settings that differ")
    if found.headline:
        show(in_ascii(found.headline))
    show_finding(_table("Settings", [*found.settings, found.seeds], found, _MARK))
    show_finding(_table("Measured", found.measured, found))
    header = ("", *(f"trial {row.number}" for row in found.trials))
    show_titled_table("Last epoch", header, _last_epochs(found))


def _json(found: "Comparison") -> dict[str, object]:
    trials = [
        {**trial_json(row), "curve": found.curves.get(row.number, [])} for row in found.trials
    ]
    rows = [*found.settings, found.seeds]
    differences = [row.name for row in rows if row.differs]
    return {"trials": trials, "differences": differences, "headline": found.headline}


def _table(
    title: str, rows: Sequence["ComparedRow"], found: "Comparison", mark: str = ""
) -> FindingTable:
    trials = [
        TableColumn(str(row.number), f"trial {row.number}", is_number=True) for row in found.trials
    ]
    return FindingTable(
        title=title,
        columns=[TableColumn("name", "", is_name=True), TableColumn("differs", ""), *trials],
        rows=[
            (Cell(row.label, row.name), Cell(mark if row.differs else ""), *row.cells)
            for row in rows
        ],
    )


def _last_epochs(found: "Comparison") -> list[Sequence[str]]:
    curves = [found.curves.get(row.number) for row in found.trials]
    last = [vars(curve[-1]) if curve else {} for curve in curves]
    return [
        ("state", *(row.state.lower() for row in found.trials)),
        ("epoch", *(words.text(point.get("epoch")) for point in last)),
        ("train_loss", *(words.number(point.get("train_loss")) for point in last)),
        ("val_mse", *(words.number(point.get("val_mse")) for point in last)),
    ]
