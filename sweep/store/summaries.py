"""Summarise studies with counts of their trials."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import TrialState
from pydantic import ValidationError
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    func,
    or_,
    select,
    true,
    type_coerce,
)

from sweep.enums import Outcome
from sweep.errors import CorruptValueError
from sweep.store import clock
from sweep.store.derived_studies import parents
from sweep.store.lookup import (
    StudyKey,
    is_study,
    lease_of,
    no_such_study,
    study_by_study,
    utc,
)
from sweep.store.records import STATES, StudyList, StudySummary, UnreadableStudy
from sweep.store.remarks import newest_notes_by, tags_by
from sweep.store.schema import studies as optuna_studies
from sweep.store.schema import (
    sweep_commands,
    sweep_leases,
    sweep_notes,
    sweep_studies,
    sweep_tags,
    sweep_trials,
    trial_values,
)
from sweep.store.schema import trials as optuna_trials
from sweep.store.study_files import read_about
from sweep.store.trial_rows import contenders

#: Trials per second are counted over this span.
_RATE_SECONDS = 60.0


def study_list(connection: Connection) -> StudyList:
    """Return all studies by name, with unreadable ones listed separately."""
    try:
        return StudyList(
            studies=_summaries(connection, _STUDIES), unreadable=(), parents=parents(connection)
        )
    except (CorruptValueError, ValidationError):
        pass
    readable: list[StudySummary] = []
    unreadable: list[UnreadableStudy] = []
    for name, found in study_by_study(
        connection, lambda of: _summaries(connection, _STUDIES.where(of))
    ):
        if isinstance(found, CorruptValueError):
            unreadable.append(UnreadableStudy(name=name, reason=str(found)))
        else:
            readable += found
    # The rows that name the parents may be the unreadable ones.
    return StudyList(studies=readable, unreadable=unreadable, parents={})


def summary(connection: Connection, key: StudyKey) -> StudySummary:
    """Return one study. Raises NotFoundError if it was deleted."""
    found = _summaries(connection, _STUDIES.where(is_study(key)))
    if not found:
        raise no_such_study(connection, key)
    return found[0]


_STUDIES: Select[Any] = (
    select(
        optuna_studies.c.study_name,
        sweep_studies.c.study_id,
        sweep_studies.c.study_file,
        sweep_studies.c.created_at,
        sweep_studies.c.updated_at,
        sweep_studies.c.n_trials,
        sweep_studies.c.phase,
        sweep_studies.c.ended_because,
        sweep_leases.c.host,
        sweep_leases.c.pid,
        sweep_leases.c.process,
        sweep_leases.c.taken_at,
        sweep_leases.c.expires_at,
    )
    .select_from(
        optuna_studies.join(
            sweep_studies, sweep_studies.c.study_id == optuna_studies.c.study_id
        ).outerjoin(sweep_leases, sweep_leases.c.study_id == optuna_studies.c.study_id)
    )
    .order_by(optuna_studies.c.study_name)
)


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """Counts of trials, commands, tags and notes of several studies, by study."""

    now: float
    states: Mapping[int, Mapping[str, int]]
    marks: Mapping[int, Row[Any]]
    best: Mapping[int, Row[Any]]
    rates: Mapping[int, float]
    pending: Mapping[int, int]
    tags: Mapping[int, list[str]]
    notes: Mapping[int, str]


def _summaries(connection: Connection, query: Select[Any]) -> list[StudySummary]:
    rows = connection.execute(query).all()
    ids = query.with_only_columns(sweep_studies.c.study_id).order_by(None)
    tags, notes = sweep_tags.c, sweep_notes.c
    counted = _Counted(
        now=clock.read(connection),
        states=_count_states(connection, ids),
        marks=_by_study(connection.execute(_marks_query(ids))),
        best=_best(connection, ids),
        rates=_rates(connection, ids),
        pending=_count_pending(connection, ids),
        tags=tags_by(connection, tags.study_id, tags.study_id.in_(ids), tags.trial_id.is_(None)),
        notes=newest_notes_by(
            connection, notes.study_id, notes.study_id.in_(ids), notes.trial_id.is_(None)
        ),
    )
    return [_summary(row, counted) for row in rows]


def _summary(row: Row[Any], counted: _Counted) -> StudySummary:
    about = read_about(row.study_file)
    marks = counted.marks.get(row.study_id)
    best_trial = counted.best.get(row.study_id)
    return StudySummary(
        study_id=row.study_id,
        name=row.study_name,
        description=about.study.description,
        phase=row.phase,
        ended_because=row.ended_because,
        dataset=about.data.name,
        objectives=about.study.objectives,
        counts={state: counted.states.get(row.study_id, {}).get(state, 0) for state in STATES},
        n_diverged=marks.n_diverged if marks else 0,
        n_invalid=marks.n_invalid if marks else 0,
        n_reused=marks.n_reused if marks else 0,
        n_trials=row.n_trials,
        best_value=best_trial.value if best_trial else None,
        best_number=best_trial.number if best_trial else None,
        trials_per_second=counted.rates.get(row.study_id),
        n_pending_commands=counted.pending.get(row.study_id, 0),
        tags=tuple(counted.tags.get(row.study_id, ())),
        note=counted.notes.get(row.study_id),
        held_by=lease_of(row, counted.now),
        created_at=utc(row.created_at),
        updated_at=utc(row.updated_at),
    )


def _by_study(rows: Iterable[Row[Any]]) -> dict[int, Row[Any]]:
    return {row.study_id: row for row in rows}


def _count_states(connection: Connection, ids: Select[Any]) -> dict[int, dict[str, int]]:
    # One group per study, in the order of Optuna's index; groups per state would have to be sorted.
    study_id, state = optuna_trials.c.study_id, optuna_trials.c.state
    counts = (func.count(case((state == TrialState[name], 1))) for name in STATES)
    query = select(study_id, *counts).where(study_id.in_(ids)).group_by(study_id)
    return {
        key: dict(zip(STATES, of_states, strict=True))
        for key, *of_states in connection.execute(query)
    }


def _marks_query(ids: Select[Any]) -> Select[Any]:
    diverged = case((sweep_trials.c.outcome == Outcome.DIVERGED, 1))
    reused = case((sweep_trials.c.outcome == Outcome.REUSED, 1))
    invalid = case((sweep_trials.c.invalid == true(), 1))
    return (
        select(
            sweep_trials.c.study_id,
            func.count(diverged).label("n_diverged"),
            func.count(invalid).label("n_invalid"),
            func.count(reused).label("n_reused"),
        )
        .where(sweep_trials.c.study_id.in_(ids))
        .group_by(sweep_trials.c.study_id)
    )


def _best(connection: Connection, ids: Select[Any]) -> dict[int, Row[Any]]:
    # The first of each study; ranking them all by a window takes several times as long.
    study = sweep_studies.alias()
    first = (
        contenders(ids, of=study.c.study_id)
        .order_by(trial_values.c.value, optuna_trials.c.number)
        .limit(1)
        .correlate(study)
        .scalar_subquery()
    )
    # Separate from what follows: joined with it, PostgreSQL searches for the first one twice.
    firsts = connection.scalars(select(first).where(study.c.study_id.in_(ids))).all()
    query = (
        select(optuna_trials.c.study_id, optuna_trials.c.number, trial_values.c.value)
        .join(trial_values, trial_values.c.trial_id == optuna_trials.c.trial_id)
        .where(trial_values.c.objective == 0, optuna_trials.c.trial_id.in_(firsts))
    )
    return _by_study(connection.execute(query))


def best_so_far(connection: Connection) -> dict[str, list[tuple[int, float]]]:
    """Return for each study the trials that improved on all previous ones: number and value.

    The same trials count as for ``trial_rows.best``; a study without any is left out.
    """
    try:
        return _best_so_far(connection, true())
    except (CorruptValueError, ValidationError):
        pass
    found = study_by_study(connection, lambda of: _best_so_far(connection, of))
    return {
        name: steps[name]
        for name, steps in found
        if not isinstance(steps, CorruptValueError) and name in steps
    }


def _best_so_far(
    connection: Connection, of_studies: ColumnElement[bool]
) -> dict[str, list[tuple[int, float]]]:
    number, value = optuna_trials.c.number, trial_values.c.value
    before = func.min(value).over(
        partition_by=optuna_trials.c.study_id, order_by=number, rows=(None, -1)
    )
    placed = (
        contenders(select(sweep_studies.c.study_id).where(of_studies))
        .with_only_columns(optuna_trials.c.study_id, number, value, before.label("before"))
        .subquery()
    )
    query = (
        select(optuna_studies.c.study_name, placed.c.number, placed.c.value)
        .join(optuna_studies, optuna_studies.c.study_id == placed.c.study_id)
        .where(or_(placed.c.before.is_(None), placed.c.value < placed.c.before))
        .order_by(optuna_studies.c.study_name, placed.c.number)
    )
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for name, of, best_value in connection.execute(query):
        found[name].append((of, best_value))
    return dict(found)


def _rates(connection: Connection, ids: Select[Any]) -> dict[int, float]:
    """Return trials per second over the last minute, or the minute before the last trial's end.

    While a coordinator holds the study, only its own time and trials count.
    """
    study_id, finished_at = sweep_trials.c.study_id, sweep_trials.c.finished_at
    now = clock.now(connection.dialect.name)
    live = func.max(sweep_leases.c.expires_at) > now
    first, taken_at = func.min(sweep_trials.c.started_at), func.max(sweep_leases.c.taken_at)
    spans = (
        select(
            study_id,
            # With the column's type, which checks it: SQL would take the clock's.
            type_coerce(
                case((live, now), else_=func.max(finished_at)), sweep_trials.c.finished_at.type
            ).label("until"),
            type_coerce(
                case((and_(live, taken_at > first), taken_at), else_=first),
                sweep_trials.c.started_at.type,
            ).label("since"),
        )
        .select_from(
            sweep_trials.outerjoin(sweep_leases, sweep_leases.c.study_id == study_id),
        )
        .where(study_id.in_(ids))
        .group_by(study_id)
        .subquery()
    )
    query = (
        select(spans.c.study_id, spans.c.until, spans.c.since, func.count(finished_at))
        .outerjoin(
            sweep_trials,
            and_(
                sweep_trials.c.study_id == spans.c.study_id,
                finished_at > spans.c.until - _RATE_SECONDS,
                finished_at >= spans.c.since,
                finished_at <= spans.c.until,  # not what ended before the clock was set back
            ),
        )
        .group_by(spans.c.study_id, spans.c.until, spans.c.since)
    )
    return {
        key: count / min(_RATE_SECONDS, until - since)
        for key, until, since, count in connection.execute(query)
        if since is not None and until is not None and until > since
    }


def _count_pending(connection: Connection, ids: Select[Any]) -> dict[int, int]:
    study_id = sweep_commands.c.study_id
    query = (
        select(study_id, func.count())
        .where(study_id.in_(ids), sweep_commands.c.applied_at.is_(None))
        .group_by(study_id)
    )
    return dict(connection.execute(query).all())
