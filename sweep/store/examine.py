"""Examine and repair a study's rows and files, for ``sweep doctor NAME``.

A check finds faults, each with its repair. ``examine`` only reads. ``repair`` does everything in
one transaction that no coordinator can interrupt, check by check, so that each check sees the
repairs of the previous ones.

A trial whose own numbers are lost is reset to WAITING: the next `sweep resume` trains it again
under its number and from its seeds, and therefore with the same result.
"""

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Connection, Engine, insert

from sweep.enums import EventKind
from sweep.store import artifacts, clock, lease, revisions
from sweep.store.annotate import lock_study, refuse_if_held
from sweep.store.checks import files, liveness, records
from sweep.store.checks.types import ExaminedStudy, Fault
from sweep.store.checks.values import find_values
from sweep.store.engine import write_transaction
from sweep.store.lookup import find_study, snapshot
from sweep.store.schema import sweep_events


def examine(engine: Engine, name: str) -> list[Fault]:
    """Return all faults of a study. Only reads."""
    with snapshot(engine) as connection:
        study_id = find_study(connection, name)
        # The other checks could not read such a value either.
        if unreadable := list(find_values(connection, study_id)):
            return unreadable
        study = _study(connection, engine, study_id)
        return [finding for find in CHECKS.values() for finding in find(study)]


def repair(engine: Engine, name: str) -> tuple[list[Fault], list[Fault]]:
    """Repair what can be repaired; return the repaired faults and the remaining ones.

    Raises StudyHeldError while a coordinator holds the study, NoRoomError if a file cannot be
    moved.
    """
    with write_transaction(engine) as connection:
        study_id = lock_study(connection, name)
        if unreadable := list(find_values(connection, study_id)):
            return [], unreadable
        refuse_if_held(connection, name, study_id)
        revision = revisions.advance(connection, study_id)
        study = _study(connection, engine, study_id)
        repaired = [finding for find in CHECKS.values() for finding in _apply(find(study))]
        left = [finding for find in CHECKS.values() for finding in find(study)]
        if repaired:
            ids = {finding.trial_id for finding in repaired}
            revisions.touch(connection, revision, [i for i in ids if i is not None])
            _note(study, repaired)
    for move in study.afterwards:
        move()
    # Files that were moved still existed when the check ran again.
    return repaired, [f for f in left if not (f.check == "file" and f in repaired)]


def _apply(findings: Iterator[Fault]) -> list[Fault]:
    repaired = []
    for finding in list(findings):
        if finding.repair is not None:
            finding.repair()
            repaired.append(finding)
    return repaired


def _study(connection: Connection, engine: Engine, study_id: int) -> ExaminedStudy:
    live = lease.live_holder(connection, study_id) is not None
    folder = artifacts.artifact_folder(engine.url)
    return ExaminedStudy(connection=connection, study_id=study_id, live=live, folder=folder)


def _note(study: ExaminedStudy, repaired: Sequence[Fault]) -> None:
    counts = {check: sum(f.check == check for f in repaired) for check in CHECKS}
    said = ", ".join(f"{check} {n:,}" for check, n in counts.items() if n)
    study.connection.execute(
        insert(sweep_events).values(
            study_id=study.study_id,
            at=clock.read(study.connection),
            kind=EventKind.REPAIRED,
            message=f"by sweep doctor: {said}",
        )
    )


#: The checks by the name that faults carry.
CHECKS: dict[str, Callable[[ExaminedStudy], Iterator[Fault]]] = {
    "lease": liveness.find_lease,  # a lease that its coordinator did not release
    "running": liveness.find_running,  # RUNNING trials without a coordinator
    "worker": liveness.find_worker,  # workers recorded as alive, without a coordinator
    "study file": records.find_study_file,  # a stored study file that cannot be read
    "number": records.find_numbers,  # gaps and duplicates in the numbers of trials
    "record": records.find_records,  # incomplete records, and derived values that differ
    "weights": files.find_weights,  # trials whose weights files are missing
    "file": files.find_file,  # weights files that belong to no trial
}
