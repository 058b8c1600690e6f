"""Workers as processes of this machine: they die and notice that they are alone."""

import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from sweep.launch.local import LocalLauncher
from sweep.trial import Ready, Train, TrialDone
from tests.launch.contract import LauncherContract, spec


class TestLocalLauncher(LauncherContract):
    @pytest.fixture(autouse=True)
    def _launcher(self) -> Iterator[None]:
        self.launcher = LocalLauncher()
        yield
        self.worker.kill()
        self.worker.wait(10)

    def test_a_worker_whose_coordinator_is_gone_exits_within_seconds(self) -> None:
        # Its input closes, as it does however a coordinator ends; a trial of an hour is no excuse.
        self.start()
        self.hear(Ready)
        self.worker.send(Train(specs=(spec(epochs=100_000),)))
        time.sleep(1)
        self.worker._process.stdin.close()  # type: ignore[attr-defined]
        assert self.worker.wait(5)

    def test_ctrl_c_in_the_terminal_does_not_reach_a_worker(self) -> None:
        self.start()
        self.hear(Ready)
        os.kill(self.worker.pid, signal.SIGINT)
        self.worker.send(Train(specs=(spec(),)))
        self.hear(TrialDone)
        assert os.getpgid(self.worker.pid) != os.getpgid(0)

    def test_a_worker_is_not_told_the_way_to_the_database(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SWEEP_STORAGE", "postgresql://me:hunter2@host/db")
        self.start()
        self.hear(Ready)
        environment = psutil.Process(self.worker.pid).environ()
        assert "hunter2" not in str(environment)
        assert environment["CUDA_VISIBLE_DEVICES"] == ""
