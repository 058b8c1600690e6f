"""A small study run by a real coordinator with pretended workers."""

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from sweep.coordinator.progress import Progress
from sweep.coordinator.run import resume, start
from sweep.enums import CommandKind
from sweep.launch.resources import RunOptions
from sweep.messages import TrialSpec
from sweep.store import commands
from sweep.store.engine import Engine, write_transaction
from sweep.store.schema import sweep_leases
from sweep.studyfile import StudyFile, loads
from tests.support.fake_workers import FakeLauncher, FakeWorker, Killed

STUDY = """
study.name = "x"
study.seed = 5  # twelve different widths
space.hidden_width = {low = 8, high = 1024, log = true}
space.epochs = 3
sampler.name = "random"
budget.trials = 12
"""


ONE = RunOptions(gpus="cpu", cpu_workers=1)


THREE = RunOptions(gpus="cpu", cpu_workers=3)


def study_file(text: str = STUDY, *overrides: str) -> StudyFile:
    return loads(text, "test.toml", overrides)


def run(
    engine: Engine,
    launcher: FakeLauncher | None = None,
    file: StudyFile | None = None,
    options: RunOptions = ONE,
    observer: Callable[[Progress], None] = lambda progress: None,
    **more: Any,
) -> str:
    return start(
        engine,
        file or study_file(),
        options,
        observer,
        say=lambda line: None,
        launcher=launcher or FakeLauncher(),
        **more,
    )


def go_on(engine: Engine, launcher: FakeLauncher | None = None, **more: Any) -> str:
    return resume(
        engine,
        "x",
        ONE,
        lambda progress: None,
        say=lambda line: None,
        launcher=launcher or FakeLauncher(),
        **more,
    )


def trials(url: str) -> list[optuna.trial.FrozenTrial]:
    # Comparing the tables with Optuna's migrations takes longer than reading them.
    storage = optuna.storages.RDBStorage(url, skip_compatibility_check=True)
    return optuna.load_study(study_name="x", storage=storage).trials


def states(url: str) -> list[TrialState]:
    return [trial.state for trial in trials(url)]


def die_at(*numbers: int, times: int = 1) -> Callable[[FakeWorker, TrialSpec, int], None]:
    deaths: list[int] = []

    def on_epoch(worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        if spec.number in numbers and epoch == 2 and deaths.count(spec.number) < times:
            deaths.append(spec.number)
            worker.kill()
            raise Killed

    return on_epoch


def let_the_lease_go(engine: Engine) -> None:
    """It could not be given back, and its holder, this process, lives."""
    with write_transaction(engine) as connection:
        connection.execute(sweep_leases.update().values(expires_at=0.0))


def post_at(
    engine: Engine, n_complete: int, kind: CommandKind, payload: dict[str, Any] | None = None
) -> Callable[[Progress], None]:
    """Posts a command once, when so many trials are complete."""
    posted: list[int] = []

    def observer(progress: Progress) -> None:
        if progress.n_complete >= n_complete and not posted:
            posted.append(commands.post(engine, "x", kind, payload))

    return observer


def interrupt_at(
    n_complete: int, monkeypatch: pytest.MonkeyPatch, times: int = 1
) -> Callable[[Progress], None]:
    """Calls the coordinator's signal handler, which the main thread would run."""
    handlers: list[Callable[[], None]] = []
    from sweep.coordinator import run as module

    real = module._signals
    monkeypatch.setattr(module, "_signals", lambda f: handlers.append(f) or real(f))

    def observer(progress: Progress) -> None:
        if progress.n_complete >= n_complete and handlers:
            interrupt = handlers.pop()
            for _ in range(times):
                interrupt()

    return observer


#: Two configurations, and a sampler that draws them again and again: nobody counts the values of a
#: range of real numbers. Between these two there is none.
TWO_RATES = "{low = 0.001, high = 0.0010000000000000002}"


TWO = f"{STUDY.replace('{low = 8, high = 1024, log = true}', '8')}space.learning_rate = {TWO_RATES}"


#: With it, the same one in the first five draws.
SAME = "study.seed=10"


def diverge_at(epoch: int) -> Callable[[FakeWorker, TrialSpec, int], None]:
    from sweep.trainer.training import Diverged

    def on_epoch(worker: FakeWorker, spec: TrialSpec, at: int) -> None:
        if at == epoch:
            raise Diverged(at, f"training loss became nan in epoch {at}")

    return on_epoch
