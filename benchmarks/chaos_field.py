"""A study of real processes under faults, for ``benchmarks.chaos`` and tests."""

import os
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Select, func, select

from sweep.enums import StudyPhase, Trainer
from sweep.errors import SweepError
from sweep.store import clock
from sweep.store.engine import Engine
from sweep.store.migrate import open_store
from sweep.store.schema import sweep_leases, sweep_studies, sweep_trials
from tests.support import exactly_once
from tests.support.factories import make_images, write_dataset
from tests.support.postgres import PostgresServer

NAME = "chaos"
SILENCE_SECONDS = 5
LEASE_SECONDS = 3.0
#: Exit codes that a coordinator may have: killed, finished, no database, lease lost or held by
#: another, no worker started or Ray cluster lost, disk full.
FINE = {
    -signal.SIGKILL: "killed",
    0: "finished",
    5: "no database",
    7: "lease",
    8: "no worker, or no cluster",
    10: "no room",
}
PATIENCE_SECONDS = 180.0
DISK_BYTES = 50_000_000
BACKENDS = ("sqlite", "postgres", "ray")
TRAINERS = (Trainer.CPU, Trainer.REFERENCE, Trainer.FUSED)

SIMULATED = """
study.name = "chaos"
study.duplicates = "train"
study.repeat = {repeat}
study.probe = true
space.hidden_width = {{low = 4, high = 64}}
space.epochs = {{low = 1, high = 5}}
space.batch_size.choices = [64, 128]
sampler.name = "random"
pruner.name = "{pruner}"
workers.retries = 1000
workers.silence_seconds = {silence}
budget.trials = {trials}
"""
REAL = """
study.name = "chaos"
study.duplicates = "train"
data.name = "{data}"
space.batch_size = 32
space.hidden_width = {{low = 4, high = 16}}
space.epochs = {{low = 1, high = 3}}
sampler.name = "random"
workers.retries = 1000
workers.silence_seconds = {silence}
budget.trials = {trials}
"""


class WrongError(Exception):
    """An event that must not happen happened."""


#: Script of a cluster's head: it prints its address and exits at the end of its input.
HEAD = """
import ray, sys
ray.init(address="local", num_cpus=16, include_dashboard=False, object_store_memory=80 << 20)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""


class Cluster:
    """A Ray cluster on this machine that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "token").write_text(secrets.token_hex(32))
        self.environment = {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
            # Read by the cluster's workers, whose environment is the cluster's.
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "TRITON_INTERPRET": "1",
            "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
        }
        self.start()

    def start(self) -> None:
        """Start a head; on a busy machine Ray gives up after 30 s, so try again."""
        deadline = time.monotonic() + 3 * PATIENCE_SECONDS
        while True:
            with (self._folder / "ray.log").open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", HEAD],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env={**os.environ, **self.environment},
                    start_new_session=True,
                )
            assert self._process.stdout is not None
            self.address = self._process.stdout.readline().decode().strip()
            if self.address:
                return
            self._process.wait()
            if time.monotonic() > deadline:
                raise WrongError(f"no Ray cluster: {self._folder / 'ray.log'}")

    def _processes(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            head = psutil.Process(self._process.pid)
            return [head, *head.children(recursive=True)]
        return []

    def actors(self) -> list[psutil.Process]:
        """Return the workers of all coordinators."""
        found = []
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                if process.name().startswith("ray::WorkerAct"):
                    found.append(process)
        return found

    def kill(self) -> None:
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()


@dataclass(kw_only=True)
class Coordinator:
    """A coordinator's process and all workers it has had."""

    process: subprocess.Popen[bytes]
    #: Finds workers that are not its child processes.
    find_workers: Callable[[], list[psutil.Process]] | None = None
    workers: dict[int, psutil.Process] = field(default_factory=dict)

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def live_workers(self) -> list[psutil.Process]:
        found = self.find_workers() if self.find_workers else self.children("sweep-worker")
        self.workers |= {process.pid: process for process in found}
        return [worker for worker in self.workers.values() if _runs(worker)]

    def children(self, word: str) -> list[psutil.Process]:
        """Return its child processes with this name, or with this word in their command line."""
        found = []
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with suppress(psutil.NoSuchProcess):
                    if child.name() == word or word in child.cmdline():
                        found.append(child)
        return found

    def send(self, number: int) -> None:
        if self.is_alive:
            self.process.send_signal(number)


def _is_stopped(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    return False


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@dataclass(kw_only=True)
class Field:
    """One study, its database, its processes, and the faults that it has had."""

    folder: Path
    url: str
    dice: random.Random
    #: Trainer of workers that train; None simulates them.
    trainer: Trainer | None = None
    server: PostgresServer | None = None
    cluster: Cluster | None = None
    n_workers: int = 2
    #: Factor on all time limits.
    patience: float = 1.0
    #: Variables of its coordinators, in addition to this process's.
    environment: dict[str, str] = field(default_factory=dict)
    #: Trials a second of a simulated worker.
    rate: float = 12.0
    lock_seconds: float = 4.0
    say: Callable[[str], None] = lambda line: None
    tally: Counter[str] = field(default_factory=Counter)
    #: The current coordinator, and all that there were.
    coordinator: Coordinator | None = None
    began: list[Coordinator] = field(default_factory=list)
    #: Processes to continue, and when.
    stopped: list[tuple[float, psutil.Process]] = field(default_factory=list)
    _engine: Engine | None = None

    # --- what it is made of -----------------------------------------------------------------

    def prepare(self, trials: int, more: str = "") -> None:
        """Write the study file, with ``more`` at its end, and create an empty, monitored store."""
        text = (SIMULATED if self.trainer is None else REAL).format(
            trials=trials,
            silence=self.silence_seconds,
            repeat=self.dice.choice([1, 2]),
            pruner=self.dice.choice(["none", "median"]),
            data=self.folder / "data",
        )
        if self.trainer is not None:
            side = 4 if self.trainer is Trainer.FUSED else 28
            images = make_images(96 if side == 4 else 640, 20, height=side, width=side)
            write_dataset(self.folder / "data", images)
        (self.folder / "study.toml").write_text(text + more)
        exactly_once.watch(self.engine)

    @property
    def silence_seconds(self) -> float:
        return SILENCE_SECONDS * self.patience

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            self._engine = open_store(self.url, create=True)
        return self._engine

    def start(self) -> Coordinator:
        """Start a coordinator that begins or resumes the study."""
        if self.trainer is not None:
            command = ["-m", "sweep", "start", str(self.folder / "study.toml"), "--resume"]
            command += ["--workers", str(self.n_workers), "--trainer", self.trainer]
            command += ["--gpus", "cpu"]
            if self.cluster is not None:
                command += ["--launcher", "ray", "--ray-address", self.cluster.address]
        else:
            command = ["-m", "benchmarks.chaos", "--coordinate", str(self.folder / "study.toml")]
            command += ["--workers", str(self.n_workers), "--rate", str(self.rate)]
            command += ["--seed", str(self.dice.randrange(10**6))]
            if self.cluster is not None:
                command += ["--ray-address", self.cluster.address]
        self.tally["coordinators"] += 1
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[1],
                env={
                    **os.environ,
                    **({} if self.cluster is None else self.cluster.environment),
                    **self.environment,
                    "SWEEP_STORAGE": self.url,
                    "SWEEP_ARTIFACTS": str(self.folder / "artifacts"),
                    "SWEEP_DATA": str(self.folder / "cache"),
                    "TRITON_INTERPRET": "1" if self.trainer is Trainer.FUSED else "0",
                },
                start_new_session=True,
            )
        find = None if self.cluster is None else self.new_actors
        self.began.append(Coordinator(process=process, find_workers=find))
        return self.began[-1]

    def new_actors(self) -> list[psutil.Process]:
        """Return the cluster's workers that belong to no coordinator before the last one."""
        assert self.cluster is not None
        known = {pid for coordinator in self.began[:-1] for pid in coordinator.workers}
        return [actor for actor in self.cluster.actors() if actor.pid not in known]

    # --- looking ----------------------------------------------------------------------------

    def n_finished(self) -> int | None:
        """Return the number of finished trials, or None if the database does not answer."""
        return self._ask(select(func.count(sweep_trials.c.outcome)))

    def is_finished(self) -> bool:
        return self._ask(select(sweep_studies.c.phase)) == StudyPhase.FINISHED

    def lease_seconds_left(self) -> float | None:
        now = clock.now(self.engine.dialect.name)
        return self._ask(select(sweep_leases.c.expires_at - now))

    def _ask(self, statement: Select[Any]) -> Any:
        """Return one value of the only study; asked often, so it must take no time from it."""
        with suppress(SweepError), self.engine.connect() as connection:
            return connection.scalar(statement)
        return None

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds * self.patience
        while not condition():
            if time.monotonic() > deadline:
                raise WrongError(f"not within {seconds * self.patience:.0f} s: {what}")
            self.resume_due()
            time.sleep(0.05 * self.patience)

    # --- keeping it going -------------------------------------------------------------------

    def running_coordinator(self) -> Coordinator:
        """Return a running coordinator; start another one if the last one has ended."""
        if self.coordinator is not None and not self.coordinator.is_alive:
            self.note_end(self.coordinator)
            self.coordinator = None
        if self.coordinator is None:
            self.coordinator = self.start()
        return self.coordinator

    def note_end(self, coordinator: Coordinator) -> None:
        """Check that the workers end with their coordinator, and that its exit code is allowed."""
        code = coordinator.process.wait()
        if code not in FINE:
            raise WrongError(f"a coordinator ended with {code}")
        self.tally[f"ended: {FINE[code]}"] += 1
        self.resume(coordinator.workers)  # a stopped process cannot notice
        self.wait("its workers end", lambda: not coordinator.live_workers(), 20)

    def progress(self, n: int, seconds: float = 60.0) -> None:
        """Wait until n more trials are finished; restart coordinators if necessary."""
        first: list[int] = []

        def enough() -> bool:
            self.running_coordinator() if not self.is_finished() else None
            now = self.n_finished()
            if now is not None and not first:
                first.append(now)
            return self.is_finished() or (now is not None and now >= first[0] + n)

        self.wait(f"{n} more trials", enough, seconds)

    def resume(self, workers: dict[int, psutil.Process]) -> None:
        for process in workers.values():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

    def resume_due(self) -> None:
        due = [process for at, process in self.stopped if at <= time.monotonic()]
        self.stopped = [(at, process) for at, process in self.stopped if at > time.monotonic()]
        for process in due:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

    def pick_worker(self) -> psutil.Process | None:
        """Return a live worker that starts or trains, or None if the study has finished."""
        workers: list[psutil.Process] = []

        def there() -> bool:
            workers[:] = [] if self.is_finished() else self.running_coordinator().live_workers()
            return bool(workers) or self.is_finished()

        self.wait("a worker is there", there)
        return self.dice.choice(sorted(workers, key=lambda w: w.pid)) if workers else None

    # --- the faults -------------------------------------------------------------------------

    def kill_worker(self) -> None:
        if (worker := self.pick_worker()) is not None:
            worker.kill()
            self.tally["kills of workers"] += 1

    def kill_workers(self) -> None:
        if self.pick_worker() is None:
            return
        assert self.coordinator is not None
        for worker in self.coordinator.live_workers():
            with suppress(psutil.NoSuchProcess):
                worker.kill()
                self.tally["kills of workers"] += 1

    def kill_driver(self) -> None:
        coordinator = self.running_coordinator()
        coordinator.live_workers()
        for driver in coordinator.children("sweep.launch.driver"):
            driver.kill()
            self.tally["kills of Ray's driver"] += 1
            self.wait("the lost driver is noticed", lambda: not coordinator.is_alive)
        self.running_coordinator()

    def kill_cluster(self) -> None:
        assert self.cluster is not None
        coordinator = self.running_coordinator()
        coordinator.live_workers()
        self.cluster.kill()
        self.tally["kills of Ray's cluster"] += 1
        self.wait("the lost cluster is noticed", lambda: not coordinator.is_alive)
        self.cluster.start()
        self.running_coordinator()

    def stop_worker(self) -> None:
        if (worker := self.pick_worker()) is not None:
            worker.suspend()
            seconds = self.dice.choice([0.2, 2.0, self.silence_seconds + 5.0])
            self.stopped.append((time.monotonic() + seconds, worker))
            self.tally["stops of workers"] += 1

    def kill_coordinator(self) -> None:
        coordinator = self.running_coordinator()
        coordinator.live_workers()  # remembers them, so that their end is checked
        coordinator.send(signal.SIGKILL)
        self.tally["kills of coordinators"] += 1
        coordinator.process.wait()
        self.running_coordinator()

    def stop_coordinator(self) -> None:
        coordinator = self.running_coordinator()
        coordinator.send(signal.SIGSTOP)
        time.sleep(self.dice.random() * LEASE_SECONDS / 2)
        coordinator.send(signal.SIGCONT)
        self.tally["stops of coordinators"] += 1

    def take_over(self) -> None:
        first = self.running_coordinator()
        self.progress(1)
        if not first.is_alive:
            return
        first.live_workers()
        first.send(signal.SIGSTOP)
        self.wait(
            "the process is stopped", lambda: not first.is_alive or _is_stopped(first.process.pid)
        )
        if (
            self.is_locked()
        ):  # it stopped within a transaction, which blocks every other coordinator
            first.send(signal.SIGCONT)
            self.tally["stops of coordinators"] += 1
            return
        self.wait("the lease expires", self.lease_has_expired, 60)
        self.coordinator = self.start()
        self.progress(2)
        first.send(signal.SIGCONT)
        self.tally["take-overs"] += 1
        self.wait("the first notices", lambda: not first.is_alive, 30)
        code = first.process.wait()
        if code != 7 and not self.is_finished():
            raise WrongError(f"whose study was taken over ended with {code}")
        self.note_end(first)

    def lease_has_expired(self) -> bool:
        left = self.lease_seconds_left()
        return left is not None and left < 0

    def is_locked(self) -> bool:
        if self.server is not None:
            return False  # the server ends a transaction that is idle
        connection = sqlite3.connect(self.path, timeout=0.5, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return True
        finally:
            connection.close()
        return False

    @property
    def path(self) -> str:
        return self.url.removeprefix("sqlite:///")

    def kill_database(self) -> None:
        assert self.server is not None
        self.server.kill()
        self.tally["kills of PostgreSQL"] += 1
        time.sleep(self.dice.uniform(0.1, 1.0) * self.lock_seconds)
        self.server.restart()

    def lock_database(self) -> None:
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        with suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(self.dice.uniform(0.5, 1.0) * self.lock_seconds)
            connection.execute("ROLLBACK")
            self.tally["locks of SQLite"] += 1
        connection.close()

    def fill_disk(self) -> None:
        coordinator = self.running_coordinator()
        filler = Path(self.path).parent / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        try:
            self.wait("a full disk is noticed", lambda: not coordinator.is_alive, 90)
        finally:
            filler.unlink()
        if (code := coordinator.process.wait()) != 10 and not self.is_finished():
            raise WrongError(f"with a full disk a coordinator ended with {code}")
        self.tally["full disks"] += 1
        self.running_coordinator()

    # --- from beginning to end --------------------------------------------------------------

    def faults(self) -> list[Callable[[], None]]:
        """Return the faults that this study can have; those listed more often are more likely."""
        faults = 4 * [self.kill_worker] + 2 * [self.kill_workers] + 2 * [self.stop_worker]
        faults += 3 * [self.kill_coordinator] + [self.stop_coordinator]
        faults += [] if self.trainer else [self.take_over]
        if self.cluster is not None:
            return [*faults, self.kill_driver, self.kill_cluster, self.lock_database]
        faults += 2 * [self.kill_database] if self.server is not None else [self.lock_database]
        return faults + ([self.fill_disk] if Path(self.path).parent.is_mount() else [])

    def inject(self, n_faults: int) -> None:
        """Inject n faults at random moments."""
        self.progress(2)
        for _ in range(n_faults):
            if self.is_finished():
                return
            fault = self.dice.choice(self.faults())
            self.say(f"  {fault.__name__}")
            fault()
            self.wait_a_moment(self.dice.random() * 1.5)

    def wait_a_moment(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.resume_due()
            time.sleep(0.02)

    def finish(self) -> list[str]:
        """Run the study to its end; return what is wrong with it."""

        def has_ended() -> bool:
            if self.coordinator is not None and self.is_finished():
                return not self.coordinator.is_alive
            self.running_coordinator()
            return False

        self.wait("the study finishes", has_ended, PATIENCE_SECONDS)
        assert self.coordinator is not None
        self.note_end(self.coordinator)
        self.tally["trials"] += self.n_finished() or 0
        log = (self.folder / "log").read_text(errors="replace")
        found = ["a traceback in the log"] if "Traceback" in log else []
        return found + exactly_once.problems(
            self.engine, self.url, NAME, simulated=not self.trainer
        )

    def end(self) -> None:
        """End all its processes."""
        self.resume({process.pid: process for _, process in self.stopped})
        for coordinator in self.began:
            for process in coordinator.live_workers():
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            coordinator.send(signal.SIGKILL)
            coordinator.process.wait()
        if self._engine is not None:
            self._engine.dispose()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Mount a small file system of DISK_BYTES, if this process may mount one."""
    disk = folder / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)
