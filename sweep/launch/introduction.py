"""Start a worker to learn how it would train on a device, for ``sweep doctor``."""

import time
from queue import Empty

from sweep.config import TrialConfig
from sweep.enums import Dataset, Trainer
from sweep.errors import SweepError, make_error
from sweep.launch.launcher import Gone, Launcher
from sweep.launch.local import LocalLauncher
from sweep.messages import Ready, WorkerFailed, WorkerSetup, WorkloadEstimate

#: The self-check compiles the kernels if Triton's cache is empty.
TIMEOUT_SECONDS = 300.0
_SHUTDOWN_SECONDS = 10.0


def introduction(device: str, launcher: Launcher | None = None) -> Ready:
    """Start a worker on a device as a study does by default, and end it once it is ready.

    It uses the images that come with the package and the default batch size. Raises the error that
    the worker fails with, SweepError if it dies or is not ready in time.
    """
    launcher = launcher or LocalLauncher()
    worker = launcher.start("doctor", device)
    try:
        worker.send(_setup())
        return _ready(launcher, time.monotonic() + TIMEOUT_SECONDS)
    finally:
        worker.kill()
        worker.wait(_SHUTDOWN_SECONDS)


def _setup() -> WorkerSetup:
    config = TrialConfig()
    return WorkerSetup(
        dataset=Dataset.FASHION_MNIST_MINI,
        validation_fraction=0.1,
        split_seed=0,
        pruning=False,
        trainer=Trainer.AUTO,
        expected=WorkloadEstimate(
            mean_hidden_width=config.hidden_width,
            max_hidden_width=config.hidden_width,
            n_seeds=1,
            max_batch_size=config.batch_size,
            n_batch_sizes=1,
        ),
        spectrum=False,
    )


def _ready(launcher: Launcher, deadline: float) -> Ready:
    while True:
        try:
            _, event = launcher.inbox.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            raise SweepError(
                f"a worker was not ready within {TIMEOUT_SECONDS:.0f} seconds"
            ) from None
        match event:
            case Ready():
                return event
            case WorkerFailed(error=error, message=message):
                raise make_error(error, message)
            case Gone(reason=reason):
                raise SweepError(f"a worker ended before it was ready: {reason}")
