"""Decide who may write a study: a row with a token and an expiry, by the database's own clock.

Every transaction of a coordinator first renews its lease; if the token is no longer its own, the
transaction is rolled back and the coordinator stops. A coordinator that was suspended past its
expiry can therefore wake up, but not write.

The database's clock may be set while a coordinator runs: until the next renewal its lease then
looks expired, or valid for as long as the clock was set back. Unless the holder is provably dead,
a lease is therefore taken only if this process, by its monotonic clock, saw no renewal for a while.
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
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    case,
    distinct,
    func,
    select,
    text,
    update,
)

from sweep.enums import WorkerState
from sweep.errors import LeaseLostError, StudyHeldError, SweepError
from sweep.store.clock import now
from sweep.store.engine import insert_if_absent, write_transaction
from sweep.store.schema import sweep_leases, sweep_workers

TTL_SECONDS = 30.0
RENEW_SECONDS = TTL_SECONDS / 4
#: How long the end of the block waits for a renewal in progress.
END_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The holder of a lease, with what shows on the same host whether it is alive."""

    host: str
    pid: int
    #: Boot id and PID namespace identify the host; the start time identifies the process.
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
        """Return whether this holder is a process of the host (and PID namespace) we run on."""
        identity = _host_identity()
        same = all(self.process.get(key) == value for key, value in identity.items())
        return same and self.host == socket.gethostname()

    def provably_dead(self) -> bool:
        """Return whether its process is certainly dead: only true for a holder on this host."""
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
    """Return when a process started: in clock ticks since the boot if the system provides them.

    Wall-clock time is not usable: it is computed from the present clock, so when the clock is set,
    a live process appears to be a different one. Raises psutil.NoSuchProcess.
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
    token: str
    expires_at: float
    seconds_left: float

    @property
    def is_free(self) -> bool:
        """Whether its holder released it."""
        return self.expires_at <= 0.0

    @property
    def has_expired(self) -> bool:
        """Whether it has expired, by the database's clock."""
        return self.seconds_left <= 0.0


class Watch:
    """Tells by a monotonic clock whether a lease is still being renewed."""

    def __init__(self) -> None:
        self._seen: tuple[str, float] | None = None
        self._since = 0.0
        #: Whether the lease was renewed, or taken by another process, since the first look.
        self.has_changed = False

    def is_silent(self, held: Held) -> bool:
        """Tell whether the lease was not renewed within the time that a running holder needs."""
        return self.seconds_to_go(held) <= 0.0

    def seconds_to_go(self, held: Held) -> float:
        """Return for how many more seconds the lease has to be watched."""
        if self._seen != (held.token, held.expires_at):
            self.has_changed = self._seen is not None
            self._seen, self._since = (held.token, held.expires_at), time.monotonic()
        limit = 1.5 * RENEW_SECONDS if held.has_expired else TTL_SECONDS
        return limit - (time.monotonic() - self._since)


def take(
    connection: Connection,
    study_id: int,
    holder: Holder,
    is_silent: Callable[[Held], bool] = lambda held: held.has_expired,
) -> str | Held:
    """Take a lease and return its token; else return its holder.

    A lease can be taken if it is free, its holder is provably dead, or it ``is_silent``.
    """
    if connection.dialect.name == "postgresql":
        _end_stalled(connection)
    found = select(
        sweep_leases, (sweep_leases.c.expires_at - now(connection.dialect.name)).label("left")
    ).where(sweep_leases.c.study_id == study_id)
    row = connection.execute(found.with_for_update(skip_locked=True)).one_or_none()
    if row is None and (locked := connection.execute(found).one_or_none()) is not None:
        return _as_held(locked)  # its holder, or another process that takes it, is in a transaction
    if row is not None:
        held = _as_held(row)
        if not held.is_free and not held.holder.provably_dead() and not is_silent(held):
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
        # Another coordinator took it between our read and our insert.
        return take(connection, study_id, holder, is_silent)
    return token


def _end_stalled(connection: Connection) -> None:
    """End transactions of stalled coordinators.

    They were stopped, or their host disappeared, and still lock their study's rows: the next
    coordinator would wait indefinitely. The server's own timeout does not notice a stop within the
    pipeline that psycopg makes of an executemany. (SQLite's lock ends with its process; a process
    that is stopped while it has the lock keeps it, and nothing can be done about it.)
    """
    # No healthy transaction waits that long for its own process, and a lease lasts longer.
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


def _as_held(row: Row[Any]) -> Held:
    holder = Holder(host=row.host, pid=row.pid, process=row.process)
    return Held(holder=holder, token=row.token, expires_at=row.expires_at, seconds_left=row.left)


def take_or_wait(
    engine: Engine,
    study_id: int,
    name: str,
    *,
    waiting: Callable[[float], None] = lambda seconds_left: None,
) -> str:
    """Take the study's lease and return its token; wait out a remote holder that may be dead.

    ``waiting`` is called with the remaining seconds. Raises StudyHeldError when the holder turns
    out to be alive.
    """
    watch = Watch()
    while True:
        with write_transaction(engine) as connection:
            taken = take(connection, study_id, Holder.this_process(), watch.is_silent)
        if isinstance(taken, str):
            return taken
        if not taken.has_expired and (taken.holder.here() or watch.has_changed):
            raise StudyHeldError(
                f"study {name!r} is run by process {taken.holder.pid} on "
                f"{taken.holder.host}. `sweep status {quote(name)}` shows it, "
                f"`sweep stop {quote(name)}` ends it."
            )
        left = watch.seconds_to_go(taken)
        left = left if taken.has_expired else min(left, taken.seconds_left)
        waiting(max(0.0, left))
        # Silent but locked: the process that has locked the row releases it soon, or ends.
        time.sleep(min(1.0, max(0.05, left)) if left > 0 else 0.5)


def live_holder(connection: Connection, study_id: int, *, lock: bool = False) -> Held | None:
    """Return the possible or certain holder of the study.

    ``lock`` locks the row until the commit.
    """
    table = sweep_leases.c  # columns by name: the schema may be an older one
    query = select(
        *(table.host, table.pid, table.process, table.token, table.expires_at),
        (table.expires_at - now(connection.dialect.name)).label("left"),
    ).where(table.study_id == study_id)
    row: Any = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        return None
    held = _as_held(row)
    return None if held.seconds_left <= 0 or held.holder.provably_dead() else held


def renew(connection: Connection, study_id: int, token: str, batch: int) -> None:
    """Extend the expiry and count the batch. Raises LeaseLostError if the token is not ours."""
    renewed = connection.execute(
        update(sweep_leases)
        .where(sweep_leases.c.study_id == study_id, sweep_leases.c.token == token)
        .values(**_renewal(connection), batch=batch)
    )
    if renewed.rowcount != 1:
        raise LeaseLostError(
            "another coordinator has taken over this study; this one stops and writes nothing more."
        )


def _renewal(connection: Connection) -> dict[str, ColumnElement[float]]:
    time = now(connection.dialect.name)
    return {"expires_at": time + TTL_SECONDS, **used_seconds(time)}


def used_seconds(now: ColumnElement[float]) -> dict[str, ColumnElement[float]]:
    """Return the values of the lease's usage columns as of now.

    Both are added up from renewal to renewal, so setting the clock by an hour adds at most
    TTL_SECONDS.
    """
    since = _seconds_since_renewal(now)
    return {
        "held_seconds": sweep_leases.c.held_seconds + since,
        "gpu_seconds": sweep_leases.c.gpu_seconds + since * n_gpus(),
    }


def _seconds_since_renewal(now: ColumnElement[float]) -> ColumnElement[float]:
    """Return how long the lease has been held since its last renewal.

    Time after the expiry does not count: a coordinator that was suspended that long was not
    running.
    """
    since = now - (sweep_leases.c.expires_at - TTL_SECONDS)
    return case(
        (sweep_leases.c.expires_at <= 0.0, 0.0),  # it was released, and counted then
        (since > TTL_SECONDS, TTL_SECONDS),
        (since > 0.0, since),
        else_=0.0,
    )


def n_gpus() -> ColumnElement[int]:
    """Return the number of GPUs that the lease's study uses now, however many workers share one."""
    worker = sweep_workers.c
    return (
        select(func.count(distinct(worker.host + "\n" + worker.device)))
        .where(
            worker.study_id == sweep_leases.c.study_id,
            worker.state != WorkerState.GONE,
            worker.device != "cpu",
        )
        .correlate(sweep_leases)
        .scalar_subquery()
    )


@contextmanager
def keep_renewed(engine: Engine, study_id: int, token: str) -> Iterator[None]:
    """Renew the lease from a thread while the block runs, so that a long ask does not lose it.

    If it is lost anyway, the next transaction is refused. A hanging database does not prevent the
    block from ending.
    """
    ended = threading.Event()

    def renew_often() -> None:
        while not ended.wait(RENEW_SECONDS):
            with suppress(SweepError), write_transaction(engine) as connection:
                connection.execute(
                    update(sweep_leases)
                    .where(sweep_leases.c.study_id == study_id, sweep_leases.c.token == token)
                    .values(**_renewal(connection))
                )

    thread = threading.Thread(target=renew_often, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(END_SECONDS)


def release(connection: Connection, study_id: int, token: str) -> None:
    """Release the lease, if it is still ours."""
    connection.execute(
        update(sweep_leases)
        .where(sweep_leases.c.study_id == study_id, sweep_leases.c.token == token)
        .values(expires_at=0.0, **used_seconds(now(connection.dialect.name)))
    )
