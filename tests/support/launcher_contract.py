"""What every launcher must do: real worker processes come up, train, die and are told of."""

import os
import signal
import socket
import time
from dataclasses import replace
from pathlib import Path
from queue import Empty
from typing import Any

import psutil
import pytest

from sweep.config import TrialConfig
from sweep.launch.launcher import Gone, Launcher, WorkerHandle
from sweep.messages import (
    Heartbeat,
    Ready,
    Shutdown,
    Train,
    TrialDone,
    TrialRequest,
    TrialSpec,
    WorkerFailed,
    WorkerSetup,
    WorkloadEstimate,
)
from tests.support.processes import wait_for

SETUP = WorkerSetup(
    dataset="fashion-mnist-mini",
    validation_fraction=0.1,
    split_seed=0,
    pruning=False,
    n_threads=1,
    train_limit=256,
    expected=WorkloadEstimate(
        mean_hidden_width=4, max_hidden_width=4, n_seeds=1, max_batch_size=128, n_batch_sizes=1
    ),
)


def spec(epochs: int = 1) -> TrialSpec:
    config = TrialConfig(hidden_width=4, epochs=epochs)
    return TrialSpec(number=0, attempt=1, config=config, seeds=(1,))


def processes() -> list[str]:
    """What the processes under this one do, for a failure that cannot be repeated."""
    return [
        f"{one.pid} {one.cmdline()[-4:]} {one.status()} {one.cpu_times().user} s, "
        f"{one.num_threads()} threads, in {Path(f'/proc/{one.pid}/wchan').read_text()}"
        for one in psutil.Process().children(recursive=True)
    ]


class LauncherContract:
    """What every launcher must do; a subclass says which one it is."""

    launcher: Launcher
    worker: WorkerHandle
    #: How the launcher reports a worker that it killed.
    killed: str

    def start_process(self) -> None:
        """Start a worker that is told nothing: for tests that need no more than its process."""
        self.worker = self.launcher.start("w0", "cpu")

    def start(self, setup: WorkerSetup = SETUP) -> None:
        self.worker = self.launcher.start("w0", "cpu")
        self.worker.send(setup)

    def start_simulated(self, setup: WorkerSetup = SETUP) -> None:
        """Start a worker that loads no torch, for tests of its process, pipes and session."""
        raise NotImplementedError

    def hear(self, kind: type, of: str = "w0") -> Any:
        """The next event of a kind; its worker's name comes with each."""
        while True:
            try:
                name, event = self.launcher.inbox.get(timeout=60)
            except Empty:
                pytest.fail(f"a minute without an event; the processes: {processes()}")
            assert name == of
            if isinstance(event, kind):
                return event

    def test_a_worker_comes_up_sends_heartbeats_while_it_trains_and_leaves(self) -> None:
        # The epoch takes longer than a heartbeat is away; the session says nothing meanwhile.
        self.start(replace(SETUP, train_limit=None))
        assert len(self.hear(Ready).data.sha256) == 64
        config = TrialConfig(hidden_width=1024, epochs=1, batch_size=8)
        self.worker.send(Train(specs=(replace(spec(), config=config),)))
        while not self.hear(TrialRequest).began:
            pass
        assert isinstance(self.launcher.inbox.get(timeout=60)[1], Heartbeat)
        assert self.hear(TrialDone).results[0].test_mse > 0
        self.worker.send(Shutdown())
        assert self.worker.wait(20)
        assert self.hear(Gone).reason == "exit code 0"

    def test_a_killed_worker_is_reported_as_gone_and_orders_to_it_are_dropped(self) -> None:
        self.start_process()
        self.worker.kill()
        assert self.killed in self.hear(Gone).reason
        self.worker.send(Train(specs=(spec(),)))

    def test_a_worker_without_its_data_says_what_is_missing(self) -> None:
        self.start_simulated(replace(SETUP, dataset="./no-such-folder"))
        failed = self.hear(WorkerFailed)
        assert failed.error == "DataError" and "no-such-folder" in failed.message

    def test_the_analysis_process_runs_on_this_host_and_is_reported_as_gone(self) -> None:
        self.worker = self.launcher.start_analysis("analysis-0")
        assert self.worker.host == socket.gethostname()
        self.worker.kill()
        assert self.hear(Gone, of="analysis-0").reason == "killed by signal 9"

    def test_orders_to_a_worker_that_stands_still_hold_nobody_up(self) -> None:
        # They are more than a pipe holds; its coordinator has others to look after.
        self.start_simulated()
        self.hear(Ready)
        os.kill(wait_for(lambda: self.worker.pid), signal.SIGSTOP)
        for number in range(1000):
            self.worker.send(Train(specs=(replace(spec(), number=number),)))
        os.kill(self.worker.pid, signal.SIGCONT)
        assert [self.hear(TrialDone).number for _ in range(3)] == [0, 1, 2]

    def test_a_worker_that_stands_still_can_be_killed(self) -> None:
        self.start_process()
        process = psutil.Process(wait_for(lambda: self.worker.pid))
        process.suspend()
        self.worker.kill()
        assert self.killed in self.hear(Gone).reason
        process.wait(20)

    def test_a_worker_whose_coordinator_stands_still_ends_and_says_so(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # It was stopped, say: the pipes stay open, and nothing comes any more.
        monkeypatch.setattr("sweep.launch.link.HEARTBEAT_SECONDS", 0.1)
        self.start_simulated()
        self.hear(Ready)
        # It watches from here on: on busy cores it hears little while it loads.
        self.worker.send(replace(SETUP, silence_seconds=2.0))
        time.sleep(3.5)
        assert not self.worker.wait(0), "it has nothing to do, and hears that it is not alone"
        specs = tuple(replace(spec(epochs=50), number=number) for number in range(1000))
        self.worker.send(Train(specs=specs))  # for minutes
        monkeypatch.setattr("sweep.launch.link.HEARTBEAT_SECONDS", 1e6)
        assert self.worker.wait(12)
        gone = self.hear(Gone)
        assert gone.was_left_alone
        assert gone.reason == "exit code 75: no heartbeat from its coordinator for 2 s"
