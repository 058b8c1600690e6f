"""What a run trains with, and worker processes that are started before the run is."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from sweep.enums import Trainer
from sweep.errors import DeviceError, UsageError
from sweep.launch import devices
from sweep.launch.cpu import WORKER_BYTES
from sweep.launch.process import WorkerProcess
from sweep.launch.resources import RunOptions, resolve_resources, resolve_trainer, start_ahead
from sweep.studyfile import StudyFile, loads
from tests.support.processes import wait_for

TWO = RunOptions(gpus="cpu", cpu_workers=2)

STUDY = """
study.name = "x"
space.hidden_width = {low = 8, high = 64, log = true}
budget.trials = 3
"""

#: Says what is loaded when the first process is started, and starts none.
SCRIPT = """
import sys
from sweep.cli import main
from sweep.launch import resources

def tell(*_, **__):
    heavy = {"alembic", "optuna", "scipy", "sqlalchemy", "torch"}
    print("loaded:", *sorted(heavy & {*sys.modules}))
    raise OSError

resources.start_processes = tell
main()
"""


@pytest.fixture
def study_file() -> StudyFile:
    return loads(STUDY, "x.toml")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (RunOptions(gpus="cpu", per_gpu=3), "--per-gpu 3 is for workers on GPUs, but this run is"),
        (RunOptions(gpus="cpu", population=5), "--population 5 is for the fused trainer, but this"),
    ],
)
def test_an_option_without_effect_on_the_cpu_is_refused(
    study_file: StudyFile, options: RunOptions, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        resolve_resources(study_file, options)
    with start_ahead(study_file, options) as resources:
        assert resources is None, "the run itself raises the error"


Children = Callable[[], list[psutil.Process]]


@pytest.fixture
def children() -> Children:
    """Lists this process's workers that the test started; some of other tests may be idle."""
    earlier = {child.pid for child in _workers()}
    return lambda: [child for child in _workers() if child.pid not in earlier]


def _workers() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # or a zombie
            if _is_worker(child.cmdline()):
                found.append(child)
    return found


def _is_worker(command: list[str]) -> bool:
    return any(word.startswith("sweep.worker") for word in command)


def test_worker_processes_are_started_before_optuna_and_sql_are_loaded(tmp_path: Path) -> None:
    Path(tmp_path, "x.toml").write_text(STUDY)
    command = ("start", "x.toml", "--gpus", "cpu", "--storage", "sqlite:////no/such/folder/x.db")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *command], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "loaded:\n"
    assert done.stderr.startswith("sweep: ") and "/no/such/folder" in done.stderr


def test_workers_take_the_processes_that_were_started_ahead(children: Children) -> None:
    probed = loads(f"study.probe = true\n{STUDY}", "x.toml")
    with start_ahead(probed, TWO) as ahead:
        assert ahead is not None
        workers = [ahead.launcher.start(name, "cpu") for name in ("w0", "w1")]
        workers.append(ahead.launcher.start_analysis("analysis-0"))
        wait_for(lambda: all(worker.pid for worker in workers))
        assert {worker.pid for worker in workers} == {child.pid for child in children()}
    for worker in workers:
        assert not worker.wait(0)  # what a worker took is not killed with the block
        worker.kill()
        assert worker.wait(10)


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_resumed_study_has_its_analysis_started_alone(
    monkeypatch: pytest.MonkeyPatch, is_resumed: bool
) -> None:
    # Unused workers, killed before they are forked, would take it along.
    probed = loads(f"study.probe = true\n{STUDY}", "x.toml")
    started: list[bool] = []

    def start(_: Sequence[str], *, probe: bool) -> list[WorkerProcess]:
        started.append(probe)
        return []

    monkeypatch.setattr("sweep.launch.resources.start_processes", start)
    with start_ahead(probed, TWO, is_resumed=is_resumed):
        assert started == [not is_resumed]


def test_processes_that_no_worker_took_are_killed(
    study_file: StudyFile, children: Children
) -> None:
    with pytest.raises(KeyboardInterrupt), start_ahead(study_file, TWO):
        wait_for(children)
        started = children()
        raise KeyboardInterrupt
    assert not any(process.is_running() for process in started)
    assert children() == []


def test_each_process_started_ahead_is_of_a_worker_whatever_memory_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = loads(STUDY.replace("trials = 3", "trials = 24"), "x.toml")
    free = count(2 * WORKER_BYTES, -1)  # room for two workers, until somebody looks again
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=next(free)))
    monkeypatch.setattr("sweep.launch.resources.n_cores", lambda: 2)
    with start_ahead(many, RunOptions(gpus="cpu")) as ahead:
        assert ahead is not None
        assert len(ahead.devices) == 2
        workers = [ahead.launcher.start(name, "cpu") for name in ("w0", "w1")]
        assert [worker.pid for worker in workers] == [0, 0]
        for worker in workers:
            worker.kill()


def test_options_that_cannot_be_start_no_process_and_are_refused_later(
    study_file: StudyFile, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A study of that name that runs is what a user hears of first.
    monkeypatch.setattr(devices, "visible_gpus", list)
    no_gpu = RunOptions(gpus="7")
    with start_ahead(study_file, no_gpu) as ahead:
        assert ahead is None and children() == []
    with pytest.raises(DeviceError, match="no GPU 7"):
        resolve_resources(study_file, no_gpu)


def test_the_fused_trainer_on_a_cpu_starts_no_process(
    study_file: StudyFile, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with start_ahead(study_file, RunOptions(gpus="cpu", trainer=Trainer.FUSED)) as ahead:
        assert ahead is None and children() == []


@pytest.mark.parametrize(("high", "n_threads"), [(64, 1), (784, 2)])
def test_widths_and_cores_decide_on_workers_and_threads(
    monkeypatch: pytest.MonkeyPatch, high: int, n_threads: int
) -> None:
    monkeypatch.setattr("sweep.launch.resources.n_cores", lambda: 2)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    few = loads(STUDY.replace("high = 64", f"high = {high}"), "x.toml")
    many = loads(STUDY.replace("trials = 3", "trials = 24"), "x.toml")
    on_cpu = RunOptions(gpus="cpu")
    chosen = resolve_resources(few, on_cpu)
    assert (len(chosen.devices), chosen.n_threads) == (1, n_threads)
    for chosen in (resolve_resources(many, on_cpu), resolve_resources(few, on_cpu, n_trials=24)):
        assert (len(chosen.devices), chosen.n_threads) == (2, 1)


DEEP = 'space.hidden_layers.choices = [0, 1, 2]\nspace.noise = "masking"\n'
BEYOND = "hidden_layers may be 1 or 2 and noise is masking"


@pytest.mark.parametrize("on_cpu", [False, True])
def test_a_study_that_one_trainer_can_train_is_trained_by_it_as_a_whole(on_cpu: bool) -> None:
    space = loads(STUDY + DEEP, "x.toml").space
    for asked in (Trainer.AUTO, Trainer.REFERENCE):
        assert resolve_trainer(asked, space, on_cpu=on_cpu) is Trainer.REFERENCE
    with pytest.raises(UsageError, match=f"^--trainer {'cpu' if on_cpu else 'fused'}: {BEYOND}, "):
        resolve_trainer(Trainer.CPU if on_cpu else Trainer.FUSED, space, on_cpu=on_cpu)


def test_a_study_that_fixes_what_all_trainers_can_is_left_to_them() -> None:
    space = loads(STUDY + 'space.hidden_layers = 0\nspace.noise = "none"', "x.toml").space
    assert resolve_trainer(Trainer.AUTO, space, on_cpu=True) is Trainer.CPU
    assert resolve_trainer(Trainer.AUTO, space, on_cpu=False) is Trainer.AUTO
