"""Read rows of trials, and all details of one, with our own SQL.

Optuna's get_trials takes seconds at 10,000 trials; these queries take tenths of a second. Each
reads the chosen trials from one table, where "chosen" is a subquery of trial ids.
"""

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
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    and_,
    case,
    false,
    func,
    or_,
    select,
    true,
)

from sweep.store.activity import events
from sweep.store.column_types import as_distribution, external_value
from sweep.store.lookup import StudyKey, by_key, find_trial_id, one_of
from sweep.store.measurements import decompositions, probes, seed_results, trial_conditions
from sweep.store.optuna_rows import FINITE_VALUE, stored_value
from sweep.store.pareto import unbeaten
from sweep.store.records import (
    ChoiceDomain,
    Domain,
    NumberDomain,
    TrialDetail,
    TrialRow,
    from_row,
)
from sweep.store.remarks import newest_notes_by, notes, tags_by
from sweep.store.schema import (
    study_directions,
    sweep_notes,
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
    connection: Connection,
    key: StudyKey,
    numbers: Collection[int] | None = None,
    *,
    states: Collection[str] | None = None,
    limit: int | None = None,
    descending: bool = False,
    include_invalid: bool = True,
) -> list[TrialRow]:
    """Return the study's trials by number, or those of some numbers or states."""
    conditions = [optuna_trials.c.study_id == key.current_id]
    if states is not None:
        conditions.append(optuna_trials.c.state.in_([TrialState[state] for state in states]))
    if not include_invalid:
        conditions.append(_VALID)
    if numbers is not None:
        conditions.append(one_of(optuna_trials.c.number, numbers))
    found = (
        select(optuna_trials.c.trial_id)
        .select_from(_JOINED)
        .where(*conditions)
        .order_by(optuna_trials.c.number.desc() if descending else optuna_trials.c.number)
        .limit(limit)
    )
    return [row for _, row in _rows(connection, found)]


def best(connection: Connection, key: StudyKey, n: int | None = None) -> list[TrialRow]:
    """Return the ``n`` best trials, lowest value first; with several objectives, the Pareto set.

    Only trials that are COMPLETE, not invalid, and have finite values.
    """
    order = (trial_values.c.value, optuna_trials.c.number)
    found = contenders([key.current_id])
    if _n_objectives(connection, key) > 1:
        front = _pareto_ids(connection, key)
        found = found.where(one_of(optuna_trials.c.trial_id, front))
    # Full rows only for the result: sorting those of every trial takes PostgreSQL twice as long.
    ids = found.order_by(*order).limit(n).scalar_subquery()
    whole = select(optuna_trials.c.trial_id).select_from(_JOINED)
    whole = whole.where(optuna_trials.c.trial_id.in_(ids)).order_by(*order)
    return [row for _, row in _rows(connection, whole)]


def contenders(
    study_ids: Sequence[ScalarSelect[int]] | Select[Any], of: ColumnElement[int] | None = None
) -> Chosen:
    """Select trials that may be the best: COMPLETE, not invalid, with a finite first value.

    ``of`` restricts them to one of the studies, which an enclosing query names.
    """
    # Invalid ones are few and in an index. A condition on each trial would read all of
    # sweep_trials.
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


def trial(connection: Connection, key: StudyKey, number: int) -> TrialDetail:
    """Return one trial with its seeds, events, notes and analysis. Raises NotFoundError."""
    by_id = optuna_trials.c.trial_id == find_trial_id(connection, key, number)
    found = select(optuna_trials.c.trial_id).select_from(_JOINED).where(by_id)
    ((row, trial),) = _rows(connection, found)
    return TrialDetail(
        **vars(trial),
        results=seed_results(connection, key, [number])[number],
        decomposition=decompositions(connection, key, [number]).get(number),
        probe=probes(connection, key, [number]).get(number),
        events=tuple(events(connection, key, number=number)),
        notes=tuple(notes(connection, key, number)),
        artifact_id=row.artifact_id,
    )


def trials_with_weights(connection: Connection, key: StudyKey) -> list[int]:
    """Return the numbers of the trials whose weights were kept: those that were the best so far."""
    has_weights = sweep_trials.c.artifact_id.is_not(None)
    query = select(sweep_trials.c.number).where(*trial_conditions(key, None), has_weights)
    return list(connection.execute(query.order_by(sweep_trials.c.number)).scalars())


def values_in_order(connection: Connection, key: StudyKey) -> list[tuple[int, float | None]]:
    """Return number and first value of every finished trial, in the order of their ends.

    The value is None if the trial is not COMPLETE, not finite, or marked invalid.
    """
    counts = and_(
        optuna_trials.c.state == TrialState.COMPLETE,
        trial_values.c.value_type == FINITE_VALUE,
        _VALID,
    )
    query = (
        select(optuna_trials.c.number, case((counts, trial_values.c.value)))
        .select_from(_JOINED)
        .where(
            optuna_trials.c.study_id == key.current_id,
            optuna_trials.c.state.in_([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]),
        )
        .order_by(func.coalesce(optuna_trials.c.datetime_complete, optuna_trials.c.datetime_start))
        .order_by(optuna_trials.c.number)
    )
    return [(number, value) for number, value in connection.execute(query)]


def domains(connection: Connection, key: StudyKey) -> dict[str, Domain]:
    """Return the distribution of each parameter, in the order of their first use."""
    query = (
        select(trial_params.c.param_name, trial_params.c.distribution_json)
        .join(optuna_trials, optuna_trials.c.trial_id == trial_params.c.trial_id)
        .where(optuna_trials.c.study_id == key.current_id)
        .group_by(trial_params.c.param_name, trial_params.c.distribution_json)
        .order_by(func.min(trial_params.c.param_id))
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
    # Steps count from low: if that moved, earlier values may lie between the new steps.
    return replace(after, low=low, high=high, step=after.step if before.low == after.low else None)


def _n_objectives(connection: Connection, key: StudyKey) -> int:
    query = select(func.count()).where(study_directions.c.study_id == key.current_id)
    return connection.execute(query).scalar_one()


def _pareto_ids(connection: Connection, key: StudyKey) -> list[int]:
    query = (
        select(trial_values.c.trial_id, trial_values.c.value)
        .where(trial_values.c.trial_id.in_(contenders([key.current_id])))
        .order_by(trial_values.c.trial_id, trial_values.c.objective)
    )
    points = by_key(connection.execute(query))
    finite = {of: point for of, point in points.items() if None not in point}
    if not finite:
        return []
    front = unbeaten(np.array(list(finite.values()), dtype=np.float64))
    return [of for of, is_front in zip(finite, front, strict=True) if is_front]


def _rows(connection: Connection, found: Chosen) -> list[tuple[Row[Any], TrialRow]]:
    """Read trials, each with its row of ``sweep_trials``."""
    main = connection.execute(found.with_only_columns(*_COLUMNS)).all()
    if not main:
        return []
    # A few by their ids: no need to repeat the search for each table.
    ids = [row.trial_id for row in main] if len(main) <= _FEW else found
    values = _values(connection, ids)
    params = _params(connection, ids)
    tags = tags_by(connection, sweep_tags.c.trial_id, sweep_tags.c.trial_id.in_(ids))
    notes = newest_notes_by(connection, sweep_notes.c.trial_id, sweep_notes.c.trial_id.in_(ids))
    return [
        (
            row,
            _row(
                row,
                values=tuple(values.get(row.trial_id, ())),
                params=params.get(row.trial_id, {}),
                tags=tuple(tags.get(row.trial_id, ())),
                note=notes.get(row.trial_id),
            ),
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
    return from_row(
        TrialRow,
        row,
        state=row.state.name,
        values=values,
        params=params,
        config=row.config or {},
        seeds=tuple(row.seeds or ()),
        per_class_mse=None if row.per_class_mse is None else tuple(row.per_class_mse),
        attempt=row.attempt or 0,
        datetime_start=_aware(row.datetime_start),
        datetime_complete=_aware(row.datetime_complete),
        invalid=bool(row.invalid),
        tags=tags,
        note=note,
    )


def _aware(time: datetime | None) -> datetime | None:
    # Optuna stores naive UTC.
    return None if time is None else time.replace(tzinfo=UTC)


def _values(connection: Connection, found: Chosen | Sequence[int]) -> dict[int, list[float]]:
    query = (
        select(trial_values.c.trial_id, trial_values.c.value, trial_values.c.value_type)
        .where(trial_values.c.trial_id.in_(found))
        .order_by(trial_values.c.trial_id, trial_values.c.objective)
    )
    rows = connection.execute(query)
    return by_key((trial_id, stored_value(value, kind)) for trial_id, value, kind in rows)


def _params(connection: Connection, found: Chosen | Sequence[int]) -> dict[int, dict[str, Any]]:
    query = (
        select(
            trial_params.c.trial_id,
            trial_params.c.param_name,
            trial_params.c.param_value,
            trial_params.c.distribution_json,
        )
        .where(trial_params.c.trial_id.in_(found))
        .order_by(trial_params.c.param_id)
    )
    params: dict[int, dict[str, Any]] = defaultdict(dict)
    for trial_id, name, value, distribution in connection.execute(query):
        params[trial_id][name] = external_value(as_distribution(distribution), value)
    return params
