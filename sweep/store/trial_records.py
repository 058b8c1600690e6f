"""Read our record of each trial: its own row, and its curve."""

from collections import defaultdict
from collections.abc import Sequence
from math import inf
from statistics import fmean, stdev
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, null, select

from sweep.catalogue.metrics import STORED
from sweep.enums import Objective
from sweep.messages import TestMetrics
from sweep.store.optuna_rows import TrialRecord
from sweep.store.schema import sweep_epochs, sweep_results, sweep_studies, sweep_trials
from sweep.store.study_files import read_about

Curve = dict[int, float]


def read_objectives(connection: Connection, study_id: int) -> tuple[Objective, ...]:
    """Return the objectives of a study, in the order of Optuna's values."""
    query = select(sweep_studies.c.study_file).where(sweep_studies.c.study_id == study_id)
    return read_about(connection.execute(query).scalar_one()).study.objectives


def read_records(connection: Connection, study_id: int) -> dict[int, TrialRecord]:
    """Read the record of every trial of a study, by trial id."""
    ours = sweep_trials.c
    # Extracting a number from each trial's JSON takes a third of the time; one objective needs
    # none.
    several = len(read_objectives(connection, study_id)) > 1
    width: ColumnElement[int | None] = ours.config["hidden_width"].as_integer()
    query = select(
        ours.trial_id,
        *(ours.number, ours.attempt, ours.outcome, ours.invalid, ours.val_mse),
        (width if several else null()).label("hidden_width"),
        *(ours.train_seconds, ours.reused_from),
    ).where(ours.study_id == study_id)
    curves = read_curves(connection, study_id)
    return {
        trial_id: TrialRecord._make((*columns, curves.get(trial_id) or {}))
        for trial_id, *columns in connection.execute(query).all()
    }


def read_curves(connection: Connection, study_id: int) -> dict[int, Curve]:
    """Read the mean validation error over the seeds by epoch, of each trial by its id."""
    trial_id, seed_index = sweep_epochs.c.trial_id, sweep_epochs.c.seed_index
    query = (
        select(trial_id, sweep_epochs.c.epoch, sweep_epochs.c.val_mse)
        .join(sweep_trials, sweep_trials.c.trial_id == trial_id)
        .where(sweep_trials.c.study_id == study_id)
    )
    curves: dict[int, Curve] = defaultdict(dict)
    for of, epoch, error in connection.execute(query.where(seed_index == 0)).all():
        curves[of][epoch] = inf if error is None else error  # NULL if it is not finite
    # Average only if there are several seeds: most studies train one, and have a million epochs.
    others: dict[tuple[int, int], list[float]] = defaultdict(list)
    for of, epoch, error in connection.execute(query.where(seed_index > 0)):
        others[of, epoch].append(inf if error is None else error)
    for (of, epoch), errors in others.items():
        curves[of][epoch] = fmean([curves[of].get(epoch, inf), *errors])
    return curves


#: Metrics that are recorded for each seed.
_OF_SEEDS = tuple(name for name in STORED if name in sweep_results.c)


def mean_results(
    results: Sequence[TestMetrics | Row[Any]], val_mse: Sequence[float | None]
) -> dict[str, Any]:
    """Return columns of ``sweep_trials``: means over the seeds, and deviations of two errors.

    ``results``, one per seed, are measurements, or rows of ``sweep_results``.
    """
    by_class = zip(*(result.per_class_mse or () for result in results), strict=True)
    return {
        "val_mse": _mean(val_mse),
        "val_mse_std": _deviation(val_mse),
        "test_mse_std": _deviation([result.test_mse for result in results]),
        **{name: _mean([getattr(result, name) for result in results]) for name in _OF_SEEDS},
        "per_class_mse": [_mean(of_class) for of_class in by_class],
    }


def _mean(numbers: Sequence[float | None]) -> float | None:
    finite = [number for number in numbers if number is not None]
    return fmean(finite) if len(finite) == len(numbers) else None


def _deviation(numbers: Sequence[float | None]) -> float | None:
    finite = [number for number in numbers if number is not None]
    return stdev(finite) if len(finite) == len(numbers) > 1 else None
