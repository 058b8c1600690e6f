"""Rank a trial in its study and find its neighbours and the trials to compare it with, in SQL.

Reading the columns of all trials for this would take a second at 30,000 trials.
"""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select

from sweep.catalogue.settings import Value
from sweep.store.lookup import StudyKey, is_study
from sweep.store.schema import sweep_studies, sweep_trials, trial_values
from sweep.store.schema import trials as optuna_trials
from sweep.store.table_reader import stored_baseline
from sweep.store.trial_rows import contenders


class Standing(NamedTuple):
    """A trial's rank by the first objective, among the trials that count."""

    #: From 1; trials of the same value share a place. None for a trial that does not count.
    place: int | None
    #: The number of trials that count.
    n: int
    #: The trials before and after, by number.
    previous: int | None
    next: int | None
    #: The best trial; None while no trial counts.
    best: int | None
    #: The first trial with the study's baseline configuration; None if no such trial counts.
    baseline: int | None


def standing(connection: Connection, key: StudyKey, number: int) -> Standing:
    """Return a trial's place in its study."""
    counting = contenders([key.current_id])
    of = counting.add_columns(optuna_trials.c.number, trial_values.c.value).cte("counting").c
    own = select(of.value).where(of.number == number).scalar_subquery()
    numbers = select(optuna_trials.c.number).where(optuna_trials.c.study_id == key.current_id)
    every = numbers.subquery().c.number
    row = connection.execute(
        select(
            select(func.count(of.number)).scalar_subquery().label("n"),
            own.label("own"),
            select(func.count(of.number)).where(of.value < own).scalar_subquery().label("better"),
            select(func.max(every)).where(every < number).scalar_subquery().label("previous"),
            select(func.min(every)).where(every > number).scalar_subquery().label("next"),
            select(of.number)
            .order_by(of.value, of.number)
            .limit(1)
            .scalar_subquery()
            .label("best"),
        )
    ).one()
    return Standing(
        place=None if row.own is None else row.better + 1,
        n=row.n,
        previous=row.previous,
        next=row.next,
        best=row.best,
        baseline=_baseline(connection, key),
    )


def _baseline(connection: Connection, key: StudyKey) -> int | None:
    file = connection.execute(select(sweep_studies.c.study_file).where(is_study(key))).scalar()
    if file is None:  # deleted meanwhile
        return None
    number = optuna_trials.c.number
    found = contenders([key.current_id]).with_only_columns(number).order_by(number).limit(1)
    baseline = stored_baseline(file)
    if baseline.number is not None:
        found = found.where(number == baseline.number)
    else:
        found = found.where(sweep_trials.c.trial_id == optuna_trials.c.trial_id)
        found = found.where(*(_is(*setting) for setting in baseline.settings.items()))
    return connection.execute(found).scalar()


def _is(name: str, value: Value) -> ColumnElement[bool]:
    """Return the condition that a trial has this value of a setting."""
    stored: Any = sweep_trials.c.config[name]
    equal: ColumnElement[bool]
    if isinstance(value, bool):
        equal = stored.as_boolean() == value
    elif isinstance(value, int):
        equal = stored.as_integer() == value
    elif isinstance(value, str):
        equal = stored.as_string() == value
    else:  # SQLite may parse the last digit of a number differently than Python wrote it
        equal = func.abs(stored.as_float() - value) <= abs(value) * 1e-12
    return equal
