"""Read what a running study does: its workers, events and pending commands."""

from collections.abc import Mapping
from typing import Any

from optuna.trial import TrialState
from sqlalchemy import Connection, Row, func, select

from sweep.enums import WorkerState
from sweep.store.lookup import StudyKey, utc, utc_or_none
from sweep.store.records import CommandRow, EventRow, WorkerRow, from_row
from sweep.store.schema import sweep_commands, sweep_events, sweep_trials, sweep_workers, trials


def workers(connection: Connection, key: StudyKey) -> list[WorkerRow]:
    """Return the study's workers in the order in which they were started."""
    of_study = sweep_workers.c.study_id == key.current_id
    training = _count_running(connection, key)
    query = select(sweep_workers).where(of_study).order_by(sweep_workers.c.worker_id)
    return [_worker(row, training) for row in connection.execute(query)]


def _count_running(connection: Connection, key: StudyKey) -> dict[str, int]:
    query = (
        select(sweep_trials.c.worker, func.count())
        .join(trials, trials.c.trial_id == sweep_trials.c.trial_id)
        .where(
            sweep_trials.c.study_id == key.current_id,
            sweep_trials.c.finished_at.is_(None),  # few rows, all from one index
            trials.c.state == TrialState.RUNNING,
        )
        .group_by(sweep_trials.c.worker)
    )
    return dict(connection.execute(query).all())


def _worker(row: Row[Any], training: Mapping[str, int]) -> WorkerRow:
    # A resumed study numbers its workers from w0 again: count trials for the live worker only.
    n_training = training.get(row.name, 0) if row.n_training is None else row.n_training
    return from_row(
        WorkerRow,
        row,
        n_training=0 if row.state == WorkerState.GONE else n_training,
        started_at=utc(row.started_at),
        seen_at=utc(row.seen_at),
    )


def events(
    connection: Connection,
    key: StudyKey,
    *,
    number: int | None = None,
    after_id: int = 0,
    newest: int | None = None,
) -> list[EventRow]:
    """Return the study's events, or those of one trial, oldest first.

    With ``after_id``, return only later events; with ``newest``, only the last ``newest`` of them.
    """
    of = sweep_events.c
    query = select(sweep_events).where(of.study_id == key.current_id, of.event_id > after_id)
    if number is not None:
        query = query.where(of.number == number)
    rows = connection.execute(query.order_by(of.event_id.desc()).limit(newest)).all()
    return [from_row(EventRow, row, at=utc(row.at)) for row in reversed(rows)]


def commands(
    connection: Connection, key: StudyKey, *, pending_only: bool = False
) -> list[CommandRow]:
    """Return the commands that users sent to the study's coordinator, oldest first."""
    of = sweep_commands.c
    query = select(sweep_commands).where(of.study_id == key.current_id).order_by(of.command_id)
    if pending_only:
        query = query.where(of.applied_at.is_(None))
    return [_command(row) for row in connection.execute(query)]


def _command(row: Row[Any]) -> CommandRow:
    return from_row(
        CommandRow,
        row,
        payload=row.payload or {},
        created_at=utc(row.created_at),
        applied_at=utc_or_none(row.applied_at),
    )
