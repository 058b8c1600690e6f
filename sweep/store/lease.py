"""Who may write a study: a row with a token and an expiry, by the database's own clock.

Every transaction of a coordinator first renews its lease; when the token is no longer its own,
the transaction is rolled back and the coordinator stops. So one that was suspended past its
expiry can wake up, but not write.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import psutil
from sqlalchemy import ColumnElement, Connection, Engine, Row, case, select, text, update

from sweep.errors import LeaseLostError, StudyHeldError, SweepError
from sweep.store.clock import now
from sweep.store.engine import insert_if_absent, writing
from sweep.store.schema import sweep_leases

TTL_SECONDS = 30.0
RENEW_SECONDS = TTL_SECONDS / 4
#: That a renewal under way is waited for at the end.
END_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a lease, with enough to tell on the same host whether it still lives."""

    host: str
    pid: int
    #: boot id and pid namespace say "the same host"; the start says "the same process".
    process: dict[str, Any]

    @classmethod
    def this_process(cls) -> "Holder":
        """Identify this process as a holder."""
        return cls(
            host=socket.gethostname(),
            pid=os.getpid(),
            process={**_host_identity(), **_start(os.getpid())},
        )

    def here(self) -> bool:
        """Tell whether this holder is a process of the host (and pid namespace) we run on."""
        identity = _host_identity()
        same = all(self.process.get(key) == value for key, value in identity.items())
        return same and self.host == socket.gethostname()

    def provably_dead(self) -> bool:
        """Whether its process is gone for certain: only ever true for a holder on this host."""
        if not self.here():
            return False
        try:
            if psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE:
                return True
            ((key, started),) = _start(self.pid).items()
        except psutil.NoSuchProcess:
            return True
        return abs(started - float(self.process.get(key, started))) > 1.0


def _start(pid: int) -> dict[str, float]:
    """Return when a process started: in clock ticks since the boot where the system tells them.

    The time of day would not do: it is worked out from the present clock, so when the clock is set,
    a process that lives seems to be another than before. Raises psutil.NoSuchProcess.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return {"started": psutil.Process(pid).create_time()}
    return {"started_ticks": float(stat.rpartition(")")[2].split()[19])}


def _host_identity() -> dict[str, str]:
    return {
        "boot": _read("/proc/sys/kernel/random/boot_id") or str(psutil.boot_time()),
        "pid_namespace": _link("/proc/self/ns/pid"),
    }


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A lease that someone else holds."""

    holder: Holder
    expires_at: float
    seconds_left: float


def take(connection: Connection, study_id: int, holder: Holder) -> str | Held:
    """Take a free, expired or provably orphaned lease and return its token; else who holds it."""
    if connection.dialect.name == "postgresql":
        _end_stalled(connection)
    found = select(
        sweep_leases, (sweep_leases.c.expires_at - now(connection.dialect.name)).label("left")
    ).where(sweep_leases.c.study_id == study_id)
    row = connection.execute(found.with_for_update(skip_locked=True)).one_or_none()
    if row is None and (locked := connection.execute(found).one_or_none()) is not None:
        return _held(locked)  # its holder, or another who takes it, is in a transaction
    if row is not None:
        held = _held(row)
        if held.seconds_left > 0 and not held.holder.provably_dead():
            return held
    token = secrets.token_hex(16)
    values = {
        "token": token,
        "host": holder.host,
        "pid": holder.pid,
        "process": holder.process,
        "batch": 0,
        "taken_at": now(connection.dialect.name),
        "expires_at": now(connection.dialect.name) + TTL_SECONDS,
    }
    if row is not None:
        connection.execute(
            update(sweep_leases).where(sweep_leases.c.study_id == study_id).values(**values)
        )
    elif not insert_if_absent(connection, sweep_leases, {"study_id": study_id, **values}):
        # Another coordinator was first between our look and our row.
        return take(connection, study_id, holder)
    return token


def _end_stalled(connection: Connection) -> None:
    """End transactions whose coordinators stand still.

    They were stopped, or their host went away, and keep the locks of their study's rows: who takes
    the study over would wait for ever. The server's own timeout does not see a stop within the
    pipeline that psycopg makes of an executemany. (SQLite's lock goes with its process; one that is
    stopped while it has the lock keeps it, and nothing can be done about it.)
    """
    # Nobody's transaction waits that long for its own process; a lease lasts longer.
    connection.execute(text(_END_STALLED), {"seconds": TTL_SECONDS / 2})


_END_STALLED = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
      AND state <> 'idle' AND wait_event_type = 'Client'
      AND state_change < clock_timestamp() - :seconds * interval '1 second'
      AND pid IN (
        SELECT pid FROM pg_locks WHERE granted AND mode = 'RowExclusiveLock'
          AND relation IN ('sweep_leases'::regclass, 'sweep_studies'::regclass)
      )
"""


def _held(row: Row[Any]) -> Held:
    holder = Holder(host=row.host, pid=row.pid, process=row.process)
    return Held(holder=holder, expires_at=row.expires_at, seconds_left=row.left)


def take_or_wait(
    engine: Engine,
    study_id: int,
    name: str,
    *,
    waiting: Callable[[float], None] = lambda seconds_left: None,
) -> str:
    """Take the study's lease and return its token; wait out a holder elsewhere that may be dead.

    ``waiting`` hears the seconds left. Raises StudyHeldError when the holder shows that it lives.
    """
    first: Held | None = None
    while True:
        with writing(engine) as connection:
            taken = take(connection, study_id, Holder.this_process())
        if isinstance(taken, str):
            return taken
        first = first or taken
        lives = taken.holder.here() or taken.expires_at > first.expires_at
        if lives and taken.seconds_left > 0:
            raise StudyHeldError(
                f"study {name!r} is being run by process {taken.holder.pid} on "
                f"{taken.holder.host}. `sweep status {quote(name)}` shows it, "
                f"`sweep stop {quote(name)}` ends it."
            )
        waiting(max(0.0, taken.seconds_left))
        # Expired but locked: the process that has the row locked releases it soon, or ends.
        time.sleep(min(1.0, max(0.05, taken.seconds_left)) if taken.seconds_left > 0 else 0.5)


def live_holder(connection: Connection, study_id: int, *, lock: bool = False) -> Held | None:
    """Return who holds the study, perhaps or for certain; ``lock`` keeps it so until the commit."""
    table = sweep_leases.c  # columns by name: the schema may be an older one
    query = select(
        *(table.host, table.pid, table.process, table.expires_at),
        (table.expires_at - now(connection.dialect.name)).label("left"),
    ).where(table.study_id == study_id)
    row: Any = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        return None
    held = _held(row)
    return None if held.seconds_left <= 0 or held.holder.provably_dead() else held


def renew(connection: Connection, study_id: int, token: str, batch: int) -> None:
    """Push the expiry out and count the batch. Raises LeaseLostError when the token is not ours."""
    renewed = connection.execute(
        update(sweep_leases)
        .where(sweep_leases.c.study_id == study_id, sweep_leases.c.token == token)
        .values(**_renewed(connection), batch=batch)
    )
    if renewed.rowcount != 1:
        raise LeaseLostError(
            "another coordinator has taken this study over; this one stops and writes no more."
        )


def _renewed(connection: Connection) -> dict[str, ColumnElement[float]]:
    time = now(connection.dialect.name)
    return {"expires_at": time + TTL_SECONDS, "held_seconds": held_seconds(time)}


def held_seconds(now: ColumnElement[float]) -> ColumnElement[float]:
    """Return how long the study has been held until now, over all its coordinators.

    The expiry says when the lease was last renewed. What lies beyond it does not count: a
    coordinator that was suspended so long did not run.
    """
    since = now - (sweep_leases.c.expires_at - TTL_SECONDS)
    return sweep_leases.c.held_seconds + case(
        (sweep_leases.c.expires_at <= 0.0, 0.0),  # it was given back, and that counted
        (since > TTL_SECONDS, TTL_SECONDS),
        (since > 0.0, since),
        else_=0.0,
    )


@contextmanager
def kept(engine: Engine, study_id: int, token: str) -> Iterator[None]:
    """Renew the lease from a thread while the block runs: a long ask must not lose it.

    That it was lost all the same is noticed by the next transaction, which is refused. A database
    that hangs does not keep the block from ending.
    """
    ended = threading.Event()

    def renew_often() -> None:
        while not ended.wait(RENEW_SECONDS):
            with suppress(SweepError), writing(engine) as connection:
                connection.execute(
                    update(sweep_leases)
                    .where(sweep_leases.c.study_id == study_id, sweep_leases.c.token == token)
                    .values(**_renewed(connection))
                )

    thread = threading.Thread(target=renew_often, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(END_SECONDS)


def release(connection: Connection, study_id: int, token: str) -> None:
    """Give the lease back, if it is still ours."""
    connection.execute(
        update(sweep_leases)
        .where(sweep_leases.c.study_id == study_id, sweep_leases.c.token == token)
        .values(expires_at=0.0, held_seconds=held_seconds(now(connection.dialect.name)))
    )
