"""Ray's driver ends at any moment, as seen by the coordinator; pretended drivers, without Ray."""

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from sweep.errors import DeviceError, SweepError, UsageError
from sweep.launch import ray
from sweep.launch.devices import ClusterResources
from sweep.launch.launcher import Lost
from sweep.launch.ray import ALL_WORKERS, RayLauncher, encode_message
from sweep.messages import Heartbeat

JOINED = ClusterResources(n_gpus=0, n_cpus=2, cores_per_cpu_worker=2)
HEARTBEAT = encode_message(("w0", Heartbeat()))

Drive = Callable[[str], None]


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Drive:
    """The driver's process runs this program."""
    return lambda program: monkeypatch.setattr(ray, "DRIVER", (sys.executable, "-c", program))


def joins_and_says(said: bytes) -> str:
    """A program that joins, waits for the first worker, says something, and ends."""
    joined = encode_message((ALL_WORKERS, JOINED))
    return f"""if True:
        import os
        orders = os.fdopen(0, "rb")
        orders.readline()
        os.write(1, {joined!r})
        orders.readline()
        os.write(1, {said!r})
        os._exit(1)
    """


def events_until_lost(launcher: RayLauncher) -> list[Any]:
    """What the coordinator hears, up to the loss of all workers."""
    events: list[tuple[str, Any]] = []
    while not (events and isinstance(events[-1][1], Lost)):
        events.append(launcher.inbox.get(timeout=10))
    assert events[-1][0] == ALL_WORKERS
    return [event for _, event in events]


@pytest.mark.parametrize("n_bytes", [0, 3, 4, 13, None])
def test_wherever_the_drivers_last_message_ends_all_workers_are_lost(
    drive: Drive, n_bytes: int | None
) -> None:
    drive(joins_and_says(HEARTBEAT[:n_bytes]))
    launcher = RayLauncher()
    worker = launcher.start("w0", "cpu")
    events = events_until_lost(launcher)
    assert len(events) == (2 if n_bytes is None else 1)
    assert "exit code 1" in events[-1].reason or "signal 9" in events[-1].reason
    assert worker.wait(5)
    launcher.close()


@pytest.mark.parametrize(
    "said",
    [
        b"hello\n",
        b"\xff Heartbeat [{}]\n",
        b"w0 Nonsense [{}]\n",
        b'w0 Placed [{"host": "a", "pid": "none", "device": "0"}]\n',
        b"w0 Shutdown [{}]\n",  # which is an order
        b"w9 Heartbeat [{}]\n",  # a worker that was never started
        encode_message(("w0", JOINED)),
        b"- Heartbeat [{}]\n",
        b"\x80\x04\x95cos\nsystem\n",  # a pickle
    ],
)
def test_a_line_that_no_driver_sends_ends_it_and_is_told(drive: Drive, said: bytes) -> None:
    drive(joins_and_says(said))
    launcher = RayLauncher()
    worker = launcher.start("w0", "cpu")
    (lost,) = events_until_lost(launcher)
    first_line = said.splitlines(keepends=True)[0]
    assert lost.reason.startswith(
        f"Ray's process was killed: it sent an unreadable line: {first_line!r}. Finished"
    )
    assert worker.wait(5)
    launcher.close()


@pytest.mark.parametrize("said", [b"", b"joi", b"hello\n", b"- Heartbeat [{}]\n"])
def test_a_driver_that_ends_before_it_has_joined_is_told_as_such(drive: Drive, said: bytes) -> None:
    drive(f"import os; os.write(1, {said!r})")
    with pytest.raises(DeviceError, match="--launcher ray: Ray could not be started: "):
        RayLauncher()


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ("UsageError", UsageError),
        ("StudyFileError", SweepError),  # it takes more than a message
        ("shlex", SweepError),
        ("NoSuchError", SweepError),
    ],
)
def test_an_error_of_the_driver_is_raised_as_one_of_ours(
    drive: Drive, error: str, raised: type[SweepError]
) -> None:
    said = f'- WorkerFailed [{{"error":"{error}","message":"no such address"}}]\n'.encode()
    drive(f"import os; os.write(1, {said!r})")
    with pytest.raises(SweepError, match="^no such address$") as caught:
        RayLauncher()
    assert type(caught.value) is raised


def test_a_host_without_room_for_the_driver_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("sweep.launch.process.subprocess.Popen", full)
    with pytest.raises(DeviceError, match="Ray could not be started: Resource temporarily"):
        RayLauncher()


def test_ctrl_c_while_the_cluster_is_joined_ends_at_once(drive: Drive) -> None:
    drive("import time; time.sleep(60)")  # as in Ray's own code: its input's end goes unseen
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        RayLauncher()
    assert time.monotonic() - began < 5
