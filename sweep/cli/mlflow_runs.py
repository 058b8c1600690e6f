"""Export a study to MLflow: one run per trial, with parameters, curves and pictures."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from sweep.catalogue.metrics import METRICS
from sweep.catalogue.settings import in_use
from sweep.cli.output import make_folder
from sweep.errors import SweepError, UsageError
from sweep.store.handle import StudyHandle
from sweep.store.records import CurvePoint, TrialRow

_STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
_CURVE = ("train_loss", "val_mse", "val_bce")
#: MLflow takes at most 1,000 metrics in one request.
_MOST_METRICS = 1000
#: Tag of a run: the study's creation time and the trial's number, so that none is exported twice.
_TRIAL = "sweep.trial"


class Exported(NamedTuple):
    """Numbers of runs that an export has written, and that existed already."""

    n_written: int
    n_known: int


def export_runs(study: StudyHandle, trials: Sequence[TrialRow], folder: Path | None) -> Exported:
    """Write each finished one of these trials as a run of the experiment with the study's name.

    The destination is the server of ``MLFLOW_TRACKING_URI``, or ``mlflow.db`` and ``artifacts`` in
    a folder, which is created. Trials that were exported before are skipped; an incomplete run is
    written again. Raises UsageError without a destination, SweepError if MLflow is not installed or
    fails.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") if folder is None else _database(folder)
    if not uri:
        raise UsageError(
            "no place for the runs: set MLFLOW_TRACKING_URI to a server's address, or name a "
            "folder with -o."
        )
    if find_spec("mlflow") is None:
        raise SweepError(
            "an export to MLflow needs its package, which is not installed: "
            "`pip install 'sweep-autoencoder[mlflow]'`."
        )
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        artifacts = None if folder is None else (folder.resolve() / "artifacts").as_uri()
        return _export(study, trials, MlflowClient(uri), artifacts)
    except (MlflowException, OSError) as error:
        # The address may have a password in it.
        reason = str(error).replace(uri, "the server").partition("\n")[0]
        raise SweepError(f"MLflow: {reason}. Runs written so far stay.") from error


def _database(folder: Path) -> str:
    make_folder(folder, "MLflow's runs")
    return f"sqlite:///{folder.resolve() / 'mlflow.db'}"


def _export(
    study: StudyHandle, trials: Sequence[TrialRow], client: Any, artifacts: str | None
) -> Exported:
    found = client.get_experiment_by_name(study.name)
    experiment = (
        client.create_experiment(study.name, artifact_location=artifacts)
        if found is None
        else found.experiment_id
    )
    known = _finish_known(client, experiment)
    rows = [row for row in trials if row.state in _STATUS]
    new = [row for row in rows if _identity(study, row) not in known]
    numbers = [row.number for row in new]
    curves = study.curves(numbers)
    pictured = study.trials_with_pictures(numbers)
    for row in new:
        run = _begin(client, experiment, study, row)
        _log_numbers(client, run, row, curves.get(row.number, ()))
        if row.number in pictured:
            _log_pictures(client, run, study, row.number)
        client.set_terminated(run, status=_STATUS[row.state], end_time=_milliseconds(row))
    return Exported(len(new), len(rows) - len(new))


def _finish_known(client: Any, experiment: str) -> set[str]:
    """Return the trials that have complete runs; delete incomplete runs."""
    known, page = set(), None
    while True:
        runs = client.search_runs([experiment], max_results=1000, page_token=page)
        for run in runs:
            if (trial := run.data.tags.get(_TRIAL)) is None:
                continue
            if run.info.status == "RUNNING":
                client.delete_run(run.info.run_id)
            else:
                known.add(trial)
        if not (page := runs.token):
            return known


def _identity(study: StudyHandle, row: TrialRow) -> str:
    return f"{study.key.created_at}/{row.number}"


def _begin(client: Any, experiment: str, study: StudyHandle, row: TrialRow) -> str:
    tags = {
        _TRIAL: _identity(study, row),
        "sweep.outcome": row.outcome,
        "sweep.reason": row.reason,
        "sweep.invalid": "true" if row.invalid else None,
        "sweep.tags": " ".join(row.tags) or None,
        "mlflow.note.content": row.note,
    }
    run = client.create_run(
        experiment,
        start_time=_milliseconds(row, started=True),
        run_name=f"{study.name}-{row.number}",
        tags={name: str(text) for name, text in tags.items() if text is not None},
    )
    run_id: str = run.info.run_id
    return run_id


def _milliseconds(row: TrialRow, *, started: bool = False) -> int:
    ended = row.datetime_complete or row.datetime_start
    moment: datetime | None = row.datetime_start or ended if started else ended
    return 0 if moment is None else round(moment.timestamp() * 1000)


def _log_numbers(client: Any, run: str, row: TrialRow, curve: Sequence[CurvePoint]) -> None:
    from mlflow.entities import Metric, Param

    params = [Param(name, str(value)) for name, value in in_use(row.config).items()]
    client.log_batch(run, params=params)
    moment = _milliseconds(row)
    numbers = [*_results(row), *_epochs(curve)]
    for begin in range(0, len(numbers), _MOST_METRICS):
        some = numbers[begin : begin + _MOST_METRICS]
        metrics = [Metric(name, value, moment, step) for name, value, step in some]
        client.log_batch(run, metrics=metrics)


def _results(row: TrialRow) -> Iterator[tuple[str, float, int]]:
    # The error by epoch, whose last value this is, has the name already.
    results: Mapping[str, float | None] = {name: getattr(row, name) for name in METRICS}
    for name, value in {"value": row.value, **results}.items():
        if name not in _CURVE and value is not None and isfinite(value):
            yield name, float(value), 0


def _epochs(curve: Sequence[CurvePoint]) -> Iterator[tuple[str, float, int]]:
    for point in curve:
        for name in _CURVE:
            if (value := getattr(point, name)) is not None:
                yield name, float(value), point.epoch


def _log_pictures(client: Any, run: str, study: StudyHandle, number: int) -> None:
    pictures = study.reconstruction(number)
    if pictures is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in ("reconstructions", "errors"):
            path = Path(folder) / f"{name}.png"
            path.write_bytes(getattr(pictures, f"{name}_png"))
            client.log_artifact(run, str(path), "pictures")
