"""Compute what a study has used, over all its coordinators and workers, by the database's clock.

Wall time is the time for which a coordinator held the study's lease. GPU time is counted from the
start of a worker to its end, once for each GPU, however many workers share it. Both are added up at
each renewal of the lease.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, case, select, type_coerce

from sweep.store.clock import now
from sweep.store.lease import n_gpus, used_seconds
from sweep.store.lookup import StudyKey
from sweep.store.schema import sweep_leases


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
    columns = [
        type_coerce(
            case((live, used), else_=sweep_leases.c[name]), sweep_leases.c[name].type
        ).label(name)
        for name, used in used_seconds(time).items()
    ]
    n_in_use = case((live, n_gpus()), else_=0).label("n_gpus")
    lease = select(*columns, n_in_use).where(sweep_leases.c.study_id == key.current_id)
    row = connection.execute(lease).one_or_none()
    if row is None:
        return Usage()
    return Usage(wall_seconds=row.held_seconds, gpu_seconds=row.gpu_seconds, n_gpus=row.n_gpus)
