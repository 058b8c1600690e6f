"""Train a trial, independently of the trainer: epochs, validation, divergence, result.

A trial trains one run per seed, in lockstep by epochs. A run is a function of (data, configuration,
seed) only: bitwise so on one device, build and thread count. Trainers of single trials differ only
in how they learn from a batch: see ``TrainingStep``.
"""

import math
import time
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from sweep.config import TrialConfig, check_config
from sweep.messages import EpochMetrics, TestMetrics, TrialDone, TrialSpec
from sweep.trainer.data import DeviceData, as_floats, batches
from sweep.trainer.evaluation import evaluate, evaluate_test
from sweep.trainer.model import Autoencoder
from sweep.trainer.pixels import errors_png, strip_png, to_bytes
from sweep.trainer.randomness import data_order
from sweep.trainer.schedules import SCHEDULES, Moment
from sweep.trainer.units import diagnose
from sweep.trainer.weights import save_model


class Diverged(Exception):  # noqa: N818  it is an outcome
    """A loss or a weight is no longer finite: an outcome of the trial, not a program error."""

    def __init__(self, epoch: int, reason: str) -> None:
        super().__init__(reason)
        #: Counted from 1.
        self.epoch = epoch
        #: For people: "training loss became nan in epoch 3".
        self.reason = reason


class TrainingStep(Protocol):
    """One seed's network and optimizer, and how they learn from a batch."""

    @property
    def model(self) -> Autoencoder:
        """The network with its present parameters."""

    def __call__(
        self,
        rows: Tensor,  # (B,) int64, indices of training images
        learning_rate: float,
    ) -> Tensor:
        """Update the parameters; return the mean loss before that, a scalar on the device."""


class SingleTrialTrainer(ABC):
    """Trains trials one after another on a device that holds the data."""

    def __init__(self, data: DeviceData) -> None:
        self.data = data

    def start(self, spec: TrialSpec) -> "Training":
        """Prepare a trial at epoch 0. Raises ValueError if it cannot be trained."""
        check_config(spec.config)
        runs = [Run(spec.config, seed, self.data, self._step(spec, seed)) for seed in spec.seeds]
        return Training(spec, self.data, runs)

    @abstractmethod
    def _step(self, spec: TrialSpec, seed: int) -> TrainingStep:
        """Create a seed's network with its initial weights, and this trainer's step."""


class Training:
    """One trial in training: all its seeds, in lockstep by epochs."""

    def __init__(self, spec: TrialSpec, data: DeviceData, runs: list["Run"]) -> None:
        self.spec = spec
        #: Finished epochs.
        self.epoch = 0
        self._data = data
        self._runs = runs
        self._metrics: list[tuple[EpochMetrics, ...]] = []

    @property
    def finished(self) -> bool:
        """Tell whether all epochs are trained."""
        return self.epoch >= self.spec.config.epochs

    def train_epoch(self) -> tuple[EpochMetrics, ...]:
        """Train every seed for one more epoch and validate it; return one record per seed."""
        epoch = self.epoch + 1
        metrics = tuple(self._train(run, epoch) for run in self._runs)
        self.epoch = epoch
        self._metrics.append(metrics)
        return metrics

    def result(self) -> TrialDone:
        """Measure the test set; include the first seed's weights if the spec asks for them."""
        first, config, data = self._runs[0], self.spec.config, self._data
        keeps_weights = self.spec.keep_always or self._ends_below(self.spec.keep_below)
        with torch.no_grad():
            originals = as_floats(data.strip)
            copies = first.model.reconstruct(originals)
        return TrialDone(
            number=self.spec.number,
            attempt=self.spec.attempt,
            results=tuple(run.measure() for run in self._runs),
            train_seconds=self._train_seconds(),
            reconstructions_png=strip_png(to_bytes(copies).cpu().numpy(), data.shape),
            errors_png=errors_png(originals, copies, data.shape),
            weights=save_model(first.model, config, first.seed, data) if keeps_weights else None,
        )

    def _train(self, run: "Run", epoch: int) -> EpochMetrics:
        metrics = run.train_epoch(epoch)
        if (reason := run.divergence(metrics)) is not None:
            of_seed = f" (seed {run.seed})" if len(self._runs) > 1 else ""
            raise Diverged(epoch, f"{reason} in epoch {epoch}{of_seed}")
        return metrics

    def _ends_below(self, error: float) -> bool:
        if not self._metrics:
            return False
        last = [metrics.val_mse for metrics in self._metrics[-1]]
        return sum(last) / len(last) < error

    def _train_seconds(self) -> float:
        """Return the mean over the seeds, so that it does not grow with their number."""
        spent = sum(metrics.seconds for epoch in self._metrics for metrics in epoch)
        return spent / len(self._runs)


class Run:
    """One seed of a trial in training."""

    def __init__(
        self, config: TrialConfig, seed: int, data: DeviceData, step: TrainingStep
    ) -> None:
        self.seed = seed
        self._config = config
        self._data = data
        self._train_batch = step
        self._steps_per_epoch = math.ceil(len(data.train) / config.batch_size)
        self._n_steps = 0

    @property
    def model(self) -> Autoencoder:
        """The network with its present parameters."""
        return self._train_batch.model

    def train_epoch(self, epoch: int) -> EpochMetrics:
        """Train on all images in this epoch's order, then validate."""
        start = time.perf_counter()
        order = data_order(self.seed, epoch, len(self._data.train)).to(self._data.train.device)
        # The last batch may be smaller, as in Keras; the mean loss weights it by its images.
        parts = batches(order, self._config.batch_size)
        losses = [self._train_batch(rows, self._next_learning_rate()) for rows in parts]
        train_loss = _weighted_mean(losses, [len(rows) for rows in parts])
        validation = evaluate(self.model, self._data.validation, self._config.output_activation)
        basis = self._data.spectrum
        spectrum = None if basis is None else basis.measure(self.model)
        return EpochMetrics(
            train_loss=train_loss,
            val_mse=validation.mse,
            val_bce=validation.bce,
            seconds=time.perf_counter() - start,
            spectrum=spectrum,
        )

    def measure(self) -> TestMetrics:
        """Measure the test set, and diagnose units and weights on the validation images."""
        tested = evaluate_test(self.model, self._data, self._config.output_activation)
        diagnosed = diagnose(self.model, self._data.validation, self._config)
        return replace(tested, diagnostics=diagnosed)

    def divergence(self, metrics: EpochMetrics) -> str | None:
        """Describe the number that is no longer finite."""
        if not math.isfinite(metrics.train_loss):
            return f"training loss became {metrics.train_loss}"
        for name, weights in self.model.named_parameters():
            if not _is_finite(weights):
                return f"{name} is no longer finite"
        if not math.isfinite(metrics.val_mse):
            return f"validation error became {metrics.val_mse}"
        return None

    def _next_learning_rate(self) -> float:
        config, per_epoch = self._config, self._steps_per_epoch
        moment = Moment(self._n_steps, config.epochs * per_epoch, config.warmup_epochs * per_epoch)
        self._n_steps += 1
        return config.learning_rate * SCHEDULES[config.lr_schedule](moment)


def _weighted_mean(losses: list[Tensor], sizes: list[int]) -> float:
    """Return the mean of the losses weighted by batch sizes; the first non-finite one, if any."""
    values = torch.stack(losses).cpu().double()
    not_finite = values[~torch.isfinite(values)]
    if len(not_finite):
        return float(not_finite[0])
    weights = torch.tensor(sizes, dtype=torch.float64)
    return float((values * weights).sum() / weights.sum())


def _is_finite(weights: Tensor) -> bool:
    """Tell whether all weights are finite."""
    values = weights.detach()
    # A sum of finite numbers may overflow, but a finite sum has only finite terms.
    return bool(torch.isfinite(values.sum())) or bool(torch.isfinite(values).all())
