"""What is wrong with a study's rows and files, and mending it: for ``sweep doctor NAME``.

A check is two functions: one finds, the other mends one finding. ``examine`` only reads. ``repair``
does everything in one transaction that no coordinator can cut into, check by check, so that what
one has mended the next finds in order.

A trial whose own numbers are lost is put back to waiting: the next `sweep resume` trains it again,
under its number and from its seeds, and so with the same result.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, insert

from sweep.enums import EventKind
from sweep.store import artifacts, clock, lease, revisions
from sweep.store.annotate import lock_study, refuse_if_held
from sweep.store.checks import curves, files, liveness, reused, rows
from sweep.store.checks.types import Finding, Study, train_again
from sweep.store.checks.values import find_values
from sweep.store.engine import writing
from sweep.store.lookup import find_study, snapshot
from sweep.store.schema import sweep_events


def examine(engine: Engine, name: str) -> list[Finding]:
    """Everything that is wrong with a study. Only reads."""
    with snapshot(engine) as connection:
        study_id = find_study(connection, name)
        # The other checks could not read such a value either.
        if unreadable := list(find_values(connection, study_id)):
            return unreadable
        study = _study(connection, engine, study_id)
        return [finding for check in CHECKS.values() for finding in check.find(study)]


def repair(engine: Engine, name: str) -> tuple[list[Finding], list[Finding]]:
    """Mend what can be mended; what was, and what is left.

    Raises StudyHeldError while a coordinator holds the study, NoRoomError when a file can't be
    moved.
    """
    with writing(engine) as connection:
        study_id = lock_study(connection, name)
        if unreadable := list(find_values(connection, study_id)):
            return [], unreadable
        refuse_if_held(connection, name, study_id)
        revision = revisions.advance(connection, study_id)
        study = _study(connection, engine, study_id)
        mended = [finding for check in CHECKS.values() for finding in _mend_all(check, study)]
        left = [finding for check in CHECKS.values() for finding in check.find(study)]
        if mended:
            ids = {finding.trial_id for finding in mended}
            revisions.touch(connection, revision, [i for i in ids if i is not None])
            _note(study, mended)
    for move in study.afterwards:
        move()
    # What was moved was still there when the rows were looked at again.
    return mended, [f for f in left if not (f.check == "file" and f in mended)]


def _mend_all(check: "Check", study: Study) -> list[Finding]:
    found = [finding for finding in list(check.find(study)) if finding.repairable]
    for finding in found:
        check.mend(study, finding)
    return found


def _study(connection: Connection, engine: Engine, study_id: int) -> Study:
    live = lease.live_holder(connection, study_id) is not None
    folder = artifacts.artifact_folder(engine.url)
    return Study(connection=connection, study_id=study_id, live=live, folder=folder)


def _note(study: Study, mended: Sequence[Finding]) -> None:
    counts = {check: sum(f.check == check for f in mended) for check in CHECKS}
    said = ", ".join(f"{check} {n:,}" for check, n in counts.items() if n)
    study.connection.execute(
        insert(sweep_events).values(
            study_id=study.study_id,
            at=clock.read(study.connection),
            kind=EventKind.REPAIRED,
            message=f"by sweep doctor: {said}",
        )
    )


@dataclass(frozen=True, kw_only=True)
class Check:
    """Finds one kind of fault, and mends it."""

    about: str
    find: Callable[[Study], Iterator[Finding]]
    mend: Callable[[Study, Finding], None]


CHECKS: dict[str, Check] = {
    "lease": Check(
        about="a lease that its coordinator did not give back",
        find=liveness.find_lease,
        mend=liveness.mend_lease,
    ),
    "running": Check(
        about="RUNNING trials without a coordinator", find=liveness.find_running, mend=train_again
    ),
    "worker": Check(
        about="workers said to live, without one",
        find=liveness.find_worker,
        mend=liveness.mend_worker,
    ),
    "number": Check(
        about="gaps and doubles in numbers", find=rows.find_number, mend=rows.mend_number
    ),
    "orphan": Check(
        about="our rows without a trial of Optuna's", find=rows.find_orphan, mend=rows.mend_orphan
    ),
    "row": Check(
        about="trials of Optuna's without our row", find=rows.find_row, mend=rows.mend_row
    ),
    "outcome": Check(
        about="outcomes that contradict states", find=rows.find_outcome, mend=rows.mend_outcome
    ),
    "curve": Check(about="gaps in curves", find=curves.find_curve, mend=train_again),
    "result": Check(
        about="test results that are missing", find=curves.find_result, mend=train_again
    ),
    "step": Check(
        about="intermediate values that contradict curves",
        find=curves.find_step,
        mend=curves.mend_step,
    ),
    "value": Check(
        about="values that contradict curves", find=curves.find_value, mend=curves.mend_value
    ),
    "reused": Check(
        about="reused results that are not the twin's",
        find=reused.find_reused,
        mend=reused.mend_reused,
    ),
    "weights": Check(
        about="trials whose weights are gone", find=files.find_weights, mend=files.mend_weights
    ),
    "file": Check(about="weights of no trial", find=files.find_file, mend=files.mend_file),
}
