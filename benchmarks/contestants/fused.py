"""sweep's fused trainer, with exactly the room that the trials need."""

import itertools
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.fields import EPOCHS
from sweep.messages import TrialSpec
from sweep.trainer import DeviceData
from sweep.trainer.fused import FusedTrainer, KernelConfig, Launched

#: As few programs as possible, for Triton's interpreter.
INTERPRETED = KernelConfig(units=16, examples=16, outputs=32, inputs=32, single_block_examples=16)


class FusedEpochs:
    """Epochs of a population; the next one is always launched ahead."""

    def __init__(
        self, trainer: FusedTrainer, launch: Callable[[], Launched], device: torch.device
    ) -> None:
        self.trainer = trainer
        self._next_epoch = _launch_ahead(launch, device)

    @property
    def device_seconds(self) -> float:
        """Return the device time of the collected epochs, in seconds."""
        return self.trainer.trained_seconds

    def __call__(self, _: Tensor | None) -> list[float]:
        launched = self._next_epoch()
        done = self.trainer.collect(launched)
        for trial in launched.last:
            self.trainer.result(trial.spec.number)
            self.trainer.release(trial.spec.number)
        return [event.metrics[0].train_loss for event in done]


def train_fused(trials: Sequence[TrialSpec], data: DeviceData, device: torch.device) -> FusedEpochs:
    """Train the same trials epoch after epoch."""
    trainer = make_population(trials, data, device)
    for trial in trials:
        admit(trainer, trial)
    return FusedEpochs(trainer, trainer.launch_epoch, device)


def fused_whole(trials: Sequence[TrialSpec], data: DeviceData, device: torch.device) -> FusedEpochs:
    """Train trials of one to five epochs at first, and of five from then on."""
    trainer = make_population(trials, data, device)
    for i, trial in enumerate(trials):
        admit(trainer, _typical_trial(trial, i % EPOCHS + 1))
    numbers = itertools.count(len(trials))
    leaving: list[TrialSpec] = []  # their last epoch was launched, so their slots are free

    def launch() -> Launched:
        for trial in leaving:
            number = next(numbers)
            admit(trainer, _typical_trial(replace(trial, number=number, seeds=(number,)), EPOCHS))
        launched = trainer.launch_epoch()
        leaving[:] = [trial.spec for trial in launched.last]
        return launched

    return FusedEpochs(trainer, launch, device)


def _launch_ahead(launch: Callable[[], Launched], device: torch.device) -> Callable[[], Launched]:
    """Collect each epoch only after the next one was launched, as the worker does.

    On a CPU a launch runs at once, so nothing is launched ahead.
    """
    n_ahead = 1 if device.type == "cuda" else 0
    ahead: deque[Launched] = deque()

    def next_epoch() -> Launched:
        while len(ahead) <= n_ahead:
            ahead.append(launch())
        return ahead.popleft()

    return next_epoch


def make_population(
    trials: Sequence[TrialSpec],
    data: DeviceData,
    device: torch.device,
    config: KernelConfig | None = None,
    *,
    precision: str | None = None,
) -> FusedTrainer:
    """Make an empty population with exactly the room that these trials need."""
    config = config or default_config(device)
    tiles = sum(math.ceil(trial.config.hidden_width / config.units) for trial in trials)
    return FusedTrainer(
        data,
        device,
        batch_size=trials[0].config.batch_size,
        rows=tiles * config.units,
        slots=len(trials),
        precision=precision or ("tf32" if device.type == "cuda" else "ieee"),
        config=config,
    )


def default_config(device: torch.device) -> KernelConfig:
    """Return the configuration of a worker on this device, or the interpreter's without a GPU."""
    return KernelConfig() if device.type == "cuda" else INTERPRETED


def admit(trainer: FusedTrainer, trial: TrialSpec) -> None:
    if not trainer.admit(trial):
        raise RuntimeError(f"no room for trial {trial.number} in a population made for it.")


def _typical_trial(trial: TrialSpec, epochs: int) -> TrialSpec:
    """Return a typical trial that is not among the best: it sends neither weights nor pictures."""
    config = replace(trial.config, epochs=epochs)
    return replace(trial, config=config, keep_below=0.0)
