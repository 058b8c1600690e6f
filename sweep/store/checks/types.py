"""What a check finds, what it examines, and the repair that many of them share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, delete, update

from sweep.store import optuna_rows, schema
from sweep.store.reuse import COPIED
from sweep.store.schema import sweep_trials

AGAIN = "has it trained again, under its number"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong."""

    #: A key of examine.CHECKS.
    check: str
    #: The trial; None where it is about the study.
    number: int | None = None
    what: str
    #: What ``--repair`` does, or what a user may do instead.
    remedy: str
    #: Carries the remedy out; None where a user has to.
    mend: Callable[[], object] | None = field(default=None, compare=False, repr=False)
    #: The trial's id, where it is about a trial.
    trial_id: int | None = None

    @property
    def repairable(self) -> bool:
        """Tell whether `sweep doctor --repair` mends it."""
        return self.mend is not None


@dataclass(kw_only=True)
class ExaminedStudy:
    """What is examined."""

    connection: Connection
    study_id: int
    #: A coordinator holds it: what it has yet to do is no fault.
    live: bool
    folder: Path
    #: To do once the rows are committed.
    afterwards: list[Callable[[], None]] = field(default_factory=list)


def train_again(study: ExaminedStudy, trial_id: int) -> None:
    """Reset the trial to WAITING and delete its results."""
    for table in schema.TABLES_OF_AN_ATTEMPT:
        study.connection.execute(delete(table).where(table.c.trial_id == trial_id))
    optuna_rows.rewrite(study.connection, trial_id, optuna_rows.WAITING)
    study.connection.execute(
        update(sweep_trials).where(sweep_trials.c.trial_id == trial_id).values(_UNTRAINED)
    )


#: Columns of sweep_trials that training fills.
_UNTRAINED = dict.fromkeys(
    ("outcome", "reason", "finished_at", "train_seconds", *COPIED, "reused_from")
)
