"""Read measurements of many trials at once: curves, results, analyses, pictures.

The queries use our own table, which has an index by number; Optuna's has none.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from statistics import fmean
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    case,
    func,
    select,
    type_coerce,
)

from sweep.messages import ProbeBaseline, unpack_spectrum
from sweep.store.engine import insert_if_absent
from sweep.store.lookup import StudyKey, by_key, find_trial_id, one_of
from sweep.store.records import (
    CurvePoint,
    Reconstruction,
    SeedResult,
    SpectrumPoint,
    from_row,
    mean_of,
)
from sweep.store.schema import (
    sweep_decompositions,
    sweep_epochs,
    sweep_probe_baselines,
    sweep_probes,
    sweep_reconstructions,
    sweep_results,
    sweep_trials,
)

Numbers = Collection[int] | None
_BASELINE = TypeAdapter(ProbeBaseline)

_NUMBER = sweep_trials.c.number
_CURVES = ("train_loss", "val_mse", "val_bce", "seconds")

#: The validation error after the last epoch of a row of ``sweep_results``; an index seek for each.
_LAST_ERROR = (
    select(sweep_epochs.c.val_mse)
    .where(
        sweep_epochs.c.trial_id == sweep_results.c.trial_id,
        sweep_epochs.c.seed_index == sweep_results.c.seed_index,
    )
    .order_by(sweep_epochs.c.epoch.desc())
    .limit(1)
    .correlate(sweep_results)
    .scalar_subquery()
    .label("val_mse")
)


def trial_conditions(key: StudyKey, numbers: Numbers) -> list[ColumnElement[bool]]:
    """Return the conditions for a study's rows of ``sweep_trials``, all or some numbers."""
    of_study = sweep_trials.c.study_id == key.current_id
    return [of_study] if numbers is None else [of_study, one_of(_NUMBER, numbers)]


def _of_trials(key: StudyKey, numbers: Numbers, *columns: ColumnElement[Any]) -> Select[Any]:
    """Select trial number and columns of one other table, for the trials that have rows there."""
    table = columns[0].table if isinstance(columns[0], Column) else sweep_epochs
    joined = table.c.trial_id == sweep_trials.c.trial_id
    query = select(_NUMBER, *columns).join_from(sweep_trials, table, joined)
    return query.where(*trial_conditions(key, numbers))


def curves(
    connection: Connection, key: StudyKey, numbers: Numbers = None
) -> dict[int, list[CurvePoint]]:
    """Return learning curves by trial number, each the mean over the trial's seeds."""
    epoch = sweep_epochs.c.epoch
    means = (_mean(sweep_epochs.c[column]) for column in _CURVES)
    query = _of_trials(key, numbers, epoch, *means).group_by(_NUMBER, epoch)
    rows = connection.execute(query.order_by(_NUMBER, epoch))
    return by_key((number, _point(point)) for number, *point in rows)


def seed_curves(connection: Connection, key: StudyKey, number: int) -> dict[int, list[CurvePoint]]:
    """Return one trial's learning curves by the index of the seed. Raises NotFoundError."""
    of = sweep_epochs.c
    query = (
        select(of.seed_index, of.epoch, *(of[column] for column in _CURVES))
        .where(of.trial_id == find_trial_id(connection, key, number))
        .order_by(of.seed_index, of.epoch)
    )
    return by_key((seed_index, _point(point)) for seed_index, *point in connection.execute(query))


def spectra(
    connection: Connection, key: StudyKey, numbers: Numbers = None
) -> dict[int, list[SpectrumPoint]]:
    """Return error spectra by trial number and epoch, each the mean over the trial's seeds.

    An epoch that was not measured in all seeds is left out.
    """
    of = sweep_epochs.c
    query = _of_trials(key, numbers, of.epoch, of.spectrum).order_by(_NUMBER, of.epoch)
    rows = connection.execute(query)
    found = (
        (number, point)
        for (number, epoch), seeds in groupby(rows, lambda row: (row.number, row.epoch))
        if (point := _mean_spectrum(epoch, (row.spectrum for row in seeds))) is not None
    )
    return by_key(found)


def _mean_spectrum(epoch: int, packed: Iterable[bytes | None]) -> SpectrumPoint | None:
    seeds = [None if of is None else unpack_spectrum(of) for of in packed]
    measured = [errors for errors in seeds if errors is not None]
    if len(measured) < len(seeds):
        return None
    return SpectrumPoint(epoch, tuple(map(fmean, zip(*measured, strict=True))))


def seed_spectra(
    connection: Connection, key: StudyKey, number: int
) -> dict[int, list[SpectrumPoint]]:
    """Return one trial's error spectra by the index of the seed. Raises NotFoundError."""
    of = sweep_epochs.c
    query = (
        select(of.seed_index, of.epoch, of.spectrum)
        .where(of.trial_id == find_trial_id(connection, key, number), of.spectrum.is_not(None))
        .order_by(of.seed_index, of.epoch)
    )
    return by_key(
        (seed_index, SpectrumPoint(epoch, unpack_spectrum(packed)))
        for seed_index, epoch, packed in connection.execute(query)
    )


def _mean(column: ColumnElement[float]) -> ColumnElement[float | None]:
    # NULL is "not finite", and one such seed makes the mean not finite too; avg would skip it.
    mean = case((func.count(column) == func.count(), func.avg(column)))
    return type_coerce(mean, column.type)


def _point(numbers: Sequence[Any]) -> CurvePoint:
    epoch, train_loss, val_mse, val_bce, seconds = numbers
    return CurvePoint(
        epoch=epoch, train_loss=train_loss, val_mse=val_mse, val_bce=val_bce, seconds=seconds
    )


def seed_results(
    connection: Connection, key: StudyKey, numbers: Collection[int]
) -> dict[int, tuple[SeedResult, ...]]:
    """Return results by trial number, one a seed, in the order of the seeds."""
    query = _of_trials(key, numbers, *sweep_results.c, _LAST_ERROR)
    query = query.order_by(sweep_results.c.seed_index)
    found = by_key((row.number, _seed_result(row)) for row in connection.execute(query))
    return {number: tuple(found.get(number, ())) for number in numbers}


def _seed_result(row: Row[Any]) -> SeedResult:
    by_class = None if row.per_class_mse is None else tuple(row.per_class_mse)
    return from_row(SeedResult, row, per_class_mse=by_class)


def seed_errors(
    connection: Connection, key: StudyKey, numbers: Numbers = None
) -> dict[int, tuple[float | None, ...]]:
    """Return the validation error of each seed by number, of the trials that were trained."""
    seed_index = sweep_results.c.seed_index
    query = _of_trials(key, numbers, seed_index, _LAST_ERROR)
    rows = connection.execute(query.order_by(seed_index))
    found = by_key((row.number, row.val_mse) for row in rows)
    return {number: tuple(of) for number, of in found.items()}


def diagnostics(
    connection: Connection, key: StudyKey, numbers: Numbers = None
) -> dict[int, dict[str, float]]:
    """Return ``messages.Diagnostics`` by number, means over the seeds that were measured."""
    measured = sweep_results.c.diagnostics
    query = _of_trials(key, numbers, measured).where(measured.is_not(None))
    seeds = by_key(row for row in connection.execute(query) if row.diagnostics is not None)
    return {number: means for number, of in seeds.items() if (means := mean_of(of))}


def decompositions(
    connection: Connection, key: StudyKey, numbers: Numbers = None
) -> dict[int, dict[str, Any]]:
    """Return ``messages.Decomposition`` of the first seed by number, for trials that have one."""
    query = _of_trials(key, numbers, sweep_decompositions.c.decomposition).order_by(_NUMBER)
    return dict(connection.execute(query).all())


def probes(
    connection: Connection, key: StudyKey, numbers: Numbers = None, after: int = -1
) -> dict[int, dict[str, Any]]:
    """Return ``messages.Probe`` of the first seed by number, of trials newer than a revision."""
    query = _of_trials(key, numbers, sweep_probes.c.probe).where(sweep_trials.c.revision > after)
    return dict(connection.execute(query.order_by(_NUMBER)).all())


def probe_baselines(connection: Connection, data_key: str | None = None) -> list[ProbeBaseline]:
    """Return what codes are compared with, of all data sets or of one and its split."""
    query = select(sweep_probe_baselines)
    if data_key is not None:
        query = query.where(sweep_probe_baselines.c.data_key == data_key)
    rows = connection.execute(query).mappings()
    return [_BASELINE.validate_python(dict(row)) for row in rows]


def add_probe_baselines(connection: Connection, baselines: Iterable[ProbeBaseline]) -> None:
    """Keep these, unless others were faster."""
    # In one order, so that two who write the same do not wait for each other.
    for of in sorted(baselines, key=lambda of: (of.data_key, of.width)):
        insert_if_absent(connection, sweep_probe_baselines, asdict(of))


def trials_with_pictures(
    connection: Connection, key: StudyKey, numbers: Collection[int]
) -> set[int]:
    """Return which of these trials have pictures."""
    query = _of_trials(key, numbers, sweep_reconstructions.c.trial_id)
    return set(connection.execute(query).scalars())


def reconstructions(
    connection: Connection, key: StudyKey, numbers: Collection[int]
) -> dict[int, Reconstruction]:
    """Return pictures by trial number, for those of these trials that have any."""
    strips = sweep_reconstructions.c
    query = _of_trials(key, numbers, strips.reconstructions_png, strips.errors_png)
    return {
        number: Reconstruction(reconstructions_png=copies, errors_png=errors)
        for number, copies, errors in connection.execute(query)
    }


def reconstruction(connection: Connection, key: StudyKey, number: int) -> Reconstruction | None:
    """Return a trial's pictures; None where it has none. Raises NotFoundError without the trial."""
    found = reconstructions(connection, key, [number]).get(number)
    if found is None:
        find_trial_id(connection, key, number)
    return found
