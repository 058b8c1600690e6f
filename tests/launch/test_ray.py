"""Workers as actors of a Ray cluster of this machine, whose two GPUs are pretended."""

import gc
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from sweep.errors import DeviceError, UsageError
from sweep.launch.launcher import Gone
from sweep.trial import Heartbeat, Ready, Shutdown
from tests.factories import make_images, write_dataset
from tests.launch.contract import SETUP, LauncherContract

ray = pytest.importorskip("ray", reason="needs Ray: the extra 'ray'")

from sweep.launch.cluster import choose_places, connect, cores_per_cpu_worker  # noqa: E402
from sweep.launch.ray import NO_HOST, RayLauncher, RayWorker, _why  # noqa: E402

#: A worker that says nothing and leaves when its input ends.
IDLE = (sys.executable, "-c", "import sys; sys.stdin.read()")


@pytest.fixture(scope="module")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWEEP_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",
            num_cpus=3,
            num_gpus=2,
            include_dashboard=False,
            object_store_memory=80 << 20,
            log_to_driver=False,
            logging_level="ERROR",
        )
        yield
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
        time.sleep(0.05)
    return worker


@pytest.fixture
def crew(_cluster: None) -> Iterator["Crew"]:
    crew = Crew()
    yield crew
    for worker in crew.workers:
        worker.kill()
    assert all(worker.wait(30) for worker in crew.workers)


class Crew:
    """Workers of a launcher, which end with the test."""

    launcher: RayLauncher

    def __init__(self) -> None:
        self.workers: list[RayWorker] = []

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


@pytest.mark.usefixtures("_cluster")
class TestRayLauncher(LauncherContract):
    @pytest.fixture(autouse=True)
    def _launcher(self) -> Iterator[None]:
        self.launcher = RayLauncher()
        yield
        self.worker.kill()
        assert self.worker.wait(15)

    def test_a_worker_ends_with_its_keeper(self) -> None:
        self.start()
        self.hear(Ready)
        worker = psutil.Process(self.worker.pid)
        worker.parent().kill()
        assert "its worker process has died" in self.hear(Gone).reason
        worker.wait(10)


def test_workers_share_gpus_and_one_too_many_waits_without_being_silent(crew: Crew) -> None:
    crew.launcher = RayLauncher(per_gpu=2, command=IDLE)
    workers = [until_placed(worker) for worker in crew.launch("0", "0", "1", "1")]
    assert Counter(worker.device for worker in workers) == {"0": 2, "1": 2}
    (fifth,) = crew.launch("2")
    crew.hear("w4", Heartbeat)
    assert fifth.host == NO_HOST
    workers[0].kill()  # its place is the fifth's
    until_placed(fifth)


def test_at_the_end_nobody_waits_for_a_worker_without_a_place(crew: Crew) -> None:
    crew.launcher = RayLauncher(command=IDLE)
    for worker in crew.launch("0", "1"):
        until_placed(worker)
    (third,) = crew.launch("2")
    third.send(Shutdown())
    assert third.wait(5)
    assert "killed" in crew.hear("w2", Gone).reason


def test_data_that_the_coordinator_alone_has_go_to_the_host(
    crew: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = make_images()
    write_dataset(tmp_path / "mine", images)
    monkeypatch.chdir(tmp_path)  # "./mine" means nothing where the worker runs
    crew.launcher = RayLauncher(dataset="./mine")
    (worker,) = crew.launch("cpu")
    worker.send(replace(SETUP, dataset="./mine"))
    assert crew.hear("w0", Ready).data_sha256 == images.sha256


@pytest.mark.usefixtures("_cluster")
@pytest.mark.parametrize(
    ("gpus", "per_gpu", "cpu_workers", "places"),
    [
        (None, 1, None, ["0", "1"]),
        ("all", 2, None, ["0", "0", "1", "1"]),
        ("3", 1, None, ["0", "1", "2"]),
        ("cpu", 1, None, ["cpu"]),
        ("cpu", 1, 5, ["cpu"] * 5),
    ],
)
def test_places_are_counted_and_may_be_more_than_there_are_yet(
    gpus: str | None, per_gpu: int, cpu_workers: int | None, places: list[str]
) -> None:
    assert choose_places(gpus, per_gpu, cpu_workers) == places
    assert cores_per_cpu_worker() == 2


@pytest.mark.usefixtures("_cluster")
@pytest.mark.parametrize("gpus", ["0", "0,1", "-1", "MIG-x", "many", ""])
def test_with_ray_gpus_have_no_names(gpus: str) -> None:
    with pytest.raises(UsageError, match="how many GPUs"):
        choose_places(gpus, 1)


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
    assert _why(ValueError(said)) == told


@pytest.fixture
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)


@pytest.mark.usefixtures("_no_cluster")
@pytest.mark.parametrize("address", ["head", "ray://head:10001", "head:", ":6379", "http://h:1"])
def test_an_address_that_cannot_be_one_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=r"give host:port of the cluster's head"):
        connect(address)


@pytest.mark.usefixtures("_no_cluster")
@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999999", "no-such-host.invalid:1"])
def test_where_nobody_answers_it_is_said_at_once(address: str) -> None:
    began = time.monotonic()
    with pytest.raises(DeviceError, match=f"--address {address}: nobody answers there"):
        connect(address)
    assert time.monotonic() - began < 10
