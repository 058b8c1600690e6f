"""Ray's driver ends at any moment, as seen by the coordinator; pretended drivers, without Ray."""

import gc
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

JOINED = b'joined - {"n_gpus": 0, "n_cpus": 2, "cores_per_cpu_worker": 2}\n'
#: Waits for the first worker, says something, and ends within a line or after it.
ENDS = """
import os, sys
os.write(1, {joined!r})
[sys.stdin.buffer.readline() for _ in range(2)]
os.write(1, {said!r})
os._exit(1)
"""

Drive = Callable[[str], None]


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Drive:
    """The driver's process runs this program."""
    return lambda program: monkeypatch.setattr(ray, "DRIVER", (sys.executable, "-c", program))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"eve",
        b"event w0 Heartb",
        b"event w0 Heartbeat [{}]",
        b"event w0 Unknown [{}]\n",
        b"placed w0 {\n",
    ],
)
def test_whatever_the_drivers_last_line_is_all_workers_are_lost(drive: Drive, said: bytes) -> None:
    drive(ENDS.format(joined=JOINED, said=said))
    launcher = RayLauncher()
    worker = launcher.start("w0", "cpu")
    events = []
    while not (events and isinstance(events[-1][1], Lost)):
        events.append(launcher.inbox.get(timeout=10))
    assert events[-1][0] == ALL_WORKERS
    assert worker.wait(5)
    launcher.close()


@pytest.mark.parametrize("said", [b"", b"joi", b"hello\n"])
def test_a_driver_that_ends_before_it_has_joined_is_told_as_such(drive: Drive, said: bytes) -> None:
    drive(f"import os; os.write(1, {said!r})")
    with pytest.raises(DeviceError, match="--launcher ray: Ray could not be started: "):
        RayLauncher()


def test_ctrl_c_while_the_cluster_is_joined_ends_at_once(drive: Drive) -> None:
    drive("import time; time.sleep(60)")  # as in Ray's own code: its input's end goes unseen
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        RayLauncher()
    gc.collect()  # the launcher is forgotten, and waits for its driver
    assert time.monotonic() - began < 5
