"""Check for a dead coordinator, and for what it left in a running state."""

from collections.abc import Iterator
from functools import partial

from optuna.trial import TrialState
from sqlalchemy import select, update

from sweep.enums import ACTIVE_PHASES, StudyPhase, WorkerState
from sweep.store import schema
from sweep.store.checks.types import AGAIN, ExaminedStudy, Fault, train_again
from sweep.store.schema import trials


def find_lease(study: ExaminedStudy) -> Iterator[Fault]:
    """Find a lease whose holder is dead."""
    table = schema.sweep_leases
    row = study.connection.execute(
        select(table).where(table.c.study_id == study.study_id, table.c.expires_at > 0)
    ).one_or_none()
    if row is not None and not study.live:
        what = f"process {row.pid} on {row.host} is dead and has not released it"
        yield Fault(
            check="lease",
            what=what,
            remedy="--repair releases it and marks the study interrupted",
            repair=partial(_release, study, what),
        )


def _release(study: ExaminedStudy, reason: str) -> None:
    table, about = schema.sweep_leases, schema.sweep_studies
    study.connection.execute(
        update(table).where(table.c.study_id == study.study_id).values(expires_at=0.0)
    )
    study.connection.execute(
        update(about)
        .where(about.c.study_id == study.study_id, about.c.phase.in_(ACTIVE_PHASES))
        .values(phase=StudyPhase.INTERRUPTED, ended_because=f"lease: {reason}")
    )


def find_running(study: ExaminedStudy) -> Iterator[Fault]:
    """Find RUNNING trials of a study that no coordinator runs."""
    if study.live:
        return
    query = select(trials.c.trial_id, trials.c.number).where(
        trials.c.study_id == study.study_id, trials.c.state == TrialState.RUNNING
    )
    for row in study.connection.execute(query.order_by(trials.c.number)):
        yield Fault(
            check="running",
            number=row.number,
            trial_id=row.trial_id,
            what="is RUNNING, but no worker trains it",
            remedy=f"--repair {AGAIN}, as `sweep resume` does",
            repair=partial(train_again, study, row.trial_id),
        )


def find_worker(study: ExaminedStudy) -> Iterator[Fault]:
    """Find workers on record as alive in a study that no coordinator runs."""
    if study.live:
        return
    table = schema.sweep_workers
    query = select(table).where(
        table.c.study_id == study.study_id, table.c.state != WorkerState.GONE
    )
    for row in study.connection.execute(query.order_by(table.c.worker_id)):
        yield Fault(
            check="worker",
            what=f"{row.name} on {row.host} is recorded as {row.state}, without a coordinator",
            remedy="--repair marks it as gone",
            repair=partial(_call_gone, study, row.worker_id),
        )


def _call_gone(study: ExaminedStudy, worker_id: int) -> None:
    table = schema.sweep_workers
    study.connection.execute(
        update(table).where(table.c.worker_id == worker_id).values(state=WorkerState.GONE)
    )
