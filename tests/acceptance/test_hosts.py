"""A study on two hosts of a Ray cluster: one is lost in the middle of it, then the cluster.

The hosts are network namespaces with names, addresses and Ray's files of their own; the test itself
and PostgreSQL are in a third, with the bridge between them. The machine's network never changes:
there, a browser of another test would see its connections change (ERR_NETWORK_CHANGED). Two GPUs
are pretended on one host, one on the other.
"""

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from sweep.enums import EventKind
from sweep.errors import DeviceError
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.migrate import open_store
from tests.support.exactly_once import watch
from tests.support.postgres import NoPostgresError, PostgresServer
from tests.support.processes import STUDY, assert_complete, n_finished, wait_for

N_TRIALS = 40
BRIDGE = "bridge0"
#: The first three numbers of addresses that are for tests of networks (RFC 2544).
PREFIX = "198.18.0"
CLONE_NEWNET = 0x40000000
#: Where Ray keeps its files.
RAY_FILES = Path(tempfile.gettempdir()) / "ray"
#: Ray's own checks, so that a host that falls silent is noticed within seconds; and no process of
#: Ray for a core before a worker needs one.
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_worker_prestart": "false",
    "RAY_prestart_worker_first_driver": "false",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "2",
}


def ip(*arguments: str) -> str:
    return subprocess.run(
        ["ip", *arguments], check=True, capture_output=True, text=True, timeout=30
    ).stdout


@dataclass(kw_only=True)
class Host:
    """A network namespace; commands in it see Ray's files of its own and its own name."""

    name: str
    address: str
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def namespace(self) -> str:
        return f"sweep-{os.getpid()}-{self.name}"

    @property
    def cable(self) -> str:
        """Its end outside the namespace."""
        return f"to-{self.name}"

    def run(self, *command: str, log: str) -> subprocess.Popen[bytes]:
        # Ray asks for the host's own address by its name; without an answer it waits for long.
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost\n{self.address} {self.name}\n")
        script = (
            f"hostname {self.name} && mount --bind {self.folder}/hosts /etc/hosts && "
            f'mount --bind {self.folder} {RAY_FILES} && exec "$@"'
        )
        with (self.folder / log).open("wb") as file:
            process = subprocess.Popen(
                [
                    *("ip", "netns", "exec", self.namespace),
                    *("unshare", "--uts", "sh", "-c", script, "sh", *command),
                ],
                stdout=file,
                stderr=file,
                env={**os.environ, **SETTINGS, "PYTHONPATH": str(Path.cwd())},
            )
        self.processes.append(process)
        return process

    def start_ray(self, n_gpus: int, *role: str) -> None:
        self.run(
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block"),
            *(f"--node-ip-address={self.address}", f"--num-gpus={n_gpus}", "--num-cpus=0"),
            *("--object-store-memory=80000000", "--include-log-monitor=false", *role),
            log="ray.log",
        )

    def lose(self) -> None:
        """As if its power failed: nobody is told, for the cable is cut first."""
        ip("link", "set", self.cable, "down")
        self.kill()

    def come_back(self) -> None:
        """With power again, and without what ran before."""
        ip("link", "set", self.cable, "up")

    def kill_programs(self, *names: str) -> None:
        """Its processes that run one of these."""
        for process in map(psutil.Process, self._pids()):
            if process.name() in names:
                process.kill()

    def _pids(self) -> list[int]:
        return [int(pid) for pid in ip("netns", "pids", self.namespace).split()]

    def kill(self) -> None:
        for pid in self._pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in self.processes:
            process.wait()


def answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def connect_cable(host: Host) -> Iterator[Host]:
    host.folder.mkdir()
    ip("netns", "add", host.namespace)
    try:
        ip("link", "add", host.cable, "type", "veth", "peer", "eth0", "netns", host.namespace)
        ip("link", "set", host.cable, "master", BRIDGE, "up")
        ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
        ip("-n", host.namespace, "link", "set", "eth0", "up")
        ip("-n", host.namespace, "link", "set", "lo", "up")
        yield host
    finally:
        host.kill()
        # Connections that nobody ended keep a namespace, and its end of the cable, for minutes.
        ip("link", "delete", host.cable)
        ip("netns", "delete", host.namespace)


@contextmanager
def network() -> Iterator[None]:
    """Take this thread, and what it starts, into a network of its own that has only a bridge."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as machine:
        if libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        try:
            ip("link", "set", "lo", "up")
            ip("link", "add", BRIDGE, "type", "bridge")
            ip("address", "add", f"{PREFIX}.1/24", "dev", BRIDGE)
            ip("link", "set", BRIDGE, "up")
            yield
        finally:
            libc.setns(machine.fileno(), CLONE_NEWNET)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Host, Host, PostgresServer]]:
    """Two hosts, and a database that both reach."""
    if shutil.which("ip") is None:
        pytest.skip("needs ip: apt-get install iproute2")
    if find_spec("ray") is None:
        pytest.skip("needs Ray: the extra 'ray'")
    RAY_FILES.mkdir(exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(network())
            both = [
                stack.enter_context(
                    connect_cable(Host(name=name, address=address, folder=tmp_path / name))
                )
                for name, address in (("head", f"{PREFIX}.2"), ("far", f"{PREFIX}.3"))
            ]
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"needs network namespaces: {getattr(error, 'stderr', error)}")
        try:
            server = PostgresServer.start(host=f"{PREFIX}.1")
        except NoPostgresError as error:
            pytest.skip(str(error))
        stack.callback(server.stop)
        yield both[0], both[1], server


@pytest.fixture
def url(
    hosts: tuple[Host, Host, PostgresServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """An empty store that is watched; commands of both hosts use it, a study's file and a token."""
    url = hosts[2].new_database()
    watch(open_store(url, create=True))
    (tmp_path / "x.toml").write_text(STUDY)
    (tmp_path / "token").write_text(secrets.token_hex(32))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("SWEEP_STORAGE", url)
    monkeypatch.setenv("SWEEP_ARTIFACTS", str(tmp_path / "artifacts"))
    return url


def start_head(host: Host, n_gpus: int) -> str:
    """A new cluster; its address."""
    host.start_ray(n_gpus, "--head", "--port=6379", "--include-dashboard=false", "--no-monitor")
    wait_for(lambda: answers(host.address, 6379))
    return f"{host.address}:6379"


def run_study(host: Host, address: str, *words: str, log: str) -> subprocess.Popen[bytes]:
    """``start FILE`` or ``resume x`` on three GPUs that are pretended."""
    return host.run(
        *(sys.executable, "-m", "tests.support.pretended_gpus", *words, "--launcher", "ray"),
        *("--ray-address", address, "--gpus", "3", "--trainer", "reference"),
        *("--set", "data.train_limit=5400", "--set", "space.batch_size=32"),
        *("--set", f"budget.trials={N_TRIALS}"),
        log=log,
    )


def assert_each_ended_once(url: str) -> None:
    assert_complete(url, N_TRIALS)
    with open_store(url).connect() as connection:
        ended = connection.execute(text("SELECT number FROM chaos_finished")).scalars().all()
    assert sorted(ended) == list(range(N_TRIALS)), "one that ended twice"


@pytest.mark.root_only
def test_trials_of_a_lost_host_train_elsewhere_and_a_study_whose_cluster_is_lost_goes_on_in_another(
    hosts: tuple[Host, Host, PostgresServer], url: str, tmp_path: Path
) -> None:
    head, far, _ = hosts
    address = start_head(head, 1)
    far.start_ray(2, f"--address={address}")
    words = ("--simulated", "start", str(tmp_path / "x.toml"))
    study = run_study(head, address, *words, log="study.log")
    engine = open_store(url)

    def n_finished_far_away() -> int:
        if not n_finished(url):
            return 0
        workers = open_study(engine, "x").workers()
        return sum(worker.n_finished for worker in workers if worker.host == "far")

    wait_for(lambda: n_finished_far_away() >= 2, seconds=120)
    far.lose()
    wait_for(lambda: len(workers_gone(engine)) == 2)
    assert all("its node has died" in message for message in workers_gone(engine))
    wait_for(lambda: max(row.attempt for row in open_study(engine, "x").trials()) == 2)

    # Without its head, Ray ends the process that talks with it, within seconds and without a word.
    head.kill_programs("gcs_server", "raylet")
    assert study.wait(60) == DeviceError.exit_code
    *_, last = (head.folder / "study.log").read_text().splitlines()
    assert "the Ray cluster is lost: " in last and "`sweep resume NAME" in last
    resting = open_study(engine, "x").summary()
    assert 2 <= resting.n_finished < N_TRIALS - 3, "lost too late to matter"
    assert (resting.phase, resting.running, resting.counts["RUNNING"]) == ("failed", False, 0)

    far.come_back()
    words = ("--simulated-fast", "resume", "x")
    again = run_study(far, start_head(far, 3), *words, log="again.log")
    assert again.wait(100) == 0, (far.folder / "again.log").read_text()
    assert_each_ended_once(url)


def workers_gone(engine: Engine) -> list[str]:
    events = open_study(engine, "x").events()
    return [event.message for event in events if event.kind == EventKind.WORKER_GONE]
