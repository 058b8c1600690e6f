"""What is wrong with a study's rows and files, and mending it: for ``sweep doctor NAME``.

A check finds faults, each with what mends it. ``examine`` only reads. ``repair`` does everything in
one transaction that no coordinator can cut into, check by check, so that what one has mended the
next finds in order.

A trial whose own numbers are lost is put back to waiting: the next `sweep resume` trains it again,
under its number and from its seeds, and so with the same result.
"""

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Connection, Engine, insert

from sweep.enums import EventKind
from sweep.store import artifacts, clock, lease, revisions
from sweep.store.annotate import lock_study, refuse_if_held
from sweep.store.checks import files, liveness, records
from sweep.store.checks.types import ExaminedStudy, Fault
from sweep.store.checks.values import find_values
from sweep.store.engine import writing
from sweep.store.lookup import find_study, snapshot
from sweep.store.schema import sweep_events


def examine(engine: Engine, name: str) -> list[Fault]:
    """Everything that is wrong with a study. Only reads."""
    with snapshot(engine) as connection:
        study_id = find_study(connection, name)
        # The other checks could not read such a value either.
        if unreadable := list(find_values(connection, study_id)):
            return unreadable
        study = _study(connection, engine, study_id)
        return [finding for find in CHECKS.values() for finding in find(study)]


def repair(engine: Engine, name: str) -> tuple[list[Fault], list[Fault]]:
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
        mended = [finding for find in CHECKS.values() for finding in _mend(find(study))]
        left = [finding for find in CHECKS.values() for finding in find(study)]
        if mended:
            ids = {finding.trial_id for finding in mended}
            revisions.touch(connection, revision, [i for i in ids if i is not None])
            _note(study, mended)
    for move in study.afterwards:
        move()
    # What was moved was still there when the rows were looked at again.
    return mended, [f for f in left if not (f.check == "file" and f in mended)]


def _mend(findings: Iterator[Fault]) -> list[Fault]:
    mended = []
    for finding in list(findings):
        if finding.mend is not None:
            finding.mend()
            mended.append(finding)
    return mended


def _study(connection: Connection, engine: Engine, study_id: int) -> ExaminedStudy:
    live = lease.live_holder(connection, study_id) is not None
    folder = artifacts.artifact_folder(engine.url)
    return ExaminedStudy(connection=connection, study_id=study_id, live=live, folder=folder)


def _note(study: ExaminedStudy, mended: Sequence[Fault]) -> None:
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


#: Finds the faults of one kind, by the name that findings have.
CHECKS: dict[str, Callable[[ExaminedStudy], Iterator[Fault]]] = {
    "lease": liveness.find_lease,  # a lease that its coordinator did not give back
    "running": liveness.find_running,  # RUNNING trials without a coordinator
    "worker": liveness.find_worker,  # workers on record as alive, without a coordinator
    "study file": records.find_study_file,  # a stored study file that cannot be read
    "number": records.find_numbers,  # gaps and duplicates in the numbers of trials
    "record": records.find_records,  # records that lack something, and what differs from them
    "weights": files.find_weights,  # trials whose weights are gone
    "file": files.find_file,  # weights of no trial
}
