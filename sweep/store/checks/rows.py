"""Trials, by their numbers, in Optuna's tables and in ours."""

from collections.abc import Iterator
from typing import Any

from optuna.distributions import json_to_distribution
from optuna.trial import TrialState
from sqlalchemy import delete, func, insert, select, update

from sweep.store import clock, schema
from sweep.store.checks.types import OUTCOMES, Finding, Study
from sweep.store.schema import sweep_trials as ours
from sweep.store.schema import trial_values as values
from sweep.store.schema import trials


def find_number(study: Study) -> Iterator[Finding]:
    query = select(trials.c.trial_id, trials.c.number).where(trials.c.study_id == study.study_id)
    rows = study.connection.execute(query.order_by(trials.c.number, trials.c.trial_id)).all()
    seen: set[int] = set()
    for row in rows:
        if row.number in seen:
            yield Finding(
                check="number",
                number=row.number,
                trial_id=row.trial_id,
                what="two trials have this number",
                remedy="--repair gives the later one the next free number",
            )
        seen.add(row.number)
    for number in sorted({*range(max(seen, default=-1) + 1)} - seen):
        yield Finding(
            check="number",
            number=number,
            what="no trial has this number, and the study can't be resumed",
            remedy="--repair puts a failed trial in its place",
        )


def mend_number(study: Study, finding: Finding) -> None:
    connection = study.connection
    if finding.trial_id is None:
        connection.execute(
            insert(trials).values(
                study_id=study.study_id, number=finding.number, state=TrialState.FAIL
            )
        )
        return  # its own row follows, by the check after this one
    of_study = trials.c.study_id == study.study_id
    highest = connection.execute(select(func.max(trials.c.number)).where(of_study)).scalar_one()
    for table in (trials, ours):
        connection.execute(
            update(table).where(table.c.trial_id == finding.trial_id).values(number=highest + 1)
        )


def find_row(study: Study) -> Iterator[Finding]:
    joined = trials.outerjoin(ours, ours.c.trial_id == trials.c.trial_id)
    query = (
        select(trials.c.trial_id, trials.c.number, trials.c.state, ours.c.number.label("of_ours"))
        .select_from(joined)
        .where(trials.c.study_id == study.study_id)
        .order_by(trials.c.number)
    )
    for row in study.connection.execute(query):
        if row.of_ours is None:
            yield Finding(
                check="row",
                number=row.number,
                trial_id=row.trial_id,
                item=row.state,
                what="has no row in sweep_trials beside Optuna's",
                remedy="--repair makes one of what Optuna knows",
            )
        elif row.of_ours != row.number:
            yield Finding(
                check="row",
                number=row.number,
                trial_id=row.trial_id,
                what=f"is number {row.of_ours} in sweep_trials",
                remedy="--repair gives it Optuna's number",
            )


def mend_row(study: Study, finding: Finding) -> None:
    if finding.item is None:
        study.connection.execute(
            update(ours).where(ours.c.trial_id == finding.trial_id).values(number=finding.number)
        )
        return
    outcome = OUTCOMES.get(finding.item, (None,))[0]
    study.connection.execute(
        insert(ours).values(
            trial_id=finding.trial_id,
            study_id=study.study_id,
            number=finding.number,
            attempt=0,
            config=_params(study, finding.trial_id),
            seeds=[],
            outcome=outcome,
            reason="its row was lost; made anew by sweep doctor" if outcome else None,
            finished_at=clock.read(study.connection) if outcome else None,
            val_mse=_value(study, finding.trial_id),
            invalid=False,
        )
    )


def _params(study: Study, trial_id: int | None) -> dict[str, Any]:
    """What was searched, under the settings' names; what the file fixed is not known here."""
    table = schema.trial_params
    rows = study.connection.execute(select(table).where(table.c.trial_id == trial_id))
    return {
        row.param_name.rpartition(".")[2]: json_to_distribution(
            row.distribution_json
        ).to_external_repr(row.param_value)
        for row in rows
    }


def _value(study: Study, trial_id: int | None) -> float | None:
    """The first objective's."""
    query = select(values.c.value).where(values.c.trial_id == trial_id, values.c.objective == 0)
    return study.connection.execute(query).scalar_one_or_none()


def find_orphan(study: Study) -> Iterator[Finding]:
    """Rows of ours for trials that Optuna does not have; SQLite allows them."""
    known = select(trials.c.trial_id).where(trials.c.study_id == study.study_id)
    query = select(ours.c.trial_id, ours.c.number).where(
        ours.c.study_id == study.study_id, ours.c.trial_id.not_in(known)
    )
    for row in study.connection.execute(query.order_by(ours.c.number)):
        yield Finding(
            check="orphan",
            number=row.number,
            trial_id=row.trial_id,
            what="has a row in sweep_trials, and none among Optuna's trials",
            remedy="--repair deletes it with its curve",
        )


def mend_orphan(study: Study, finding: Finding) -> None:
    own = [table for table in schema.TABLES_OF_AN_ATTEMPT if table.name.startswith("sweep_")]
    for table in (*own, schema.sweep_notes, schema.sweep_tags, ours):
        study.connection.execute(delete(table).where(table.c.trial_id == finding.trial_id))


def find_outcome(study: Study) -> Iterator[Finding]:
    query = (
        select(trials.c.trial_id, trials.c.number, trials.c.state, ours.c.outcome)
        .join(ours, ours.c.trial_id == trials.c.trial_id)
        .where(trials.c.study_id == study.study_id)
        .order_by(trials.c.number)
    )
    for row in study.connection.execute(query):
        allowed = OUTCOMES.get(row.state, (None,))
        if row.outcome not in allowed:
            yield Finding(
                check="outcome",
                number=row.number,
                trial_id=row.trial_id,
                item=allowed[0],
                what=f"is {row.state.name}, but its outcome is {row.outcome or 'open'}",
                remedy=f"--repair makes it {allowed[0] or 'open'}",
            )


def mend_outcome(study: Study, finding: Finding) -> None:
    study.connection.execute(
        update(ours)
        .where(ours.c.trial_id == finding.trial_id)
        .values(outcome=finding.item, finished_at=_moment(study) if finding.item else None)
    )


def _moment(study: Study) -> Any:
    return func.coalesce(ours.c.finished_at, clock.read(study.connection))
