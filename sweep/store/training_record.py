"""Read how a trial was trained: by which worker, in which run of its study, with which versions."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from sweep.enums import Trainer
from sweep.store.lookup import StudyKey, find_trial_id, is_study
from sweep.store.measurements import trial_conditions
from sweep.store.records import WorkerRow
from sweep.store.schema import sweep_studies, sweep_trials, sweep_workers


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What is recorded about a trial's training; fields are None if unknown."""

    #: ``cpu``, or a GPU's identifier.
    device: str | None
    device_name: str | None
    n_threads: int | None
    #: The trainer that its worker used.
    trainer: Trainer | None
    #: Version of the assembler that compiled the fused trainer's kernels.
    ptxas_version: str | None
    data_sha256: str | None
    #: Provenance of the run in which the trial began: see coordinator.provenance.
    provenance: Mapping[str, Any]


def training_record(connection: Connection, key: StudyKey, number: int) -> Trained:
    """Return how a trial's last attempt was trained. Raises NotFoundError without the trial."""
    find_trial_id(connection, key, number)
    provenance: Mapping[str, Any] = connection.execute(
        select(sweep_studies.c.provenance).where(is_study(key))
    ).scalar_one()
    trial = connection.execute(
        select(sweep_trials.c.worker, sweep_trials.c.started_at).where(
            *trial_conditions(key, [number])
        )
    ).one_or_none()
    started_at = trial.started_at if trial is not None else None
    worker: Row[Any] | None = None
    if trial is not None and started_at is not None:
        # Each run numbers its workers from w0 again: take the newest of that name before the trial.
        worker = connection.execute(
            select(sweep_workers)
            .where(
                sweep_workers.c.study_id == key.current_id,
                sweep_workers.c.name == trial.worker,
                sweep_workers.c.started_at <= started_at,
            )
            .order_by(sweep_workers.c.worker_id.desc())
            .limit(1)
        ).one_or_none()
    return Trained(
        **{name: getattr(worker, name, None) for name in _OF_WORKER},
        data_sha256=provenance.get("data_sha256"),
        provenance=_of_run(provenance, started_at),
    )


_OF_WORKER = ("device", "device_name", "n_threads", "trainer", "ptxas_version")


def trainers_used(workers: Iterable[WorkerRow]) -> Counter[Trainer]:
    """Count the trials that each trainer finished, over all workers of a study."""
    used: Counter[Trainer] = Counter()
    for worker in workers:
        if worker.trainer is not None:
            used[worker.trainer] += worker.n_finished
    return used


def _of_run(provenance: Mapping[str, Any], started_at: float | None) -> Mapping[str, Any]:
    """Return the versions of the run in which the trial began: the last that started before it."""
    runs = [provenance, *provenance.get("resumed", [])]
    before = [run for run in runs if run.get("at", 0.0) <= (started_at or 0.0)]
    return before[-1] if before else provenance
