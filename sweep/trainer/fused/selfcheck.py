"""Whether this device computes what the reference trainer does, before a study trusts it.

A card, driver or compiler that the kernels were never run with could give wrong numbers without a
word. So a worker first trains a few small trials both ways, on made-up images of the study's size:
every activation, loss, output, optimizer and schedule, in both precisions, with whole batches and
a smaller last one. The kernels are those that the study then runs, so they are compiled once.
"""

import gc
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from subprocess import SubprocessError
from typing import NamedTuple

import numpy as np
import torch
import triton
from numpy.typing import NDArray
from torch import Tensor
from triton.errors import TritonError

from sweep.errors import DeviceError
from sweep.names import Activation, Loss, Optimizer, Output, Schedule, WeightInit
from sweep.trainer.data import DeviceData
from sweep.trainer.fused.compiling import compile_kernels
from sweep.trainer.fused.population import Blocks
from sweep.trainer.fused.trainer import FusedTrainer
from sweep.trainer.randomness import initial_weights
from sweep.trainer.reference import ReferenceTrainer, Training
from sweep.trainer.weights import load_model
from sweep.trial import EpochDone, Limits, TrialConfig, TrialDiverged, TrialSpec

INSTEAD = "`--trainer reference` trains without it, one trial at a time."


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far the two trainers may be apart, relatively."""

    #: Losses and errors.
    measured: float
    #: The norm of what training added to a parameter. Rounding alone can turn the sign of a pixel's
    #: l1 gradient, or switch a unit for an example; a wrong kernel differs by about 1.
    moved: float


#: By precision, the more exacting first. tf32 cuts factors to 10 bits: up to 1.4e-3 of a
#: measurement where that was emulated, and 0.04 of what l1 moved a bias by.
TOLERANCES = {
    "ieee": Tolerance(measured=1e-5, moved=1e-2),
    "tf32": Tolerance(measured=5e-3, moved=0.2),
}


class Difference(NamedTuple):
    """What one trial has in both trainers."""

    trial: TrialSpec
    #: "val_mse", "encoder_weight", …
    name: str
    relative: float
    allowed: float

    @property
    def too_large(self) -> bool:
        """NaN is."""
        return not self.relative <= self.allowed

    def __str__(self) -> str:
        config = self.trial.config
        return (
            f"{self.name} of {config.hidden_width} {config.activation} units ({config.loss}, "
            f"{config.output}, {config.optimizer}) by {self.relative:.1e}, where rounding explains "
            f"{self.allowed:.0e}"
        )


def check_kernels(
    shaped_as: DeviceData, device: torch.device, *, batch_size: int, blocks: Blocks | None = None
) -> None:
    """Raises DeviceError where the fused trainer fails, or disagrees with the reference trainer."""
    data = _made_up(shaped_as, device, batch_size)
    if device.type == "cuda":
        with _told(device):
            compile_kernels(data.train, batch_size=batch_size, precisions=TOLERANCES, blocks=blocks)
    for precision in TOLERANCES:
        with _told(device):
            differences = list(_differences(data, device, precision, batch_size, blocks))
        wrong = [difference for difference in differences if difference.too_large]
        if wrong:
            raise DeviceError(
                f"the fused trainer computes other numbers than the reference trainer on "
                f"{_named(device)}, in {precision}: {wrong[0]}"
                f" ({len(wrong)} of {len(differences)} comparisons failed). {INSTEAD}"
            )


@contextmanager
def _told(device: torch.device) -> Iterator[None]:
    """Whatever keeps the kernels from running, as a DeviceError; the memory is free afterwards.

    Triton's cache that cannot be written, and a C compiler without Python's headers, as well.
    """
    try:
        yield
    except (TritonError, RuntimeError, OSError, SubprocessError) as error:
        raise DeviceError(
            f"the fused trainer's kernels do not run on {_named(device)}: "
            f"{type(error).__name__}: {str(error).partition(chr(10))[0]}. {INSTEAD}"
        ) from error
    finally:
        _free(device)


def _differences(
    data: DeviceData, device: torch.device, precision: str, batch_size: int, blocks: Blocks | None
) -> Iterator[Difference]:
    trials, units = _trials(batch_size), (blocks or Blocks()).units
    fused = FusedTrainer(
        data,
        device,
        batch_size=batch_size,
        rows=sum(-(-trial.config.hidden_width // units) * units for trial in trials),
        slots=len(trials),
        precision=precision,
        blocks=blocks,
    )
    reference = ReferenceTrainer(data, device)
    try:
        assert all(fused.admit(trial) for trial in trials)
        for trial, event in zip(trials, fused.train_epoch(), strict=True):
            yield from _of_trial(trial, event, fused, reference.start(trial), TOLERANCES[precision])
    finally:
        fused.close()


def _of_trial(
    trial: TrialSpec,
    event: EpochDone | TrialDiverged,
    fused: FusedTrainer,
    training: Training,
    tolerance: Tolerance,
) -> Iterator[Difference]:
    """After an epoch, which is its only one."""
    if isinstance(event, TrialDiverged):  # the trials are tame: none does in the reference trainer
        yield Difference(trial, event.reason, math.nan, tolerance.measured)
        return
    (metrics,), (expected,) = event.metrics, training.train_epoch()
    nothing_else = Limits(weights=-math.inf, pictures=-math.inf)
    got, truth = fused.result(trial.number, nothing_else), training.result()
    measured = {
        "train_loss": (metrics.train_loss, expected.train_loss),
        "val_mse": (metrics.val_mse, expected.val_mse),
        "test_mse": (got.results[0].test_mse, truth.results[0].test_mse),
    }
    for name, (ours, theirs) in measured.items():
        yield Difference(trial, name, abs(ours / theirs - 1), tolerance.measured)
    assert truth.weights is not None
    weights, true_weights = fused.weights(trial.number)[0], load_model(truth.weights).weights
    first = initial_weights(trial.config, fused.data.n_inputs, trial.seeds[0])
    parts = zip(weights._fields, weights, true_weights, first, strict=True)
    for name, one, other, before in parts:
        moved = float((one - other).norm() / (other - before).norm())
        yield Difference(trial, name, moved, tolerance.moved)


def _trials(batch_size: int) -> list[TrialSpec]:
    """One for each activation; the other choices go round, so that all of them are there."""
    pairs = [(loss, out) for loss in Loss for out in Output if (loss, out) != _REFUSED]
    turns = zip(
        Activation,
        cycle(pairs),
        cycle(Optimizer),
        cycle(Schedule),
        cycle(WeightInit),
        # Less than a tile, exactly one, several with the last one whole or not.
        cycle((5, 32, 33, 64, 70, 17, 96, 100)),
        strict=False,
    )
    return [
        TrialSpec(
            keep_pictures_below=-math.inf,
            number=i,
            attempt=1,
            seeds=(i,),
            config=TrialConfig(
                hidden_width=width,
                activation=activation,
                loss=loss,
                output=output,
                delta=0.25,
                optimizer=optimizer,
                learning_rate=0.01,
                # Larger than usual: it keeps gradients that are next to 0 from being scaled up.
                eps=1e-4,
                momentum=0.5,
                nesterov=optimizer is Optimizer.SGD,
                weight_decay=0.01,
                schedule=schedule,
                warmup_epochs=1,
                weight_init=init,
                epochs=1,
                batch_size=batch_size,
            ),
        )
        for i, (activation, (loss, output), optimizer, schedule, init, width) in enumerate(turns)
    ]


_REFUSED = (Loss.BCE, Output.LINEAR)


def _made_up(shaped_as: DeviceData, device: torch.device, batch_size: int) -> DeviceData:
    """Noise of the data's size: two whole batches and a part of one."""
    rng = np.random.default_rng(0)

    def images(n: int) -> Tensor:
        pixels = rng.integers(0, 256, (n, shaped_as.n_inputs), dtype=np.uint8)
        return torch.from_numpy(pixels).to(device)

    def labels(n: int) -> NDArray[np.uint8]:
        return (np.arange(n) % 10).astype(np.uint8)

    n_train, n_validation, n_test = (
        2 * batch_size + (batch_size + 2) // 3,
        batch_size + 1,
        batch_size + 3,
    )
    return replace(
        shaped_as,
        train=images(n_train),
        validation=images(n_validation),
        test=images(n_test),
        train_labels=labels(n_train),
        validation_labels=labels(n_validation),
        test_labels=labels(n_test),
        strip_rows=(0,),
    )


def _named(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    return f"{name} with torch {torch.__version__} and Triton {triton.__version__}"


def _free(device: torch.device) -> None:
    """What was captured and what it works on hold one another."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
