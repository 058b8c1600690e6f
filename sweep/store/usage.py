"""Compute what a study has used, over all its coordinators and workers, by the database's clock.

Wall time is the time for which a coordinator held the study's lease. GPU time is counted from the
start of a worker to its end, once for each GPU, however many workers share it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, case, select, type_coerce

from sweep.enums import WorkerState
from sweep.store.clock import now
from sweep.store.lease import held_seconds
from sweep.store.lookup import StudyKey
from sweep.store.schema import sweep_leases, sweep_workers


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What was used until now."""

    wall_seconds: float = 0.0
    #: Summed over the GPUs.
    gpu_seconds: float = 0.0
    #: GPUs in use now: each adds one second of GPU time per second.
    n_gpus: int = 0


def usage(connection: Connection, key: StudyKey) -> Usage:
    """Return what a study has used, until now if somebody runs it."""
    time = now(connection.dialect.name)
    live = sweep_leases.c.expires_at > time
    lease = select(
        type_coerce(
            case((live, held_seconds(time)), else_=sweep_leases.c.held_seconds),
            sweep_leases.c.held_seconds.type,
        ).label("held"),
        live.label("live"),
        time.label("now"),
    ).where(sweep_leases.c.study_id == key.current_id)
    workers = select(sweep_workers).where(
        sweep_workers.c.study_id == key.current_id, sweep_workers.c.device != "cpu"
    )
    row = connection.execute(lease).one_or_none()
    if row is None:
        return Usage()
    gpu_seconds, n_gpus = _of_gpus(connection.execute(workers), row.now if row.live else None)
    return Usage(wall_seconds=row.held, gpu_seconds=gpu_seconds, n_gpus=n_gpus)


def _of_gpus(workers: Iterable[Row[Any]], now: float | None) -> tuple[float, int]:
    """Return GPU seconds, and the number of GPUs in use.

    ``now`` is None if no worker can be alive.
    """
    spans: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    in_use = set()
    for worker in workers:
        gpu = worker.host, worker.device
        lives = worker.state != WorkerState.GONE and now is not None
        if lives:
            in_use.add(gpu)
        end = now if lives and now is not None else worker.seen_at
        spans[gpu].append((worker.started_at, end))
    return sum(map(covered, spans.values())), len(in_use)


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return the total length that the spans cover together."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
