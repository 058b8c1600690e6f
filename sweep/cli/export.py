"""Command export: a study's trials as CSV or JSON, for a notebook or a spreadsheet."""

import io
import math
import sys
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sweep.cli import words
from sweep.cli.listing import conditions
from sweep.cli.mlflow_runs import export_runs
from sweep.cli.options import Storage, StudyNameOrOnly, Where, output_option, stored_study
from sweep.cli.output import STDOUT, deliver, say, to_json, write_file
from sweep.cli.records import study_json, trial_json
from sweep.errors import SweepError, UsageError
from sweep.figures.spreadsheet import csv_text
from sweep.store.frames import make_frame
from sweep.store.handle import StudyHandle
from sweep.store.records import TrialRow
from sweep.store.trial_columns import trial_columns
from sweep.studyfile import with_trials


class ExportFormat(StrEnum):
    """Formats of an export."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    MLFLOW = "mlflow"


def export(
    name: StudyNameOrOnly = None,
    form: Annotated[
        ExportFormat, typer.Option("--format", help="What to write.")
    ] = ExportFormat.CSV,
    output: Annotated[
        Path | None,
        output_option(
            "FILE",
            "stdout; for mlflow, MLFLOW_TRACKING_URI",
            "File to write; for mlflow, a folder.",
        ),
    ] = None,
    where: Where = None,
    storage: Storage = None,
) -> None:
    """Write the trials of a study as CSV, Parquet, JSON or runs of MLflow.

    CSV and Parquet have a column for each searched setting. A text cell of the CSV that a
    spreadsheet would read as a formula begins with an apostrophe. JSON also has the curves and the
    analyses of networks. MLflow gets a run for each finished trial, with parameters, curves and
    pictures, once: a second export adds new trials.
    """
    study = stored_study(name, storage)
    rows = _rows(study, where)
    if form is ExportFormat.MLFLOW:
        written, known = export_runs(study, rows, None if output is None else output.expanduser())
        there = f"; {known:,} were there already" if known else ""
        say(f"{words.count(written, 'run')} in MLflow's experiment '{study.name}'{there}")
        return
    if form is ExportFormat.PARQUET:
        if output is None:
            raise UsageError("--format parquet writes a file: name it with -o FILE.")
        _write(output, to_parquet(rows), len(rows))
        return
    content = to_csv(rows) if form is ExportFormat.CSV else _study_as_json(study, rows)
    if output is None or output == STDOUT:
        # A terminal would interpret control characters; JSON has them escaped.
        sys.stdout.write(words.clean(content) if sys.stdout.isatty() else content)
        return
    _write(output, content.encode(), len(rows))


def _rows(study: StudyHandle, where: str | None) -> list[TrialRow]:
    rows = study.trials()
    if not where:
        return rows
    table = study.table()
    chosen = set(conditions(table, where).apply(table).numbers.tolist())
    return [row for row in rows if row.number in chosen]


def _write(output: Path, content: bytes, n_trials: int) -> None:
    if output == STDOUT:
        deliver(output, content)
    else:
        say(f"{words.count(n_trials, 'trial')} in {write_file(output, content)}")


def _study_as_json(study: StudyHandle, rows: Sequence[TrialRow]) -> str:
    summary, record = study.summary(), study.record()
    curves = study.curves()
    decompositions = study.decompositions()
    probes = study.probes()
    spectra = study.spectra()
    trials = [
        {
            **trial_json(row),
            "curve": curves.get(row.number, []),
            "spectrum": [point._asdict() for point in spectra.get(row.number, [])],
            "decomposition": decompositions.get(row.number),
            "probe": probes.get(row.number),
        }
        for row in rows
    ]
    about = {
        "study": study_json(summary),
        "study_file": with_trials(record.study_file, summary.n_trials),
        "provenance": record.provenance,
        "spectrum_bands": record.spectrum_bands,
    }
    return to_json({**about, "trials": trials}) + "\n"


def to_csv(rows: Sequence[TrialRow]) -> str:
    """Write one line per trial."""
    columns = trial_columns(rows)
    lines = zip(*columns.values(), strict=True)
    return csv_text([columns, *([_cell(value) for value in line] for line in lines)])


def to_parquet(rows: Sequence[TrialRow]) -> bytes:
    """Write one row per trial. Raises SweepError if no library can write Parquet."""
    frame = make_frame(trial_columns(rows))
    content = io.BytesIO()
    try:
        if hasattr(frame, "write_parquet"):  # polars
            frame.write_parquet(content)
        else:
            frame.to_parquet(content, index=False)
    except ImportError:
        raise SweepError(
            "Parquet needs polars, or pyarrow beside pandas: `pip install polars`."
        ) from None
    return content.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    return value
