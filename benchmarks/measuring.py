"""Time a contestant in a field."""

import gc
import statistics
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.contestants import Contestant
from benchmarks.contestants.fused import FusedEpochs
from benchmarks.fields import EPOCHS, Sizes, alike, draw_orders, first_steps, without_validation
from sweep.messages import TrialSpec
from sweep.trainer import DeviceData


class Timed(NamedTuple):
    """Times of one contestant in one field."""

    #: Wall time per trial and epoch.
    seconds: float
    #: The same by the device's own clock, if the contestant measures it: from an epoch's first
    #: launch to its last, without the host's time between epochs.
    device_seconds: float | None
    #: Wall time of validation, if it was measured separately.
    validation_seconds: float | None
    #: Time until all trials have their first epoch, or the part that is timed, including
    #: compilation.
    first_epoch_seconds: float
    n_trials: int
    n_steps: int
    #: Mean training loss of each of the trials that every contestant trains first.
    losses: list[float]

    @property
    def trials_per_second(self) -> float:
        return 1 / (EPOCHS * self.seconds)


class _Times(NamedTuple):
    first_epoch: float
    epoch: float
    device: float | None


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Data, sizes and repeats with which every contestant is timed."""

    sizes: Sizes
    data: DeviceData
    device: torch.device
    n_part_steps: int
    repeats: int

    def measure(self, contestant: Contestant, trials: Sequence[TrialSpec]) -> Timed | str:
        """Time a contestant, or return why it cannot be.

        Prints the traceback of a failure to stderr.
        """
        try:
            if (reason := contestant.why_not(trials, self.device)) is not None:
                return reason
            return self._measure(contestant, trials)
        except Exception as error:
            traceback.print_exc()
            return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        finally:
            self._clean_up()

    def _measure(self, contestant: Contestant, trials: Sequence[TrialSpec]) -> Timed:
        sizes, n_steps = self.sizes, self.sizes.n_steps
        losses = self._losses(contestant, trials[:2])
        if contestant.in_turn:
            trials = _sample(trials, 1 if alike(trials) else 8)
        if contestant.part:
            n_steps = min(n_steps, self.n_part_steps)
        data = first_steps(self.data, n_steps, sizes.batch_size)
        alone = data if contestant.whole else without_validation(data)
        times = self._time(contestant, trials, alone)
        validation = None
        if contestant.validates:
            validation = self._time(contestant, trials, data).epoch - times.epoch
        scale = sizes.n_steps / n_steps / len(trials)
        return Timed(
            seconds=times.epoch * scale,
            device_seconds=None if times.device is None else times.device * scale,
            validation_seconds=None if validation is None else validation / len(trials),
            first_epoch_seconds=times.first_epoch,
            n_trials=len(trials),
            n_steps=n_steps,
            losses=losses,
        )

    def _losses(self, contestant: Contestant, trials: Sequence[TrialSpec]) -> list[float]:
        """Return the losses after a few steps, to show that contestants train the same trials."""
        data = first_steps(self.data, self.sizes.n_checked_steps, self.sizes.batch_size)
        epoch = contestant.start(trials, without_validation(data), self.device)
        losses = epoch(_orders(contestant, trials, data, 1))
        del epoch
        self._clean_up()
        return losses

    def _time(
        self, contestant: Contestant, trials: Sequence[TrialSpec], data: DeviceData
    ) -> _Times:
        """Time the first epoch from the start, and take the median of the later ones."""
        # Draw all orders first: the device may work on an epoch that was launched ahead.
        first_orders, *later_orders = [
            _orders(contestant, trials, data, n) for n in range(1, self.repeats + 2)
        ]
        begun = time.perf_counter()
        epoch = contestant.start(trials, data, self.device)
        epoch(first_orders)
        first = time.perf_counter() - begun
        seconds, of_device = [], []
        for orders in later_orders:
            begun, worked = time.perf_counter(), _device_seconds(epoch)
            epoch(orders)
            seconds.append(time.perf_counter() - begun)
            of_device.append(_device_seconds(epoch) - worked)
        knows = isinstance(epoch, FusedEpochs)
        del epoch
        self._clean_up()
        return _Times(
            first_epoch=first,
            epoch=statistics.median(seconds),
            device=statistics.median(of_device) if knows else None,
        )

    def _clean_up(self) -> None:
        """Free the card's memory for the next contestant."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            gc.collect()
            torch.cuda.empty_cache()


def _orders(
    contestant: Contestant, trials: Sequence[TrialSpec], data: DeviceData, epoch: int
) -> Tensor | None:
    return None if contestant.draws_orders else draw_orders(trials, data, epoch)


def _device_seconds(epoch: object) -> float:
    return epoch.device_seconds if isinstance(epoch, FusedEpochs) else 0.0


def _sample(trials: Sequence[TrialSpec], n: int) -> list[TrialSpec]:
    """Choose n trials of different widths, spread over all widths."""
    by_width = sorted(trials, key=lambda trial: trial.config.hidden_width)
    n = min(n, len(by_width))
    return [by_width[(2 * i + 1) * len(by_width) // (2 * n)] for i in range(n)]
