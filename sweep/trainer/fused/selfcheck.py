"""The self-check: compare the fused with the reference trainer on this device.

A card, driver or compiler that the kernels have never run on could give wrong numbers silently. So
before a study trusts a device, its worker trains a few small trials with both trainers, on random
images of the study's size: every activation, loss, output, optimizer and schedule, in both
precisions, with full batches and a smaller last one. The kernels are the ones that the study then
runs, so they are compiled once.
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

from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Optimizer, Output, Schedule, WeightInit
from sweep.errors import DeviceError, FusedUnavailableError
from sweep.messages import EpochDone, TrialDiverged, TrialSpec, unpack_spectrum
from sweep.trainer.data import DeviceData
from sweep.trainer.device_errors import is_out_of_memory
from sweep.trainer.fused.compiling import compile_kernels
from sweep.trainer.fused.kernel_config import KernelConfig
from sweep.trainer.fused.trainer import FusedTrainer
from sweep.trainer.randomness import initial_weights
from sweep.trainer.reference import ReferenceTrainer
from sweep.trainer.training import Training
from sweep.trainer.weights import load_model


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far the two trainers may differ, relatively."""

    #: Losses and errors.
    measured: float
    #: Norm of the change of a parameter by training. Rounding alone can flip the sign of a pixel's
    #: l1 gradient, or switch a unit for an example; a wrong kernel differs by about 1.
    moved: float


#: By precision, the stricter first. tf32 rounds factors to 10 bits: up to 1.4e-3 of a measurement
#: where that was emulated, and 0.04 of l1's change of a bias.
TOLERANCES = {
    "ieee": Tolerance(measured=1e-5, moved=1e-2),
    "tf32": Tolerance(measured=5e-3, moved=0.2),
}


class TrainerDifference(NamedTuple):
    """A number that both trainers computed for one trial, compared."""

    #: Precision of products: "ieee" or "tf32".
    precision: str
    trial: TrialSpec
    #: "val_mse", "encoder_weight", …
    name: str
    relative: float
    #: The limit: the largest difference that rounding explains.
    allowed: float

    @property
    def too_large(self) -> bool:
        """Whether the difference exceeds its limit; NaN does."""
        return not self.relative <= self.allowed

    @property
    def share(self) -> float:
        """The difference as a share of its limit; infinite for NaN."""
        share = self.relative / self.allowed
        return math.inf if math.isnan(share) else share

    def __str__(self) -> str:
        config = self.trial.config
        return (
            f"{self.precision}: {self.name} of {config.hidden_width} {config.activation} units "
            f"({config.loss}, {config.output_activation}, {config.optimizer}) differs by "
            f"{self.relative:.1e}, limit {self.allowed:.0e}"
        )


def check_kernels(
    shaped_as: DeviceData,
    device: torch.device,
    *,
    batch_size: int,
    config: KernelConfig | None = None,
) -> list[TrainerDifference]:
    """Compare both trainers on this device; return all comparisons if each is within its limit.

    Raises FusedUnavailableError if the fused trainer does not run or differs, with every difference
    over its limit; DeviceError if the device has no memory left for the check.
    """
    differences = compare_trainers(shaped_as, device, batch_size=batch_size, config=config)
    wrong = [difference for difference in differences if difference.too_large]
    if wrong:
        raise FusedUnavailableError(
            f"the fused trainer computes other numbers than the reference trainer on "
            f"{_describe_device(device)}: {len(wrong)} of {len(differences)} comparisons exceed "
            "their limits",
            map(str, wrong),
        )
    return differences


def compare_trainers(
    shaped_as: DeviceData,
    device: torch.device,
    *,
    batch_size: int,
    config: KernelConfig | None = None,
) -> list[TrainerDifference]:
    """Train the check's trials with both trainers, in both precisions; return all comparisons.

    ``shaped_as`` gives the size of an image. Raises FusedUnavailableError if the kernels do not
    compile or run, DeviceError if the memory runs out.
    """
    data = _draw_data(shaped_as, device, batch_size)
    if device.type == "cuda":
        with _failures_in_words(device):
            compile_kernels(data.train, batch_size=batch_size, precisions=TOLERANCES, config=config)
    differences: list[TrainerDifference] = []
    for precision in TOLERANCES:
        with _failures_in_words(device):
            differences += _differences(data, device, precision, batch_size, config)
    return differences


@contextmanager
def _failures_in_words(device: torch.device) -> Iterator[None]:
    """Raise a DeviceError for any reason why the kernels do not run, and free the memory.

    Reasons include an unwritable Triton cache and a C compiler that does not find Python's headers.
    Running out of memory says nothing about the kernels: a plain DeviceError.
    """
    try:
        yield
    except (TritonError, RuntimeError, OSError, SubprocessError) as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        if is_out_of_memory(error):
            raise DeviceError(
                "not enough memory for the fused trainer's self-check on "
                f"{_describe_device(device)}: {reason}. `nvidia-smi` shows what else uses the GPU."
            ) from error
        raise FusedUnavailableError(
            f"the fused trainer's kernels do not run on {_describe_device(device)}: {reason}"
        ) from error
    finally:
        _free(device)


def _differences(
    data: DeviceData,
    device: torch.device,
    precision: str,
    batch_size: int,
    config: KernelConfig | None,
) -> Iterator[TrainerDifference]:
    trials, units = _trials(batch_size), (config or KernelConfig()).units
    fused = FusedTrainer(
        data,
        device,
        batch_size=batch_size,
        rows=sum(-(-trial.config.hidden_width // units) * units for trial in trials),
        slots=len(trials),
        precision=precision,
        config=config,
    )
    reference = ReferenceTrainer(data, device)
    try:
        for trial in trials:
            if not fused.admit(trial):
                raise RuntimeError(f"the population has no place for trial {trial.number}")
        for trial, event in zip(trials, fused.train_epoch(), strict=True):
            yield from _of_trial(trial, event, fused, reference.start(trial), precision)
    finally:
        fused.close()


def _of_trial(
    trial: TrialSpec,
    event: EpochDone | TrialDiverged,
    fused: FusedTrainer,
    training: Training,
    precision: str,
) -> Iterator[TrainerDifference]:
    """Compare a trial after its only epoch."""
    tolerance = TOLERANCES[precision]
    if isinstance(event, TrialDiverged):  # trials that do not diverge in the reference trainer
        yield TrainerDifference(precision, trial, event.reason, math.nan, tolerance.measured)
        return
    (metrics,), (expected,) = event.metrics, training.train_epoch()
    got, truth = fused.result(trial.number, keep_below=-math.inf), training.result()
    measured = {
        "train_loss": (metrics.train_loss, expected.train_loss),
        "val_mse": (metrics.val_mse, expected.val_mse),
        "test_mse": (got.results[0].test_mse, truth.results[0].test_mse),
    }
    for name, (value, true) in measured.items():
        yield TrainerDifference(precision, trial, name, abs(value / true - 1), tolerance.measured)
    if metrics.spectrum is not None and expected.spectrum is not None:
        ours, theirs = unpack_spectrum(metrics.spectrum), unpack_spectrum(expected.spectrum)
        apart = sum(abs(a - b) for a, b in zip(ours, theirs, strict=True)) / sum(theirs)
        yield TrainerDifference(precision, trial, "spectrum", apart, tolerance.measured)
    assert truth.weights is not None
    weights, true_weights = fused.weights(trial.number)[0], load_model(truth.weights).weights
    first = initial_weights(trial.config, fused.data.n_inputs, trial.seeds[0])
    parts = zip(weights._fields, weights, true_weights, first, strict=True)
    for name, one, other, before in parts:
        moved = float((one - other).norm() / (other - before).norm())
        yield TrainerDifference(precision, trial, name, moved, tolerance.moved)


def _trials(batch_size: int) -> list[TrialSpec]:
    """Make a trial for each activation, cycling through the other choices so that all occur."""
    pairs = [(loss, out) for loss in Loss for out in Output if (loss, out) != _REFUSED]
    turns = zip(
        Activation,
        cycle(pairs),
        cycle(Optimizer),
        cycle(Schedule),
        cycle(WeightInit),
        # Less than a tile, exactly one, several with a full or partial last one.
        cycle((5, 32, 33, 64, 70, 17, 96, 100)),
        strict=False,
    )
    return [
        TrialSpec(
            number=i,
            attempt=1,
            seeds=(i,),
            config=TrialConfig(
                hidden_width=width,
                activation=activation,
                loss=loss,
                output_activation=output,
                huber_delta=0.25,
                optimizer=optimizer,
                learning_rate=0.01,
                # Larger than usual: gradients close to 0 are not scaled up.
                eps=1e-4,
                momentum=0.5,
                nesterov=optimizer is Optimizer.SGD,
                weight_decay=0.01,
                lr_schedule=schedule,
                warmup_epochs=1,
                weight_init=init,
                epochs=1,
                batch_size=batch_size,
            ),
        )
        for i, (activation, (loss, output), optimizer, schedule, init, width) in enumerate(turns)
    ]


_REFUSED = (Loss.BCE, Output.LINEAR)


def _draw_data(shaped_as: DeviceData, device: torch.device, batch_size: int) -> DeviceData:
    """Draw noise of the data's size: two full batches and a partial one."""
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
    train, validation, basis = images(n_train), images(n_validation), shaped_as.spectrum
    return replace(
        shaped_as,
        train=train,
        validation=validation,
        spectrum=None if basis is None else replace(basis, images=validation),
        test=images(n_test),
        train_labels=labels(n_train),
        validation_labels=labels(n_validation),
        test_labels=labels(n_test),
        strip_rows=(0,),
    )


def _describe_device(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    return f"{name} with torch {torch.__version__} and Triton {triton.__version__}"


def _free(device: torch.device) -> None:
    """Free the memory of captured graphs and their arrays, which refer to each other."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
