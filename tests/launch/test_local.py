"""Workers as processes of this machine: they die and notice that they are alone."""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

from sweep.codec import ORDERS
from sweep.errors import DeviceError
from sweep.launch.launcher import Gone
from sweep.launch.local import LocalLauncher, LocalWorker
from sweep.launch.process import WorkerProcess
from sweep.messages import Ready, Train, TrialDone, TrialRequest, WorkerSetup
from tests.support.launcher_contract import SETUP, LauncherContract, spec
from tests.support.processes import wait_for


def test_a_machine_that_has_no_room_for_a_worker_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("sweep.launch.process.subprocess.Popen", full)
    with pytest.raises(DeviceError, match="Resource temporarily unavailable"):
        LocalLauncher().start("w0", "cpu")


def test_a_machine_that_has_no_room_for_another_thread_keeps_no_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_: object) -> None:
        raise RuntimeError("can't start new thread")

    process = WorkerProcess("cpu")
    monkeypatch.setattr("sweep.launch.link.threading.Thread.start", full)
    with pytest.raises(DeviceError, match="can't start new thread"):
        LocalLauncher(ahead=[process]).start("w0", "cpu")
    assert process.popen.wait(10) == -signal.SIGKILL


def test_a_worker_whose_lines_cannot_be_read_is_ended_and_that_is_said() -> None:
    talks = "import time; print('Hello [{]', flush=True); time.sleep(600)"
    launcher = LocalLauncher((sys.executable, "-c", talks))
    worker = launcher.start("w0", "cpu")
    _, gone = launcher.inbox.get(timeout=60)
    assert isinstance(gone, Gone)
    assert gone.reason == "killed: it sent an unreadable line: b'Hello [{]\\n'"
    assert worker.wait(10)


class TestLocalLauncher(LauncherContract):
    killed = "signal 9"

    @pytest.fixture(autouse=True)
    def _launcher(self) -> Iterator[None]:
        self.launcher = LocalLauncher()
        yield
        self.worker.kill()
        self.worker.wait(10)

    def start_simulated(self, setup: WorkerSetup = SETUP) -> None:
        self.launcher = LocalLauncher((sys.executable, "-m", "tests.support.data_worker"))
        self.start(setup)

    def test_a_worker_whose_coordinator_is_gone_exits_within_seconds(self) -> None:
        # Its input closes, as it does however a coordinator ends; a trial of an hour is no excuse.
        self.start_simulated()
        self.hear(Ready)
        self.worker.send(Train(specs=(spec(epochs=100_000),)))
        while not self.hear(TrialRequest).began:
            pass
        self.worker._process.stdin.close()  # type: ignore[attr-defined]
        assert self.worker.wait(20)

    def test_a_worker_exits_though_its_coordinator_died_within_an_order(self) -> None:
        self.start_process()
        stdin = self.worker._process.stdin  # type: ignore[attr-defined]
        stdin.write(ORDERS.encode(Train(specs=(spec(epochs=100_000),)))[:40])
        stdin.close()
        assert self.worker.wait(20)

    def test_a_worker_says_what_it_could_not_read(self) -> None:
        self.start_process()
        stdin = self.worker._process.stdin  # type: ignore[attr-defined]
        stdin.write(b'{"kind": "Dance"}\n')
        stdin.flush()
        gone = self.hear(Gone)
        assert "exit code 1: it received an unreadable order" in gone.reason

    def test_ctrl_c_in_the_terminal_does_not_reach_a_worker(self) -> None:
        self.start_simulated()
        self.hear(Ready)
        os.kill(wait_for(lambda: self.worker.pid), signal.SIGINT)
        self.worker.send(Train(specs=(spec(),)))
        self.hear(TrialDone)
        assert os.getpgid(self.worker.pid) != os.getpgid(0)


class TestForkedWorkers(TestLocalLauncher):
    @pytest.fixture(autouse=True)
    def _forked(self, forked_workers: None) -> None:
        """Use workers that were forked from a process that has loaded torch."""

    def start_simulated(self, setup: WorkerSetup = SETUP) -> None:
        self.start(setup)


@pytest.fixture
def start_worker() -> Iterator[Callable[[], psutil.Process]]:
    """Starts a worker without a set-up."""
    workers: list[LocalWorker] = []

    def start() -> psutil.Process:
        workers.append(LocalLauncher().start("w0", "cpu"))
        return psutil.Process(workers[-1].pid)

    yield start
    for worker in workers:
        worker.kill()
        assert worker.wait(10)


def environment_of(process: psutil.Process) -> dict[str, str]:
    """A process's environment, which is empty for a moment while its program is being loaded."""
    return wait_for(process.environ)


def test_a_worker_is_not_told_the_way_to_the_database(
    start_worker: Callable[[], psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", "postgresql://me:hunter2@host/db")
    environment = environment_of(start_worker())
    assert "hunter2" not in str(environment)
    assert environment["CUDA_VISIBLE_DEVICES"] == ""


def test_a_workers_threads_spin_for_moments_only_unless_told(
    start_worker: Callable[[], psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert environment_of(start_worker())["GOMP_SPINCOUNT"] == "7"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    assert environment_of(start_worker())["GOMP_SPINCOUNT"] == "1000"
