"""Define what a check finds and examines, and the repair that many checks share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, delete, update

from sweep.store import optuna_rows, schema
from sweep.store.reuse import COPIED
from sweep.store.schema import sweep_trials

AGAIN = "resets it to be trained again under its number"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A single fault of a study."""

    #: A key of examine.CHECKS.
    check: str
    #: The trial's number; None if the fault concerns the study.
    number: int | None = None
    what: str
    #: What ``--repair`` does, or what a user can do instead.
    remedy: str
    #: Applies the remedy; None if only a user can.
    repair: Callable[[], object] | None = field(default=None, compare=False, repr=False)
    #: The trial's id, if the fault concerns a trial.
    trial_id: int | None = None

    @property
    def repairable(self) -> bool:
        """Whether `sweep doctor --repair` repairs it."""
        return self.repair is not None


@dataclass(kw_only=True)
class ExaminedStudy:
    """The study that is examined, and how to access it."""

    connection: Connection
    study_id: int
    #: A coordinator runs the study: what it has not done yet is no fault.
    live: bool
    folder: Path
    #: Actions to run after the commit.
    afterwards: list[Callable[[], None]] = field(default_factory=list)


def train_again(study: ExaminedStudy, trial_id: int) -> None:
    """Reset the trial to WAITING and delete its results."""
    for table in schema.TABLES_OF_AN_ATTEMPT:
        study.connection.execute(delete(table).where(table.c.trial_id == trial_id))
    optuna_rows.rewrite(study.connection, trial_id, optuna_rows.WAITING)
    study.connection.execute(
        update(sweep_trials).where(sweep_trials.c.trial_id == trial_id).values(_UNTRAINED)
    )


#: Columns of sweep_trials that training fills, with their values before training.
_UNTRAINED = dict.fromkeys(
    ("outcome", "reason", "finished_at", "train_seconds", *COPIED, "reused_from")
)
