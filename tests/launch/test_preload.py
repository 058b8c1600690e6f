"""Worker processes that are forked from one that has loaded torch."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sweep.launch import preload as module
from sweep.launch.launcher import Gone
from sweep.launch.local import LocalLauncher
from sweep.launch.preload import preload, start_processes
from sweep.launch.process import ANALYSIS_COMMAND, COMMAND, WorkerProcess
from sweep.messages import Heartbeat, Ready
from tests.support.launcher_contract import SETUP
from tests.support.processes import wait_for

TWO = [COMMAND, COMMAND]


def hear(launcher: LocalLauncher, kind: type, n: int) -> dict[str, object]:
    """The first message of this kind of each of n workers."""
    found: dict[str, object] = {}
    while len(found) < n:
        name, event = launcher.inbox.get(timeout=60)
        if isinstance(event, kind):
            found[name] = event
    return found


@pytest.fixture
def loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of processes that train nothing: loading torch takes 2 s of a core."""
    script = "from sweep.worker import preload; preload.load = lambda: None; preload.main()"
    monkeypatch.setattr(module, "LOADER", (sys.executable, "-c", script))


@pytest.mark.usefixtures("loads_nothing")
def test_forked_processes_are_children_of_this_one_and_end_with_their_own_input_alone() -> None:
    processes = preload([*TWO, ANALYSIS_COMMAND])
    wait_for(lambda: all(process.popen.pid for process in processes))
    pids = [process.popen.pid for process in processes]
    assert len({*pids}) == 3
    assert [psutil.Process(pid).ppid() for pid in pids] == [os.getpid()] * 3
    first, *others = processes
    assert first.popen.stdin is not None
    first.popen.stdin.close()
    assert first.popen.wait(60) == 0
    assert [process.popen.poll() for process in others] == [None, None]
    for process in processes:
        process.discard()
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.usefixtures("loads_nothing")
def test_forks_of_several_loaders_are_children_of_this_one() -> None:
    # The first loader to end left those of the others to the system: they could not be waited for,
    # and were taken for dead.
    before = module._n_loaders
    processes = [*preload([COMMAND]), *preload([COMMAND])]
    wait_for(lambda: all(process.popen.pid for process in processes))
    assert {psutil.Process(process.popen.pid).ppid() for process in processes} == {os.getpid()}
    for process in processes:
        process.discard()
    assert module._n_loaders == before


def test_killed_before_it_is_forked_one_takes_the_others_along() -> None:
    launcher = LocalLauncher(ahead=preload(TWO))
    first, _ = (launcher.start(name, "cpu") for name in ("w0", "w1"))
    assert first.pid == 0
    first.kill()
    gone = Gone(reason="killed by signal 9")
    assert hear(launcher, Gone, 2) == {"w0": gone, "w1": gone}
    assert first.wait(0)


def test_a_process_that_cannot_load_torch_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch_cpu.so is damaged')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    launcher = LocalLauncher(ahead=preload(TWO))
    for name in ("w0", "w1"):
        launcher.start(name, "cpu")
    reason = "exit code 1: ImportError: libtorch_cpu.so is damaged"
    assert {*hear(launcher, Gone, 2).values()} == {Gone(reason=reason)}


def test_workers_beat_while_torch_is_loaded_however_long_it_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = "import time; time.sleep(30)"
    (tmp_path / "torch.py").write_text(slow)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    launcher = LocalLauncher(ahead=preload([COMMAND]))
    worker = launcher.start("w0", "cpu")
    assert launcher.inbox.get(timeout=20) == ("w0", Heartbeat())
    assert worker.pid == 0
    worker.kill()
    assert worker.wait(10)


def test_beats_while_torch_is_loaded_import_nothing() -> None:
    # They interrupt an import: with one of their own they would wait for its locks for ever, or
    # break it.
    script = """
import os, signal, sys
from sweep.worker import preload
ours, theirs = os.pipe()
preload._beat_for([preload.Fork("worker", 0, theirs, 2)])
before = {*sys.modules}
signal.raise_signal(signal.SIGALRM)
print(os.read(ours, 100), {*sys.modules} - before)
"""
    command = [sys.executable, "-c", script]
    assert subprocess.check_output(command, text=True) == r"b'Heartbeat [{}]\n' set()" + "\n"


def test_a_worker_that_is_killed_leaves_the_others_and_a_new_one_takes_its_place() -> None:
    launcher = LocalLauncher(ahead=preload(TWO))
    workers = [launcher.start(name, "cpu") for name in ("w0", "w1")]
    for worker in workers:
        worker.send(SETUP)
    hear(launcher, Ready, 2)
    wait_for(lambda: workers[0].pid)
    os.kill(workers[0].pid, signal.SIGKILL)
    assert hear(launcher, Gone, 1) == {"w0": Gone(reason="killed by signal 9")}
    workers.append(launcher.start("w2", "cpu"))
    workers[2].send(SETUP)
    assert [*hear(launcher, Ready, 1)] == ["w2"]
    assert not workers[1].wait(0)
    for worker in workers:
        worker.kill()
        assert worker.wait(10)


def test_nothing_that_is_loaded_starts_a_thread() -> None:
    script = (
        "import os; from sweep.worker import preload; preload.load(); "
        "print(len(os.listdir('/proc/self/task')))"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script]
    assert subprocess.check_output(command, env=environment, text=True) == "1\n"


def test_a_system_that_cannot_adopt_orphans_starts_each_worker_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cannot(adopt: bool) -> None:
        raise OSError

    monkeypatch.setattr(module, "_adopt_orphans", cannot)
    (process,) = start_processes(["cpu"])
    assert type(process) is WorkerProcess
    process.discard()


def test_workers_of_gpus_are_not_forked() -> None:
    processes = start_processes(["0", "1"])
    assert [process.device for process in processes] == ["0", "1"]
    assert {type(process) for process in processes} == {WorkerProcess}
    for process in processes:
        process.discard()
