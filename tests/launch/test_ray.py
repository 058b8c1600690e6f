"""Workers as actors of a Ray cluster of this machine, whose two GPUs are pretended."""

import gc
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from sweep.errors import DeviceError, UsageError
from sweep.launch.devices import ClusterResources
from sweep.launch.launcher import Gone, Lost
from sweep.launch.ray import ALL_WORKERS, DRIVER, NO_HOST, RayLauncher, RayWorker
from sweep.messages import Heartbeat, Ready, Shutdown, WorkerFailed, WorkerSetup
from tests.support.factories import make_images, write_dataset
from tests.support.launcher_contract import SETUP, LauncherContract

ray = pytest.importorskip("ray", reason="needs Ray: the extra 'ray'")

from ray.exceptions import ObjectStoreFullError  # noqa: E402

from sweep.launch.cluster import connect  # noqa: E402
from sweep.launch.driver import put, reason_of  # noqa: E402

#: What the cluster has.
HAS = ClusterResources(n_gpus=2, n_cpus=3, cores_per_cpu_worker=2)

#: What workers run that are given no setup, so that it is never called; it loads no torch.
IDLE = "time:sleep"

#: What workers run that train nothing.
SIMULATE = "tests.support.data_worker:work"

#: Ray starts no process for a core before a worker needs one: each takes most of a second. It kills
#: one that has stalled after half a second instead of five.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_worker_prestart": "false",
    "RAY_prestart_worker_first_driver": "false",
    "RAY_kill_worker_timeout_milliseconds": "500",
}

#: How Ray starts what no test needs; each takes a second of a core.
UNUSED = ("start_monitor", "start_log_monitor", "start_api_server")


def idle(*_: object) -> None:
    """What a worker runs that is given nothing to train."""
    threading.Event().wait()


def fail(*_: object) -> None:
    """What a worker runs whose device is lost."""
    raise RuntimeError("the device is lost\nand so on")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a cluster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWEEP_DATA", str(tmp_path_factory.mktemp("data")))
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        for process in UNUSED:
            patch.setattr(f"ray._private.node.Node.{process}", lambda *_, **__: None)
        ray.init(
            address="local",
            num_cpus=HAS.n_cpus,
            num_gpus=HAS.n_gpus,
            include_dashboard=False,
            object_store_memory=80 << 20,
            log_to_driver=False,
            logging_level="ERROR",
        )
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            for process in [
                of for of in gc.get_objects() if issubclass(type(of), subprocess.Popen)
            ]:
                process.poll()  # Ray forgets its own without a wait, which Python warns of later
            gc.collect()


def until_placed(worker: RayWorker) -> RayWorker:
    deadline = time.monotonic() + 60
    while worker.host == NO_HOST:
        assert time.monotonic() < deadline, "Ray found no place"
        time.sleep(0.02)
    return worker


def drivers() -> list[psutil.Process]:
    """Ours that run."""
    ours = psutil.Process().children()
    return [child for child in ours if "sweep.launch.driver" in child.cmdline()]


@pytest.fixture
def crew(address: str) -> Iterator["WorkerPool"]:
    crew = WorkerPool(address)
    yield crew
    for worker in crew.workers:
        worker.kill()
    assert all(worker.wait(30) for worker in crew.workers)
    crew.launcher.close()


class WorkerPool:
    """Workers of a launcher, which end with the test."""

    launcher: RayLauncher

    def __init__(self, address: str) -> None:
        self.address = address
        self.workers: list[RayWorker] = []

    def join(self, **options: Any) -> None:
        self.launcher = RayLauncher(self.address, **options)

    def launch(self, *devices: str) -> list[RayWorker]:
        """One worker a device, in their order."""
        names = [f"w{len(self.workers) + i}" for i in range(len(devices))]
        new = [self.launcher.start(*both) for both in zip(names, devices, strict=True)]
        self.workers += new
        return new

    def hear(self, name: str, kind: type) -> Any:
        """The next event of a kind from a worker."""
        while True:
            who, event = self.launcher.inbox.get(timeout=60)
            if who == name and isinstance(event, kind):
                return event


@pytest.fixture(scope="class")
def launchers(address: str) -> Iterator[tuple[RayLauncher, RayLauncher]]:
    """One whose workers train, and one whose workers load no torch."""
    both = RayLauncher(address), RayLauncher(address, work=SIMULATE)
    yield both
    for launcher in both:
        launcher.close()


class TestRayLauncher(LauncherContract):
    killed = "killed by `ray.kill`"
    worker: RayWorker

    @pytest.fixture(autouse=True)
    def _launcher(self, launchers: tuple[RayLauncher, RayLauncher]) -> Iterator[None]:
        self.launcher, self._simulated = launchers
        yield
        self.worker.kill()
        assert self.worker.wait(15)
        for launcher in launchers:  # the next test's worker has the same name
            while not launcher.inbox.empty():
                launcher.inbox.get()

    def start_process(self) -> None:
        self.launcher = self._simulated
        self.worker = until_placed(self.launcher.start("w0", "cpu"))

    def start_simulated(self, setup: WorkerSetup = SETUP) -> None:
        self.start_process()
        self.worker.send(setup)

    def test_a_worker_is_one_process_of_ray_whose_death_is_reported_in_rays_words(self) -> None:
        self.start_simulated()
        self.hear(Ready)  # in training, too
        process = psutil.Process(self.worker.pid)
        assert process.name().startswith("ray::WorkerActor")
        assert not process.children()
        process.kill()
        assert "its worker process has died" in self.hear(Gone).reason


def test_workers_share_gpus_and_one_too_many_waits_without_being_silent(crew: WorkerPool) -> None:
    crew.join(per_gpu=2, work=IDLE)
    workers = [until_placed(worker) for worker in crew.launch("0", "0", "1")]
    assert workers[0].device == workers[1].device != workers[2].device
    (fourth,) = crew.launch("2")
    crew.hear("w3", Heartbeat)
    assert fourth.host == NO_HOST
    # It is not waited for at the end.
    fourth.send(Shutdown())
    assert fourth.wait(5)
    assert "killed" in crew.hear("w3", Gone).reason


def test_a_workers_successor_gets_its_gpu_though_another_worker_waits_for_one(
    crew: WorkerPool,
) -> None:
    # A GPU that is left out, or gets the reference trainer, is named by its number.
    crew.join(work=IDLE)
    one, other = [until_placed(worker) for worker in crew.launch("0", "1")]
    (waiting,) = crew.launch("2")
    for worker in (one, other):
        worker.kill()
    successors = [until_placed(worker) for worker in crew.launch("1", "0")]
    assert [worker.device for worker in successors] == [other.device, one.device]
    assert waiting.host == NO_HOST


def test_gpus_of_a_coordinator_that_has_stalled_are_free_for_the_next(
    crew: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew.join(per_gpu=2, work="tests.launch.test_ray:idle")
    for worker in crew.launch("0", "0", "1"):
        until_placed(worker)
        worker.send(replace(SETUP, silence_seconds=1.0))
    monkeypatch.setattr("sweep.launch.link.HEARTBEAT_SECONDS", 1e6)
    other = WorkerPool(crew.address)
    other.join(work=IDLE)
    (successor,) = other.launch("0")
    until_placed(successor)
    assert crew.hear("w0", Gone).was_left_alone
    other.launcher.close()


def test_a_worker_that_fails_is_reported_with_its_last_words(crew: WorkerPool) -> None:
    crew.join(work="tests.launch.test_ray:fail")
    (worker,) = crew.launch("cpu")
    worker.send(SETUP)
    assert crew.hear("w0", Gone).reason == "exit code 1: RuntimeError: the device is lost"


def test_data_that_the_coordinator_alone_has_go_to_the_host(
    crew: WorkerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = make_images()
    write_dataset(tmp_path / "mine", images)
    monkeypatch.chdir(tmp_path)  # "./mine" means nothing where the worker runs
    crew.join(dataset="./mine", work=SIMULATE)
    (worker,) = crew.launch("cpu")
    worker.send(replace(SETUP, dataset="./mine"))
    assert crew.hear("w0", Ready).data.sha256 == images.sha256


def test_data_that_cannot_be_sent_along_are_told_as_such(
    crew: WorkerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    crew.join(dataset="./removed")
    (worker,) = crew.launch("cpu")
    failed = crew.hear("w0", WorkerFailed)
    assert failed.error == "DataError" and "removed" in failed.message
    worker.send(SETUP)  # to no effect, and no harm
    assert crew.hear("w0", Gone).reason == "it could not be started"
    assert len(drivers()) == 1, "another worker may be started"


def test_an_object_store_without_room_for_the_data_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_: object) -> None:
        raise ObjectStoreFullError("too large\nand so on")

    monkeypatch.setattr(ray, "put", full)
    with pytest.raises(DeviceError, match="rejected the data set: .*--object-store-memory"):
        put(b"")


def test_a_signal_to_end_is_left_to_the_coordinator_and_a_killed_driver_is_the_loss_of_all(
    crew: WorkerPool,
) -> None:
    crew.join(work=IDLE)
    (driver,) = drivers()
    driver.terminate()  # as systemd does to every process of a service, SLURM to those of a job
    workers = crew.launch("0", "cpu")
    until_placed(workers[0])
    assert drivers() == [driver]
    driver.kill()  # as Ray does
    lost = crew.hear(ALL_WORKERS, Lost)
    assert "(killed by signal 9), most likely because the Ray cluster is lost" in lost.reason
    assert all(worker.wait(1) for worker in workers)
    workers[0].kill()  # to no effect, and no harm


def test_a_driver_says_which_order_it_could_not_read() -> None:
    ended = subprocess.run(DRIVER, input=b"w0 Placed [{}]\n", capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, b"")
    said = "it received an unreadable order: b'w0 Placed [{}]\\n'"
    assert ended.stderr.decode().splitlines()[-1] == said


def test_a_launcher_tells_what_its_cluster_has_and_leaves_it_when_it_is_closed(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE_PASSWORD_FILE", "/secret")
    launcher = RayLauncher(address)
    assert launcher.cluster == HAS
    (driver,) = drivers()
    assert "/secret" not in driver.environ().values(), "it has no need to know"
    launcher.close()
    assert not drivers()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "The actor died.\n\tpid: 7\nThe actor died because its node has died. Node Id: 1\n\tx",
            "The actor died because its node has died.",
        ),
        (
            "The actor is dead because it was killed by `ray.kill`.\nIt never ran.",
            "The actor is dead because it was killed by `ray.kill`.",
        ),
        ("w has sweep 1, the coordinator 2", "w has sweep 1, the coordinator 2"),
        ("", "ValueError"),
    ],
)
def test_of_what_ray_tells_the_reason_is_kept(said: str, told: str) -> None:
    assert reason_of(ValueError(said)) == told


def test_what_the_driver_refuses_is_raised_as_it_is_there() -> None:
    with pytest.raises(UsageError, match="--ray-address head: give host:port"):
        RayLauncher("head")


@pytest.mark.parametrize("address", ["head", "ray://head:10001", "head:", ":6379", "http://h:1"])
def test_an_address_that_cannot_be_one_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=r"give host:port of the cluster's head"):
        connect(address)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999999", "no-such-host.invalid:1"])
def test_where_nobody_answers_it_is_said_at_once(address: str) -> None:
    began = time.monotonic()
    with pytest.raises(DeviceError, match=f"--ray-address {address}: nothing answers there"):
        connect(address)
    assert time.monotonic() - began < 10
