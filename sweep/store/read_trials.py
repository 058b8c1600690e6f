"""Trials out of the database, with SQL of our own.

Optuna's get_trials takes seconds at 10,000 trials; these queries take tenths of a second.
Each reads the chosen trials from one table, where "chosen" is a subquery of trial ids.
"""

import difflib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    case,
    false,
    func,
    or_,
    select,
    true,
    type_coerce,
)

from sweep.catalogue.metrics import STORED
from sweep.errors import UsageError
from sweep.store.column_types import as_distribution, external_value
from sweep.store.lookup import find_study, find_trial, snapshot, utc
from sweep.store.optuna_rows import FINITE_VALUE, stored_value
from sweep.store.pareto import unbeaten
from sweep.store.records import (
    STATES,
    ChoiceDomain,
    CurvePoint,
    Domain,
    EventRow,
    NoteRow,
    NumberDomain,
    SeedResult,
    TrialDetail,
    TrialRow,
)
from sweep.store.schema import (
    study_directions,
    sweep_decompositions,
    sweep_epochs,
    sweep_events,
    sweep_notes,
    sweep_probes,
    sweep_results,
    sweep_tags,
    sweep_trials,
    trial_params,
    trial_values,
)
from sweep.store.schema import trials as optuna_trials

Chosen = Select[tuple[int]]
_FEW = 1000

_FIRST_VALUE = and_(
    trial_values.c.trial_id == optuna_trials.c.trial_id, trial_values.c.objective == 0
)
_VALUED = optuna_trials.join(trial_values, _FIRST_VALUE)
_JOINED = optuna_trials.outerjoin(
    sweep_trials, sweep_trials.c.trial_id == optuna_trials.c.trial_id
).outerjoin(trial_values, _FIRST_VALUE)
_VALID = or_(sweep_trials.c.invalid.is_(None), sweep_trials.c.invalid == false())


def trials(
    engine: Engine,
    name: str,
    *,
    states: Collection[str] | None = None,
    order_by: str = "number",
    limit: int | None = None,
    descending: bool = False,
    include_invalid: bool = True,
    numbers: Collection[int] | None = None,
) -> list[TrialRow]:
    """The study's trials, or those of these numbers; what lacks the order's value comes last.

    ``order_by`` is a key of ORDERS. UsageError for an unknown one, or an unknown state.
    """
    key = _order(order_by)
    conditions: list[ColumnElement[bool]] = (
        [] if states is None else [optuna_trials.c.state.in_(_states(states))]
    )
    if not include_invalid:
        conditions.append(_VALID)
    if numbers is not None:
        conditions.append(optuna_trials.c.number.in_(list(numbers)))
    with snapshot(engine) as connection:
        chosen = (
            select(optuna_trials.c.trial_id)
            .select_from(_JOINED)
            .where(optuna_trials.c.study_id == find_study(connection, name), *conditions)
            .order_by((key.desc() if descending else key.asc()).nulls_last())
            .order_by(optuna_trials.c.number)
            .limit(limit)
        )
        return _rows(connection, chosen)


def best(engine: Engine, name: str, n: int | None = None) -> list[TrialRow]:
    """The ``n`` best trials, lowest value first; with several objectives, of the Pareto set.

    Only trials that are COMPLETE, not invalid, and have finite values.
    """
    order = (trial_values.c.value, optuna_trials.c.number)
    with snapshot(engine) as connection:
        study_id = find_study(connection, name)
        found = contenders([study_id])
        if _n_objectives(connection, study_id) > 1:
            front = _pareto_ids(connection, study_id)
            found = found.where(optuna_trials.c.trial_id.in_(front))
        # Their whole rows afterwards: to sort those of every trial takes PostgreSQL twice as long.
        ids = found.order_by(*order).limit(n).scalar_subquery()
        chosen = select(optuna_trials.c.trial_id).select_from(_JOINED)
        return _rows(connection, chosen.where(optuna_trials.c.trial_id.in_(ids)).order_by(*order))


def contenders(
    study_ids: Sequence[int] | Select[Any], of: ColumnElement[int] | None = None
) -> Chosen:
    """Trials that may be the best: COMPLETE, not invalid, with a finite first value.

    ``of``: those of one of the studies alone, which a query around this one names.
    """
    # Invalid ones are few and in an index. To ask each trial would read all of sweep_trials.
    invalid = select(sweep_trials.c.trial_id).where(
        sweep_trials.c.study_id.in_(study_ids), sweep_trials.c.invalid == true()
    )
    return (
        select(optuna_trials.c.trial_id)
        .select_from(_VALUED)
        .where(
            optuna_trials.c.study_id.in_(study_ids)
            if of is None
            else optuna_trials.c.study_id == of,
            optuna_trials.c.state == TrialState.COMPLETE,
            trial_values.c.value_type == FINITE_VALUE,
            optuna_trials.c.trial_id.not_in(invalid),
        )
    )


def trial(engine: Engine, name: str, number: int) -> TrialDetail:
    """One trial with its seeds' results, its events and its notes."""
    with snapshot(engine) as connection:
        study_id, trial_id = find_trial(connection, name, number)
        chosen = (
            select(optuna_trials.c.trial_id)
            .select_from(_JOINED)
            .where(optuna_trials.c.trial_id == trial_id)
        )
        (row,) = _rows(connection, chosen)
        artifact = select(sweep_trials.c.artifact_id).where(sweep_trials.c.trial_id == trial_id)
        of_trial = (sweep_events.c.study_id == study_id, sweep_events.c.number == number)
        return TrialDetail(
            **vars(row),
            results=_results(connection, trial_id),
            decomposition=_inside(connection, sweep_decompositions.c.decomposition, trial_id),
            probe=_inside(connection, sweep_probes.c.probe, trial_id),
            events=tuple(event_rows(connection, *of_trial)),
            notes=tuple(note_rows(connection, sweep_notes.c.trial_id == trial_id)),
            artifact_id=connection.execute(artifact).scalar_one_or_none(),
        )


def trials_with_weights(engine: Engine, name: str) -> list[int]:
    """Numbers of the trials whose weights were kept: those that were the best so far."""
    with snapshot(engine) as connection:
        query = select(sweep_trials.c.number).where(
            sweep_trials.c.study_id == find_study(connection, name),
            sweep_trials.c.artifact_id.is_not(None),
        )
        return list(connection.execute(query.order_by(sweep_trials.c.number)).scalars())


def curves(
    engine: Engine, name: str, numbers: Collection[int] | None = None
) -> dict[int, list[CurvePoint]]:
    """Learning curves by trial number, each the mean over the trial's seeds; None means all."""
    query = (
        select(
            sweep_trials.c.number,
            sweep_epochs.c.epoch,
            *(_mean(sweep_epochs.c[column]) for column in _CURVES),
        )
        .join(sweep_epochs, sweep_trials.c.trial_id == sweep_epochs.c.trial_id)
        .group_by(sweep_trials.c.number, sweep_epochs.c.epoch)
        .order_by(sweep_trials.c.number, sweep_epochs.c.epoch)
    )
    if numbers is not None:
        query = query.where(sweep_trials.c.number.in_(list(numbers)))
    with snapshot(engine) as connection:
        query = query.where(sweep_trials.c.study_id == find_study(connection, name))
        found: dict[int, list[CurvePoint]] = defaultdict(list)
        for number, *point in connection.execute(query):
            found[number].append(_point(point))
    return dict(found)


def seed_curves(engine: Engine, name: str, number: int) -> dict[int, list[CurvePoint]]:
    """One trial's learning curves, one a seed, by the index of the seed."""
    with snapshot(engine) as connection:
        _, trial_id = find_trial(connection, name, number)
        query = (
            select(
                sweep_epochs.c.seed_index,
                sweep_epochs.c.epoch,
                *(sweep_epochs.c[column] for column in _CURVES),
            )
            .where(sweep_epochs.c.trial_id == trial_id)
            .order_by(sweep_epochs.c.seed_index, sweep_epochs.c.epoch)
        )
        found: dict[int, list[CurvePoint]] = defaultdict(list)
        for seed_index, *point in connection.execute(query):
            found[seed_index].append(_point(point))
    return dict(found)


def domains(engine: Engine, name: str) -> dict[str, Domain]:
    """What each parameter of the study was drawn from, in the order of their first use."""
    first_use = func.min(trial_params.c.param_id)
    with snapshot(engine) as connection:
        query = (
            select(trial_params.c.param_name, trial_params.c.distribution_json)
            .join(optuna_trials, optuna_trials.c.trial_id == trial_params.c.trial_id)
            .where(optuna_trials.c.study_id == find_study(connection, name))
            .group_by(trial_params.c.param_name, trial_params.c.distribution_json)
            .order_by(first_use)
        )
        found: dict[str, Domain] = {}
        for param, text in connection.execute(query):
            found[param] = _wider(found.get(param), _domain(as_distribution(text)))
    return found


def _domain(distribution: BaseDistribution) -> Domain:
    if isinstance(distribution, CategoricalDistribution):
        return ChoiceDomain(choices=tuple(distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return NumberDomain(
        low=distribution.low,
        high=distribution.high,
        log=distribution.log,
        step=distribution.step,
        integer=isinstance(distribution, IntDistribution),
    )


def _wider(before: Domain | None, after: Domain) -> Domain:
    # A resumed study may widen the range of a number, and of a number only.
    if not (isinstance(before, NumberDomain) and isinstance(after, NumberDomain)):
        return after
    low, high = min(before.low, after.low), max(before.high, after.high)
    # Steps count from low: where that moved, values of before may lie between the new steps.
    return replace(after, low=low, high=high, step=after.step if before.low == after.low else None)


_CURVES = ("train_loss", "val_mse", "val_bce", "seconds")


def _mean(column: ColumnElement[float]) -> ColumnElement[float | None]:
    # NULL is "not finite", and one such seed makes the mean not finite too; avg would skip it.
    mean = case((func.count(column) == func.count(), func.avg(column)))
    return type_coerce(mean, column.type)


def _point(numbers: Sequence[Any]) -> CurvePoint:
    epoch, train_loss, val_mse, val_bce, seconds = numbers
    return CurvePoint(
        epoch=epoch, train_loss=train_loss, val_mse=val_mse, val_bce=val_bce, seconds=seconds
    )


def _order(order_by: str) -> ColumnElement[Any]:
    try:
        return ORDERS[order_by]
    except KeyError:
        raise _unknown("order", order_by, list(ORDERS)) from None


def _states(states: Collection[str]) -> list[TrialState]:
    for state in states:
        if state.upper() not in STATES:
            raise _unknown("state", state.upper(), list(STATES))
    return [TrialState[state.upper()] for state in states]


def _unknown(what: str, given: str, known: list[str]) -> UsageError:
    close = difflib.get_close_matches(given, known, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return UsageError(f"unknown {what} '{given}'.{hint} Known: {', '.join(known)}.")


def _n_objectives(connection: Connection, study_id: int) -> int:
    query = select(func.count()).where(study_directions.c.study_id == study_id)
    return connection.execute(query).scalar_one()


def _pareto_ids(connection: Connection, study_id: int) -> list[int]:
    query = (
        select(trial_values.c.trial_id, trial_values.c.value)
        .where(trial_values.c.trial_id.in_(contenders([study_id])))
        .order_by(trial_values.c.trial_id, trial_values.c.objective)
    )
    points: dict[int, list[float | None]] = defaultdict(list)
    for trial_id, value in connection.execute(query):
        points[trial_id].append(value)
    finite = {key: point for key, point in points.items() if None not in point}
    if not finite:
        return []
    front = unbeaten(np.array(list(finite.values()), dtype=np.float64))
    return [key for key, is_front in zip(finite, front, strict=True) if is_front]


def _rows(connection: Connection, chosen: Chosen) -> list[TrialRow]:
    main = connection.execute(chosen.with_only_columns(*_COLUMNS)).all()
    if not main:
        return []
    # A few by their ids: the search need not be repeated for each table.
    ids = [row.trial_id for row in main] if len(main) <= _FEW else chosen
    values = _values(connection, ids)
    params = _params(connection, ids)
    tags = _tags(connection, ids)
    notes = _newest_notes(connection, ids)
    return [
        _row(
            row,
            values=tuple(values.get(row.trial_id, ())),
            params=params.get(row.trial_id, {}),
            tags=tuple(tags.get(row.trial_id, ())),
            note=notes.get(row.trial_id),
        )
        for row in main
    ]


_COLUMNS = (
    optuna_trials.c.trial_id,
    optuna_trials.c.number,
    optuna_trials.c.state,
    optuna_trials.c.datetime_start,
    optuna_trials.c.datetime_complete,
    # trial_id, study_id and number are Optuna's, which a trial has before ours.
    *(column for column in sweep_trials.c if column.name not in optuna_trials.c),
)


def _row(
    row: Row[Any],
    *,
    values: tuple[float, ...],
    params: Mapping[str, Any],
    tags: tuple[str, ...],
    note: str | None,
) -> TrialRow:
    return TrialRow(
        number=row.number,
        state=row.state.name,
        values=values,
        params=params,
        config=row.config or {},
        seeds=tuple(row.seeds or ()),
        val_mse=row.val_mse,
        val_mse_std=row.val_mse_std,
        test_mse=row.test_mse,
        test_mse_std=row.test_mse_std,
        test_bce=row.test_bce,
        psnr=row.psnr,
        exact_pixels=row.exact_pixels,
        per_class_mse=_tuple(row.per_class_mse),
        n_parameters=row.n_parameters,
        train_seconds=row.train_seconds,
        outcome=row.outcome,
        reason=row.reason,
        attempt=row.attempt or 0,
        worker=row.worker,
        datetime_start=_aware(row.datetime_start),
        datetime_complete=_aware(row.datetime_complete),
        invalid=bool(row.invalid),
        invalid_reason=row.invalid_reason,
        reused_from=row.reused_from,
        tags=tags,
        note=note,
    )


def _tuple(numbers: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if numbers is None else tuple(numbers)


def _aware(time: datetime | None) -> datetime | None:
    # Optuna stores naive UTC.
    return None if time is None else time.replace(tzinfo=UTC)


def _values(connection: Connection, chosen: Chosen | Sequence[int]) -> dict[int, list[float]]:
    query = (
        select(trial_values.c.trial_id, trial_values.c.value, trial_values.c.value_type)
        .where(trial_values.c.trial_id.in_(chosen))
        .order_by(trial_values.c.trial_id, trial_values.c.objective)
    )
    found: dict[int, list[float]] = defaultdict(list)
    for trial_id, value, value_type in connection.execute(query):
        found[trial_id].append(stored_value(value, value_type))
    return found


def _params(connection: Connection, chosen: Chosen | Sequence[int]) -> dict[int, dict[str, Any]]:
    query = (
        select(
            trial_params.c.trial_id,
            trial_params.c.param_name,
            trial_params.c.param_value,
            trial_params.c.distribution_json,
        )
        .where(trial_params.c.trial_id.in_(chosen))
        .order_by(trial_params.c.param_id)
    )
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for trial_id, name, value, distribution in connection.execute(query):
        found[trial_id][name] = external_value(as_distribution(distribution), value)
    return found


def _tags(connection: Connection, chosen: Chosen | Sequence[int]) -> dict[int, list[str]]:
    query = (
        select(sweep_tags.c.trial_id, sweep_tags.c.tag)
        .where(sweep_tags.c.trial_id.in_(chosen))
        .order_by(sweep_tags.c.tag)
    )
    found: dict[int, list[str]] = defaultdict(list)
    for trial_id, tag in connection.execute(query):
        found[trial_id].append(tag)
    return found


def _newest_notes(connection: Connection, chosen: Chosen | Sequence[int]) -> dict[int, str]:
    query = (
        select(sweep_notes.c.trial_id, sweep_notes.c.text)
        .where(sweep_notes.c.trial_id.in_(chosen))
        .order_by(sweep_notes.c.note_id)
    )
    return dict(connection.execute(query).all())


def _results(connection: Connection, trial_id: int) -> tuple[SeedResult, ...]:
    query = select(sweep_results).where(sweep_results.c.trial_id == trial_id)
    rows = connection.execute(query.order_by(sweep_results.c.seed_index))
    return tuple(map(seed_result, rows))


def seed_result(row: Row[Any]) -> SeedResult:
    """A row of ``sweep_results``."""
    return SeedResult(
        seed_index=row.seed_index,
        seed=row.seed,
        val_mse=row.val_mse,
        test_mse=row.test_mse,
        test_bce=row.test_bce,
        psnr=row.psnr,
        exact_pixels=row.exact_pixels,
        per_class_mse=_tuple(row.per_class_mse),
        diagnostics=row.diagnostics,
    )


def _inside(connection: Connection, column: Column[Any], trial_id: int) -> dict[str, Any] | None:
    """What was found in a trial's network; None where nobody looked."""
    query = select(column).where(column.table.c.trial_id == trial_id)
    return connection.execute(query).scalar_one_or_none()


def event_rows(
    connection: Connection, *conditions: ColumnElement[bool], newest: int | None = None
) -> list[EventRow]:
    """The events that meet the conditions, or the newest so many of them, oldest first."""
    query = select(sweep_events).where(*conditions).order_by(sweep_events.c.event_id.desc())
    rows = connection.execute(query.limit(newest)).all()
    return [
        EventRow(
            event_id=row.event_id,
            at=utc(row.at),
            kind=row.kind,
            number=row.number,
            worker=row.worker,
            message=row.message,
        )
        for row in reversed(rows)
    ]


def note_rows(connection: Connection, *conditions: ColumnElement[bool]) -> list[NoteRow]:
    """The notes that meet the conditions, oldest first."""
    query = select(sweep_notes).where(*conditions).order_by(sweep_notes.c.note_id)
    return [
        NoteRow(created_at=utc(row.created_at), text=row.text) for row in connection.execute(query)
    ]


#: What trials can be ordered by.
ORDERS: dict[str, ColumnElement[Any]] = {
    "number": optuna_trials.c.number,
    "state": optuna_trials.c.state,
    "value": trial_values.c.value,
    "datetime_start": optuna_trials.c.datetime_start,
    "datetime_complete": optuna_trials.c.datetime_complete,
    **{name: sweep_trials.c[name] for name in STORED},
    "hidden_width": sweep_trials.c.config["hidden_width"].as_integer(),
}
