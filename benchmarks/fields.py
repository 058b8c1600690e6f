"""Sets of trials that the benchmarks of training share, and the images that they train on.

A field is a set of trials: all of hidden width 32, 128 or 784 (relu, bce), or a mix of widths,
log-uniform in 8..1024, with random activations and losses from a fixed seed.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import triton
from numpy.typing import NDArray
from torch import Tensor

from sweep.config import TrialConfig
from sweep.enums import Activation, Loss
from sweep.messages import ImageShape, TrialSpec
from sweep.trainer import DeviceData, data_order
from tests.support.quick_interpreter import quicken

#: Epochs of a trial, for figures of complete trials.
EPOCHS = 5
MIX = "mix"
#: More epochs than any benchmark trains.
ENDLESS = 1_000


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of the images, fields and epochs."""

    #: Name of each field and its number of trials.
    fields: dict[str, int]
    #: Lowest and highest width of the mix, which is log-uniform.
    mix: tuple[int, int]
    height: int
    width: int
    batch_size: int
    #: Steps of an epoch; all batches are complete.
    n_steps: int
    n_validation: int
    n_test: int
    n_checked_steps: int
    copy_bytes: int
    #: Number of trials of the study.
    n_study: int


FULL = Sizes(
    fields={"32": 512, "128": 256, "784": 84, MIX: 256},
    mix=(8, 1024),
    height=28,
    width=28,
    batch_size=128,
    n_steps=430,
    n_validation=4_960,
    n_test=10_000,
    n_checked_steps=20,
    copy_bytes=2**32,
    n_study=1_000,
)
#: Two steps of real sizes, for tools under which everything is slow.
TINY = replace(
    FULL, fields={MIX: 3}, mix=(20, 100), n_steps=2, n_validation=128, n_test=128, copy_bytes=2**20
)
SMOKE = Sizes(
    fields={"9": 2, MIX: 2},
    mix=(4, 16),
    height=4,
    width=4,
    batch_size=16,
    n_steps=3,
    n_validation=16,
    n_test=16,
    n_checked_steps=3,
    copy_bytes=2**20,
    n_study=3,
)


def make_data(sizes: Sizes, device: torch.device) -> DeviceData:
    """Mix a few patterns by random amounts."""
    rng = np.random.default_rng(0)
    patterns = rng.random((5, sizes.height * sizes.width), dtype=np.float32)

    def images(n: int) -> Tensor:
        mixed = rng.dirichlet(np.ones(5), n).astype(np.float32) @ patterns
        return torch.from_numpy((255 * mixed).astype(np.uint8)).to(device)

    def labels(n: int) -> NDArray[np.uint8]:
        return (np.arange(n) % 10).astype(np.uint8)

    return DeviceData(
        train=images(sizes.n_steps * sizes.batch_size),
        validation=images(sizes.n_validation),
        test=images(sizes.n_test),
        train_labels=labels(sizes.n_steps * sizes.batch_size),
        validation_labels=labels(sizes.n_validation),
        test_labels=labels(sizes.n_test),
        strip_rows=tuple(range(10)),
        shape=ImageShape(height=sizes.height, width=sizes.width),
        sha256="made up",
        key="made up",
    )


def make_trials(field: str, n: int, sizes: Sizes) -> list[TrialSpec]:
    """Return n trials of a field; trial i has seed i."""
    rng = np.random.default_rng(0)
    base = TrialConfig(epochs=ENDLESS, batch_size=sizes.batch_size)
    configs = [
        _mix(base, sizes.mix, rng) if field == MIX else replace(base, hidden_width=int(field))
        for _ in range(n)
    ]
    return [
        TrialSpec(number=i, attempt=1, config=config, seeds=(i,))
        for i, config in enumerate(configs)
    ]


def _mix(base: TrialConfig, widths: tuple[int, int], rng: np.random.Generator) -> TrialConfig:
    low, high = np.log2(widths)
    return replace(
        base,
        hidden_width=round(2 ** rng.uniform(low, high)),
        activation=Activation(rng.choice(list(Activation))),
        loss=Loss(rng.choice(list(Loss))),
    )


def alike(trials: Sequence[TrialSpec]) -> bool:
    return len({trial.config for trial in trials}) == 1


def draw_orders(trials: Sequence[TrialSpec], data: DeviceData, epoch: int) -> Tensor:
    """Return the data orders (K, N), int32 on the device, as sweep's trainers draw them."""
    n = len(data.train)
    orders = [data_order(trial.seeds[0], epoch, n).to(torch.int32) for trial in trials]
    return torch.stack(orders).to(data.train.device)


def first_steps(data: DeviceData, n_steps: int, batch_size: int) -> DeviceData:
    return replace(data, train=data.train[: n_steps * batch_size])


def without_validation(data: DeviceData) -> DeviceData:
    """Return the data with a single validation image."""
    return replace(data, validation=data.validation[:1])


def copy_bytes_per_second(n_bytes: int, device: torch.device) -> float:
    """Return the memory traffic of a copy on the device, bytes read and written a second."""
    source = torch.zeros(n_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(11):
        begun = time.perf_counter()
        target.copy_(source)
        target[-1].item()  # waits for the copy
        seconds.append(time.perf_counter() - begun)
    return 2 * n_bytes / statistics.median(seconds[1:])


def open_device(*, smoke: bool) -> torch.device:
    """Return the GPU if there is one, or the CPU for smoke tests; switches products to tf32.

    A smoke test runs kernels in Triton's interpreter, which is made faster.
    """
    torch.set_float32_matmul_precision("high")
    if smoke:
        torch.set_num_threads(1)
        if triton.knobs.runtime.interpret:
            quicken()
    return torch.device("cpu" if smoke or not torch.cuda.is_available() else "cuda")
