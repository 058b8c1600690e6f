"""Ray's driver ends at any moment, as seen by the coordinator; pretended drivers, without Ray."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import pytest

from sweep.errors import DeviceError
from sweep.launch import ray
from sweep.launch.launcher import Lost
from sweep.launch.ray import ALL_WORKERS, RayLauncher

#: Joins, waits for the first worker, sends some of what a message is made of, and ends.
ENDS = """
import os, pickle, sys
from multiprocessing.connection import Connection
from sweep.launch.devices import ClusterResources
from sweep.messages import Heartbeat
coordinator = Connection(int(sys.argv[1]))
coordinator.recv()
coordinator.send(ClusterResources(n_gpus=0, n_cpus=2, cores_per_cpu_worker=2))
coordinator.recv()
message = pickle.dumps(("w0", Heartbeat()))
os.write(coordinator.fileno(), (len(message).to_bytes(4, "big") + message)[:{n_bytes}])
os._exit(1)
"""

Drive = Callable[[str], None]


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Drive:
    """The driver's process runs this program."""
    return lambda program: monkeypatch.setattr(ray, "DRIVER", (sys.executable, "-c", program))


@pytest.mark.parametrize("n_bytes", [0, 3, 4, 20, None])
def test_wherever_the_drivers_last_message_ends_all_workers_are_lost(
    drive: Drive, n_bytes: int | None
) -> None:
    drive(ENDS.format(n_bytes=n_bytes))
    launcher = RayLauncher()
    worker = launcher.start("w0", "cpu")
    events = []
    while not (events and isinstance(events[-1][1], Lost)):
        events.append(launcher.inbox.get(timeout=10))
    assert events[-1][0] == ALL_WORKERS
    assert len(events) == (2 if n_bytes is None else 1)
    assert worker.wait(5)
    launcher.close()


@pytest.mark.parametrize("said", [b"", b"joi", b"hello\n"])
def test_a_driver_that_ends_before_it_has_joined_is_told_as_such(drive: Drive, said: bytes) -> None:
    drive(f"import os, sys; os.write(int(sys.argv[1]), {said!r})")
    with pytest.raises(DeviceError, match="--launcher ray: Ray could not be started: "):
        RayLauncher()


def test_ctrl_c_while_the_cluster_is_joined_ends_at_once(drive: Drive) -> None:
    drive("import time; time.sleep(60)")  # as in Ray's own code: its input's end goes unseen
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        RayLauncher()
    assert time.monotonic() - began < 5
