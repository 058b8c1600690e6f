"""What trials came to: curves, test results, Optuna's values. Curves are the raw data."""

from collections.abc import Iterator
from typing import Any

from optuna.trial import TrialState
from sqlalchemy import func, or_, select, update

from sweep.store import schema
from sweep.store.checks.types import AGAIN, FINISHED, SAME, Finding, Study, said, same, train_again
from sweep.store.engine import conflict_insert
from sweep.store.optuna_rows import FINITE_INTERMEDIATE_VALUE, FINITE_VALUE
from sweep.store.schema import sweep_epochs as epochs
from sweep.store.schema import sweep_trials as ours
from sweep.store.schema import trial_intermediate_values as steps
from sweep.store.schema import trial_values as values
from sweep.store.schema import trials


def find_curve(study: Study) -> Iterator[Finding]:
    """Of COMPLETE trials, every epoch of every seed; of pruned ones, no gaps."""
    n_seeds = func.json_array_length(ours.c.seeds)
    counted = (
        select(epochs.c.trial_id, func.count().label("n"), func.max(epochs.c.epoch).label("last"))
        .group_by(epochs.c.trial_id)
        .subquery()
    )
    query = (
        select(
            *(trials.c.trial_id, trials.c.number, trials.c.state, counted.c.n, counted.c.last),
            n_seeds.label("n_seeds"),
            ours.c.config["epochs"].as_integer().label("epochs"),
        )
        .select_from(
            trials.join(ours, ours.c.trial_id == trials.c.trial_id).outerjoin(
                counted, counted.c.trial_id == trials.c.trial_id
            )
        )
        .where(
            trials.c.study_id == study.study_id,
            trials.c.state.in_([TrialState.COMPLETE, TrialState.PRUNED]),
            ours.c.reused_from.is_(None),
            n_seeds > 0,
        )
        .order_by(trials.c.number)
    )
    for row in study.connection.execute(query):
        length = row.epochs if row.state == TrialState.COMPLETE else row.last
        expected, there = (length or 0) * row.n_seeds, row.n or 0
        if there != expected:
            yield Finding(
                check="curve",
                number=row.number,
                trial_id=row.trial_id,
                what=f"its curve has {there:,} of {expected:,} epochs",
                remedy=f"--repair {AGAIN}",
            )


def find_result(study: Study) -> Iterator[Finding]:
    """COMPLETE trials have test results for every seed."""
    table = schema.sweep_results
    counted = (
        select(table.c.trial_id, func.count().label("n")).group_by(table.c.trial_id).subquery()
    )
    n, n_seeds = func.coalesce(counted.c.n, 0), func.json_array_length(ours.c.seeds)
    query = (
        select(trials.c.trial_id, trials.c.number, n.label("n"), n_seeds.label("n_seeds"))
        .select_from(
            trials.join(ours, ours.c.trial_id == trials.c.trial_id).outerjoin(
                counted, counted.c.trial_id == trials.c.trial_id
            )
        )
        .where(
            trials.c.study_id == study.study_id,
            trials.c.state == TrialState.COMPLETE,
            ours.c.reused_from.is_(None),
            n_seeds != n,
        )
        .order_by(trials.c.number)
    )
    for row in study.connection.execute(query):
        yield Finding(
            check="result",
            number=row.number,
            trial_id=row.trial_id,
            what=f"has test results of {row.n} of {row.n_seeds} seeds",
            remedy=f"--repair {AGAIN}",
        )


def _means(study: Study) -> Any:
    """The mean validation error of every trial and epoch, from our curves."""
    return (
        select(epochs.c.trial_id, epochs.c.epoch, func.avg(epochs.c.val_mse).label("mean"))
        .join(trials, trials.c.trial_id == epochs.c.trial_id)
        .where(trials.c.study_id == study.study_id, epochs.c.val_mse.is_not(None))
        .group_by(epochs.c.trial_id, epochs.c.epoch)
    ).subquery()


def find_step(study: Study) -> Iterator[Finding]:
    """Optuna's intermediate values are the means of our curves, epoch by epoch."""
    if study.n_objectives > 1:
        return  # Optuna takes none then
    mean = _means(study)
    same = func.abs(steps.c.intermediate_value - mean.c.mean) <= SAME * func.abs(mean.c.mean)
    query = (
        select(trials.c.trial_id, trials.c.number, func.count().label("n"))
        .select_from(
            mean.join(trials, trials.c.trial_id == mean.c.trial_id).outerjoin(
                steps,
                (steps.c.trial_id == mean.c.trial_id) & (steps.c.step == mean.c.epoch) & same,
            )
        )
        .where(trials.c.state.in_(FINISHED), steps.c.trial_id.is_(None))
        .group_by(trials.c.trial_id, trials.c.number)
        .order_by(trials.c.number)
    )
    for row in study.connection.execute(query):
        yield Finding(
            check="step",
            number=row.number,
            trial_id=row.trial_id,
            what=f"Optuna's intermediate values lack or contradict {row.n:,} epochs of its curve",
            remedy="--repair takes the curve's",
        )


def mend_step(study: Study, finding: Finding) -> None:
    mean = _means(study)
    query = select(mean.c.epoch, mean.c.mean).where(mean.c.trial_id == finding.trial_id)
    rows = [
        {
            "trial_id": finding.trial_id,
            "step": row.epoch,
            "intermediate_value": row.mean,
            "intermediate_value_type": FINITE_INTERMEDIATE_VALUE,
        }
        for row in study.connection.execute(query)
    ]
    statement = conflict_insert(study.connection.dialect.name, steps)
    changed = {
        name: statement.excluded[name] for name in ("intermediate_value", "intermediate_value_type")
    }
    keys = ["trial_id", "step"]
    statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    study.connection.execute(statement, rows)


def find_value(study: Study) -> Iterator[Finding]:
    """A COMPLETE trial's value and its val_mse are the mean of its curve's last epoch."""
    mean, several = _means(study), study.n_objectives > 1
    last = mean.c.epoch == ours.c.config["epochs"].as_integer()
    query = (
        select(
            *(trials.c.trial_id, trials.c.number, values.c.value, ours.c.val_mse, mean.c.mean),
            values.c.trial_id.is_not(None).label("has_value"),
        )
        .select_from(
            trials.join(ours, ours.c.trial_id == trials.c.trial_id)
            .outerjoin(values, (values.c.trial_id == trials.c.trial_id) & (values.c.objective == 0))
            .outerjoin(mean, (mean.c.trial_id == trials.c.trial_id) & last)
        )
        .where(
            trials.c.study_id == study.study_id,
            trials.c.state == TrialState.COMPLETE,
            ours.c.reused_from.is_(None),
            or_(mean.c.mean.is_not(None), values.c.trial_id.is_(None)),
        )
        .order_by(trials.c.number)
    )
    for row in study.connection.execute(query):
        if wrong := _contradiction(row):
            # The other objectives' values are lost with the first.
            again = row.mean is None or (several and not row.has_value)
            yield Finding(
                check="value",
                number=row.number,
                trial_id=row.trial_id,
                item=None if again else row.mean,
                what=wrong,
                remedy=f"--repair {AGAIN if again else 'takes the value of the curve'}",
            )


def _contradiction(row: Any) -> str | None:
    if row.mean is None:
        return "is COMPLETE without a value"
    numbers = {"Optuna's value": row.value, "val_mse": row.val_mse}
    wrong = [f"{name} {said(n)}" for name, n in numbers.items() if not same(n, row.mean)]
    return f"its curve ends at {row.mean:.8g}; {', '.join(wrong)}" if wrong else None


def mend_value(study: Study, finding: Finding) -> None:
    if finding.item is None:
        train_again(study, finding)
        return
    row = {
        "trial_id": finding.trial_id,
        "objective": 0,
        "value": finding.item,
        "value_type": FINITE_VALUE,
    }
    statement = conflict_insert(study.connection.dialect.name, values).values(row)
    changed = {name: statement.excluded[name] for name in ("value", "value_type")}
    keys = ["trial_id", "objective"]
    study.connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))
    study.connection.execute(
        update(ours).where(ours.c.trial_id == finding.trial_id).values(val_mse=finding.item)
    )
