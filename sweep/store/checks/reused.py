"""Trials that have the results of another."""

from collections.abc import Iterator

from optuna.trial import TrialState
from sqlalchemy import delete, insert, select

from sweep.store.checks.types import Finding, Study, said, same, train_again
from sweep.store.reuse import copy_metrics
from sweep.store.schema import sweep_trials as ours
from sweep.store.schema import trial_values as values
from sweep.store.schema import trials


def find_reused(study: Study) -> Iterator[Finding]:
    """A trial with another's results has that one's value, and that one has a value itself."""
    twin, twin_row, twin_value = trials.alias(), ours.alias(), values.alias()
    query = (
        select(
            *(trials.c.trial_id, trials.c.number, ours.c.reused_from, values.c.value),
            twin.c.trial_id.label("twin_id"),
            twin.c.state.label("twin_state"),
            twin_value.c.value.label("twin_value"),
        )
        .select_from(
            trials.join(ours, ours.c.trial_id == trials.c.trial_id)
            .outerjoin(values, (values.c.trial_id == trials.c.trial_id) & (values.c.objective == 0))
            .outerjoin(
                twin_row,
                (twin_row.c.study_id == ours.c.study_id)
                & (twin_row.c.number == ours.c.reused_from),
            )
            .outerjoin(twin, twin.c.trial_id == twin_row.c.trial_id)
            .outerjoin(
                twin_value,
                (twin_value.c.trial_id == twin.c.trial_id) & (twin_value.c.objective == 0),
            )
        )
        .where(
            trials.c.study_id == study.study_id,
            trials.c.state == TrialState.COMPLETE,
            ours.c.reused_from.is_not(None),
        )
        .order_by(trials.c.number)
    )
    for row in study.connection.execute(query):
        if row.twin_state != TrialState.COMPLETE or row.twin_value is None:
            yield Finding(
                check="reused",
                number=row.number,
                trial_id=row.trial_id,
                what=f"has the results of trial {row.reused_from}, which has none",
                remedy="--repair has it wait for that trial, or be trained",
            )
        elif not same(row.value, row.twin_value):
            yield Finding(
                check="reused",
                number=row.number,
                trial_id=row.trial_id,
                item=(row.reused_from, row.twin_id),
                what=f"its value {said(row.value)}, that of trial {row.reused_from}, which it "
                f"is said to be, {said(row.twin_value)}",
                remedy="--repair takes the other trial's",
            )


def mend_reused(study: Study, finding: Finding) -> None:
    if finding.item is None:
        train_again(study, finding)
        return
    twin, twin_id = finding.item
    assert finding.number is not None and finding.trial_id is not None
    rows = study.connection.execute(select(values).where(values.c.trial_id == twin_id)).all()
    study.connection.execute(delete(values).where(values.c.trial_id == finding.trial_id))
    study.connection.execute(
        insert(values),
        [
            {
                "trial_id": finding.trial_id,
                "objective": row.objective,
                "value": row.value,
                "value_type": row.value_type,
            }
            for row in rows
        ],
    )
    ids = {finding.number: finding.trial_id, twin: twin_id}
    copy_metrics(study.connection, {finding.number: {"reused_from": twin}}, ids)
