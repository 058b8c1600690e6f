"""What a check finds, what it looks at, and what most repairs come down to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.trial import TrialState
from sqlalchemy import Connection, delete, func, select, update

from sweep.enums import Outcome
from sweep.store import schema
from sweep.store.schema import sweep_trials as ours
from sweep.store.schema import trial_values as values
from sweep.store.schema import trials

#: Sums in another order differ in the last digits.
SAME = 1e-9
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
#: Of each state, the usual one first.
OUTCOMES = {
    TrialState.COMPLETE: (Outcome.COMPLETE, Outcome.REUSED),
    TrialState.PRUNED: (Outcome.PRUNED, Outcome.TIMED_OUT),
    TrialState.FAIL: (Outcome.FAILED, Outcome.DIVERGED),
}
AGAIN = "has it trained again, under its number"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    #: A key of examine.CHECKS.
    check: str
    #: The trial; None where it is about the study.
    number: int | None = None
    what: str
    #: What ``--repair`` does, or what a user may do instead.
    remedy: str
    repairable: bool = True
    #: For the mending: the row's id, and whatever else it takes.
    trial_id: int | None = None
    item: Any = None


@dataclass(kw_only=True)
class Study:
    """What is examined."""

    connection: Connection
    study_id: int
    #: A coordinator holds it: what it has yet to do is no fault.
    live: bool
    folder: Path
    #: To do once the rows are committed.
    afterwards: list[Callable[[], None]] = field(default_factory=list)

    @property
    def n_objectives(self) -> int:
        table = schema.study_directions
        query = select(func.count()).where(table.c.study_id == self.study_id)
        return self.connection.execute(query).scalar_one()


def said(number: float | None) -> str:
    return "is missing" if number is None else f"is {number:.8g}"


def same(one: float | None, other: float) -> bool:
    return one is not None and abs(one - other) <= SAME * abs(other)


def train_again(study: Study, finding: Finding) -> None:
    """Reset the trial to WAITING and delete its results."""
    connection, trial_id = study.connection, finding.trial_id
    connection.execute(
        update(trials)
        .where(trials.c.trial_id == trial_id)
        .values(state=TrialState.WAITING, datetime_complete=None)
    )
    for table in (*schema.TABLES_OF_AN_ATTEMPT, values):
        connection.execute(delete(table).where(table.c.trial_id == trial_id))
    attributes = schema.trial_user_attributes
    connection.execute(
        delete(attributes).where(
            attributes.c.trial_id == trial_id, attributes.c.key == "reused_from"
        )
    )
    empty = dict.fromkeys(_MEASURED)
    connection.execute(update(ours).where(ours.c.trial_id == trial_id).values(empty))


#: Of sweep_trials, what training gives.
_MEASURED = (
    *("outcome", "reason", "finished_at", "train_seconds", "val_mse", "val_mse_std", "test_mse"),
    *("test_mse_std", "test_bce", "psnr", "exact_pixels", "per_class_mse", "n_parameters"),
    "reused_from",
)
